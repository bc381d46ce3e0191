/**
 * A segment of a connection's replies, being written. A session always has one open segment; a request that has to wait keeps
 * its segment and the session opens the next, so replies leave in the order of the requests. It knows bytes and decimal
 * numbers, no protocol.
 */

import { EMPTY_BYTES } from "../base/bytes.ts";
import { UINT32_MAX } from "../base/number_bounds.ts";
import type { Uint64 } from "../base/uint64.ts";
import { type BufferPool, POOLED_BYTES, SMALL_BYTES } from "./buffer_pool.ts";

/** Copies of up to this many bytes are faster in a loop than through `set`. */
const LOOP_COPY_MAX = 48;

/** Numbers kept for each uncommitted reply. */
const MARK_FIELDS = 4;

/** The receiver of the bytes; `false` = it keeps the memory and accepts no more for now (see `Connection.write`). */
export interface ByteSink {
  write(bytes: Uint8Array): boolean;
}

export class ReplySegment {
  bytes: Uint8Array = EMPTY_BYTES;
  length = 0;
  /** False while a request still writes here, or a write in here is not committed. */
  closed = true;
  /** The replies to uncommitted writes wait for the replicas, too. */
  waitsForReplicas = false;
  /** Full buffers and values taken by reference, all of them before `bytes`. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  /** Start and end of each reply to an uncommitted write, and how to answer its failure. */
  #uncommitted: number[] = [];
  /** How many of them each requested commit covers, oldest first … */
  readonly #requested: number[] = [];
  /** … and how many none covers yet. */
  #unrequested = 0;
  readonly #pool: BufferPool;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Total bytes held. */
  get size(): number {
    return this.#partBytes + this.length;
  }

  get hasUncommitted(): boolean {
    return this.#uncommitted.length > 0;
  }

  /** Makes room for `count` more bytes at `bytes[length]`. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const old = this.bytes;
    const grown = this.#bufferOf(needed, old.length);
    if (this.length > 0) grown.set(old.subarray(0, this.length));
    this.bytes = grown;
    this.#pool.give(old);
  }

  #bufferOf(needed: number, before: number): Uint8Array {
    // A reply that waits is alone in its segment.
    if (!this.closed && needed <= SMALL_BYTES) return this.#pool.takeSmall();
    if (needed <= POOLED_BYTES) return this.#pool.take();
    let size = Math.max(before, POOLED_BYTES) * 2;
    while (size < needed) size *= 2;
    return new Uint8Array(size);
  }

  put(source: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.reserve(count);
    const target = this.bytes;
    if (count <= LOOP_COPY_MAX) {
      let at = this.length;
      for (let i = start; i < end; i++) target[at++] = source[i] as number;
      this.length = at;
      return;
    }
    target.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.length);
    this.length += count;
  }

  /** Adds immutable bytes by reference instead of copying them. */
  putStable(source: Uint8Array, start: number, end: number): void {
    if (this.#uncommitted.length > 0) return this.put(source, start, end);
    this.#sealBuffer();
    this.#parts.push(source.subarray(start, end));
    this.#partBytes += end - start;
  }

  putByte(byte: number): void {
    this.reserve(1);
    this.bytes[this.length++] = byte;
  }

  /** Writes a latin-1 string. */
  putText(text: string): void {
    this.reserve(text.length);
    const target = this.bytes;
    let at = this.length;
    for (let i = 0; i < text.length; i++) target[at++] = text.charCodeAt(i);
    this.length = at;
  }

  putNumber(value: Uint64): void {
    if (typeof value !== "number" || value > UINT32_MAX) return this.putText(String(value));
    this.reserve(10);
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    const target = this.bytes;
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const next = Math.floor(rest / 10);
      target[at] = 0x30 + (rest - next * 10);
      rest = next;
    }
    this.length += digits;
  }

  /**
   * Marks the bytes from `start` on as the answer to an uncommitted write. `how` and `tag` are returned if its failure must be
   * answered; a silent reply stays silent unless `how` is at least 0.
   */
  markUncommitted(start: number, how = -1, tag = 0): void {
    this.#uncommitted.push(start, this.length, how, tag);
    this.#unrequested++;
  }

  /** The caller requests a commit for what was marked since the last call; false: nothing was. */
  requestCommit(): boolean {
    if (this.#unrequested === 0) return false;
    this.#requested.push(this.#unrequested);
    this.#unrequested = 0;
    return true;
  }

  /** The oldest requested commit is done; later ones still hold their replies back. */
  committed(): void {
    const count = this.#takeRequested();
    if (count === this.#uncommitted.length) this.#uncommitted.length = 0;
    else this.#uncommitted.splice(0, count);
  }

  /** Replaces each reply that the oldest requested commit covers, which failed, with the result of `encode`. */
  failUncommitted(encode: (how: number, tag: number) => Uint8Array): void {
    const old = this.bytes;
    const oldLength = this.length;
    const failed = this.#uncommitted.splice(0, this.#takeRequested());
    this.bytes = EMPTY_BYTES;
    this.length = 0;
    let from = 0;
    for (let i = 0; i < failed.length; i += MARK_FIELDS) {
      const start = failed[i] as number;
      const end = failed[i + 1] as number;
      this.put(old, from, start);
      const how = failed[i + 2] as number;
      if (end > start || how >= 0) {
        const bytes = encode(how, failed[i + 3] as number);
        this.put(bytes, 0, bytes.length);
      }
      from = end;
    }
    this.put(old, from, oldLength);
    this.#pool.give(old);
    this.#moveMarks(this.length - oldLength);
  }

  /** The length of what the oldest requested commit covers in the list of marks. */
  #takeRequested(): number {
    return (this.#requested.shift() ?? 0) * MARK_FIELDS;
  }

  #moveMarks(by: number): void {
    const marks = this.#uncommitted;
    for (let i = 0; i < marks.length; i += MARK_FIELDS) {
      marks[i] = (marks[i] as number) + by;
      marks[i + 1] = (marks[i + 1] as number) + by;
    }
  }

  /** Passes the bytes so far to the sink, buffer by buffer, until it returns false; true = all passed. */
  drainTo(sink: ByteSink): boolean {
    while (this.#parts.length > 0) {
      const part = this.#parts.shift() as Uint8Array;
      this.#partBytes -= part.length;
      if (!sink.write(part)) return false;
    }
    if (this.length === 0) return true;
    const bytes = this.bytes;
    const length = this.length;
    this.bytes = EMPTY_BYTES;
    this.length = 0;
    // With false the sink keeps the memory until it has drained.
    if (!sink.write(bytes.subarray(0, length))) return false;
    this.#pool.give(bytes);
    return true;
  }

  /**
   * Takes over the bytes of the segment after this one; false: that is still being written, or one of them holds more than a
   * buffer or awaits a commit.
   */
  absorb(next: ReplySegment): boolean {
    if (!next.closed) return false;
    if (this.#parts.length > 0 || next.#parts.length > 0 || this.hasUncommitted || next.hasUncommitted) return false;
    if (this.length + next.length > POOLED_BYTES) return false;
    this.put(next.bytes, 0, next.length);
    next.reset();
    return true;
  }

  /** Resets it to an empty, closed segment. */
  reset(): void {
    this.#pool.give(this.bytes);
    this.bytes = EMPTY_BYTES;
    this.length = 0;
    this.closed = true;
    this.waitsForReplicas = false;
    this.#uncommitted.length = 0;
    this.#requested.length = 0;
    this.#unrequested = 0;
    this.#parts.length = 0;
    this.#partBytes = 0;
  }

  #sealBuffer(): void {
    if (this.length === 0) return;
    this.#parts.push(this.bytes.subarray(0, this.length));
    this.#partBytes += this.length;
    this.bytes = EMPTY_BYTES;
    this.length = 0;
  }
}
