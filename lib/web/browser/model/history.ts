/** The last hour as columns of figures for charts, and as rows for those who read tables. Pure. */

import type { HistoryPoint } from "./cluster.ts";

/** How far back charts go. */
export const HISTORY_MS = 3_600_000;
/** How much a chart shows at least: so early, a line would be a dot. */
const SHORTEST_S = 300;

/** Seconds, then one column for each series; gaps are null. */
export type Columns = [number[], ...(number | null)[][]];

/** Both lists, each time once, oldest first, the last hour alone. */
export function mergedHistory(before: readonly HistoryPoint[], added: readonly HistoryPoint[]): HistoryPoint[] {
  const byTime = new Map([...before, ...added].map((point) => [point.atMs, point]));
  const points = [...byTime.values()].sort((left, right) => left.atMs - right.atMs);
  const lastMs = points.at(-1)?.atMs ?? 0;
  return points.filter(({ atMs }) => lastMs - atMs <= HISTORY_MS);
}

/**
 * The columns of a chart. Where points are missing for longer than three steps, there is a gap: a line across it would be a
 * guess.
 */
export function columnsOf(
  points: readonly HistoryPoint[],
  series: readonly ((point: HistoryPoint) => number | null)[],
  stepS: number,
): Columns {
  const times: number[] = [];
  const columns: (number | null)[][] = series.map(() => []);
  let lastMs: number | undefined;
  for (const point of points) {
    if (lastMs !== undefined && point.atMs - lastMs > 3000 * stepS) {
      times.push(lastMs / 1000 + stepS);
      for (const column of columns) column.push(null);
    }
    times.push(point.atMs / 1000);
    for (const [i, read] of series.entries()) columns[i]?.push(read(point));
    lastMs = point.atMs;
  }
  return [times, ...columns];
}

/** From when to when a chart goes, in seconds: from its first point, five minutes at least, an hour at most. */
export function shownSpan(firstS: number, lastS: number): [number, number] {
  return [Math.max(lastS - HISTORY_MS / 1000, Math.min(firstS, lastS - SHORTEST_S)), lastS];
}

/** A few rows of a table that stand for all points: the last one of each `minutes` minutes, newest first. */
export function sampledRows(points: readonly HistoryPoint[], minutes: number): HistoryPoint[] {
  const last = new Map(points.map((point) => [Math.floor(point.atMs / (minutes * 60_000)), point]));
  return [...last.values()].reverse();
}
