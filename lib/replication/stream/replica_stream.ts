/**
 * The master's end of the replication stream to one replica: a connection of its own, on which the blocks of the change log
 * go out in order, pipelined. What is not acknowledged is kept, within a limit of bytes, and sent again when the connection
 * breaks; beyond the limit the stream has failed, and the replica is behind. One that was away continues in the change log
 * where it left off: blocks are read from there until it has caught up. Beacons in between renew the leases of both sides,
 * and show how long the replica has been silent. A replica that does not know the stream (the original's, or an older one) says
 * so, and gets every write as a line.
 */

import { MIB } from "../../base/byte_units.ts";
import { FlareError } from "../../base/errors.ts";
import { formatHostPort } from "../../base/host_port.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { PeerLink, type PeerOptions, type PendingRequest, requestFor } from "../../net/peer/peer_link.ts";
import type { Worker, WorkerRegistry } from "../../net/worker.ts";
import {
  encodeBeacon,
  encodeStream,
  isWorthRepeating,
  parseFollows,
  STREAM_LOST,
  STREAM_OK,
} from "../../protocol/stream_request.ts";
import { BAD_LINE } from "../../protocol/text/refusal_lines.ts";
import { ReplyShape } from "../../protocol/text/text_client.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { LogBlock, LogCursor, Position } from "../../storage/storage.ts";
import { Beacons, type LeaseWords } from "./beacons.ts";
import type { LeaseTimes } from "./lease_times.ts";

/** A block on its way: a whole request. */
export interface SentBlock {
  readonly bytes: Uint8Array;
  /** The sequence of its first record, and of its last one. */
  readonly first: number;
  readonly last: number;
  readonly queuedMs: number;
}

/** What a stream tells its owner. */
export interface StreamOwner {
  /** The newest record, and the newest one that is committed. */
  readonly written: { readonly lastSequence: number; readonly committedSequence: number };
  /** A block as it is sent. */
  encode(block: LogBlock): SentBlock;
  /** Up to which record here a replica has everything, and nothing else, that has what a position has; undefined: not known. */
  upTo(position: Position): number | undefined;
  /** Reads the log from a record on; undefined: it is not there. */
  readFrom(first: number): LogCursor | undefined;
  /** Whether a replica that must have every write has some that were lost here: then nothing is sent. */
  isAhead(stream: ReplicaStream, position: Position): boolean;
  /** A replica follows, but what it has is not known, or not in the log any more. */
  onUncertain(stream: ReplicaStream): void;
  /** Whether the node has answered as one that knows streams does. */
  knows(nodeKey: string): boolean;
  onKnown(nodeKey: string, knows: boolean): void;
  /** Resolves when no line with a write is on its way to the replica. */
  linesDone(nodeKey: string): Promise<void>;
  /** The stream carries the writes from now on, or does so no more. */
  onCoverage(stream: ReplicaStream): void;
  /** It is known where the stream begins: the replica should hear it. */
  onBegun(): void;
  /** `acknowledged` has grown, or a lease is renewed. */
  onAcknowledged(): void;
  /** The replica has not got everything. The stream has ended. */
  onFailed(stream: ReplicaStream, reason: string): void;
}

/** What all streams of a master have in common. */
export interface StreamSettings {
  /** The history of the change log. */
  readonly id: string;
  readonly selfKey: string;
  readonly peer: PeerOptions;
}

/**
 * `opening`: the replica has not agreed yet; writes go to it as lines, unless it is sure to know streams. `draining`: it has,
 * and the last lines are on their way; blocks wait for them. `open`: blocks are sent. `unknown`: it does not know the stream.
 * `ended`: nothing is sent any more.
 */
type Phase = "opening" | "draining" | "open" | "unknown" | "ended";

/** Requests are combined into writes of about this size. */
const WRITE_BYTES_MAX = 262144;
/** The pause before a broken connection is opened again, or a replica that refuses is asked again. */
const RETRY_MS = 200;
/** Read from the change log at a time, and at most so much is unacknowledged meanwhile. */
const READ_BYTES = MIB;
const CATCHING_UP_BYTES_MAX = 4 * MIB;
/** How long a stream that ends waits for the answer to its last word. */
const FAREWELL_MS = 1000;

export class ReplicaStream implements Worker {
  readonly node: ClusterNode;
  readonly id: number;
  readonly type: number;
  readonly operation = "stream";
  readonly startedMs: number;
  /** The sequence of the newest record that the replica has. */
  acknowledged = 0;
  /** Nobody waits for it any more, until it has everything. */
  isLetGo = false;
  /** The leases of both sides. */
  readonly beacons = new Beacons();
  readonly #runtime: Runtime;
  readonly #workers: WorkerRegistry;
  readonly #settings: StreamSettings;
  readonly #owner: StreamOwner;
  #phase: Phase = "opening";
  #link: PeerLink | undefined;
  /** Whether the replica follows on the current connection. */
  #isFollowing = false;
  #isAsking = false;
  /** Whether beacons say how many partitions there are: earlier builds refuse those. */
  #takesPartitions = true;
  /** Not acknowledged, oldest first. */
  readonly #blocks: SentBlock[] = [];
  #bytes = 0;
  /** How many of them were sent on the current connection. */
  #sent = 0;
  /** Whether the replica is asked to continue: it has everything before the oldest record that is not acknowledged. */
  #hasBegun = false;
  #retry: Timer | undefined;
  /** From this record on blocks are pushed; what is not committed before may not be. */
  readonly #pushedFrom: number;
  /** Reads what a replica that was away lacks; undefined once it has caught up. */
  #cursor: LogCursor | undefined;
  /** The sequence of the next record to be queued; undefined = not known yet. */
  #next: number | undefined;
  /** Called at the next answer, or at the end. */
  #onProgress: (() => void) | undefined;
  /** When the replica gave the last sign that it follows, on the monotonic clock; at first, when it was asked. */
  #heardMs: number;

  /**
   * Every block that is appended from now on must be pushed here when it is committed.
   * @param cursor at what the replica lacks; absent: it gets what is written from now on
   * @param delayMs before it is opened
   */
  constructor(
    runtime: Runtime,
    workers: WorkerRegistry,
    node: ClusterNode,
    settings: StreamSettings,
    owner: StreamOwner,
    cursor?: LogCursor,
    delayMs = 0,
  ) {
    this.#runtime = runtime;
    this.#workers = workers;
    this.node = node;
    this.#settings = settings;
    this.#owner = owner;
    this.id = workers.nextId();
    this.type = node.threadType;
    this.startedMs = runtime.clock.monotonicMs();
    this.#heardMs = this.startedMs;
    this.#pushedFrom = owner.written.lastSequence + 1;
    this.#cursor = cursor;
    if (cursor !== undefined) {
      this.#hasBegun = true;
      this.acknowledged = cursor.next - 1;
    } else if (owner.knows(node.key)) {
      this.#next = owner.written.committedSequence + 1;
    }
    workers.add(this);
    if (delayMs > 0) this.#later(delayMs);
    else this.#connect();
  }

  get peer(): string {
    return formatHostPort(this.node.host, this.node.port);
  }

  get state(): string {
    return this.#phase;
  }

  get queue(): number {
    return this.#blocks.length;
  }

  /** Bytes that are not acknowledged. */
  get queuedBytes(): number {
    return this.#bytes;
  }

  get behindSeconds(): number {
    const [oldest] = this.#blocks;
    return oldest === undefined ? 0 : Math.floor((this.#runtime.clock.monotonicMs() - oldest.queuedMs) / 1000);
  }

  /** Whether every write reaches the replica by the stream. */
  get covers(): boolean {
    if (this.#phase === "opening") return this.#cursor !== undefined || this.#next !== undefined;
    return this.#phase === "draining" || this.#phase === "open";
  }

  /** Whether the replica follows: blocks are sent to it. */
  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** Whether it still gets what was written while it was away. */
  get isCatchingUp(): boolean {
    return this.#cursor !== undefined;
  }

  /** When the newest block was queued that is not acknowledged; now if there is none. */
  get lastQueuedMs(): number {
    return this.#blocks.at(-1)?.queuedMs ?? this.#runtime.clock.monotonicMs();
  }

  /** The sequence of the oldest record that is not acknowledged, unless it is idle. */
  get firstMissing(): number {
    return this.#blocks[0]?.first ?? this.acknowledged + 1;
  }

  /** Whether everything was acknowledged. */
  get isIdle(): boolean {
    return this.#blocks.length === 0 && this.#cursor === undefined;
  }

  /** Queues a block that was just committed; the stream must cover the writes. */
  push(block: SentBlock): void {
    // It is, or was, read from the log.
    if (this.#cursor !== undefined || (this.#next !== undefined && block.last < this.#next)) return;
    if (this.#next !== undefined && block.first > this.#next) return this.fail(`records from ${this.#next} on are missing`);
    this.#queue(block);
    if (this.#bytes > this.#settings.peer.queueBytesMax && this.#blocks.length > 1) {
      return this.fail(`${this.#bytes} bytes are waiting for it`);
    }
    this.#send();
  }

  #queue(block: SentBlock): void {
    this.#blocks.push(block);
    this.#bytes += block.bytes.length;
    this.#next = block.last + 1;
  }

  /** Whether it is a replica without streams: it gets lines, and no leases. */
  get isUnknown(): boolean {
    return this.#phase === "unknown";
  }

  /** How long the replica has given no sign that it follows. */
  silentMs(nowMs: number): number {
    return this.#phase === "unknown" ? 0 : nowMs - this.#heardMs;
  }

  /** We did not run for some time ourselves: the replica's silence does not count. */
  forgive(pausedMs: number): void {
    this.#heardMs += pausedMs;
  }

  /** Renews the leases; `reads`: the replica may answer reads. */
  beacon(times: LeaseTimes, reads: boolean, replicated: number, partitions: number): void {
    const link = this.#link;
    if (link === undefined || !this.#isFollowing || !link.writable) return;
    const words = this.beacons.next(this.#runtime.clock.monotonicMs(), times, reads, this.#takesPartitions ? partitions : 0);
    this.#request(link, this.#encodeBeacon(words, replicated), (line) => {
      if (this.#link !== link) return;
      if (line === BAD_LINE) this.#takesPartitions = false;
      // It has another map now, and is asked again whether it follows.
      if (line !== STREAM_OK) return link.fail(new FlareError("REFUSED", line, { retriable: true }));
      this.#heardMs = this.#runtime.clock.monotonicMs();
      this.beacons.answered(words.number, this.#heardMs);
      this.#owner.onAcknowledged();
    });
  }

  /**
   * Ends the stream with a last word: the replica may answer no more reads; or, with `isOver`, we are no master any more, and
   * it may answer them for as long as it has been allowed to. Calls back when it has heard it; not if it cannot be reached.
   */
  leave(isOver: boolean, times: LeaseTimes, partitions: number, heard: () => void): void {
    const link = this.#link;
    if (link === undefined || !this.#isFollowing || !link.writable) return this.end();
    const said = this.#takesPartitions ? partitions : 0;
    const words = isOver
      ? this.beacons.last(times, said)
      : this.beacons.next(this.#runtime.clock.monotonicMs(), times, false, said);
    this.#phase = "ended";
    const late = this.#runtime.clock.setTimer(() => this.#close(), FAREWELL_MS);
    this.#request(link, this.#encodeBeacon(words, 0), () => {
      this.#runtime.clock.clearTimer(late);
      this.#close();
      heard();
    });
  }

  #encodeBeacon(words: LeaseWords, replicated: number): Uint8Array {
    const reached = this.#blocks[this.#sent - 1]?.last ?? this.acknowledged;
    return encodeBeacon(this.#settings.selfKey, { id: this.#settings.id, ...words, replicated, reached });
  }

  /** The replica does not get everything any more. */
  fail(reason: string): void {
    if (this.#phase === "ended") return;
    this.end();
    this.#owner.onFailed(this, reason);
  }

  kill(): void {
    this.#link?.fail(new FlareError("CLOSED", `connection to "${this.peer}" was killed by an operator`));
  }

  /** Sends nothing more. */
  end(): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#close();
  }

  #close(): void {
    const { clock } = this.#runtime;
    this.#onProgress?.();
    if (this.#retry !== undefined) clock.clearTimer(this.#retry);
    this.#workers.remove(this);
    this.#link?.fail(new FlareError("CLOSED", `the stream to "${this.peer}" has ended`));
    this.#link = undefined;
  }

  #connect(): void {
    this.#isFollowing = false;
    this.#isAsking = false;
    this.#sent = 0;
    this.#link = new PeerLink(this.#runtime, this.node, this.#settings.peer, {
      onReady: () => (this.#isFollowing ? this.#send() : this.#ask()),
      onIdle: () => undefined,
      onGone: (link) => this.#onGone(link),
    });
  }

  #onGone(link: PeerLink): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    if (this.#phase === "ended" || this.#phase === "unknown") return;
    this.#later(RETRY_MS);
  }

  #later(delayMs: number): void {
    this.#retry ??= this.#runtime.clock.setTimer(() => {
      this.#retry = undefined;
      if (this.#link === undefined) this.#connect();
      else this.#ask();
    }, delayMs);
  }

  /** Opens the stream on a new connection, or continues it there. */
  #ask(): void {
    const link = this.#link;
    if (link === undefined || this.#isAsking || this.#retry !== undefined) return;
    this.#isAsking = true;
    const { id, selfKey } = this.#settings;
    const next = this.#hasBegun ? this.firstMissing : undefined;
    this.#request(link, encodeStream(selfKey, { id, next }), (line) => this.#onAnswer(link, line));
  }

  #onAnswer(link: PeerLink, line: string): void {
    this.#isAsking = false;
    if (this.#link !== link || this.#phase === "ended") return;
    // It is not known whether what was appended before will ever be committed; the replica is asked again then.
    if (this.#phase === "opening" && this.#owner.written.committedSequence + 1 < this.#pushedFrom) return this.#later(RETRY_MS);
    if (line !== STREAM_LOST && !isWorthRepeating(line) && !line.startsWith(STREAM_OK)) return this.#onUnknown(link);
    // Lines would come back: a node whose map is older passes them on to the owner, behind what that has done since.
    if (this.#phase === "opening" && this.#cursor === undefined) this.#next ??= this.#owner.written.committedSequence + 1;
    this.#owner.onKnown(this.node.key, true);
    if (line === STREAM_LOST) return this.fail("it has lost the stream");
    const position = parseFollows(line);
    if (line === STREAM_OK || position !== undefined) {
      const isFirst = this.#phase === "opening" && !this.#hasBegun;
      if (isFirst && position !== undefined && this.#owner.isAhead(this, position)) return this.#later(RETRY_MS);
      if (isFirst && this.#continueAfter(position)) return this.#ask();
      this.#isFollowing = true;
      this.#heardMs = this.#runtime.clock.monotonicMs();
      this.beacons.begin(!this.#hasBegun);
      if (this.#phase === "opening") this.#drain();
      else this.#send();
    } else {
      this.#later(RETRY_MS);
    }
  }

  /** The replica does not know streams. */
  #onUnknown(link: PeerLink): void {
    const hasMore = this.covers;
    if (!hasMore) this.#phase = "unknown";
    this.#owner.onKnown(this.node.key, false);
    // What was kept for it cannot be sent any more.
    if (hasMore) return this.fail("it does not know the replication stream any more");
    link.fail(new FlareError("UNSUPPORTED", `"${this.peer}" does not know the replication stream`));
  }

  /** The replica says what it has: continues there, if that is possible. */
  #continueAfter(position: Position | undefined): boolean {
    const at = position === undefined ? undefined : this.#owner.upTo(position);
    const kept = this.#blocks[0]?.first ?? this.#owner.written.committedSequence + 1;
    const cursor = at === undefined || at + 1 === kept ? undefined : this.#owner.readFrom(at + 1);
    if (at === undefined || (cursor === undefined && at + 1 !== kept)) {
      this.#owner.onUncertain(this);
      return false;
    }
    this.#hasBegun = true;
    this.acknowledged = at;
    if (cursor === undefined) return true;
    this.#cursor = cursor;
    // They are read from the log.
    this.#blocks.length = 0;
    this.#bytes = 0;
    return true;
  }

  /** The replica has agreed: from now on blocks are kept, and they are sent once it has every earlier write. */
  #drain(): void {
    const { committedSequence } = this.#owner.written;
    this.#phase = "draining";
    this.#owner.onCoverage(this);
    const cursor = this.#cursor;
    // What is committed has gone as lines, unless it is kept here or read from the log.
    if (cursor === undefined) this.#next ??= committedSequence + 1;
    const first = this.#next;
    void this.#owner.linesDone(this.node.key).then(() => {
      if (this.#phase !== "draining") return;
      this.#phase = "open";
      if (cursor !== undefined) void this.#catchUp(cursor);
      else if (first !== undefined) this.#beginAt(first);
      this.#send();
    });
  }

  /** The replica has everything before a record, or copies it. */
  #beginAt(first: number): void {
    this.acknowledged = (this.#blocks[0]?.first ?? first) - 1;
    this.#hasBegun = true;
    this.#owner.onBegun();
  }

  /** Sends what is in the log, until it has reached the blocks that are pushed here. */
  async #catchUp(cursor: LogCursor): Promise<void> {
    try {
      while (!this.#isEnded) {
        const block = await cursor.read(this.#owner.written.committedSequence, READ_BYTES);
        if (this.#isEnded) return;
        if (block !== undefined) {
          this.#queue(this.#owner.encode(block));
          this.#send();
          while (this.#bytes > CATCHING_UP_BYTES_MAX && !this.#isEnded) {
            await new Promise<void>((resolve) => {
              this.#onProgress = resolve;
            });
          }
        } else if (cursor.next > this.#owner.written.committedSequence) {
          this.#next = cursor.next;
          this.#cursor = undefined;
          this.#owner.onAcknowledged();
          return;
        }
      }
    } catch (error) {
      this.fail((error as Error).message);
    }
  }

  get #isEnded(): boolean {
    return this.#phase === "ended";
  }

  #send(): void {
    const link = this.#link;
    if (this.#phase !== "open" || link === undefined || !this.#isFollowing) return;
    while (this.#sent < this.#blocks.length && link.writable) {
      const requests: PendingRequest[] = [];
      let bytes = 0;
      for (; this.#sent < this.#blocks.length && bytes < WRITE_BYTES_MAX; this.#sent++) {
        const block = this.#blocks[this.#sent] as SentBlock;
        requests.push(this.#requestFor(block.bytes, (line) => this.#onBlockAnswer(link, block, line)));
        bytes += block.bytes.length;
      }
      link.send(requests);
    }
  }

  #onBlockAnswer(link: PeerLink, block: SentBlock, line: string): void {
    if (this.#link !== link) return;
    if (line !== STREAM_OK) {
      if (!isWorthRepeating(line)) return this.fail(`it answered "${line}"`);
      // What was sent after it is refused, too: everything is sent again, on a new connection.
      return link.fail(new FlareError("REFUSED", line, { retriable: true }));
    }
    this.#blocks.shift();
    this.#bytes -= block.bytes.length;
    this.#sent--;
    this.acknowledged = block.last;
    this.#heardMs = this.#runtime.clock.monotonicMs();
    this.#onProgress?.();
    if (this.isIdle) this.isLetGo = false;
    this.#owner.onAcknowledged();
  }

  #request(link: PeerLink, bytes: Uint8Array, resolve: (line: string) => void): void {
    link.send([this.#requestFor(bytes, resolve)]);
  }

  /** A connection that breaks is opened again: nobody needs its error. */
  #requestFor(bytes: Uint8Array, resolve: (line: string) => void): PendingRequest {
    return requestFor(
      bytes,
      ReplyShape.line,
      ({ line }) => resolve(line),
      () => undefined,
      this.#runtime.clock.monotonicMs(),
    );
  }
}
