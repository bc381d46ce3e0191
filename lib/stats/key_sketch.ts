/**
 * The keys with the most weight in a stream, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi 2005). A key
 * without a counter takes over the smallest one, and what that one had is its error. So of `n` counters and a total weight of
 * `W`, every key with more than `W / n` has a counter; a counter exceeds its key's weight by its error at most, and no error
 * exceeds `W / n`. All weights may be scaled together, which leaves that as it is. Copies keys, allocates nothing. Pure.
 */

import { copyBytes } from "../base/copy_bytes.ts";

/** How much of a key is kept; longer ones are told apart by their hash and their length, too. */
export const KEY_BYTES_KEPT = 250;

/** What is known of one key. */
export interface CountedKey {
  /** Its first `KEY_BYTES_KEPT` bytes, borrowed. */
  readonly key: Uint8Array;
  /** The length of the whole key. */
  readonly keyBytes: number;
  /** What it had before it got its counter, at most. */
  readonly error: number;
  /** The weight that has certainly been its own, by kind. */
  readonly weights: Float64Array;
}

export class KeySketch {
  readonly #capacity: number;
  readonly #kinds: number;
  #used = 0;
  readonly #hashes: Int32Array;
  readonly #lengths: Uint32Array;
  readonly #keys: Uint8Array;
  /** The upper bounds. */
  readonly #counts: Float64Array;
  /** Certain weights, `kinds` for each counter. */
  readonly #weights: Float64Array;
  /** Of all keys together, by kind. */
  readonly totals: Float64Array;

  /** @param kinds how many kinds of weight are told apart, from 0 on */
  constructor(capacity: number, kinds: number) {
    this.#capacity = capacity;
    this.#kinds = kinds;
    this.#hashes = new Int32Array(capacity);
    this.#lengths = new Uint32Array(capacity);
    this.#keys = new Uint8Array(capacity * KEY_BYTES_KEPT);
    this.#counts = new Float64Array(capacity);
    this.#weights = new Float64Array(capacity * kinds);
    this.totals = new Float64Array(kinds);
  }

  /** Adds weight to the key `bytes[start, end)`. @param hash the same for equal keys */
  add(bytes: Uint8Array, start: number, end: number, hash: number, kind: number, weight: number): void {
    this.totals[kind] = (this.totals[kind] as number) + weight;
    const counts = this.#counts;
    let smallest = 0;
    for (let at = 0; at < this.#used; at++) {
      if (this.#hashes[at] === hash && this.#isKey(at, bytes, start, end)) return this.#count(at, kind, weight);
      if ((counts[at] as number) < (counts[smallest] as number)) smallest = at;
    }
    const isNew = this.#used < this.#capacity;
    const at = isNew ? this.#used++ : smallest;
    this.#hashes[at] = hash;
    this.#lengths[at] = end - start;
    copyBytes(this.#keys, at * KEY_BYTES_KEPT, bytes, start, start + Math.min(end - start, KEY_BYTES_KEPT));
    if (isNew) counts[at] = 0;
    for (let each = 0; each < this.#kinds; each++) this.#weights[at * this.#kinds + each] = 0;
    this.#count(at, kind, weight);
  }

  /** Multiplies all weights. */
  scale(factor: number): void {
    for (const list of [this.#counts, this.#weights, this.totals]) {
      for (let at = 0; at < list.length; at++) list[at] = (list[at] as number) * factor;
    }
  }

  clear(): void {
    this.#used = 0;
    this.totals.fill(0);
  }

  /** What a key without a counter has at most. */
  get uncountedMax(): number {
    if (this.#used < this.#capacity) return 0;
    return this.#counts.reduce((smallest, count) => Math.min(smallest, count));
  }

  /** The keys with counters, in no order; valid until the next call. */
  *[Symbol.iterator](): Generator<CountedKey> {
    for (let at = 0; at < this.#used; at++) {
      const keyBytes = this.#lengths[at] as number;
      const from = at * KEY_BYTES_KEPT;
      const weights = this.#weights.subarray(at * this.#kinds, (at + 1) * this.#kinds);
      const certain = weights.reduce((sum, weight) => sum + weight, 0);
      yield {
        key: this.#keys.subarray(from, from + Math.min(keyBytes, KEY_BYTES_KEPT)),
        keyBytes,
        error: Math.max(0, (this.#counts[at] as number) - certain),
        weights,
      };
    }
  }

  #count(at: number, kind: number, weight: number): void {
    this.#counts[at] = (this.#counts[at] as number) + weight;
    const own = at * this.#kinds + kind;
    this.#weights[own] = (this.#weights[own] as number) + weight;
  }

  #isKey(at: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#lengths[at] !== end - start) return false;
    const own = at * KEY_BYTES_KEPT - start;
    const kept = Math.min(end, start + KEY_BYTES_KEPT);
    for (let i = start; i < kept; i++) if (this.#keys[own + i] !== bytes[i]) return false;
    return true;
  }
}
