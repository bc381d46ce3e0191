/**
 * Whether this node may answer for its partition now. A master may while its slaves have just taken it for their master, and
 * not before its predecessor's lease has ended; a slave may answer reads while its master counts on it. Nobody needs to know
 * the time: each side counts on its own clock. Without slaves, or where the index server keeps no in-sync sets, no lease is
 * needed.
 */

import { FlareError } from "../base/errors.ts";
import { sleep } from "../base/sleep.ts";
import { NodeRole } from "../cluster/node.ts";
import type { Routing } from "../cluster/routing.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { InSyncReplicas } from "./in_sync_replicas.ts";
import type { Follower } from "./stream/follower.ts";
import type { ReplicaStreams } from "./stream/replica_streams.ts";

/** How often a lease is looked at that has ended. */
const LOOK_MS = 20;
/** Requests wait for this many times `replication-timeout`: a silent slave is out by then, or a former master's lease over. */
const PATIENCE = 2;

export class Lease {
  readonly #clock: Clock;
  readonly #routing: Pick<Routing, "ownMaster" | "self">;
  readonly #inSync: Pick<InSyncReplicas, "isKept" | "options">;
  readonly #streams: Pick<ReplicaStreams, "leaseAgeMs" | "leaseUntilMs">;
  readonly #follower: Pick<Follower, "lacksPartition" | "lease" | "mayRead">;
  #role: NodeRole | undefined;
  #master: string | undefined;
  #waiting: Promise<FlareError | undefined> | undefined;

  constructor(
    clock: Clock,
    routing: Pick<Routing, "ownMaster" | "self">,
    inSync: Pick<InSyncReplicas, "isKept" | "options">,
    streams: Pick<ReplicaStreams, "leaseAgeMs" | "leaseUntilMs">,
    follower: Pick<Follower, "lacksPartition" | "lease" | "mayRead">,
  ) {
    this.#clock = clock;
    this.#routing = routing;
    this.#inSync = inSync;
    this.#streams = streams;
    this.#follower = follower;
    this.onMap();
  }

  /** The node map was replaced. */
  onMap(): void {
    const { self } = this.#routing;
    this.#role = this.#inSync.isKept ? self?.role : undefined;
    this.#master = this.#routing.ownMaster;
  }

  /** Whether the items stored here are what the partition has. */
  get isHeld(): boolean {
    if (this.#role === NodeRole.slave) return this.#follower.mayRead;
    return this.mayWrite;
  }

  /** Whether writes may be executed here: copies always, clients' while this node is certainly the master. */
  get mayWrite(): boolean {
    if (this.#role !== NodeRole.master) return true;
    const { leaseUntilMs } = this.#streams;
    const { masterUntilMs } = this.#follower.lease;
    if (leaseUntilMs === Number.POSITIVE_INFINITY && masterUntilMs === Number.NEGATIVE_INFINITY) return true;
    const nowMs = this.#clock.monotonicMs();
    return nowMs < leaseUntilMs && nowMs >= masterUntilMs;
  }

  /** What `stats replication` says of it. */
  get state(): "held" | "lost" | "not_needed" {
    if (this.#role !== NodeRole.master && this.#role !== NodeRole.slave) return "not_needed";
    if (this.#role === NodeRole.master && this.#streams.leaseUntilMs === Number.POSITIVE_INFINITY) return "not_needed";
    return this.isHeld ? "held" : "lost";
  }

  /** How long ago it began to count for the last time; undefined if there is none. */
  get ageMs(): number | undefined {
    if (this.#role === NodeRole.master) return this.#streams.leaseAgeMs;
    if (this.#role !== NodeRole.slave) return undefined;
    const { readsFromMs } = this.#follower.lease;
    return Number.isFinite(readsFromMs) ? this.#clock.monotonicMs() - readsFromMs : undefined;
  }

  /** The master of our partition, by our map: for what was read while that was this node. */
  get master(): string | undefined {
    return this.#master;
  }

  /** As `held`, for what was read when `master` was the master: it is not confirmed if that is another one now. */
  async confirmed(master: string | undefined): Promise<FlareError | undefined> {
    return (await this.held()) ?? (this.#master === master ? undefined : unsure("the master has changed meanwhile"));
  }

  /** Resolves when it is held, or to why it is not after a while. */
  held(): Promise<FlareError | undefined> {
    if (this.isHeld) return Promise.resolve(undefined);
    if (this.#role === NodeRole.slave) return Promise.resolve(unsure(this.#whyNotRead));
    this.#waiting ??= this.#wait().finally(() => {
      this.#waiting = undefined;
    });
    return this.#waiting;
  }

  get #whyNotRead(): string {
    return this.#follower.lacksPartition
      ? "it does not have the node map yet by which another partition is active"
      : "its master does not renew its lease";
  }

  async #wait(): Promise<FlareError | undefined> {
    const endMs = this.#clock.monotonicMs() + PATIENCE * this.#inSync.options.replicationTimeoutMs;
    while (!this.isHeld) {
      if (this.#clock.monotonicMs() >= endMs) return unsure("not every slave has confirmed that it is still the master");
      await sleep(this.#clock, LOOK_MS);
      // A new map may have made it a slave, or nothing.
      if (this.#role === NodeRole.slave) return this.held();
    }
    return undefined;
  }
}

function unsure(reason: string): FlareError {
  return new FlareError("REFUSED", `this node cannot answer for its partition now: ${reason}`, { retriable: true });
}
