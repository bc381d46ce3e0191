/** The latencies of a node's last requests: what its counts have more than half a minute to a minute ago. Pure. */

import { quantile, TIME_BOUNDS } from "../base/histogram.ts";

/** After this long the counts of now are what later ones are compared with. */
const WINDOW_MS = 30_000;

/** Half of the requests took no longer than `p50`, 99 % no longer than `p99`. */
export interface Latencies {
  readonly p50: number;
  readonly p99: number;
}

interface Counts {
  readonly atMs: number;
  readonly counts: Float64Array;
}

export class LatencyWindow {
  /** What the counts of now are compared with, and what they will be compared with next. */
  #older: Counts | undefined;
  #newer: Counts | undefined;

  /** Takes the counts of now; undefined = no request has been measured since the older ones, or there are none yet. */
  add(atMs: number, counts: Float64Array): Latencies | undefined {
    if (this.#newer?.counts.some((count, bucket) => count > (counts[bucket] as number))) {
      // The node was restarted: all of these are new.
      this.#older = undefined;
      this.#newer = { atMs, counts: new Float64Array(counts.length) };
    }
    const base = (this.#older ?? this.#newer)?.counts;
    if (this.#newer === undefined || atMs - this.#newer.atMs >= WINDOW_MS) {
      this.#older = this.#newer;
      this.#newer = { atMs, counts };
    }
    if (base === undefined) return undefined;
    const added = counts.map((count, bucket) => count - (base[bucket] as number));
    const [p50, p99] = [quantile(TIME_BOUNDS, added, 0.5), quantile(TIME_BOUNDS, added, 0.99)];
    return p50 === undefined || p99 === undefined ? undefined : { p50: milliseconds(p50), p99: milliseconds(p99) };
  }
}

/** To the microsecond. */
function milliseconds(seconds: number): number {
  return Math.round(seconds * 1e6) / 1000;
}
