/**
 * The bytes of a connection's requests that are incomplete or have to wait, or how many bytes of a refused request are still to
 * be skipped. All connections of a server share one memory limit for this, and memory grows with the bytes received, not with
 * the length in a header. A request that arrives complete never gets here. Does not know what the bytes mean.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";

/** Bytes of incomplete requests that all connections together hold, and the limit. */
export interface RequestMemory {
  usedBytes: number;
  readonly bytesMax: number;
}

const FIRST_BYTES = 1024;

export class Received {
  /** Bytes held. */
  length = 0;
  /** The length of the first request held, in bytes; 0 = not known. */
  needed = 0;
  /** Bytes at the start of those held that contain no line end. */
  scanned = 0;
  /** Bytes of a refused request still to be skipped; nothing is held while there are any. */
  skipping = 0;
  readonly #memory: RequestMemory;
  #buffer = EMPTY_BYTES;
  #sinceMs = 0;

  constructor(memory: RequestMemory) {
    this.#memory = memory;
  }

  /** Whether the next byte begins a request. */
  get isEmpty(): boolean {
    return this.length === 0 && this.skipping === 0;
  }

  /** When the first byte held arrived, by the monotonic clock; 0 = nothing is held. */
  get sinceMs(): number {
    return this.isEmpty ? 0 : this.#sinceMs;
  }

  /** The bytes held. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }

  /** Records a parser's result for the incomplete request. */
  expect(needed: number, scanned: number): void {
    this.needed = needed;
    this.scanned = scanned;
  }

  /** Appends `chunk[from, …)` to the bytes held; false if there is no memory for it. */
  hold(chunk: Uint8Array, from: number, nowMs: number): boolean {
    const length = this.length + chunk.length - from;
    if (!this.#reserve(length)) return false;
    if (this.isEmpty) this.#sinceMs = nowMs;
    this.#buffer.set(from === 0 ? chunk : chunk.subarray(from), this.length);
    this.length = length;
    return true;
  }

  /** Drops the first `count` bytes held; the time of the rest starts now. */
  consume(count: number, nowMs: number): void {
    this.#sinceMs = nowMs;
    if (count >= this.length) return this.release();
    this.#buffer.copyWithin(0, count, this.length);
    this.length -= count;
  }

  /** Skips `count` bytes, of which `available` have arrived: returns how many of these to skip, and remembers the rest. */
  skip(count: number, available: number, nowMs: number): number {
    if (this.isEmpty) this.#sinceMs = nowMs;
    const skipped = Math.min(count, available);
    this.skipping = count - skipped;
    return skipped;
  }

  /** Drops all bytes held and frees their memory. */
  release(): void {
    this.#memory.usedBytes -= this.#buffer.length;
    this.#buffer = EMPTY_BYTES;
    this.length = 0;
    this.expect(0, 0);
  }

  #reserve(length: number): boolean {
    const capacity = this.#buffer.length;
    if (length <= capacity) return true;
    let grown = Math.max(length, capacity * 2, FIRST_BYTES);
    if (this.needed > length) grown = Math.min(grown, this.needed);
    const memory = this.#memory;
    if (memory.usedBytes + grown - capacity > memory.bytesMax) return false;
    memory.usedBytes += grown - capacity;
    const buffer = new Uint8Array(grown);
    buffer.set(this.bytes);
    this.#buffer = buffer;
    return true;
  }
}
