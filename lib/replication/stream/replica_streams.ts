/**
 * The replication streams of a master, one to each of its replicas: they follow the node map, get every block of the change log
 * once it is committed here, and together say up to which record all replicas have everything. Writes that must be replicated
 * before they are answered wait for that, without a promise each. Beacons renew the leases of the master and of the slaves; a
 * slave that may still answer reads counts, whether it is in the map or not. Does not know what the records are.
 */

import { MIB } from "../../base/byte_units.ts";
import { FlareError } from "../../base/errors.ts";
import { type ClusterNode, NodeRole, NodeState } from "../../cluster/node.ts";
import type { Routing } from "../../cluster/routing.ts";
import type { KeySlice } from "../../item/entry.ts";
import type { WorkerRegistry } from "../../net/worker.ts";
import { encodeBlock } from "../../protocol/stream_request.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import { splitBlock } from "../../storage/log/log_block.ts";
import type { CommitListener, LogBlock, LogCursor, LogFollower, Position, Storage } from "../../storage/storage.ts";
import type { GivenLease } from "./given_lease.ts";
import { LagLimit } from "./lag_limit.ts";
import { type LeaseTimes, leaseTimes } from "./lease_times.ts";
import { ReplicaStream, type SentBlock, type StreamOwner, type StreamSettings } from "./replica_stream.ts";

/** Records are combined into blocks of at most this size. */
const BLOCK_BYTES_MAX = MIB;

/** The pause before a stream that has failed is opened again. */
const REOPENING_MS = 200;

/** What they tell their owner. */
export interface StreamsOwner {
  linesDone(nodeKey: string): Promise<void>;
  /** Which replicas are covered has changed. */
  onCoverage(): void;
  /** Whether a write must not be acknowledged before this replica has it. */
  isAwaited(nodeKey: string): boolean;
  /**
   * A replica lacks writes, the newest of them from `sentMs`. Undefined: nobody has to wait for it; the promise resolves when
   * nobody has to any longer, or to why a write that waits is in doubt.
   */
  onBehind(node: ClusterNode, sentMs: number, reason: string): Promise<FlareError | undefined> | undefined;
  /** A replica in the in-sync set has writes that were lost here. Returns whether this node makes way for it. */
  onAhead(node: ClusterNode): boolean;
  /** A replica was silent, or a write has waited for it, for too long; it may still get everything. As `onBehind`. */
  onLate(node: ClusterNode, reason: string): Promise<FlareError | undefined> | undefined;
  /** A replica is further behind than it may be. As `onBehind`; undefined also if it may stay so. */
  onTooFar(node: ClusterNode, lagMs: number): Promise<FlareError | undefined> | undefined;
}

/** Settings of a master that can change at run time. */
export interface StreamTimes {
  /** How long a replica may be silent. */
  readonly timeoutMs: number;
  /** How far an awaited replica may be behind before writers wait for it; 0 = any time. */
  readonly lagMaxMs: number;
}

/** How far a replica is behind its master. */
export interface ReplicaLag {
  readonly entries: number;
  readonly bytes: number;
  readonly ms: number;
}

/** A slave without a stream that may still answer reads: nothing newer than `last` counts as replicated until then. */
interface Former {
  readonly last: number;
  readonly untilMs: number;
  readonly timer: Timer;
}

/** What this node knows of its former master. */
export type FormerMaster = Pick<GivenLease, "othersUntilMs">;

/** A write, or several, that waits for the replicas. */
interface Waiter {
  readonly sequence: number;
  readonly listener: CommitListener;
  /** It waits until the replicas are not too far behind, not for those that may only answer reads. */
  readonly isHeld: boolean;
  /** Since when, on the monotonic clock. */
  sinceMs: number;
}

export class ReplicaStreams implements LogFollower, StreamOwner {
  readonly #runtime: Runtime;
  readonly #routing: Routing;
  readonly #storage: Storage;
  readonly #workers: WorkerRegistry;
  readonly #settings: StreamSettings;
  readonly #limits: () => StreamTimes;
  readonly #formerMaster: FormerMaster;
  readonly #owner: StreamsOwner;
  readonly #streams = new Map<string, ReplicaStream>();
  /** The streams, in the order of the node map. A list, because every read of a master with replicas looks at it. */
  streams: readonly ReplicaStream[] = [];
  /** Replicas that are behind, and from which record on; nothing newer counts as replicated until they are out. */
  readonly #behind = new Map<ReplicaStream, number>();
  /** Writes that nodes without a stream must have, oldest first; nothing newer than `last` counts as replicated. */
  readonly #held = new Set<{ readonly last: number }>();
  /** Nodes that have answered as those that know streams do. */
  readonly #known = new Set<string>();
  /** By key. */
  readonly #former = new Map<string, Former>();
  /** Our fellow slaves while we are one. */
  #fellows: readonly ClusterNode[] = [];
  /** Until when those that we had may answer reads, by key. */
  readonly #formerFellows = new Map<string, number>();
  /** Until when we may answer for our partition, on the monotonic clock; infinite without slaves. */
  leaseUntilMs = Number.POSITIVE_INFINITY;
  #beat: Timer | undefined;
  #beatMs = 0;
  readonly #waiters: Waiter[] = [];
  readonly lag: LagLimit;
  /** Replicas that are being taken out because they are too far behind. */
  readonly #leaving = new Set<ReplicaStream>();
  readonly #idle: (() => void)[] = [];
  readonly #settling: (() => void)[] = [];
  #isStopped = false;
  /** We are the master of no partition: nobody waits for our replicas. */
  #isOver = true;
  /** Grows whenever we cease to be the master. */
  endings = 0;

  constructor(
    runtime: Runtime,
    routing: Routing,
    storage: Storage,
    workers: WorkerRegistry,
    self: { readonly key: string; readonly peer: StreamSettings["peer"]; readonly limits: () => StreamTimes },
    formerMaster: FormerMaster,
    owner: StreamsOwner,
  ) {
    this.#runtime = runtime;
    this.#routing = routing;
    this.#storage = storage;
    this.#workers = workers;
    this.#settings = {
      peer: { ...self.peer, meets: true },
      selfKey: self.key,
      // A storage without a data directory keeps a log only for those who follow it.
      get id() {
        return storage.history;
      },
    };
    this.#limits = self.limits;
    this.lag = new LagLimit(runtime, () => this.#limits().lagMaxMs);
    this.#formerMaster = formerMaster;
    this.#owner = owner;
  }

  /** Whether every write of its partition reaches a replica by its stream. */
  covers(nodeKey: string): boolean {
    return this.#streams.get(nodeKey)?.covers === true;
  }

  /** Follows the routing's current map: opens streams to new replicas, and ends those to nodes that are none any more. */
  install(): void {
    const replicas = this.#isStopped ? [] : this.#replicas();
    const wasOver = this.#isOver;
    this.#isOver = !this.#isMaster || this.#isStopped;
    if (this.#isOver && !wasOver) {
      this.endings++;
      this.failWaiters(noLongerMaster());
    }
    if (wasOver && !this.#isOver) this.lag.begin();
    for (const stream of this.streams) {
      if (!replicas.some(({ key }) => key === stream.node.key)) this.#drop(stream);
    }
    this.#succeed();
    for (const node of replicas) if (!this.#streams.has(node.key)) this.#open(node);
    this.#followIfNeeded();
    this.#renew();
    this.#release();
  }

  /**
   * Our former master's other slaves may answer reads for as long as it has let them; also one that was promoted or lost
   * since then, and does not know it.
   */
  #succeed(): void {
    const { self } = this.#routing;
    const before = this.#fellows;
    const slaves = self?.role === NodeRole.slave ? this.#routing.replicaTargets(self.partition) : [];
    this.#fellows = slaves.filter(({ key, state }) => key !== self?.key && state === NodeState.active);
    for (const { key } of before) {
      if (!this.#fellows.some((fellow) => fellow.key === key)) this.#formerFellows.set(key, this.#formerMaster.othersUntilMs);
    }
    if (!this.#isMaster) return;
    for (const [key, untilMs] of this.#formerFellows) this.#keepOut(key, 0, untilMs);
    this.#formerFellows.clear();
  }

  /** Begins a new stream to a replica of ours that has left its old one; at `cursor` if it has every earlier record. */
  reopen(node: ClusterNode, cursor?: LogCursor): void {
    const stream = this.#streams.get(node.key);
    if (stream !== undefined) {
      this.#remove(node.key);
      this.#keepOut(node.key, stream.firstMissing - 1, stream.beacons.slaveUntilMs);
      stream.end();
      this.#wakeSettled();
    }
    this.#open(node, cursor);
    this.#followIfNeeded();
    this.#owner.onCoverage();
  }

  /** What a replica lacks before writes may wait for it; undefined: nothing, or it has no stream. */
  lack(nodeKey: string): string | undefined {
    const stream = this.#streams.get(nodeKey);
    if (stream === undefined || stream.isUnknown) return undefined;
    if (stream.isCatchingUp) return `${this.#storage.lastSequence - stream.acknowledged} records`;
    return stream.isOpen ? undefined : "its stream is not open";
  }

  get written(): Pick<Storage, "lastSequence" | "committedSequence"> {
    return this.#storage;
  }

  /** Whether a write may have to wait for a replica. */
  get isInUse(): boolean {
    if (this.#isOver) return false;
    if (this.#behind.size > 0 || this.#former.size > 0 || this.#held.size > 0) return true;
    for (const stream of this.streams) if (stream.covers) return true;
    return false;
  }

  /** Calls the listener when every covered replica has the records up to `sequence`; in order, if the sequences are. */
  whenReplicated(sequence: number, listener: CommitListener): void {
    if (this.#waiters.length === 0 && sequence <= this.replicated) return listener.onCommitted();
    this.#waiters.push({ sequence, listener, isHeld: false, sinceMs: this.#runtime.clock.monotonicMs() });
  }

  /**
   * Calls the listener when no awaited replica lacks a record that it should have by now. In order with `whenReplicated`, so it
   * may wait longer.
   */
  whenNotTooFar(listener: CommitListener): void {
    const sequence = this.lag.due;
    if (this.#waiters.length === 0 && sequence <= this.#kept) return listener.onCommitted();
    this.#waiters.push({ sequence, listener, isHeld: true, sinceMs: this.#runtime.clock.monotonicMs() });
  }

  /**
   * A node that gets no stream must have the newest change of a key, which was made in this turn: neither that nor anything
   * newer counts as replicated until the function is called that this returns.
   */
  hold(key: KeySlice): () => void {
    // Without a log changes are committed at once.
    const held = { last: Math.min(this.#storage.committedSequence, this.#storage.sequenceOf(key) - 1) };
    this.#held.add(held);
    return () => {
      if (this.#held.delete(held)) this.#release();
    };
  }

  /** Whether a replica does not know streams: it is a C++ node, or an older one. */
  get hasUnknown(): boolean {
    return this.streams.some(({ isUnknown }) => isUnknown);
  }

  /** `none`, `opening`, `draining`, `catching_up`, `open` or `unknown`: what the stream to a replica does. */
  stateOf(nodeKey: string): string {
    const stream = this.#streams.get(nodeKey);
    return stream === undefined ? "none" : stream.isOpen && stream.isCatchingUp ? "catching_up" : stream.state;
  }

  /** How old our lease is, if we need one. */
  get leaseAgeMs(): number | undefined {
    return this.#ageOf(this.leaseUntilMs);
  }

  /** How old the part of our lease is that a replica has confirmed. */
  leaseAgeOf(nodeKey: string): number | undefined {
    return this.#ageOf(this.#streams.get(nodeKey)?.beacons.masterUntilMs);
  }

  #ageOf(untilMs: number | undefined): number | undefined {
    if (untilMs === undefined || !Number.isFinite(untilMs)) return undefined;
    return this.#runtime.clock.monotonicMs() - (untilMs - this.#leaseTimes.masterMs);
  }

  /** How far a replica is behind; undefined if that is not known. */
  lagOf(nodeKey: string): ReplicaLag | undefined {
    const stream = this.#streams.get(nodeKey);
    if (stream === undefined || !(stream.covers && (stream.isOpen || stream.isCatchingUp))) return undefined;
    if (stream.isIdle) return { entries: 0, bytes: 0, ms: 0 };
    const { firstMissing } = stream;
    return {
      entries: Math.max(0, this.#storage.committedSequence - firstMissing + 1),
      bytes: stream.isCatchingUp ? this.lag.bytesFrom(firstMissing) : stream.queuedBytes,
      ms: this.lag.ageMs(firstMissing),
    };
  }

  /** Resolves when every replica that follows has everything, except those that are catching up. */
  idle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  stop(): void {
    this.#isStopped = true;
    this.install();
  }

  onAppended(block: LogBlock): CommitListener {
    return {
      onCommitted: (error) => {
        // A failed sync leaves the records in doubt: a replica must not have more than its master.
        if (error === undefined) this.#push(block);
      },
    };
  }

  linesDone(nodeKey: string): Promise<void> {
    return this.#owner.linesDone(nodeKey);
  }

  onCoverage(stream: ReplicaStream): void {
    // It follows us now, so it has no lease of anybody else.
    this.#letIn(stream.node.key);
    this.#renew();
    this.#followIfNeeded();
    this.#owner.onCoverage();
  }

  upTo(position: Position): number | undefined {
    const common = this.#storage.commonState([position]);
    return common?.sequence === position.sequence ? common.at : undefined;
  }

  readFrom(first: number): LogCursor | undefined {
    const cursor = this.#storage.readLog(first);
    return cursor.isThere ? cursor : undefined;
  }

  isAhead({ node }: ReplicaStream, position: Position): boolean {
    if (!this.#owner.isAwaited(node.key) || !this.#storage.lacks(position)) return false;
    return this.#owner.onAhead(node);
  }

  /** A slave of the in-sync set must have what this master has, and nothing else. */
  onUncertain(stream: ReplicaStream): void {
    if (!this.#owner.isAwaited(stream.node.key)) return;
    const reason = "it has something else than this master, or that is not known";
    const isOut = this.#owner.onBehind(stream.node, this.#runtime.clock.monotonicMs(), reason);
    if (isOut !== undefined) this.#waitUntilOut(stream, isOut);
  }

  knows(nodeKey: string): boolean {
    return this.#known.has(nodeKey);
  }

  onKnown(nodeKey: string, knows: boolean): void {
    if (knows) this.#known.add(nodeKey);
    else this.#known.delete(nodeKey);
    this.#followIfNeeded();
    this.#owner.onCoverage();
  }

  onBegun(): void {
    this.#renew();
  }

  onAcknowledged(): void {
    this.#wakeSettled();
    this.#renewOwn();
    this.#release();
  }

  onFailed(stream: ReplicaStream, reason: string): void {
    const { node } = stream;
    this.#runtime.log.write("warning", `the stream to replica "${node.key}" has failed: ${reason}`);
    const isOut = this.#owner.onBehind(node, stream.lastQueuedMs, `its stream has failed: ${reason}`);
    if (isOut !== undefined) this.#waitUntilOut(stream, isOut);
    this.#remove(node.key);
    this.#keepOut(node.key, stream.firstMissing - 1, stream.beacons.slaveUntilMs);
    this.#wakeSettled();
    // Its later writes go into the next stream, or to it as lines: if it copies, it needs them.
    if (!this.#isStopped) this.#open(node, undefined, REOPENING_MS);
    this.#followIfNeeded();
    this.#owner.onCoverage();
    this.#release();
  }

  /** A replica has given no sign, or has held a write up, for too long. */
  #onLate(stream: ReplicaStream, reason: string): void {
    const isOut = this.#owner.onLate(stream.node, reason);
    if (isOut === undefined) {
      stream.isLetGo = true;
      return;
    }
    void isOut.then((doubt) => this.#onOut(doubt));
  }

  /** Resolves when a replica has acknowledged everything so far, or its stream has ended. */
  async settled(nodeKey: string): Promise<void> {
    const sequence = this.#storage.lastSequence;
    const stream = this.#streams.get(nodeKey);
    if (stream === undefined) return;
    const isSettled = () => this.#streams.get(nodeKey) !== stream || stream.isIdle || stream.firstMissing > sequence;
    while (!isSettled()) await new Promise<void>((resolve) => this.#settling.push(resolve));
  }

  #wakeSettled(): void {
    for (const resolve of this.#settling.splice(0)) resolve();
  }

  /** Nothing newer than it has counts as replicated until a replica that is behind is out. */
  #waitUntilOut(stream: ReplicaStream, isOut: Promise<FlareError | undefined>): void {
    this.#behind.set(stream, stream.firstMissing - 1);
    void isOut.then((doubt) => {
      if (doubt === undefined) return this.#dropBehind(stream);
      this.failWaiters(doubt);
      this.#askIfOut(stream);
    });
  }

  /** It is not known whether it is out: it could be promoted, so what it lacks is not shown, unless it has it by now. */
  #askIfOut(stream: ReplicaStream): void {
    const { node } = stream;
    this.#runtime.clock.setTimer(() => {
      const next = this.#streams.get(node.key);
      const saysWhatItHas = next !== undefined && next !== stream && next.isOpen && !this.#behind.has(next);
      const isOut = saysWhatItHas || this.#isOver ? undefined : this.#owner.onLate(node, "it is not known whether it is out");
      if (isOut === undefined) return this.#dropBehind(stream);
      void isOut.then((doubt) => (doubt === undefined ? this.#dropBehind(stream) : this.#askIfOut(stream)));
    }, REOPENING_MS);
  }

  #dropBehind(stream: ReplicaStream): void {
    this.#behind.delete(stream);
    this.#release();
  }

  get #isMaster(): boolean {
    const { self } = this.#routing;
    return self?.role === NodeRole.master && self.state === NodeState.active;
  }

  #replicas(): readonly ClusterNode[] {
    const { self } = this.#routing;
    return self !== undefined && this.#isMaster ? this.#routing.replicaTargets(self.partition) : [];
  }

  #open(node: ClusterNode, cursor?: LogCursor, delayMs?: number): void {
    this.#storage.follow(this);
    const stream = new ReplicaStream(this.#runtime, this.#workers, node, this.#settings, this, cursor, delayMs);
    this.#streams.set(node.key, stream);
    this.streams = [...this.#streams.values()];
    this.#beat ??= this.#nextBeat();
  }

  #drop(stream: ReplicaStream): void {
    const { key } = stream.node;
    const isOver = this.#isOver;
    this.#remove(key);
    this.#keepOut(key, stream.firstMissing - 1, stream.beacons.slaveUntilMs);
    stream.leave(isOver, this.#leaseTimes, this.#partitions, () => {
      if (!isOver) this.#letIn(key);
      this.#release();
    });
    this.#wakeSettled();
    this.#owner.onCoverage();
  }

  #remove(key: string): void {
    this.#streams.delete(key);
    this.streams = [...this.#streams.values()];
  }

  /** A slave without a stream may answer reads until then. */
  #keepOut(key: string, last: number, untilMs: number): void {
    const former = this.#former.get(key);
    const leftMs = untilMs - this.#runtime.clock.monotonicMs();
    if (!(leftMs > 0) || (former !== undefined && former.untilMs >= untilMs)) return;
    this.#letIn(key);
    const timer = this.#runtime.clock.setTimer(() => {
      this.#former.delete(key);
      this.#release();
    }, leftMs);
    this.#former.set(key, { last: Math.min(last, former?.last ?? last), untilMs, timer });
  }

  #letIn(key: string): void {
    const former = this.#former.get(key);
    if (former === undefined) return;
    this.#runtime.clock.clearTimer(former.timer);
    this.#former.delete(key);
  }

  get #leaseTimes(): LeaseTimes {
    return leaseTimes(this.#limits().timeoutMs);
  }

  #nextBeat(): Timer {
    const { clock } = this.#runtime;
    this.#beatMs = clock.monotonicMs() + this.#leaseTimes.intervalMs;
    return clock.setTimer(() => {
      this.#beat = undefined;
      this.#onBeat();
      if (this.#streams.size > 0) this.#beat = this.#nextBeat();
    }, this.#leaseTimes.intervalMs);
  }

  /** Looks who is silent, and renews the leases. */
  #onBeat(): void {
    const nowMs = this.#runtime.clock.monotonicMs();
    const pausedMs = nowMs - this.#beatMs;
    if (pausedMs > this.#leaseTimes.intervalMs) {
      for (const stream of this.streams) stream.forgive(pausedMs);
      for (const waiter of this.#waiters) waiter.sinceMs += pausedMs;
    }
    const { timeoutMs } = this.#limits();
    const [oldest] = this.#waiters;
    const isHeldUp = oldest !== undefined && nowMs - oldest.sinceMs >= timeoutMs;
    for (const stream of this.streams) {
      if (stream.silentMs(nowMs) >= timeoutMs) this.#onLate(stream, `it did not answer for ${timeoutMs} ms`);
      // Its connections may break again and again, so that it answers sometimes.
      else if (isHeldUp && this.#holdsUp(stream, oldest.sequence))
        this.#onLate(stream, `a write has waited for it for ${timeoutMs} ms`);
    }
    this.#renew();
    this.#release();
  }

  /** Sends every replica a beacon. */
  #renew(): void {
    this.#renewOwn();
    const nowMs = this.#runtime.clock.monotonicMs();
    const mayLend = nowMs < this.leaseUntilMs;
    const replicated = this.#toSay(this.#storage.committedSequence);
    for (const stream of this.streams) {
      const isReader = this.#owner.isAwaited(stream.node.key) && !this.#behind.has(stream) && !stream.isCatchingUp;
      stream.beacon(this.#leaseTimes, mayLend && isReader, replicated, this.#partitions);
    }
  }

  /** How many partitions are active. */
  get #partitions(): number {
    return this.#routing.partitionMap.active.length;
  }

  /**
   * Until when a replica, or a node that was one, may answer reads without knowing how many partitions are active by our map.
   */
  get unawareUntilMs(): number {
    let untilMs = Number.NEGATIVE_INFINITY;
    for (const { beacons } of this.streams) untilMs = Math.max(untilMs, beacons.unawareUntilMs(this.#partitions));
    for (const former of this.#former.values()) untilMs = Math.max(untilMs, former.untilMs);
    return untilMs;
  }

  /** Our own lease lasts until the first replica's that could take over ends. */
  #renewOwn(): void {
    let untilMs = Number.POSITIVE_INFINITY;
    for (const stream of this.streams) {
      if (stream.isUnknown || !this.#owner.isAwaited(stream.node.key)) continue;
      untilMs = Math.min(untilMs, stream.beacons.masterUntilMs);
    }
    this.leaseUntilMs = untilMs;
  }

  #followIfNeeded(): void {
    // Without a log, and thus without a data directory, the changes of keys that move have no order.
    const isGiving = this.#isMaster && this.#routing.partitionMap.preparing !== undefined;
    const isNeeded = isGiving || this.streams.some(({ isUnknown }) => !isUnknown);
    if (isNeeded) this.#storage.follow(this);
    else this.#storage.unfollow(this);
  }

  #push(block: LogBlock): void {
    if (this.streams.length === 0) return;
    this.lag.note(block);
    for (const piece of splitBlock(block, BLOCK_BYTES_MAX)) {
      const sent = this.encode(piece);
      for (const stream of this.streams) if (stream.covers) stream.push(sent);
    }
    this.#lookAtLag();
  }

  /** Looks how far the replicas are behind. */
  #lookAtLag(): void {
    let lacked = this.#storage.committedSequence;
    for (const stream of this.streams) if (stream.covers && !stream.isIdle) lacked = Math.min(lacked, stream.firstMissing);
    const kept = this.#kept;
    const slowest = () =>
      [...this.#behind.keys(), ...this.streams].find((stream) => stream.firstMissing > kept)?.node.key ?? "";
    if (!this.lag.look(kept, lacked, slowest)) return;
    const { due } = this.lag;
    for (const stream of this.streams) {
      if (!this.#holdsUp(stream, due) || this.#leaving.has(stream)) continue;
      const isOut = this.#owner.onTooFar(stream.node, Math.round(this.lag.ageMs(stream.firstMissing)));
      if (isOut === undefined) continue;
      this.#leaving.add(stream);
      void isOut.then((doubt) => {
        this.#leaving.delete(stream);
        this.#onOut(doubt);
      });
    }
  }

  /** Whether writers wait for this replica to have the records up to `sequence`. */
  #holdsUp(stream: ReplicaStream, sequence: number): boolean {
    return stream.covers && !stream.isIdle && this.#isKeeper(stream) && stream.firstMissing <= sequence;
  }

  /** A replica is out of the in-sync set, or it is in doubt whether. */
  #onOut(doubt: FlareError | undefined): void {
    if (doubt !== undefined) this.failWaiters(doubt);
    this.#renew();
    this.#release();
  }

  encode({ bytes, firstSequence, records, salt }: LogBlock): SentBlock {
    const { id, selfKey } = this.#settings;
    const mapVersion = String(this.#routing.nodeMap.version);
    const last = firstSequence + records - 1;
    // Nobody has it yet; when the only replica has it, everybody does.
    const replicated = this.#toSay(this.streams.length === 1 ? last : firstSequence - 1);
    return {
      bytes: encodeBlock(selfKey, { id, mapVersion, firstSequence, records, salt, replicated }, bytes),
      first: firstSequence,
      last,
      queuedMs: this.#runtime.clock.monotonicMs(),
    };
  }

  /**
   * Every replica that counts has the records up to this one: those that must have every write, and those that may answer
   * reads. Infinite if none lacks anything, and where we are no master.
   */
  get replicated(): number {
    return this.#replicatedBesides(undefined);
  }

  /** Up to which record, at most `last`, the replicas hear that all have everything; what the only one has it knows itself. */
  #toSay(last: number): number {
    return Math.min(this.#replicatedBesides(this.streams.length === 1 ? this.streams[0] : undefined), last);
  }

  #replicatedBesides(one: ReplicaStream | undefined): number {
    let least = Number.POSITIVE_INFINITY;
    if (this.#isOver) return least;
    for (let i = 0; i < this.streams.length; i++) {
      const stream = this.streams[i] as ReplicaStream;
      if (stream === one || !stream.covers || stream.isIdle) continue;
      if (!this.#isKeeper(stream) && !this.#reads(stream)) continue;
      least = Math.min(least, stream.firstMissing - 1);
    }
    if (this.#behind.size > 0) for (const last of this.#behind.values()) least = Math.min(least, last);
    if (this.#former.size > 0) for (const { last } of this.#former.values()) least = Math.min(least, last);
    // They were added in the order of their records.
    if (this.#held.size > 0) for (const { last } of this.#held) return Math.min(least, last);
    return least;
  }

  /** Every replica that could be promoted has the records up to this one; infinite if none lacks anything. */
  get #kept(): number {
    let least = Number.POSITIVE_INFINITY;
    if (this.#isOver) return least;
    for (const stream of this.streams) {
      if (stream.covers && !stream.isIdle && this.#isKeeper(stream)) least = Math.min(least, stream.firstMissing - 1);
    }
    for (const last of this.#behind.values()) least = Math.min(least, last);
    return least;
  }

  /** Whether a replica must have every write: it could be promoted. */
  #isKeeper(stream: ReplicaStream): boolean {
    return !stream.isLetGo && this.#owner.isAwaited(stream.node.key);
  }

  /** Whether a replica may answer reads. */
  #reads({ beacons }: ReplicaStream): boolean {
    return this.#runtime.clock.monotonicMs() < beacons.slaveUntilMs;
  }

  #release(): void {
    this.#lookAtLag();
    // One at a time: a listener may wait again, and must then be behind all others.
    const replicated = this.replicated;
    const kept = this.#kept;
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      if (first.sequence > (first.isHeld ? kept : replicated)) break;
      this.#waiters.shift();
      first.listener.onCommitted();
    }
    if (this.#isIdle) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** It is in doubt whether those who could own the keys have what was written: who waits for that hears it. */
  failWaiters(doubt: FlareError): void {
    for (let count = this.#waiters.length; count > 0; count--) this.#waiters.shift()?.listener.onCommitted(doubt);
  }

  get #isIdle(): boolean {
    for (const stream of this.streams) if (stream.isOpen && !stream.isIdle && !stream.isCatchingUp) return false;
    return true;
  }
}

/** For a write that not every slave has: the new master may not have it. */
export function noLongerMaster(): FlareError {
  return new FlareError("IN_DOUBT", "in doubt: written here, but this node is no longer the master");
}
