/** The latencies of a node's last requests, from counts that only grow until a restart. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { TIME_BOUNDS } from "../../../lib/base/histogram.ts";
import { LatencyWindow } from "../../../lib/stats/latency_window.ts";

/** Counts with some at given places. */
function counts(...placed: readonly (readonly [bucket: number, count: number])[]): Float64Array {
  const all = new Float64Array(TIME_BOUNDS.length + 1);
  for (const [bucket, count] of placed) all[bucket] = count;
  return all;
}

describe("the latencies of the last requests", () => {
  it("are not those of all requests since the start", () => {
    const window = new LatencyWindow();
    assertEquals(window.add(0, counts([10, 1000])), undefined);
    assertEquals(window.add(1000, counts([10, 1000])), undefined);
    // 100 of up to a tenth of a millisecond, and then 2 of half a second to a second.
    assertEquals(window.add(2000, counts([0, 100], [10, 1000])), { p50: 0.05, p99: 0.099 });
    assertEquals(window.add(3000, counts([0, 100], [10, 1000], [12, 100]))?.p50, 0.1);
    assertEquals(window.add(3000, counts([0, 100], [10, 1000], [12, 100]))?.p99, 990);
  });

  it("forget what is more than a minute ago", () => {
    const window = new LatencyWindow();
    window.add(0, counts());
    assertEquals(window.add(1000, counts([0, 100]))?.p50, 0.05);
    assertEquals(window.add(31_000, counts([0, 100]))?.p50, 0.05);
    assertEquals(window.add(61_000, counts([0, 100]))?.p50, 0.05);
    assertEquals(window.add(62_000, counts([0, 100])), undefined);
    assertEquals(window.add(63_000, counts([0, 100], [3, 10]))?.p50, 0.75);
  });

  it("begin again after a restart", () => {
    const window = new LatencyWindow();
    window.add(0, counts([12, 100]));
    assertEquals(window.add(1000, counts([0, 2]))?.p50, 0.05);
    assertEquals(window.add(2000, counts([0, 4]))?.p50, 0.05);
  });
});
