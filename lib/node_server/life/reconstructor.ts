/**
 * Runs a copy when a node map gives this node a role that needs one, retries it when it breaks off, and reports the outcome: a
 * slave to its master, which adds it to the in-sync set, the master of a new partition to those whose keys it takes over, and
 * then to the index server. One copy at a time: a newer map ends the previous one.
 */

import { fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import type { KeyResolver } from "../../cluster/key_resolver.ts";
import { type ClusterNode, NodeRole, NodeState } from "../../cluster/node.ts";
import { type Reconstruction, reconstructionOf } from "../../cluster/role_change.ts";
import { onOwnConnection } from "../../net/peer/own_connection.ts";
import type { Peer } from "../../net/peer/peer.ts";
import type { PeerOptions } from "../../net/peer/peer_link.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import { CopyTask } from "../../replication/copy_task.ts";
import { COPY_AGAIN, STILL_BEHIND } from "../../replication/in_sync_replicas.ts";
import { rejoin } from "../../replication/rejoin_task.ts";
import type { NodeComponents } from "../node_components.ts";
import type { IndexLink } from "./index_link.ts";

/** How often a copy that breaks off is attempted, with a pause, before the node becomes a proxy again. */
const ATTEMPTS_MAX = 3;
const PAUSE_MS = 1000;
/** The pause before the master is asked again whether a slave has caught up. */
const BEHIND_MS = 100;
/** The pause doubles up to this. A slave that returns to the in-sync set tries for ever. */
const PAUSE_MS_MAX = 8000;
/** How long a master may take to add a slave, beside the time for the copies of writes that the slave has not answered. */
const ADDITION_MS_MAX = 15000;
const ANSWER_BYTES_MAX = 8192;
/** What a node answers that knows no in-sync set. */
const UNKNOWN = "ERROR";

/** What it takes of a node server. */
type Parts = Pick<
  NodeComponents,
  "follower" | "inSync" | "keyHash" | "options" | "routing" | "runtime" | "selfKey" | "storage" | "tls" | "watchers" | "workers"
>;

export class Reconstructor {
  readonly #parts: Parts;
  readonly #resolver: KeyResolver;
  readonly #link: IndexLink;
  readonly #connectTimeoutMs: number;
  #copy: CopyTask | undefined;
  /** The plan of the current or last copy. */
  #plan: Reconstruction | undefined;
  #isDistrusted = false;

  constructor(parts: Parts, resolver: KeyResolver, link: IndexLink, connectTimeoutMs: number) {
    this.#parts = parts;
    this.#resolver = resolver;
    this.#link = link;
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** Executes the plan, in the background. */
  begin(plan: Reconstruction): void {
    this.#plan = plan;
    if (plan.role === NodeRole.slave && this.#parts.inSync.isKept) this.#parts.follower.undecided();
    else this.#parts.follower.decided();
    void this.#reconstruct(plan);
  }

  /** Restarts a copy that is not in use yet: its sources have flushed. */
  restart(): void {
    const state = this.#parts.routing.self?.state;
    if (this.#plan !== undefined && (state === NodeState.prepare || state === NodeState.ready)) this.begin(this.#plan);
  }

  /** The next copy is a whole one, though this node could continue with what it has. */
  distrust(): void {
    this.#isDistrusted = true;
  }

  /** Ends the current copy, if there is one, without a report. */
  end(): void {
    this.#plan = undefined;
    this.#parts.follower.decided();
    this.#copy?.kill();
    this.#copy = undefined;
  }

  async #reconstruct(first: Reconstruction): Promise<void> {
    let plan = first;
    for (let attempt = 1; ; attempt++) {
      const copy = this.#newCopy(plan);
      const fault = await this.#run(copy, attempt);
      if (this.#copy !== copy) return this.#parts.runtime.log.write("notice", "copy ended: it is no longer needed");
      if (fault === undefined) {
        this.#isDistrusted = false;
        if (!(await this.#report(plan, copy))) return;
        attempt = 0;
      } else {
        const isRepeated = plan.isReturn ? isCurable(fault, plan) : attempt < ATTEMPTS_MAX && fault.retriable;
        const next = isRepeated ? "retrying" : "this node becomes a proxy again";
        this.#parts.runtime.log.write("error", `copy failed: ${fault.message}; ${next}`);
        // An index server that cannot store its map now leaves this node where it is; without a copy it would stay there.
        if (!isRepeated && (await this.#link.tellProxy())) return;
        await this.#pause(Math.min(PAUSE_MS * 2 ** (attempt - 1), PAUSE_MS_MAX));
      }
      if (this.#copy !== copy) return;
      plan = this.#renewed(plan);
    }
  }

  /** Replaces the current copy. */
  #newCopy(plan: Reconstruction): CopyTask {
    this.#copy?.kill();
    const { options, storage, workers, runtime, tls, selfKey } = this.#parts;
    const copy = new CopyTask(runtime, workers, storage, plan, {
      intervalUs: options.reconstructionIntervalUs,
      bytesPerSecond: options.reconstructionBwlimitBytesPerSecond,
      connectTimeoutMs: this.#connectTimeoutMs,
      tls,
      silenceMs: options.netReadTimeoutMs,
      silenceTimeoutMs: options.peerReadTimeoutMs,
      valueBytesMax: options.valueBytesMax,
      selfKey,
      belongs: (key) => this.#belongs(key, plan),
      continues: (master, peer, checkSource) => this.#continues(plan, master, peer, checkSource),
    });
    this.#copy = copy;
    return copy;
  }

  /** Whether this slave follows its master without a copy. */
  async #continues(
    { partition, partitionSize }: Reconstruction,
    master: ClusterNode,
    peer: Peer,
    checkSource: () => Promise<void>,
  ): Promise<boolean> {
    const { follower, inSync, options, runtime, storage } = this.#parts;
    if (!inSync.isKept || master.state !== NodeState.active || this.#isDistrusted) {
      follower.decided();
      return false;
    }
    const self = { host: options.serverName, port: options.serverPort };
    const { log } = runtime;
    const { key } = master;
    return rejoin({ storage, follower, log, self, peer, master: key, partition, partitionSize, checkSource });
  }

  /** Resolves to why the copy failed. */
  async #run(copy: CopyTask, attempt: number): Promise<FlareError | undefined> {
    const { watchers } = this.#parts;
    watchers.happened(`type=copy status=begun attempt=${attempt}`);
    try {
      await copy.run();
      watchers.happened("type=copy status=complete");
      return undefined;
    } catch (error) {
      watchers.happened("type=copy status=failed");
      // A bug must not end the process: the copy has failed.
      return error instanceof FlareError ? error : new FlareError("IO_ERROR", (error as Error).message, { cause: error });
    }
  }

  /**
   * Reports a complete copy until a newer map says so, or has made it pointless: an index server that cannot store its map now
   * may do so later, and this node may have been taken out again before it heard an answer, or got the map. Resolves to whether
   * the copy has to be made again.
   */
  async #report(plan: Reconstruction, copy: CopyTask): Promise<boolean> {
    const { follower } = this.#parts;
    for (;;) {
      const { following } = follower;
      const line = await this.#admission(plan);
      if (line === "OK" && plan.role === NodeRole.slave) follower.complete(following);
      if (this.#copy !== copy) return false;
      if (line?.startsWith(COPY_AGAIN) === true) {
        this.#parts.runtime.log.write("notice", `master answered "${line}"`);
        return true;
      }
      // Without in-sync sets nobody else has to agree.
      if (line === UNKNOWN && (await this.#link.tellState(plan.role === NodeRole.master ? "ready" : "active"))) return false;
      if (line === "OK") await this.#pause(this.#parts.options.replicationTimeoutMs);
      else await this.#pause(line?.startsWith(STILL_BEHIND) === true ? BEHIND_MS : PAUSE_MS);
      if (this.#copy !== copy || this.#parts.routing.self?.state !== NodeState.prepare) return false;
    }
  }

  /** The answer of those who decide whether a copy counts; `ERROR`: they know no in-sync set; undefined: no answer. */
  async #admission(plan: Reconstruction): Promise<string | undefined> {
    if (!this.#parts.inSync.isKept) return UNKNOWN;
    if (plan.role === NodeRole.master) return this.#becomeReady(plan);
    const [master] = this.#renewed(plan).sources;
    return master === undefined ? undefined : this.#askAdmission(master);
  }

  /** The master of a new partition is ready when none of those whose keys it takes over has a write that it lacks. */
  async #becomeReady(plan: Reconstruction): Promise<string | undefined> {
    const { routing } = this.#parts;
    const { version } = routing.nodeMap;
    const { self } = routing;
    if (self === undefined) return undefined;
    const answers = await Promise.all(this.#renewed(plan).sources.map((giver) => this.#askAdmission(giver)));
    const refusals = answers.filter((answer) => answer !== "OK" && answer !== UNKNOWN);
    const refusal = refusals.find((answer) => answer?.startsWith(COPY_AGAIN)) ?? refusals[0];
    if (refusals.length > 0) return refusal;
    const changed = await this.#link.changeSet(self, "ready", version);
    if (changed?.kind === "changed") return "OK";
    return changed?.kind === "legacy" ? UNKNOWN : `${STILL_BEHIND}: the node map is changing`;
  }

  /** Asks a master to count on this node; undefined = it does not answer. */
  async #askAdmission(master: ClusterNode): Promise<string | undefined> {
    const { options, runtime, tls } = this.#parts;
    const peerOptions: PeerOptions = {
      connectTimeoutMs: this.#connectTimeoutMs,
      tls,
      replyTimeoutMs: options.replicationTimeoutMs + ADDITION_MS_MAX,
      queueBytesMax: ANSWER_BYTES_MAX,
      replyBytesMax: ANSWER_BYTES_MAX,
    };
    const request = fromLatin1(`node admit ${options.serverName} ${options.serverPort}\r\n`);
    try {
      const ask = (peer: Peer): Promise<ClientReply> => peer.request(request, ReplyShape.line);
      return (await onOwnConnection(runtime, master, peerOptions, ask)).line;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      runtime.log.write("info", `master "${master.key}" did not hear of the copy: ${error.message}`);
      return undefined;
    }
  }

  /** The plan by the current map: a partition may have another master by now. */
  #renewed(plan: Reconstruction): Reconstruction {
    const { self, nodeMap } = this.#parts.routing;
    if (self === undefined || self.role !== plan.role) return plan;
    return reconstructionOf(nodeMap, self, this.#resolver.partitionCountMax, plan.isReturn);
  }

  #belongs(key: Uint8Array, { partition, partitionSize }: Reconstruction): boolean {
    return partitionSize <= 1 || this.#resolver.resolve(this.#parts.keyHash(key, 0, key.length), partitionSize) === partition;
  }

  #pause(delayMs: number): Promise<void> {
    return sleep(this.#parts.runtime.clock, delayMs);
  }
}

/** Whether another attempt may succeed: always, unless the master has less data than this node. */
function isCurable({ code, retriable }: FlareError, { missing }: Reconstruction): boolean {
  return code !== "REFUSED" || retriable || missing.length > 0;
}
