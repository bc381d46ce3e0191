/**
 * What a connection has received and not answered: the bytes of requests that are incomplete or have to wait, or how much
 * of a refused one is still to be passed over. All connections of a server share one bound of memory for it, and memory
 * follows the bytes that came, not the length a header claims. A request that comes whole never gets here. Knows nothing
 * of what the bytes mean.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";

/** Bytes all connections together hold of requests that are not complete, and the most they may. */
export interface RequestMemory {
  usedBytes: number;
  readonly bytesMax: number;
}

const FIRST_BYTES = 1024;

export class Received {
  /** Bytes held. */
  length = 0;
  /** Bytes the first request held takes from its start, 0 = not known. */
  needed = 0;
  /** Held bytes known to contain no line end. */
  scanned = 0;
  /** Bytes of a refused request still to be passed over; nothing is held as long as there are any. */
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

  /** Since when what is here has been coming, by the monotonic clock; 0 = there is nothing. */
  get sinceMs(): number {
    return this.isEmpty ? 0 : this.#sinceMs;
  }

  /** The bytes held. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }

  /** Notes what a parser has told of the request that is incomplete. */
  expect(needed: number, scanned: number): void {
    this.needed = needed;
    this.scanned = scanned;
  }

  /** Keeps `chunk[from, …)` behind what is held; false when there is no memory for it. */
  hold(chunk: Uint8Array, from: number, nowMs: number): boolean {
    const length = this.length + chunk.length - from;
    if (!this.#reserve(length)) return false;
    if (this.isEmpty) this.#sinceMs = nowMs;
    this.#buffer.set(from === 0 ? chunk : chunk.subarray(from), this.length);
    this.length = length;
    return true;
  }

  /** Forgets the first `count` bytes held; what is behind them begins now. */
  consume(count: number, nowMs: number): void {
    this.#sinceMs = nowMs;
    if (count >= this.length) return this.release();
    this.#buffer.copyWithin(0, count, this.length);
    this.length -= count;
  }

  /** Passes over `count` bytes of which `available` are there: gives how many of these, the others are remembered. */
  skip(count: number, available: number, nowMs: number): number {
    if (this.isEmpty) this.#sinceMs = nowMs;
    const skipped = Math.min(count, available);
    this.skipping = count - skipped;
    return skipped;
  }

  /** Forgets all bytes held and gives their memory back. */
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
