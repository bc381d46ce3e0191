/**
 * `stats latency`: how long a sample of requests took, by command and size, as lines; and what somebody else makes of the
 * lines. Commands and sizes without a request are left out.
 */

import { TIME_BOUNDS } from "../base/histogram.ts";
import type { RequestTimes } from "../net/connection/request_times.ts";
import { commandName } from "../protocol/command.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import type { StatSink } from "./stat_sink.ts";

/** In the place of a bound: above all of them. */
const UNBOUNDED = "inf";
const MICROSECONDS = 1e6;

/** The lines. */
export function statsLatency(times: Pick<RequestTimes, "histograms">, reply: StatSink): void {
  for (const [command, { bounds, counts, sum }] of times.histograms) {
    const name = commandName(command);
    counts.forEach((count, bucket) => {
      if (count > 0) reply.stat(`${name}:${bounds[bucket] ?? UNBOUNDED}`, count);
    });
    reply.stat(`${name}:sum`, String(Math.round(sum * MICROSECONDS) / MICROSECONDS));
  }
}

/**
 * The counts of all commands together, one for each of `TIME_BOUNDS` and one above; undefined if the lines are of somebody with
 * other bounds, or there are none.
 */
export function latencyCounts(figures: Figures): Float64Array | undefined {
  if (figures.size === 0) return undefined;
  const counts = new Float64Array(TIME_BOUNDS.length + 1);
  for (const [name, value] of figures) {
    const size = name.slice(name.lastIndexOf(":") + 1);
    if (size === "sum") continue;
    const bucket = size === UNBOUNDED ? TIME_BOUNDS.length : TIME_BOUNDS.indexOf(Number(size));
    const count = Number(value);
    if (bucket < 0 || !Number.isSafeInteger(count) || count < 0) return undefined;
    counts[bucket] = (counts[bucket] as number) + count;
  }
  return counts;
}
