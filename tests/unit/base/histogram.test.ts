/** Observations by size. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Histogram, quantile, TIME_BOUNDS } from "../../../lib/base/histogram.ts";

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

  it("has quantiles, by interpolation within a bucket, and the last bound for what is above", () => {
    assertEquals(quantile([1, 2], [0, 0, 0], 0.5), undefined);
    assertEquals(quantile([1, 2], [10, 0, 0], 0.5), 0.5);
    assertEquals(quantile([1, 2], [5, 5, 0], 0.9), 1.8);
    assertEquals(quantile([1, 2], [0, 4, 0], 0.25), 1.25);
    assertEquals(quantile([1, 2], [1, 0, 9], 0.5), 2);
    assertEquals(quantile([1, 2], [0, 0, 9], 0), 2);
    assertEquals(quantile([1, 2], [3, 0, 0], 1), 1);
  });
});
