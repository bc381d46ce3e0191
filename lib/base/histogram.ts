/**
 * Counts observations by size: for metrics of times. An observation costs a short search and allocates nothing. Pure.
 */

/** The upper bounds for times of requests, appends and syncs, in seconds: from a tenth of a millisecond to ten seconds. */
export const TIME_BOUNDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export class Histogram {
  /** Upper bounds of the buckets, ascending, in seconds; a bound belongs to its bucket. */
  readonly bounds: readonly number[];
  /** Observations in each bucket alone; the last one has no bound. */
  readonly counts: Float64Array;
  /** The sum of all observations, in seconds. */
  sum = 0;

  constructor(bounds: readonly number[] = TIME_BOUNDS) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Counts a time in milliseconds; a negative one counts as 0. */
  observeMs(ms: number): void {
    const seconds = ms > 0 ? ms / 1000 : 0;
    let bucket = 0;
    while (bucket < this.bounds.length && seconds > (this.bounds[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += seconds;
  }
}

/**
 * The value below which a share of the observations is, 0 … 1, by linear interpolation in its bucket, as Prometheus does it;
 * the last bound for those above it. Undefined without observations.
 * @example quantile([1, 2], [5, 5, 0], 0.9) // 1.8
 */
export function quantile(bounds: readonly number[], counts: ArrayLike<number>, share: number): number | undefined {
  let total = 0;
  for (let i = 0; i <= bounds.length; i++) total += counts[i] ?? 0;
  if (total === 0) return undefined;
  let before = 0;
  for (let i = 0; i < bounds.length; i++) {
    const count = counts[i] ?? 0;
    const [from, to] = [i === 0 ? 0 : (bounds[i - 1] as number), bounds[i] as number];
    if (count > 0 && before + count >= share * total) return from + ((to - from) * (share * total - before)) / count;
    before += count;
  }
  return bounds.at(-1);
}
