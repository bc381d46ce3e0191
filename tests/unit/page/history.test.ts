/** The last hour in columns and rows. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { HistoryPoint } from "../../../lib/web/browser/model/cluster.ts";
import { columnsOf, HISTORY_MS, mergedHistory, sampledRows, shownSpan } from "../../../lib/web/browser/model/history.ts";

function point(atMs: number, get: number | null = 1): HistoryPoint {
  const nothing = { set: null, hits: null, misses: null, p50: null, p99: null, lagS: null, lagEntries: null };
  return { ...nothing, items: null, memory: null, disk: null, connections: null, atMs, get };
}

const times = (points: readonly HistoryPoint[]): number[] => points.map(({ atMs }) => atMs);

describe("the history", () => {
  it("has each time once, the newer answer counts, and ends with the last hour", () => {
    const merged = mergedHistory([point(0), point(5000, 1)], [point(HISTORY_MS + 1), point(5000, 2)]);
    assertEquals(times(merged), [5000, HISTORY_MS + 1]);
    assertEquals(merged[0]?.get, 2);
    assertEquals(mergedHistory([], []), []);
  });

  it("becomes columns with gaps where a figure or a time is missing", () => {
    const points = [point(0, 1), point(5000, null), point(10_000, 3), point(60_000, 4)];
    assertEquals(columnsOf(points, [({ get }) => get, ({ set }) => set], 5), [
      [0, 5, 10, 15, 60],
      [1, null, 3, null, 4],
      [null, null, null, null, null],
    ]);
    assertEquals(columnsOf([], [({ get }) => get], 5), [[], []]);
  });

  it("is shown from its first point, five minutes at least, an hour at most", () => {
    assertEquals(shownSpan(1000, 1005), [705, 1005]);
    assertEquals(shownSpan(1000, 1600), [1000, 1600]);
    assertEquals(shownSpan(1000, 9000), [5400, 9000]);
  });

  it("becomes a few rows, the newest first", () => {
    const points = Array.from({ length: 25 }, (_, i) => point(i * 60_000, i));
    assertEquals(
      sampledRows(points, 10).map(({ get }) => get),
      [24, 19, 9],
    );
  });
});
