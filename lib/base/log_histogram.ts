/**
 * Counts whole numbers with a small relative error over their whole range, for percentiles: 64 steps to each power of two, so a
 * number is known to 1.6 %. An observation is some arithmetic and allocates nothing. Pure.
 */

import { INT32_MAX } from "./number_bounds.ts";

const STEPS = 64;
/** The power of two from which on a step is more than one. */
const EXACT_BITS = 6;
/** Larger numbers count as this one. */
const NUMBER_MAX = INT32_MAX;

export class LogHistogram {
  readonly #counts = new Float64Array((32 - EXACT_BITS) * STEPS);
  #count = 0;
  #sum = 0;
  #max = 0;

  /** How many numbers there are. */
  get count(): number {
    return this.#count;
  }

  /** Their mean; undefined without any. */
  get mean(): number | undefined {
    return this.#count === 0 ? undefined : this.#sum / this.#count;
  }

  /** The largest one; undefined without any. */
  get max(): number | undefined {
    return this.#count === 0 ? undefined : this.#max;
  }

  /** Counts a number from 0 on; its fraction is dropped. */
  add(number: number): void {
    const value = number > NUMBER_MAX ? NUMBER_MAX : number > 0 ? Math.floor(number) : 0;
    const bucket = bucketOf(value);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count++;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  /** The number that a share of all numbers, 0 … 1, does not exceed; undefined without any. */
  percentile(share: number): number | undefined {
    if (this.#count === 0) return undefined;
    let left = Math.max(1, Math.ceil(share * this.#count));
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      left -= this.#counts[bucket] as number;
      if (left <= 0) return Math.min(this.#max, highestOf(bucket));
    }
    return this.#max;
  }

  /** Forgets everything. */
  clear(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sum = 0;
    this.#max = 0;
  }
}

function bucketOf(value: number): number {
  if (value < STEPS) return value;
  const shift = 31 - Math.clz32(value) - EXACT_BITS;
  return (shift + 1) * STEPS + ((value >> shift) - STEPS);
}

/** The largest number of a bucket. */
function highestOf(bucket: number): number {
  if (bucket < STEPS) return bucket;
  const shift = Math.floor(bucket / STEPS) - 1;
  return ((bucket % STEPS) + STEPS + 1) * 2 ** shift - 1;
}
