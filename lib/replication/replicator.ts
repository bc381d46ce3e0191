/**
 * Sends local writes to the replicas: by the replication stream (`stream/`) to those that know it, as lines to the others and
 * to the master of a partition that is being created. A line has the complete resulting value with its version, never the
 * command, so that duplicates and late copies are harmless; copies left unanswered by a broken connection are sent again.
 * Nothing leaves before it is committed here. Copies of a key are in order, because a key keeps its lane. On the wire:
 * `<nodes,self>set …`, `delete …`, `touch …`.
 */

import { latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { PacedLog } from "../base/paced_log.ts";
import { sleep } from "../base/sleep.ts";
import { type ClusterNode, NodeState } from "../cluster/node.ts";
import { findNode } from "../cluster/node_map.ts";
import { LOCAL, type Routing } from "../cluster/routing.ts";
import type { KeySlice } from "../item/entry.ts";
import type { Applied } from "../item/mutation.ts";
import type { Peer, RequestForms } from "../net/peer/peer.ts";
import type { PeerOptions } from "../net/peer/peer_link.ts";
import type { PeerPool } from "../net/peer/peer_pool.ts";
import { PING } from "../net/peer/presence.ts";
import type { WorkerRegistry } from "../net/worker.ts";
import type { Request } from "../protocol/request.ts";
import { ReplyShape } from "../protocol/text/text_client.ts";
import { isTextKey } from "../protocol/text/text_key.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { CommitListener, Storage } from "../storage/storage.ts";
import { bytesOf, changeForms, isTouch, itemForms, NOTHING, type Outcome } from "./copy_forms.ts";
import type { InSyncReplicas } from "./in_sync_replicas.ts";
import { NoreplyWindow } from "./noreply_window.ts";
import { PartitionEpoch } from "./partition_epoch.ts";
import { type FormerMaster, noLongerMaster, ReplicaStreams, type StreamsOwner } from "./stream/replica_streams.ts";

/** Settings that can change at run time. */
export interface ReplicatorOptions {
  /** Asynchronous writes in a row on one connection that request no reply; 0 = none. */
  readonly noreplyWindowLimit: number;
  /** With this many requests queued to other nodes no more copies are queued; 0 = no limit. */
  readonly maxTotalThreadQueue: number;
  /** How long a replica may leave a copy unanswered. */
  readonly replicationTimeoutMs: number;
  /** How far a slave may be behind before writers wait for it; 0 = any time. */
  readonly replicationLagMaxMs: number;
  /** What becomes of a slave that is further behind: writers wait for it, or it leaves the in-sync set. */
  readonly replicationLagPolicy: "wait" | "leave";
}

/** One copy of one write to one node. */
interface Delivery {
  readonly node: ClusterNode;
  /** Undefined: it is left out, because too much is queued. */
  readonly lane: Peer | undefined;
  readonly forms: RequestForms;
  /** Called once, when nobody has to wait any longer, with the reason if the write is in doubt; undefined: nobody waits. */
  done: ((fault?: FlareError) => void) | undefined;
  /** Called when nobody can own its key any more who lacks it; undefined: nobody waits for that. */
  release: (() => void) | undefined;
  /** Called when it is answered or has failed. */
  settled: (() => void) | undefined;
  /** When it was sent, on the monotonic clock. */
  sentMs: number;
  /** The replica was silent for too long: it was reported. */
  isLate: boolean;
}

/** The approximate size of a copy's line without key and value: names of nodes, numbers, options. */
const LINE_BYTES = 256;
/** Failed copies are logged at most once in this time, in milliseconds. */
const TROUBLE_LOG_MS = 10000;
/** The pause before it is asked again whether a node that lacks a write is out. */
const RETRY_MS = 200;
/** What a write that waits for nobody returns. */
const NOT_WAITED: Promise<undefined> = Promise.resolve(undefined);

export class Replicator implements StreamsOwner {
  readonly #routing: Routing;
  readonly #peers: PeerPool;
  readonly #storage: Storage;
  readonly #inSync: InSyncReplicas;
  readonly #clock: Runtime["clock"];
  readonly #failureLog: PacedLog;
  readonly #limitLog: PacedLog;
  readonly #selfKey: string;
  readonly #window = new NoreplyWindow();
  readonly streams: ReplicaStreams;
  /** The replicas that get lines, by the replicas of their partition. */
  #uncovered = new Map<readonly ClusterNode[], readonly ClusterNode[]>();
  /** Listeners that wait for the replicas, and how many commits of each do. */
  readonly #waitingCommits = new Map<CommitListener, number>();
  /** Copies that could not be delivered, since the start. */
  failures = 0;
  /** Copies nobody waited for that were dropped because of `maxTotalThreadQueue`, since the start. */
  dropped = 0;
  /** Writes refused because their copies could not have been queued, since the start. */
  refused = 0;
  /** Copies waiting for their commit or for an answer. */
  #pending = 0;
  /** Copies waiting for their commit, and their bytes. */
  #uncommitted = 0;
  #uncommittedBytes = 0;
  readonly #idle: (() => void)[] = [];
  /** By replica, the copies it has not answered, oldest first; empty unless in-sync sets are kept. */
  readonly #unanswered = new Map<string, Set<Delivery>>();
  #lateTimer: Timer | undefined;
  readonly epoch = new PartitionEpoch();
  /** Reloadable. */
  options: ReplicatorOptions;

  constructor(
    runtime: Runtime,
    routing: Routing,
    peers: PeerPool,
    storage: Storage,
    inSync: InSyncReplicas,
    workers: WorkerRegistry,
    self: { readonly key: string; readonly peer: PeerOptions },
    formerMaster: FormerMaster,
    options: ReplicatorOptions,
  ) {
    this.options = options;
    this.#inSync = inSync;
    this.#clock = runtime.clock;
    this.#routing = routing;
    this.#peers = peers;
    this.#storage = storage;
    this.#failureLog = new PacedLog(runtime, "warning", TROUBLE_LOG_MS);
    this.#limitLog = new PacedLog(runtime, "warning", TROUBLE_LOG_MS);
    this.#selfKey = self.key;
    this.streams = new ReplicaStreams(
      runtime,
      routing,
      storage,
      workers,
      { ...self, limits: () => ({ timeoutMs: this.options.replicationTimeoutMs, lagMaxMs: this.options.replicationLagMaxMs }) },
      formerMaster,
      this,
    );
  }

  /** The node map was replaced. */
  onMap(): void {
    this.epoch.onMap(this.#routing.nodeMap, this.#routing.self?.partition);
    this.#uncovered.clear();
    this.streams.install();
  }

  /**
   * Writers wait, because a replica is further behind than it may be; as of the last block or answer. Each of their requests
   * should then be answered for itself, so that not too many of one connection wait.
   */
  get isHolding(): boolean {
    return this.streams.lag.isHolding;
  }

  /**
   * For writes: calls the listener once everything applied so far is committed here and, with `isSync`, at every replica with a
   * stream; and not before those are close enough behind. Each listener is called in the order of its calls.
   */
  onCommit(listener: CommitListener, isSync: boolean): void {
    const before = this.#waitingCommits.get(listener) ?? 0;
    const waits = isSync ? this.streams.isInUse : this.streams.lag.isReached;
    if (before === 0 && !waits) return this.#storage.onCommit(listener);
    this.#waitingCommits.set(listener, before + 1);
    let storedMs = 0;
    const done: CommitListener = {
      onCommitted: (error) => {
        const left = (this.#waitingCommits.get(listener) ?? 1) - 1;
        if (left > 0) this.#waitingCommits.set(listener, left);
        else this.#waitingCommits.delete(listener);
        listener.onCommitted(error, storedMs);
      },
    };
    const { endings } = this.streams;
    this.#storage.onCommit({
      onCommitted: (error) => {
        storedMs = this.#clock.monotonicMs();
        const fault = error ?? (this.streams.endings === endings ? undefined : noLongerMaster());
        // A failed commit is answered after the writes before it, which may still wait for the replicas.
        const last = fault === undefined ? done : { onCommitted: () => done.onCommitted(fault) };
        if (isSync) this.streams.whenReplicated(this.#storage.lastSequence, last);
        else this.streams.whenNotTooFar(last);
      },
    });
  }

  onCoverage(): void {
    this.#uncovered.clear();
  }

  onBehind(node: ClusterNode, sentMs: number, reason: string): Promise<FlareError | undefined> | undefined {
    this.failures++;
    return this.#inSync.missed(node, sentMs, reason);
  }

  onAhead({ key }: ClusterNode): boolean {
    return this.#inSync.makeWay(key);
  }

  onLate(node: ClusterNode, reason: string): Promise<FlareError | undefined> | undefined {
    return this.#inSync.late(node, reason);
  }

  onTooFar(node: ClusterNode, lagMs: number): Promise<FlareError | undefined> | undefined {
    if (this.options.replicationLagPolicy === "wait") return undefined;
    return this.#inSync.late(node, `it is ${lagMs} ms behind (replication-lag-max)`);
  }

  isAwaited(nodeKey: string): boolean {
    const node = findNode(this.#routing.nodeMap, nodeKey);
    return node !== undefined && this.#isAwaited(node);
  }

  /** Resolves when the replica has answered every line so far. */
  async linesDone(nodeKey: string): Promise<void> {
    await this.#linesSettled(nodeKey);
    // Lines without an answer may still be on their way: an answer to what follows them says that they have arrived.
    const lanes = this.#peers.lanesOf(nodeKey).filter(({ isInUse }) => isInUse);
    await Promise.all(lanes.map((lane) => lane.request(PING, ReplyShape.line).catch(() => undefined)));
  }

  /** True when a successful write of this key goes to another node as a line. */
  concerns(hash: number, fromNode: boolean): boolean {
    return this.#lineReplicas(hash, fromNode).length > 0 || this.#routing.successorOf(hash, fromNode) !== undefined;
  }

  /** The replicas of a key that have no stream. */
  #lineReplicas(hash: number, fromNode: boolean): readonly ClusterNode[] {
    const replicas = this.#routing.replicasOf(hash, fromNode);
    if (replicas.length === 0) return replicas;
    let uncovered = this.#uncovered.get(replicas);
    if (uncovered === undefined) {
      uncovered = replicas.filter(({ key }) => !this.streams.covers(key));
      this.#uncovered.set(replicas, uncovered);
    }
    return uncovered;
  }

  /**
   * Why a write that waits for its copies must be refused: they could not all be queued. Undefined if they can, and for a write
   * that is itself a copy, which its owner has already executed.
   */
  refusal(request: Request, hash: number): string | undefined {
    if (this.#routing.routeWrite(hash, false) !== LOCAL) return undefined;
    const { key, valueStart, valueEnd } = request.mutation;
    const preparing = this.#routing.preparingMasterOf(hash);
    const replicas = this.#lineReplicas(hash, request.prefix !== undefined);
    const awaited = this.#inSync.isKept ? replicas.filter((node) => this.#inSync.isMember(node)) : replicas;
    const targets = preparing === undefined ? awaited : [...awaited, preparing];
    const text = this.#crowdedBy(targets.length) ?? this.#fullLane(targets, key, valueEnd - valueStart);
    if (text === undefined) return undefined;
    this.refused++;
    this.#limitLog.write(`a write is refused, ${text}`);
    return text;
  }

  /**
   * Queues the outcome of a write to every replica, then to the node that takes the key over, if there is one. Resolves when
   * each that has to be waited for has answered or failed, with the reason if the write is in doubt.
   *
   * Flare differs: the original never waits for a preparing master; newer writes there overtook copies still in flight when it
   * became active, and those were lost.
   * @param expire as in the request (for delete: until when the key is blocked)
   * @param waited whether the caller waits: then answers are requested regardless of the window
   */
  replicate(
    request: Request,
    applied: Applied,
    hash: number,
    expire: number,
    waited: boolean,
  ): Promise<FlareError | undefined> {
    const prefix = this.#prefixOf(request);
    if (prefix === undefined) return NOT_WAITED;
    const { isKept } = this.#inSync;
    const replicas = this.#lineReplicas(hash, request.prefix !== undefined);
    const successor = this.#routing.successorOf(hash, request.prefix !== undefined);
    const { bytes, start, end } = request.mutation.key;
    const key = isTextKey(bytes, start, end) ? latin1(bytes, start, end) : undefined;
    const outcome: Outcome = { request, applied, prefix, key, expire };
    const deliveries: Delivery[] = [];
    let leftOut = 0;
    const add = (node: ClusterNode, done: Delivery["done"], release?: Delivery["release"]): void => {
      const delivery = { node, done, release, settled: undefined, sentMs: 0, isLate: false };
      if (!waited && this.#isLeftOut(deliveries.length - leftOut)) {
        leftOut++;
        deliveries.push({ ...delivery, lane: undefined, forms: NOTHING });
        return;
      }
      const lane = this.#peers.lane(node, bytes, start, end);
      // A copy without an answer could get lost, or be refused, and nobody would know.
      const passes = request.noreply || (!waited && this.#window.passes(lane, this.options.noreplyWindowLimit));
      const noreply = passes && !isKept;
      if (isTouch(applied) && node.state !== NodeState.active) {
        // A running copy may bring the item later, with its old expiry: send the item of this version first.
        deliveries.push({ ...delivery, lane, forms: itemForms(outcome, false) });
        // Nobody waits for the touch itself: a node without the new map forwards it, perhaps back to us.
        deliveries.push({ ...delivery, done: undefined, release: undefined, lane, forms: changeForms(outcome, true) });
      } else {
        deliveries.push({ ...delivery, lane, forms: changeForms(outcome, noreply) });
      }
    };
    const waits: Promise<FlareError | undefined>[] = [];
    const addAwaited = (node: ClusterNode, release?: Delivery["release"]): void => {
      waits.push(new Promise((resolve) => add(node, resolve, release)));
    };
    for (const node of replicas) {
      if (this.#wasSentTo(node, request.prefix)) continue;
      if (waited && this.#isAwaited(node)) addAwaited(node);
      else add(node, undefined);
    }
    if (successor !== undefined && !this.#wasSentTo(successor, request.prefix)) {
      // Nobody sees what it could lack when the key is its own.
      addAwaited(successor, this.#inSync.awaits(successor) ? this.streams.hold(request.mutation.key) : undefined);
    }
    const copiedBytes = deliveries.reduce((sum, { forms }) => sum + bytesOf(forms), 0);
    const queued = deliveries.length - leftOut;
    this.#pending += deliveries.length;
    this.#uncommitted += queued;
    this.#uncommittedBytes += copiedBytes;
    this.#storage.onCommit({
      onCommitted: (error) => {
        this.#uncommitted -= queued;
        this.#uncommittedBytes -= copiedBytes;
        for (const delivery of deliveries) {
          // A failed commit is rolled back here and must not exist anywhere else.
          if (error === undefined) this.#send(delivery);
          else this.#finish(delivery);
        }
      },
    });
    if (waits.length === 0) return NOT_WAITED;
    return waits.length === 1
      ? (waits[0] as Promise<FlareError | undefined>)
      : Promise.all(waits).then((faults) => faults.find((fault) => fault !== undefined));
  }

  /** Whether a write that waits for its copies waits for this replica's. */
  #isAwaited(node: ClusterNode): boolean {
    return !this.#inSync.isKept || this.#inSync.isMember(node);
  }

  /** Whether a copy nobody waits for is dropped because too much is queued; counts and logs it. */
  #isLeftOut(others: number): boolean {
    const text = this.#crowdedBy(others + 1);
    if (text === undefined) return false;
    this.dropped++;
    this.#limitLog.write(`a write is not replicated, ${text}: a replica stays behind until it copies again`);
    return true;
  }

  /** Why `copies` more copies exceed the number that can be queued; those of one write never do if the queues are empty. */
  #crowdedBy(copies: number): string | undefined {
    const { maxTotalThreadQueue } = this.options;
    if (maxTotalThreadQueue === 0) return undefined;
    const waiting = this.#peers.queue + this.#uncommitted;
    if (waiting === 0 || waiting + copies <= maxTotalThreadQueue) return undefined;
    return `${maxTotalThreadQueue} requests are already queued for other nodes (max-total-thread-queue)`;
  }

  /** Why a copy of about this many bytes cannot be queued: the lane that is full. */
  #fullLane(nodes: readonly ClusterNode[], { bytes, start, end }: KeySlice, valueBytes: number): string | undefined {
    const copyBytes = this.#uncommittedBytes + end - start + valueBytes + LINE_BYTES;
    const node = nodes.find((each) => !this.#peers.lane(each, bytes, start, end).hasRoom(copyBytes));
    return node === undefined ? undefined : `the queue to replica "${node.key}" is full`;
  }

  /** Resolves when no copy is in flight. */
  async idle(): Promise<void> {
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await this.streams.idle();
  }

  /** The first replica that cannot store the key of a write because it only has the text protocol. */
  async tooOldFor(request: Request, hash: number): Promise<ClusterNode | undefined> {
    const { bytes, start, end } = request.mutation.key;
    const preparing = this.#routing.preparingMasterOf(hash);
    const nodes = [...this.#lineReplicas(hash, request.prefix !== undefined), ...(preparing === undefined ? [] : [preparing])];
    for (const node of nodes) {
      // An unreachable node gets no copy now, whatever it supports.
      const knows = await this.#peers
        .lane(node, bytes, start, end)
        .speaksMeta()
        .catch(() => true);
      if (!knows) return node;
    }
    return undefined;
  }

  /** Resolves when all copies sent to a node so far are answered or have failed. */
  async settled(nodeKey: string): Promise<void> {
    await this.#linesSettled(nodeKey);
    await this.streams.settled(nodeKey);
  }

  async #linesSettled(nodeKey: string): Promise<void> {
    await new Promise<void>((resolve) => this.#storage.onCommit({ onCommitted: () => resolve() }));
    const sent = [...(this.#unanswered.get(nodeKey) ?? [])];
    await Promise.all(
      sent.map(
        (delivery) =>
          new Promise<void>((resolve) => {
            const { settled } = delivery;
            delivery.settled = () => {
              settled?.();
              resolve();
            };
          }),
      ),
    );
  }

  #send(delivery: Delivery): void {
    const { node, lane, forms } = delivery;
    delivery.sentMs = this.#clock.monotonicMs();
    if (lane === undefined) return this.#fail(delivery, "too many requests are queued (max-total-thread-queue)");
    if (this.#inSync.isKept) this.#expect(delivery);
    // Nobody waits longer for an unreachable node that is not in the in-sync set; the copy is sent as soon as it is reachable,
    // and must be answered before the node gets into the set.
    const onDelayed = (): void => {
      if (this.#inSync.mayLack(node)) this.#letGo(delivery);
    };
    lane.repeat(forms, onDelayed).then(
      ({ line: answer }) => {
        if (!isError(answer)) return this.#finish(delivery);
        this.failures++;
        this.#failureLog.write(`"${node.key}" answered "${answer}" to a copy`);
        this.#fail(delivery, `it answered "${answer}"`);
      },
      (error: Error) => {
        this.failures++;
        this.#failureLog.write(`replication to "${node.key}" failed: ${error.message}`);
        const isFull = error instanceof FlareError && error.code === "LIMIT_EXCEEDED";
        this.#fail(delivery, error.message, isFull ? notCopied(error) : undefined);
      },
    );
  }

  /**
   * A replica lacks a write: who waits for it waits until the replica is out of the in-sync set.
   * @param fault what the write's client hears without in-sync sets
   */
  #fail(delivery: Delivery, reason: string, fault?: FlareError): void {
    const { node, done, release, sentMs } = delivery;
    delivery.done = undefined;
    delivery.release = undefined;
    const removed = this.#inSync.missed(node, sentMs, reason);
    if (release !== undefined) void this.#releaseWhenOut(node, release);
    if (done !== undefined) {
      if (removed === undefined) done(this.#inSync.isKept ? undefined : fault);
      else void removed.then(done);
    }
    this.#finish(delivery);
  }

  #finish(delivery: Delivery): void {
    this.#letGo(delivery);
    delivery.settled?.();
    this.#unanswered.get(delivery.node.key)?.delete(delivery);
    if (!delivery.isLate) this.#release();
  }

  /** Nobody waits for it any longer. */
  #letGo(delivery: Delivery): void {
    delivery.done?.();
    delivery.done = undefined;
    delivery.release?.();
  }

  /**
   * A node lacks a write: releases it when the node cannot become the owner of its key any more. If it is that already, nobody
   * who has waited may see the write.
   */
  async #releaseWhenOut(node: ClusterNode, release: () => void): Promise<void> {
    while (this.#inSync.awaits(node)) {
      const doubt = await this.#inSync.late(node, "it is not known whether it is out");
      if (doubt === undefined || !this.#inSync.awaits(node)) break;
      this.streams.failWaiters(doubt);
      await sleep(this.#clock, RETRY_MS);
    }
    const doubt = await this.#inSync.late(node, "it lacks a write");
    if (doubt !== undefined) this.streams.failWaiters(doubt);
    release();
  }

  /** One copy less is in flight. */
  #release(): void {
    this.#pending--;
    if (this.#pending === 0) for (const idle of this.#idle.splice(0)) idle();
  }

  /** Notes a copy whose answer must come in time. */
  #expect(delivery: Delivery): void {
    const { key } = delivery.node;
    let unanswered = this.#unanswered.get(key);
    if (unanswered === undefined) {
      unanswered = new Set();
      this.#unanswered.set(key, unanswered);
    }
    unanswered.add(delivery);
    this.#lateTimer ??= this.#clock.setTimer(() => this.#checkLate(), this.options.replicationTimeoutMs);
  }

  /** Reports the replicas that have not answered in time, and looks again when the next answer is due. */
  #checkLate(): void {
    this.#lateTimer = undefined;
    const { replicationTimeoutMs } = this.options;
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [key, unanswered] of this.#unanswered) {
      if (unanswered.size === 0) this.#unanswered.delete(key);
      for (const delivery of unanswered) {
        if (delivery.isLate) continue;
        const dueMs = delivery.sentMs + replicationTimeoutMs;
        if (dueMs > nowMs) {
          nextMs = Math.min(nextMs, dueMs);
          break;
        }
        this.#beLate(delivery);
      }
    }
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#lateTimer = this.#clock.setTimer(() => this.#checkLate(), nextMs - nowMs);
  }

  /** The copy may still arrive, but nobody waits for that. */
  #beLate(delivery: Delivery): void {
    const { node, done, release } = delivery;
    delivery.done = undefined;
    delivery.isLate = true;
    const removed = this.#inSync.late(node, `it did not answer for ${this.options.replicationTimeoutMs} ms`);
    if (release !== undefined) void this.#releaseWhenOut(node, release);
    if (removed === undefined) done?.();
    else if (done !== undefined) void removed.then(done);
    this.#release();
  }

  /**
   * A replica that does not know yet that it is one forwards its copies to the owner, perhaps through others: then it is after
   * us in the list of nodes. Sent to it again, a write would wait for its own answer.
   */
  #wasSentTo(node: ClusterNode, prefix: string | undefined): boolean {
    if (prefix === undefined) return false;
    const nodes = prefix.split(",");
    const self = nodes.indexOf(this.#selfKey);
    return self >= 0 && nodes.includes(node.key, self);
  }

  /** The node list with us at its end; undefined if we are already in it twice and the write is going round in a circle. */
  #prefixOf(request: Request): string | undefined {
    if (request.prefix === undefined || request.prefix === "") return `<${this.#selfKey}>`;
    const nodes = request.prefix.split(",");
    if (nodes.filter((node) => node === this.#selfKey).length >= 2) return undefined;
    return `<${request.prefix},${this.#selfKey}>`;
  }
}

/** A write was executed here, but its copy could not be queued: it must not count as replicated. */
function notCopied(error: FlareError): FlareError {
  return new FlareError("IN_DOUBT", `written here but not on all replicas: ${error.message}`, { cause: error });
}

/** Whether a replica failed to process a copy; having something newer is not an error. */
function isError(answer: string): boolean {
  return answer === "ERROR" || answer.startsWith("SERVER_ERROR") || answer.startsWith("CLIENT_ERROR");
}
