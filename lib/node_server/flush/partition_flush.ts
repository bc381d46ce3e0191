/**
 * Flushes of the partition this node is master of: everything goes here and at its replicas between the same two writes.
 * Writes that come meanwhile wait, the copies of those before arrive first, and only when all have flushed do writes go on.
 * A planned flush is remembered by every replica and carried out by whoever is master when its second comes.
 */

import { EMPTY_BYTES, fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import { type ClusterNode, NodeState } from "../../cluster/node.ts";
import type { Routing } from "../../cluster/routing.ts";
import type { Peer } from "../../net/peer/peer.ts";
import type { PeerPool } from "../../net/peer/peer_pool.ts";
import { encodeFlush, type FlushTime } from "../../protocol/flush_request.ts";
import { ReplyShape } from "../../protocol/text/text_client.ts";
import type { Replicator } from "../../replication/replicator.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { Storage } from "../../storage/storage.ts";
import { Gate, within } from "../life/gate.ts";

/** A node that has not flushed, and why. */
export interface FlushFault {
  readonly node: ClusterNode;
  readonly reason: string;
}

/** The writes under way, and then the answers of the replicas, may take so long each. */
const STEP_MS_MAX = 5000;
/** A replica that cannot be reached is asked again after this pause … */
const PAUSE_MS = 100;
/** … and told of a planned flush after this one; a planned flush that failed is tried again, too. */
const RETRY_MS = 1000;
/** From so long before a planned flush on, every request looks at the clock. */
const NEAR_MS = 1000;
/** The wall clock may be set meanwhile. */
const LOOK_MS_MAX = 60000;
/** What everybody but the nodes of this kind answers to their form of a flush. */
const UNKNOWN = "ERROR";
/** Why a node that is asked to flush a partition may refuse. */
export const NOT_MASTER = "not the master of a partition";

export class PartitionFlush {
  /** The second of a planned flush is near: `check` has to be called before each request. */
  isNear = false;
  readonly #runtime: Runtime;
  readonly #routing: Routing;
  readonly #peers: PeerPool;
  readonly #storage: Storage;
  readonly #replicator: Replicator;
  readonly #selfKey: string;
  readonly #gate = new Gate();
  /** One flush after the other. */
  #tail: Promise<unknown> = Promise.resolve();
  /** A planned flush is being carried out. */
  #isDue = false;
  /** Replicas that have the present plan. */
  readonly #told = new Set<string>();
  #telling = false;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(runtime: Runtime, routing: Routing, peers: PeerPool, storage: Storage, replicator: Replicator, selfKey: string) {
    this.#runtime = runtime;
    this.#routing = routing;
    this.#peers = peers;
    this.#storage = storage;
    this.#replicator = replicator;
    this.#selfKey = selfKey;
  }

  /** While this is so, writes wait for `over`. */
  get holding(): boolean {
    return this.#gate.holding;
  }

  /** Resolves when writes go on. */
  get over(): Promise<void> {
    return this.#gate.over;
  }

  /** Counts a write that waits for the storage, and has no copies yet. */
  track<T>(write: Promise<T>): Promise<T> {
    return this.#gate.track(write);
  }

  /** Whether we are the master of an active partition. */
  get isMaster(): boolean {
    const { self, partitionMap } = this.#routing;
    return self !== undefined && partitionMap.active[self.partition]?.master?.key === this.#selfKey;
  }

  /** Whom a flush of our partition concerns beside us: its slaves, and the nodes that take a part of it over. */
  get replicas(): readonly ClusterNode[] {
    const { self, partitionMap } = this.#routing;
    if (self === undefined) return [];
    const { preparing } = partitionMap;
    const taking = preparing?.master === undefined ? [] : [preparing.master, ...preparing.slaves];
    return [...(partitionMap.active[self.partition]?.slaves ?? []), ...taking].filter(({ key }) => key !== this.#selfKey);
  }

  /** Flushes this node alone, or plans it; the change is uncommitted when it returns. @throws FlareError of the storage */
  apply(time: FlushTime): void {
    if (time === "now") this.#storage.flushAll();
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
   * Flushes our partition, or plans it; tells which of its nodes do not have it.
   * @throws FlareError when nothing was changed: REFUSED | TIMED_OUT | that of the storage
   */
  carryOut(time: FlushTime): Promise<readonly FlushFault[]> {
    return this.#inTurn(() => (time === "now" ? this.#flush(false) : this.#plan(time)));
  }

  /** To be called when the map or the plan has changed: looks whether there is anything to do, now or later. */
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

  /** A planned flush whose second has come begins: what comes later must not be flushed by it. */
  check(): void {
    if (this.#runtime.clock.nowMs() >= this.#storage.flushPlannedFor * 1000) this.arm();
  }

  /** Nothing begins any more. */
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
        this.#runtime.log.write("notice", "planned flush carried out");
      } catch (error) {
        this.#planFailed(error);
      }
      return;
    }
    this.#isDue = true;
    // Held from this very moment on, whatever has to be finished first.
    this.#gate.begin();
    this.#inTurn(() => this.#flush(true))
      .then(
        (faults) => {
          for (const { node, reason } of faults) {
            this.#runtime.log.write("error", `planned flush: not at "${node.key}", which is to be reconstructed: ${reason}`);
          }
          this.#runtime.log.write("notice", "planned flush carried out");
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
    this.#runtime.log.write("error", `planned flush failed, it is tried again: ${error.message}`);
    this.#later(RETRY_MS);
  }

  /** @param isPlanned it has to be, even if the copies of earlier writes cannot be waited for */
  async #flush(isPlanned: boolean): Promise<readonly FlushFault[]> {
    this.#gate.begin();
    try {
      // While this one waited for its turn another one may have made it needless, or the plan was called off.
      if (isPlanned && (this.#storage.flushPlannedFor === 0 || !this.isMaster)) return [];
      this.#checkMaster();
      const written = this.#gate.finished().then(() => this.#replicator.idle());
      if (!(await within(this.#runtime.clock, STEP_MS_MAX, written)) && !isPlanned) {
        throw new FlareError("TIMED_OUT", `writes under way did not end within ${STEP_MS_MAX} ms`, { retriable: true });
      }
      const { replicas } = this;
      await this.applyHere("now");
      return await this.#tellAll(replicas, "now");
    } finally {
      this.#gate.end();
    }
  }

  async #plan(time: FlushTime): Promise<readonly FlushFault[]> {
    this.#checkMaster();
    await this.applyHere(time);
    const { replicas } = this;
    const faults = await this.#tellAll(replicas, time);
    for (const { key } of replicas) if (!faults.some(({ node }) => node.key === key)) this.#told.add(key);
    return faults;
  }

  #checkMaster(): void {
    if (!this.isMaster) throw new FlareError("REFUSED", NOT_MASTER, { retriable: true });
  }

  /** Tells replicas that are new since a flush was planned, again and again until they have it. */
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
      this.#runtime.log.write("warning", `planned flush: not at "${node.key}" yet: ${reason}`);
    if (faults.length > 0 && !this.#stopped) this.#runtime.clock.setTimer(() => this.arm(), RETRY_MS);
  }

  async #tellAll(nodes: readonly ClusterNode[], time: FlushTime): Promise<readonly FlushFault[]> {
    const faults = await Promise.all(nodes.map((node) => this.#tell(node, time)));
    return faults.filter((fault) => fault !== undefined);
  }

  /** Tells one node, as often as there is time; one that is down or has left copies everything when it comes back. */
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
    if (!(await within(this.#runtime.clock, STEP_MS_MAX, answer))) reason = `no answer in ${STEP_MS_MAX} ms`;
    if (reason === "" || !this.#isReplica(node)) return undefined;
    const leftMs = deadlineMs - clock.monotonicMs();
    if (isAnswered || leftMs <= PAUSE_MS || this.#stopped) return { node, reason };
    await sleep(clock, PAUSE_MS);
    return this.#tell(node, time);
  }

  #isReplica({ key }: ClusterNode): boolean {
    return this.replicas.some((node) => node.key === key && node.state !== NodeState.down);
  }

  /** On every lane: the copies that are under way on it come before. Gives the answer that is not OK, if there is one. */
  async #ask(node: ClusterNode, time: FlushTime): Promise<string> {
    const first = this.#peers.lane(node, EMPTY_BYTES, 0, 0);
    const others = this.#peers.lanesOf(node.key).filter((lane) => lane !== first && lane.isInUse);
    const answers = await Promise.all([first, ...others].map((lane) => askFlush(lane, time)));
    return answers.find((line) => line !== "OK") ?? "OK";
  }
}

/** Has a node flush itself; one of another kind can do so only at once. @throws PeerError */
export async function askFlush(lane: Peer, time: FlushTime): Promise<string> {
  const { line } = await lane.request(fromLatin1(encodeFlush(time, "node")), ReplyShape.line);
  if (line !== UNKNOWN || time !== "now") return line;
  return (await lane.request(fromLatin1("flush_all\r\n"), ReplyShape.line)).line;
}
