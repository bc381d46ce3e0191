/**
 * The changes of a storage from a record on, in the order of its log, for whoever sends them elsewhere: only those that are
 * committed here and at the replicas, so that no failover takes them back. The newest are kept in memory, up to a limit; who is
 * behind that reads the log. Where there is none on disk they are lost then.
 */

import { FlareError } from "../../base/errors.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { CommitListener, LogBlock, LogCursor, LogFollower, Storage } from "../../storage/storage.ts";
import type { ReplicaStreams } from "../stream/replica_streams.ts";

/** What it takes of the replication to the own replicas. */
export type OwnReplicas = Pick<ReplicaStreams, "replicated" | "whenReplicated">;

/** What a feed tells its owner. */
export interface FeedOwner {
  /** There may be more to read; called perhaps too often. */
  onNews(): void;
  /** The next change is nowhere any more. */
  onDropped(): void;
}

/** The changes from `first` on were committed at this time of the monotonic clock, or later. */
interface Moment {
  readonly first: number;
  readonly ms: number;
}

/** Moments remembered; older ones get sparse. */
const MOMENTS_MAX = 256;
const MOMENT_MS = 1000;
/** The pause before it is looked again whether the replicas have what they had not. */
const RETRY_MS = 1000;

export class ChangeFeed implements LogFollower {
  /** Sequence of the next record to be read. */
  next: number;
  /** Changes that nobody can read any more, because too many waited. */
  dropped = 0;
  readonly #clock: Clock;
  readonly #storage: Storage;
  readonly #replicas: OwnReplicas;
  readonly #bytesMax: number;
  readonly #owner: FeedOwner;
  /** The newest blocks, without a gap, oldest first. */
  readonly #recent: LogBlock[] = [];
  #recentBytes = 0;
  /** The newest change in the log that may be read. */
  #last = 0;
  #cursor: LogCursor | undefined;
  /** Of changes that are perhaps not delivered, oldest first; the first one is of the oldest of them. */
  readonly #moments: Moment[] = [];
  #isClosed = false;

  /** @param bytesMax limit of what is kept in memory */
  constructor(clock: Clock, storage: Storage, replicas: OwnReplicas, first: number, bytesMax: number, owner: FeedOwner) {
    this.#clock = clock;
    this.#storage = storage;
    this.#replicas = replicas;
    this.#bytesMax = bytesMax;
    this.#owner = owner;
    this.next = first;
    storage.follow(this);
    this.#note(first);
    this.#onceReplicated(storage.lastSequence, () => undefined);
  }

  close(): void {
    this.#isClosed = true;
    this.#storage.unfollow(this);
  }

  /** About how many bytes of changes are still to be read. */
  get bytesLeft(): number {
    return this.#cursor?.bytesLeft ?? this.#recentBytes;
  }

  onAppended(block: LogBlock): CommitListener {
    return {
      onCommitted: (error) => {
        // A failed sync leaves it in doubt, and the storage takes no more writes.
        if (error !== undefined || this.#isClosed) return;
        this.#note(block.firstSequence);
        this.#onceReplicated(lastOf(block), () => this.#push(block));
      },
    };
  }

  /**
   * The next block, with the next record and perhaps earlier ones; undefined: there is none now.
   * @throws FlareError REFUSED: the next record is nowhere any more | CORRUPT | IO_ERROR
   */
  async read(bytesMax: number): Promise<LogBlock | undefined> {
    for (let first = this.#recent[0]; first !== undefined && first.firstSequence <= this.next; first = this.#recent[0]) {
      this.#recent.shift();
      this.#recentBytes -= first.bytes.length;
      if (lastOf(first) < this.next) continue;
      this.#cursor = undefined;
      this.next = lastOf(first) + 1;
      return first;
    }
    const last = Math.min(this.#last, this.#storage.committedSequence, this.#replicas.replicated);
    if (last < this.next) return undefined;
    if (!this.#storage.manifest.durable) throw new FlareError("REFUSED", "too many changes have waited in memory");
    this.#cursor ??= this.#storage.readLog(this.next);
    const block = await this.#cursor.read(last, bytesMax);
    this.next = this.#cursor.next;
    return block;
  }

  /** For how long a change has waited, as far as it is known, in milliseconds; asked of ever newer ones. */
  ageMs(sequence: number): number {
    const moments = this.#moments;
    for (let next = moments[1]; next !== undefined && next.first <= sequence; next = moments[1]) moments.shift();
    return this.#clock.monotonicMs() - (moments[0] as Moment).ms;
  }

  /** Calls back once the replicas have everything up to a record. */
  #onceReplicated(sequence: number, then: () => void): void {
    this.#replicas.whenReplicated(sequence, {
      onCommitted: (error) => {
        if (this.#isClosed) return;
        if (error !== undefined && this.#storage.manifest.durable) {
          // A replica may still lack it: it is read from the log once none does.
          this.#clock.setTimer(() => !this.#isClosed && this.#onceReplicated(sequence, () => undefined), RETRY_MS);
          return;
        }
        this.#last = Math.max(this.#last, sequence);
        then();
        this.#owner.onNews();
      },
    });
  }

  #push(block: LogBlock): void {
    const last = this.#recent.at(-1);
    const isGap = last !== undefined && lastOf(last) + 1 !== block.firstSequence;
    if (isGap || (this.#recent.length > 0 && this.#recentBytes + block.bytes.length > this.#bytesMax)) this.#forget();
    this.#recent.push(block);
    this.#recentBytes += block.bytes.length;
  }

  #forget(): void {
    if (!this.#storage.manifest.durable) {
      if (this.dropped === 0) this.#owner.onDropped();
      this.dropped += this.#recent.reduce((sum, { records }) => sum + records, 0);
    }
    this.#recent.length = 0;
    this.#recentBytes = 0;
  }

  #note(first: number): void {
    const moments = this.#moments;
    const ms = this.#clock.monotonicMs();
    const newest = moments.at(-1);
    if (newest !== undefined && ms - newest.ms < MOMENT_MS) return;
    moments.push({ first, ms });
    if (moments.length > MOMENTS_MAX) for (let at = 1; at < moments.length; at++) moments.splice(at, 1);
  }
}

function lastOf({ firstSequence, records }: LogBlock): number {
  return firstSequence + records - 1;
}
