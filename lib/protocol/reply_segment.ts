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
  }

  committed(): void {
    this.#uncommitted.length = 0;
    this.waitsForReplicas = false;
  }

  /** Replaces each reply to a write that could not be committed with the result of `encode`. */
  failUncommitted(encode: (how: number, tag: number) => Uint8Array): void {
    const old = this.bytes;
    const oldLength = this.length;
    this.bytes = EMPTY_BYTES;
    this.length = 0;
    let from = 0;
    for (let i = 0; i < this.#uncommitted.length; i += 4) {
      const start = this.#uncommitted[i] as number;
      const end = this.#uncommitted[i + 1] as number;
      this.put(old, from, start);
      const how = this.#uncommitted[i + 2] as number;
      if (end > start || how >= 0) {
        const bytes = encode(how, this.#uncommitted[i + 3] as number);
        this.put(bytes, 0, bytes.length);
      }
      from = end;
    }
    this.put(old, from, oldLength);
    this.#pool.give(old);
    this.committed();
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

  /** Takes over the bytes of the segment after this one; false: one of them holds more than a buffer, or awaits a commit. */
  absorb(next: ReplySegment): boolean {
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
    this.committed();
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
