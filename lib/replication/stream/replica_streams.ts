/**
 * The replication streams of a master, one to each of its replicas: they follow the node map, get every block of the change log
 * once it is committed here, and together say up to which record all replicas have everything. Writes that must be replicated
 * before they are answered wait for that, without a promise each. Does not know what the records are.
 */

import { MIB } from "../../base/byte_units.ts";
import type { FlareError } from "../../base/errors.ts";
import { type ClusterNode, NodeRole, NodeState } from "../../cluster/node.ts";
import type { Routing } from "../../cluster/routing.ts";
import type { WorkerRegistry } from "../../net/worker.ts";
import { encodeBlock } from "../../protocol/stream_request.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { splitBlock } from "../../storage/log/log_block.ts";
import type { CommitListener, LogBlock, LogFollower, Storage } from "../../storage/storage.ts";
import { ReplicaStream, type SentBlock, type StreamOwner, type StreamSettings } from "./replica_stream.ts";

/** Records are combined into blocks of at most this size. */
const BLOCK_BYTES_MAX = MIB;

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
  /** A replica has acknowledged nothing for too long, but may still do so. As `onBehind`. */
  onLate(node: ClusterNode): Promise<FlareError | undefined> | undefined;
}

/** A write, or several, that waits for the replicas. */
interface Waiter {
  readonly sequence: number;
  readonly listener: CommitListener;
}

export class ReplicaStreams implements LogFollower, StreamOwner {
  readonly #runtime: Runtime;
  readonly #routing: Routing;
  readonly #storage: Storage;
  readonly #workers: WorkerRegistry;
  readonly #settings: StreamSettings;
  readonly #owner: StreamsOwner;
  readonly #streams = new Map<string, ReplicaStream>();
  /** Replicas that are behind, and from which record on; nothing newer counts as replicated until they are out. */
  readonly #behind = new Map<ReplicaStream, number>();
  readonly #waiters: Waiter[] = [];
  readonly #idle: (() => void)[] = [];
  readonly #settling: (() => void)[] = [];
  #isStopped = false;

  constructor(
    runtime: Runtime,
    routing: Routing,
    storage: Storage,
    workers: WorkerRegistry,
    self: { readonly key: string } & Pick<StreamSettings, "peer" | "timeoutMs">,
    owner: StreamsOwner,
  ) {
    this.#runtime = runtime;
    this.#routing = routing;
    this.#storage = storage;
    this.#workers = workers;
    this.#settings = { ...self, selfKey: self.key, id: newStreamId(runtime) };
    this.#owner = owner;
  }

  /** Whether every write of its partition reaches a replica by its stream. */
  covers(nodeKey: string): boolean {
    return this.#streams.get(nodeKey)?.covers === true;
  }

  /** Follows the routing's current map: opens streams to new replicas, and ends those to nodes that are none any more. */
  install(): void {
    const replicas = this.#isStopped ? [] : this.#replicas();
    for (const stream of this.#streams.values()) {
      if (!replicas.some(({ key }) => key === stream.node.key)) this.#drop(stream);
    }
    for (const node of replicas) if (!this.#streams.has(node.key)) this.#open(node);
    this.#followIfNeeded();
    this.#release();
  }

  /** Whether a write may have to wait for a replica. */
  get isInUse(): boolean {
    if (this.#behind.size > 0) return true;
    for (const stream of this.#streams.values()) if (stream.covers) return true;
    return false;
  }

  /** The streams, in the order of the node map. */
  get streams(): readonly ReplicaStream[] {
    return [...this.#streams.values()];
  }

  /** Calls the listener when every covered replica has the records up to `sequence`; in order, if the sequences are. */
  whenReplicated(sequence: number, listener: CommitListener): void {
    if (this.#waiters.length === 0 && sequence <= this.replicated) return listener.onCommitted();
    this.#waiters.push({ sequence, listener });
  }

  /** Resolves when every covered replica has everything. */
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

  onCoverage(): void {
    this.#followIfNeeded();
    this.#owner.onCoverage();
  }

  onAcknowledged(): void {
    this.#wakeSettled();
    this.#release();
  }

  onFailed(stream: ReplicaStream, reason: string): void {
    const { node } = stream;
    this.#runtime.log.write("warning", `the stream to replica "${node.key}" has failed: ${reason}`);
    const isOut = this.#owner.onBehind(node, stream.lastQueuedMs, `its stream has failed: ${reason}`);
    if (isOut !== undefined) this.#waitUntilOut(stream, isOut);
    this.#streams.delete(node.key);
    this.#wakeSettled();
    // Its later writes go to it as lines until the next stream is open: if it copies, it needs them.
    if (!this.#isStopped) this.#open(node);
    this.#followIfNeeded();
    this.#owner.onCoverage();
    this.#release();
  }

  onLate(stream: ReplicaStream): void {
    const isOut = this.#owner.onLate(stream.node);
    if (isOut === undefined) {
      stream.isLetGo = true;
      return this.#release();
    }
    void isOut.then((doubt) => {
      if (doubt !== undefined) this.#failWaiters(doubt);
      this.#release();
    });
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
      if (doubt !== undefined) this.#failWaiters(doubt);
      this.#behind.delete(stream);
      this.#release();
    });
  }

  #replicas(): readonly ClusterNode[] {
    const { self } = this.#routing;
    const isMaster = self?.role === NodeRole.master && self.state === NodeState.active;
    return isMaster ? this.#routing.replicaTargets(self.partition) : [];
  }

  #open(node: ClusterNode): void {
    this.#streams.set(node.key, new ReplicaStream(this.#runtime, this.#workers, node, this.#settings, this));
  }

  #drop(stream: ReplicaStream): void {
    this.#streams.delete(stream.node.key);
    stream.end();
    this.#wakeSettled();
    this.#owner.onCoverage();
  }

  #followIfNeeded(): void {
    const isNeeded = this.streams.some(({ covers }) => covers);
    this.#storage.follow(isNeeded ? this : undefined);
  }

  #push(block: LogBlock): void {
    const mapVersion = String(this.#routing.nodeMap.version);
    const { id, selfKey } = this.#settings;
    const queuedMs = this.#runtime.clock.monotonicMs();
    const replicated = Math.min(this.replicated, block.firstSequence - 1);
    for (const piece of splitBlock(block, BLOCK_BYTES_MAX)) {
      const { firstSequence, records, salt } = piece;
      const sent: SentBlock = {
        bytes: encodeBlock(selfKey, { id, mapVersion, firstSequence, records, salt, replicated }, piece.bytes),
        first: firstSequence,
        last: firstSequence + records - 1,
        queuedMs,
      };
      for (const stream of this.#streams.values()) if (stream.covers) stream.push(sent);
    }
  }

  /** Every covered replica has the records up to this one; infinite if none lacks anything. */
  get replicated(): number {
    let least = Number.POSITIVE_INFINITY;
    if (this.#streams.size === 0 && this.#behind.size === 0) return least;
    for (const stream of this.#streams.values()) {
      if (!stream.covers || stream.isIdle || stream.isLetGo || !this.#owner.isAwaited(stream.node.key)) continue;
      least = Math.min(least, stream.firstMissing - 1);
    }
    for (const last of this.#behind.values()) least = Math.min(least, last);
    return least;
  }

  #release(): void {
    // One at a time: a listener may wait again, and must then be behind all others.
    const replicated = this.replicated;
    for (let first = this.#waiters[0]; first !== undefined && first.sequence <= replicated; first = this.#waiters[0]) {
      this.#waiters.shift();
      first.listener.onCommitted();
    }
    if (this.#isIdle) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #failWaiters(doubt: FlareError): void {
    for (let count = this.#waiters.length; count > 0; count--) this.#waiters.shift()?.listener.onCommitted(doubt);
  }

  get #isIdle(): boolean {
    for (const stream of this.#streams.values()) if (stream.covers && !stream.isIdle) return false;
    return true;
  }
}

function newStreamId({ random }: Runtime): string {
  return [random.uint32(), random.uint32()].map((word) => word.toString(16).padStart(8, "0")).join("");
}
