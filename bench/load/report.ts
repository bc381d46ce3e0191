/**
 * The lines the load measurements print: one server per line, medians, and the spread of the ratios.
 */

import type { Measurement } from "./load_generator.ts";

/** Longer than any name of a server with its protocol. */
const NAME_WIDTH = 28;

/** The middle of some numbers, NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The names of the columns; the last one is the caller's. */
export function heading(last: string): string {
  const columns = ["requests/s".padStart(12), "p50 µs".padStart(9), "p99 µs".padStart(9), "CPU µs/req".padStart(12)];
  return `  ${"".padEnd(NAME_WIDTH)}${columns.join("")}   ${last}`;
}

/** The medians of a server's measurements as a line without its end. */
export function medians(name: string, measurements: readonly Measurement[]): string {
  const middle = (field: keyof Measurement, digits: number, width: number): string =>
    median(measurements.map((measurement) => measurement[field]))
      .toFixed(digits)
      .padStart(width);
  return (
    `  ${name.padEnd(NAME_WIDTH)}${middle("requestsPerSecond", 0, 12)}${middle("p50Us", 0, 9)}${middle("p99Us", 0, 9)}` +
    middle("serverCpuUs", 2, 12)
  );
}

/** The median of ratios with the smallest and the largest. */
export function spread(ratios: readonly number[]): string {
  if (ratios.length === 0) return "";
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return `   ${median(ratios).toFixed(2)} (${low.toFixed(2)} … ${high.toFixed(2)})`;
}
