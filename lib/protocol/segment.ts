/**
 * A stretch of a connection's replies: bytes in the making. A session always has one open segment; a request that
 * has to wait keeps its segment and the session opens the next, so replies leave in the order of the requests.
 * It knows bytes and decimal numbers, no protocol.
 */

import type { Uint64 } from "../base/uint64.ts";

/** Copies of up to this many bytes are faster in a loop than through `set`. */
const LOOP_COPY_MAX = 48;
const FIRST_BYTES = 4096;

/** What takes the bytes; `false` = it keeps the memory and takes no more for now (see `Connection.write`). */
export interface ByteSink {
  write(bytes: Uint8Array): boolean;
}

export class Segment {
  bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  length = 0;
  /** False while a request still writes here, or while a write in here is not committed. */
  closed = true;
  /** Full buffers and values taken by reference, all of them before `bytes`. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  /** Start and end of each reply to a write that is not committed yet. */
  #uncommitted: number[] = [];

  /** Bytes held in all. */
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
    let size = this.bytes.length * 2;
    while (size < needed) size *= 2;
    const grown = new Uint8Array(size);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
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

  /** Takes bytes that never change by reference instead of copying them. */
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
    if (typeof value !== "number" || value > 0xffffffff) return this.putText(String(value));
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

  /** Says that what was written from `start` on answers a write that is not committed yet. */
  markUncommitted(start: number): void {
    this.#uncommitted.push(start, this.length);
  }

  /** Takes back what was written from `start` on (no part may have been sealed since). */
  truncate(start: number): void {
    this.length = start;
  }

  committed(): void {
    this.#uncommitted.length = 0;
  }

  /** Puts `line` in the place of each reply to a write that could not be committed. Silent ones stay silent. */
  failUncommitted(line: Uint8Array): void {
    const old = this.bytes;
    const oldLength = this.length;
    this.bytes = new Uint8Array(old.length);
    this.length = 0;
    let from = 0;
    for (let i = 0; i < this.#uncommitted.length; i += 2) {
      const start = this.#uncommitted[i] as number;
      const end = this.#uncommitted[i + 1] as number;
      this.put(old, from, start);
      if (end > start) this.put(line, 0, line.length);
      from = end;
    }
    this.put(old, from, oldLength);
    this.#uncommitted.length = 0;
  }

  /** Hands the bytes so far to the sink, buffer by buffer, until it answers false; true = all handed over. */
  drainTo(sink: ByteSink): boolean {
    while (this.#parts.length > 0) {
      const part = this.#parts.shift() as Uint8Array;
      this.#partBytes -= part.length;
      if (!sink.write(part)) return false;
    }
    if (this.length === 0) return true;
    const bytes = this.bytes.subarray(0, this.length);
    this.length = 0;
    if (sink.write(bytes)) return true;
    // The sink keeps this memory until it has drained.
    this.bytes = new Uint8Array(FIRST_BYTES);
    return false;
  }

  /** Back to an empty, closed segment; a buffer that grew large is let go. */
  reset(): void {
    if (this.bytes.length > FIRST_BYTES * 16) this.bytes = new Uint8Array(FIRST_BYTES);
    this.length = 0;
    this.closed = true;
    this.#uncommitted.length = 0;
    this.#parts.length = 0;
    this.#partBytes = 0;
  }

  #sealBuffer(): void {
    if (this.length === 0) return;
    this.#parts.push(this.bytes.subarray(0, this.length));
    this.#partBytes += this.length;
    this.bytes = new Uint8Array(FIRST_BYTES);
    this.length = 0;
  }
}
