/**
 * The replica's end of the replication stream: applies the records of its master's change log, in order, each of them as it is
 * there. It accepts them only from the node that is its master by its own node map, so a former master that does not know of
 * its successor can no longer replicate. Its answer says that it has a block: appended, and synced if that is its policy. Once
 * it has all that its master has, the log here says with each block up to which record of the master's log that is.
 */

import { latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { NodeRole, NodeState } from "../../cluster/node.ts";
import type { NodeMap } from "../../cluster/node_map.ts";
import type { Partition } from "../../cluster/partition_map.ts";
import type { Routing } from "../../cluster/routing.ts";
import {
  type Applied,
  emptyTerms,
  type Mutation,
  MutationKind,
  MutationResult,
  type MutationTerms,
} from "../../item/mutation.ts";
import {
  type BeaconRequest,
  type BlockRequest,
  followsLine,
  STREAM_LOST,
  STREAM_OK,
  type StreamRequest,
} from "../../protocol/stream_request.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { decodeDelivery } from "../../storage/log/deliveries.ts";
import { type LogBlock, readBlock } from "../../storage/log/log_block.ts";
import { FLUSHED, LOG_RECORD_HEADER_BYTES, LogKind, type LogReader } from "../../storage/log/log_record.ts";
import type { FlushCause, Position, Storage } from "../../storage/storage.ts";
import { GivenLease } from "./given_lease.ts";

/** The stream being followed. */
interface Followed {
  readonly id: string;
  readonly source: string;
  /** The sequence of the next record; undefined = the first block says it. */
  next: number | undefined;
  /** The newest change here that every replica has. */
  shown: number;
  /** Newer ones, oldest first: the master's sequence, and ours after it. */
  readonly unshown: { readonly there: number; here: number }[];
  /** Nothing is missing here, and nothing here is not in the master's log up to `next`. */
  isExact: boolean;
  /** Of the storage: if there was one since then, a block is missing here, whose author has perhaps not heard of it yet. */
  rollbacks: number;
  /** The master's newest record that was sent before a beacon, and when this replica had everything up to there. */
  reached: number;
  evenMs: number | undefined;
  /** What this replica had, exactly, when the stream was opened. */
  readonly position: Position | undefined;
}

export class Follower {
  /** Records applied since the start. */
  records = 0;
  readonly lease = new GivenLease();
  readonly #routing: Routing;
  readonly #storage: Storage;
  readonly #clock: Clock;
  #followed: Followed | undefined;
  /** The map by which `#master` was looked up. */
  #map: NodeMap | undefined;
  #master: string | undefined;
  /** Streams that were opened here. */
  #openings = 0;
  /** Our own sequence of the newest mark. */
  #markedAt = 0;
  /** It is not known yet where a stream continues here. */
  #isUndecided = false;
  /** Blocks that wait for the engine or for room; later ones wait for them. */
  #waiting: Promise<unknown> | undefined;
  readonly #terms: MutationTerms = emptyTerms();
  readonly #mutation: Mutation;

  constructor(clock: Clock, routing: Routing, storage: Storage) {
    this.#clock = clock;
    this.#routing = routing;
    this.#storage = storage;
    const nothing = new Uint8Array();
    this.#mutation = {
      kind: MutationKind.mirror,
      key: { bytes: nothing, start: 0, end: 0 },
      flags: 0,
      expire: 0,
      version: 0,
      value: nothing,
      valueStart: 0,
      valueEnd: 0,
      delta: 0,
    };
  }

  /**
   * The changes that everybody has who must, up to the sequence of this one here: the other replicas, and the master of a
   * new partition. Infinite if the master has said so of all that is here.
   */
  get replicated(): number {
    const followed = this.#followed;
    if (followed === undefined || followed.source !== this.master) return Number.POSITIVE_INFINITY;
    return followed.unshown.length === 0 ? Number.POSITIVE_INFINITY : followed.shown;
  }

  /** The `host:port` of the master that has opened its stream here, if it still is our master. */
  get source(): string | undefined {
    const followed = this.#followed;
    return followed?.source === this.master ? followed?.source : undefined;
  }

  /** The master's newest record that this replica has; undefined: that is not known yet. */
  get sequence(): number | undefined {
    const next = this.source === undefined ? undefined : this.#followed?.next;
    return next === undefined ? undefined : next - 1;
  }

  /** How far it is behind what its master had sent by the last beacon, and how long ago it had all of that. */
  get lag(): { readonly entries: number; readonly ms: number } | undefined {
    const { sequence } = this;
    const followed = this.#followed;
    if (sequence === undefined || followed?.evenMs === undefined) return undefined;
    return { entries: Math.max(0, followed.reached - sequence), ms: this.#clock.monotonicMs() - followed.evenMs };
  }

  /** The master of the partition that this node is a slave of, by its own map. */
  get master(): string | undefined {
    const { nodeMap } = this.#routing;
    if (nodeMap !== this.#map) {
      this.#map = nodeMap;
      const partition = this.#ownPartition();
      this.#master = partition?.master?.key;
    }
    return this.#master;
  }

  /**
   * Follows a stream from `source`: returns the answer, which may say what this replica has. The master then continues there.
   * @throws FlareError REFUSED unless `source` is our master
   */
  open(source: string, { id, next }: StreamRequest): string {
    this.#checkMaster(source);
    if (this.#isUndecided && this.#routing.self?.state !== NodeState.active)
      throw new FlareError("REFUSED", "this replica is asking where it continues");
    const followed = this.#followed;
    if (next === undefined) {
      if (this.#waiting !== undefined) throw new FlareError("REFUSED", "this replica is still applying a block");
      const position = this.#position;
      this.#follow(source, id, undefined, false, position);
      return followsLine(position);
    }
    if (followed === undefined || followed.id !== id) return STREAM_LOST;
    if (followed.next !== undefined) return followed.next >= next ? STREAM_OK : STREAM_LOST;
    // Without a first block yet nothing can be missing.
    followed.next = next;
    followed.isExact = followed.position !== undefined && this.#storage.changedSequence <= this.#markedAt;
    return STREAM_OK;
  }

  /** What this replica has, if nothing else was changed here since its newest mark. */
  get #position(): Position | undefined {
    const followed = this.#followed;
    if (followed === undefined) return undefined;
    const { changedSequence, rollbacks } = this.#storage;
    if (changedSequence > this.#markedAt || rollbacks !== followed.rollbacks) return undefined;
    // A master that has only asked has changed nothing.
    if (followed.next === undefined) return followed.position;
    return followed.isExact ? { history: followed.id, sequence: followed.next - 1 } : undefined;
  }

  /** Refuses streams until `expect` or `decided`: it is not known yet where the next one continues. */
  undecided(): void {
    this.#isUndecided = true;
    this.#followed = undefined;
    this.lease.begin();
  }

  /** A stream may begin with whatever comes next. */
  decided(): void {
    this.#isUndecided = false;
  }

  /**
   * The stream `id` of `source` continues with `next`; this replica has what is before. `isExact`: it has nothing else.
   */
  expect(source: string, id: string, next: number, isExact: boolean): void {
    this.#isUndecided = false;
    this.#follow(source, id, next, isExact);
  }

  #follow(source: string, id: string, next: number | undefined, isExact: boolean, position?: Position): void {
    this.lease.begin();
    this.#openings++;
    const { lastSequence: shown, rollbacks } = this.#storage;
    this.#followed = {
      id,
      source,
      next,
      shown,
      unshown: [],
      isExact,
      rollbacks,
      reached: 0,
      evenMs: undefined,
      position,
    };
  }

  /** The stream that is followed here, or the next one if there is none yet: an argument of `complete`. */
  get following(): number {
    return this.#followed === undefined ? this.#openings + 1 : this.#openings;
  }

  /** The master has found that nothing is missing here. It did so while its stream was open, the one of `following`. */
  complete(following: number): void {
    const followed = this.#followed;
    if (followed === undefined || this.#openings !== following || followed.source !== this.master) return;
    followed.isExact = true;
    followed.rollbacks = this.#storage.rollbacks;
    this.#mark(followed);
  }

  /** Records up to where this replica is like its master. */
  #mark(followed: Followed): void {
    const { id, next } = followed;
    if (followed.rollbacks !== this.#storage.rollbacks) followed.isExact = false;
    if (!followed.isExact || next === undefined) return;
    this.#storage.markPosition({ history: id, sequence: next - 1 });
    this.#markedAt = this.#storage.lastSequence;
  }

  /** Whether this replica may answer reads now. */
  get mayRead(): boolean {
    return (
      this.#followed?.source === this.master && this.#clock.monotonicMs() < this.lease.readsUntilMs && !this.lacksPartition
    );
  }

  /**
   * Whether its master knows of more partitions than this replica, whose keys have moved. With fewer at the master nothing is
   * wrong: this replica has the newer map, by which it takes fewer keys for its own.
   */
  get lacksPartition(): boolean {
    return this.#routing.partitionMap.active.length < this.lease.partitions;
  }

  /**
   * Renews the leases.
   * @throws FlareError REFUSED unless `source` is our master, or gives up being it, and its stream is open
   */
  beacon(source: string, beacon: BeaconRequest): void {
    const followed = this.#followed;
    if (beacon.masterMs > 0) this.#checkMaster(source);
    if (followed === undefined || followed.id !== beacon.id || followed.source !== source) throw notOpen(beacon.id);
    showUpTo(followed, beacon.replicated);
    if (followed.next === undefined && beacon.reached > 0) {
      followed.next = beacon.reached + 1;
      this.#mark(followed);
    }
    const nowMs = this.#clock.monotonicMs();
    followed.reached = Math.max(followed.reached, beacon.reached);
    if (followed.next !== undefined && followed.next > followed.reached) followed.evenMs = nowMs;
    this.lease.take(beacon, nowMs);
  }

  /**
   * Applies a block; its bytes are only needed during the call. It is stored once the storage has committed what is applied
   * then; if that fails, the caller says so by `rolledBack`. A promise if it has to wait for the engine, for room, or for an
   * earlier block.
   * @throws FlareError REFUSED | CORRUPT | IO_ERROR (a promise rejects with them): later blocks are refused until the master
   * has sent this one again
   */
  apply(source: string, request: BlockRequest, bytes: Uint8Array): void | Promise<void> {
    if (this.#waiting !== undefined) return this.#applyLater(this.#waiting, source, request, bytes.slice());
    return this.#applyNow(source, request, bytes);
  }

  /** A block that was applied could not be committed: the master must send it again. */
  rolledBack({ id, firstSequence }: BlockRequest): void {
    const followed = this.#followed;
    if (followed?.id === id && followed.next !== undefined && followed.next > firstSequence) followed.next = firstSequence;
  }

  /** @throws FlareError IO_ERROR */
  #failPart(request: BlockRequest): never {
    this.rolledBack(request);
    throw new FlareError("IO_ERROR", "a part of the block was rolled back, because the log could not be appended");
  }

  async #applyLater(before: Promise<unknown>, source: string, request: BlockRequest, bytes: Uint8Array): Promise<void> {
    await before;
    return this.apply(source, request, bytes);
  }

  #applyNow(source: string, request: BlockRequest, bytes: Uint8Array): void | Promise<void> {
    this.#checkMaster(source);
    const followed = this.#followed;
    const { id, firstSequence, records, salt, replicated } = request;
    if (followed === undefined || followed.id !== id) throw notOpen(id);
    showUpTo(followed, replicated);
    const end = firstSequence + records;
    const next = followed.next ?? firstSequence;
    // Sent again because our answer was lost.
    if (end <= next) return;
    if (firstSequence > next) {
      throw new FlareError("REFUSED", `stream ${id} continues with ${next} here, not with ${firstSequence}`);
    }
    // What it changes is not shown before every replica has it.
    const { lastSequence: here, rollbacks } = this.#storage;
    const change = { there: end - 1, here };
    followed.unshown.push(change);
    // Sent again, and cut in another way: its beginning is here.
    const pending = this.#applyRecords({ bytes, firstSequence, records, salt }, next);
    followed.next = end;
    change.here = this.#storage.lastSequence;
    if (pending === undefined) {
      // To the only slave: when it has them, everybody does.
      showUpTo(followed, replicated);
      return this.#mark(followed);
    }
    const all = pending.then(
      () => {
        change.here = this.#storage.lastSequence;
        showUpTo(followed, replicated);
        // What did not wait was to be committed in earlier turns.
        if (this.#storage.rollbacks !== rollbacks) this.#failPart(request);
        this.#mark(followed);
      },
      (error) => {
        change.here = this.#storage.lastSequence;
        this.rolledBack(request);
        throw error;
      },
    );
    const settled = all
      .catch(() => undefined)
      .then(() => {
        if (this.#waiting === settled) this.#waiting = undefined;
      });
    this.#waiting = settled;
    return all;
  }

  /**
   * Applies the records of a block, without those before `next`; a promise if it has to wait for some.
   * @throws FlareError CORRUPT, or IO_ERROR at the first refusal (a promise rejects with it)
   */
  #applyRecords(block: LogBlock, next: number): Promise<void> | undefined {
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1000);
    let waiting: Promise<void> | undefined;
    let rest: LogBlock | undefined;
    readBlock(block, (reader) => {
      if (rest !== undefined || reader.sequence < next) return;
      const isFlush = reader.kind === LogKind.state && reader.flags === FLUSHED;
      if (isFlush && waiting !== undefined) {
        // What waits for the engine was written before the flush.
        const { sequence, keyStart } = reader;
        const records = block.firstSequence + block.records - sequence;
        const bytes = block.bytes.slice(keyStart - LOG_RECORD_HEADER_BYTES);
        rest = { bytes, firstSequence: sequence, records, salt: block.salt };
        return;
      }
      this.records++;
      if (isFlush) return this.#storage.flushAll(Number(reader.version) as FlushCause);
      if (reader.kind === LogKind.state) return this.#noteDelivery(reader);
      const applied = this.#storage.apply(this.#mutationOf(reader), nowSeconds);
      if (applied instanceof Promise) waiting = this.#both(waiting, applied);
      else this.#check(applied);
    });
    const later = rest;
    return later === undefined ? waiting : waiting?.then(() => this.#applyRecords(later, next));
  }

  /** Where another cluster is: a new master continues there. In our own log, if possible: marks get sparse. */
  #noteDelivery({ bytes, keyStart, keyEnd, version }: LogReader): void {
    const delivery = decodeDelivery(latin1(bytes, keyStart, keyEnd), version);
    if (delivery === undefined) return;
    const common = this.#storage.commonState([delivery]);
    const own = common === undefined ? undefined : this.#storage.positionAt(common.at);
    this.#storage.noteDelivery({ ...delivery, ...own });
  }

  async #both(before: Promise<void> | undefined, pending: Promise<Applied>): Promise<void> {
    const [applied] = await Promise.all([pending, before]);
    this.#check(applied);
  }

  #check({ result, error }: Applied): void {
    if (result === MutationResult.failed) throw new FlareError("IO_ERROR", error);
  }

  #mutationOf(reader: LogReader): Mutation {
    const mutation = this.#mutation;
    const { key } = mutation;
    mutation.kind = reader.kind === LogKind.delete ? MutationKind.mirrorDeletion : MutationKind.mirror;
    key.bytes = reader.bytes;
    key.start = reader.keyStart;
    key.end = reader.keyEnd;
    mutation.flags = reader.flags;
    mutation.expire = reader.expire;
    mutation.version = reader.version;
    mutation.value = reader.bytes;
    mutation.valueStart = reader.valueStart;
    mutation.valueEnd = reader.valueEnd;
    this.#terms.marks = reader.marks;
    mutation.syncMode = reader.syncMode;
    mutation.terms = reader.marks === 0 ? undefined : this.#terms;
    return mutation;
  }

  #checkMaster(source: string): void {
    const { master } = this;
    if (master === source) return;
    const text = master === undefined ? "is no slave" : `is a slave of "${master}"`;
    throw new FlareError("REFUSED", `this node ${text}, not of "${source}", by node map ${this.#routing.nodeMap.version}`);
  }

  #ownPartition(): Partition | undefined {
    const { self, partitionMap } = this.#routing;
    if (self?.role !== NodeRole.slave || self.state === NodeState.down) return undefined;
    const { active, preparing } = partitionMap;
    return active[self.partition] ?? (preparing?.index === self.partition ? preparing : undefined);
  }
}

function notOpen(id: string): FlareError {
  return new FlareError("REFUSED", `stream ${id} is not open here`);
}

/** Every replica has the master's records up to this one. */
function showUpTo(followed: Followed, replicated: number): void {
  const { unshown } = followed;
  for (let first = unshown[0]; first !== undefined && first.there <= replicated; first = unshown[0]) {
    followed.shown = first.here;
    unshown.shift();
  }
}
