/** Observations by size. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Histogram, TIME_BOUNDS } from "../../../lib/base/histogram.ts";

describe("a histogram", () => {
  it("counts each observation in the first bucket whose bound it does not exceed", () => {
    const histogram = new Histogram([0.001, 0.01]);
    for (const ms of [0, 1, 1.001, 10, 10.5, 5000, -3]) histogram.observeMs(ms);
    assertEquals([...histogram.counts], [3, 2, 2]);
    assert(Math.abs(histogram.sum - 5.022501) < 1e-9, String(histogram.sum));
  });

  it("has ascending bounds from a tenth of a millisecond to ten seconds", () => {
    assertEquals([TIME_BOUNDS[0], TIME_BOUNDS.at(-1)], [0.0001, 10]);
    assert(TIME_BOUNDS.every((bound, at) => at === 0 || bound > (TIME_BOUNDS[at - 1] as number)));
    assertEquals(new Histogram().counts.length, TIME_BOUNDS.length + 1);
  });
});
