/**
 * Flushes the partition this node is master of: it and its replicas drop everything between the same two writes. New writes
 * wait, copies of earlier ones arrive first, and writes resume only when all nodes have flushed. Every replica stores a
 * scheduled flush; whoever is master at its second executes it.
 */

import { EMPTY_BYTES, fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import { type ClusterNode, NodeRole, NodeState } from "../../cluster/node.ts";
import type { Routing } from "../../cluster/routing.ts";
import type { Peer } from "../../net/peer/peer.ts";
import type { PeerPool } from "../../net/peer/peer_pool.ts";
import { encodeFlush, type FlushTime } from "../../protocol/flush_request.ts";
import { ReplyShape } from "../../protocol/text/text_client.ts";
import type { InSyncReplicas } from "../../replication/in_sync_replicas.ts";
import type { Replicator } from "../../replication/replicator.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import { FlushCause, type Storage } from "../../storage/storage.ts";
import { Gate, within } from "../life/gate.ts";

/** A node that has not flushed, and why. */
export interface FlushFault {
  readonly node: ClusterNode;
  readonly reason: string;
}

/** Timeout for the writes in flight, and again for the replicas' answers. */
const STEP_MS_MAX = 5000;
/** The pause before an unreachable replica is asked again … */
const PAUSE_MS = 100;
/** … and before a scheduled flush is sent again, or retried after a failure. */
const RETRY_MS = 1000;
/** From this long before a scheduled flush on, every request checks the clock. */
const NEAR_MS = 1000;
/** Longest sleep, because the wall clock may be changed. */
const LOOK_MS_MAX = 60000;
/** The answer of C++ nodes to our form of a flush. */
const UNKNOWN = "ERROR";
/** Why a node may refuse to flush a partition. */
export const NOT_MASTER = "not the master of a partition";

export class PartitionFlush {
  /** The second of a scheduled flush is near: `check` must be called before each request. */
  isNear = false;
  readonly #runtime: Runtime;
  readonly #routing: Routing;
  readonly #peers: PeerPool;
  readonly #storage: Storage;
  readonly #inSync: InSyncReplicas;
  readonly #replicator: Replicator;
  readonly #selfKey: string;
  readonly #gate = new Gate();
  /** Flushes run one at a time. */
  #tail: Promise<unknown> = Promise.resolve();
  /** A scheduled flush is running. */
  #isDue = false;
  /** Replicas that have the current schedule. */
  readonly #told = new Set<string>();
  #telling = false;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(
    runtime: Runtime,
    routing: Routing,
    peers: PeerPool,
    storage: Storage,
    inSync: InSyncReplicas,
    replicator: Replicator,
    selfKey: string,
  ) {
    this.#runtime = runtime;
    this.#routing = routing;
    this.#peers = peers;
    this.#storage = storage;
    this.#inSync = inSync;
    this.#replicator = replicator;
    this.#selfKey = selfKey;
  }

  /** While true, writes wait for `over`. */
  get holding(): boolean {
    return this.#gate.holding;
  }

  /** Resolves when writes resume. */
  get over(): Promise<void> {
    return this.#gate.over;
  }

  /** Counts a write that is waiting for the storage, and has no copies yet. */
  track<T>(write: Promise<T>): Promise<T> {
    return this.#gate.track(write);
  }

  /** Resolves when no write is waiting for the storage. */
  finished(): Promise<void> {
    return this.#gate.finished();
  }

  /** Whether we are the master of an active partition. */
  get isMaster(): boolean {
    const { self, partitionMap } = this.#routing;
    return self !== undefined && partitionMap.active[self.partition]?.master?.key === this.#selfKey;
  }

  /** The other nodes that a flush of our partition concerns: its slaves, and the nodes that take over a part of it. */
  get replicas(): readonly ClusterNode[] {
    const { self, partitionMap } = this.#routing;
    if (self === undefined) return [];
    const { preparing } = partitionMap;
    const taking = preparing?.master === undefined ? [] : [preparing.master, ...preparing.slaves];
    return [...(partitionMap.active[self.partition]?.slaves ?? []), ...taking].filter(({ key }) => key !== this.#selfKey);
  }

  /** Flushes this node alone, or schedules it; the change is uncommitted on return. @throws FlareError of the storage */
  apply(time: FlushTime): void {
    if (time === "now") this.#storage.flushAll(this.isMaster ? FlushCause.request : FlushCause.master);
    else this.#storage.planFlush(time === "none" ? 0 : time);
    this.#told.clear();
    this.arm();
  }

  /** The same, resolving once it is committed. @throws FlareError of the storage */
  async applyHere(time: FlushTime): Promise<void> {
    this.apply(time);
    const fault = await new Promise<FlareError | undefined>((resolve) => this.#storage.onCommit({ onCommitted: resolve }));
    if (fault === undefined) return;
    this.arm();
    throw fault;
  }

  /**
   * Flushes our partition, or schedules it; returns the nodes that do not have it.
   * @throws FlareError if nothing was changed: REFUSED | TIMED_OUT | the storage's
   */
  carryOut(time: FlushTime): Promise<readonly FlushFault[]> {
    return this.#inTurn(() => (time === "now" ? this.#flush(false) : this.#plan(time)));
  }

  /** Must be called when the map or the schedule has changed: checks for work, now or later. */
  arm(): void {
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.isNear = false;
    const { flushPlannedFor } = this.#storage;
    if (flushPlannedFor === 0 || !this.isMaster || this.#stopped || this.#isDue) return;
    const leftMs = flushPlannedFor * 1000 - this.#runtime.clock.nowMs();
    if (leftMs <= 0) return this.#carryOutPlan();
    this.isNear = leftMs <= NEAR_MS;
    this.#later(this.isNear ? leftMs : Math.min(leftMs - NEAR_MS, LOOK_MS_MAX));
    void this.#tellPlan();
  }

  /** Starts a due scheduled flush, which must not affect later items. */
  check(): void {
    if (this.#runtime.clock.nowMs() >= this.#storage.flushPlannedFor * 1000) this.arm();
  }

  /** Starts nothing more. */
  stop(): void {
    this.#stopped = true;
    this.arm();
  }

  #later(delayMs: number): void {
    this.#timer = this.#runtime.clock.setTimer(() => this.arm(), delayMs);
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(step);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  #carryOutPlan(): void {
    if (this.replicas.length === 0) {
      try {
        this.apply("now");
        this.#runtime.log.write("notice", "scheduled flush executed");
      } catch (error) {
        this.#planFailed(error);
      }
      return;
    }
    this.#isDue = true;
    // Writes are held from this moment on, whatever has to be finished first.
    this.#gate.begin();
    this.#inTurn(() => this.#flush(true))
      .then(
        (faults) => {
          for (const { node, reason } of faults) {
            this.#runtime.log.write("error", `scheduled flush: not at "${node.key}", which must be reconstructed: ${reason}`);
          }
          this.#runtime.log.write("notice", "scheduled flush executed");
        },
        (error) => this.#planFailed(error),
      )
      .finally(() => {
        this.#isDue = false;
        if (this.#timer === undefined) this.arm();
      });
  }

  #planFailed(error: unknown): void {
    if (!(error instanceof FlareError)) throw error;
    this.#runtime.log.write("error", `scheduled flush failed, retrying: ${error.message}`);
    this.#later(RETRY_MS);
  }

  /** @param isPlanned a scheduled flush runs even if copies of earlier writes do not arrive in time */
  async #flush(isPlanned: boolean): Promise<readonly FlushFault[]> {
    this.#gate.begin();
    try {
      // While this one was queued another flush may have made it unnecessary, or it was cancelled.
      if (isPlanned && (this.#storage.flushPlannedFor === 0 || !this.isMaster)) return [];
      this.#checkMaster();
      const written = this.#gate.finished().then(() => this.#replicator.idle());
      if (!(await within(this.#runtime.clock, STEP_MS_MAX, written)) && !isPlanned) {
        throw new FlareError("TIMED_OUT", `writes in flight did not finish within ${STEP_MS_MAX} ms`, { retriable: true });
      }
      const { replicas } = this;
      await this.applyHere("now");
      return await this.#withoutCopying(await this.#tellAll(replicas, "now"));
    } finally {
      this.#gate.end();
    }
  }

  async #plan(time: FlushTime): Promise<readonly FlushFault[]> {
    this.#checkMaster();
    await this.applyHere(time);
    const { replicas } = this;
    const faults = await this.#withoutCopying(await this.#tellAll(replicas, time));
    for (const { key } of replicas) if (!faults.some(({ node }) => node.key === key)) this.#told.add(key);
    return faults;
  }

  #checkMaster(): void {
    if (!this.isMaster) throw new FlareError("REFUSED", NOT_MASTER, { retriable: true });
  }

  /** Sends the schedule to new replicas, until they have it. */
  async #tellPlan(): Promise<void> {
    const { replicas } = this;
    for (const key of this.#told) if (!replicas.some((node) => node.key === key)) this.#told.delete(key);
    const untold = replicas.filter(({ key }) => !this.#told.has(key));
    if (this.#telling || untold.length === 0) return;
    this.#telling = true;
    const plan = this.#storage.flushPlannedFor;
    const faults = await this.#inTurn(async () => {
      if (plan !== this.#storage.flushPlannedFor || this.#stopped) return [];
      const failed = await this.#tellAll(untold, plan);
      for (const { key } of untold) if (!failed.some(({ node }) => node.key === key)) this.#told.add(key);
      return failed;
    });
    this.#telling = false;
    for (const { node, reason } of faults)
      this.#runtime.log.write("warning", `scheduled flush: not at "${node.key}" yet: ${reason}`);
    if (faults.length > 0 && !this.#stopped) this.#runtime.clock.setTimer(() => this.arm(), RETRY_MS);
  }

  async #tellAll(nodes: readonly ClusterNode[], time: FlushTime): Promise<readonly FlushFault[]> {
    const faults = await Promise.all(nodes.map((node) => this.#tell(node, time)));
    return faults.filter((fault) => fault !== undefined);
  }

  /** The nodes that have not flushed and will not copy everything again, as a slave does that is not in the in-sync set. */
  async #withoutCopying(faults: readonly FlushFault[]): Promise<readonly FlushFault[]> {
    const copying = await Promise.all(
      faults.map(({ node, reason }) => {
        const isSlave = node.role === NodeRole.slave && node.partition === this.#routing.self?.partition;
        return isSlave && this.#inSync.copiesAgain(node, `it has not flushed: ${reason}`);
      }),
    );
    return faults.filter((_, i) => !copying[i]);
  }

  /** Tells one node, retrying while there is time; a node that is down or has left copies everything when it returns. */
  async #tell(node: ClusterNode, time: FlushTime): Promise<FlushFault | undefined> {
    const { clock } = this.#runtime;
    const deadlineMs = clock.monotonicMs() + STEP_MS_MAX;
    let reason = "";
    let isAnswered = false;
    const answer = this.#ask(node, time).then(
      (line) => {
        reason = line === "OK" ? "" : `it answered "${line}"`;
        isAnswered = true;
      },
      (error: FlareError) => {
        reason = error.message;
      },
    );
    if (!(await within(this.#runtime.clock, STEP_MS_MAX, answer))) reason = `no answer within ${STEP_MS_MAX} ms`;
    if (reason === "" || !this.#isReplica(node)) return undefined;
    const leftMs = deadlineMs - clock.monotonicMs();
    if (isAnswered || leftMs <= PAUSE_MS || this.#stopped) return { node, reason };
    await sleep(clock, PAUSE_MS);
    return this.#tell(node, time);
  }

  #isReplica({ key }: ClusterNode): boolean {
    return this.replicas.some((node) => node.key === key && node.state !== NodeState.down);
  }

  /** Asks on every lane, after the copies in flight on it. Returns the first answer that is not OK, if there is one. */
  async #ask(node: ClusterNode, time: FlushTime): Promise<string> {
    const first = this.#peers.lane(node, EMPTY_BYTES, 0, 0);
    const others = this.#peers.lanesOf(node.key).filter((lane) => lane !== first && lane.isInUse);
    const answers = await Promise.all([first, ...others].map((lane) => askFlush(lane, time)));
    return answers.find((line) => line !== "OK") ?? "OK";
  }
}

/** Makes a node flush itself; a C++ node can do so only at once. @throws PeerError */
export async function askFlush(lane: Peer, time: FlushTime): Promise<string> {
  const { line } = await lane.request(fromLatin1(encodeFlush(time, "node")), ReplyShape.line);
  if (line !== UNKNOWN || time !== "now") return line;
  return (await lane.request(fromLatin1("flush_all\r\n"), ReplyShape.line)).line;
}
