/** Percentiles with a known error. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { LogHistogram } from "../../../lib/base/log_histogram.ts";

describe("a histogram in powers of two", () => {
  it("knows small numbers exactly", () => {
    const histogram = new LogHistogram();
    for (let i = 1; i <= 100; i++) histogram.add(i <= 50 ? 3 : i);
    assertEquals([histogram.count, histogram.percentile(0.5), histogram.percentile(1), histogram.max], [100, 3, 100, 100]);
    assertEquals(histogram.percentile(0.51), 51);
    histogram.clear();
    assertEquals(
      [histogram.count, histogram.percentile(0.5), histogram.mean, histogram.max],
      [0, undefined, undefined, undefined],
    );
  });

  it("knows large ones to 1.6 %, and never says less", () => {
    for (const number of [0, 1, 63, 64, 65, 127, 128, 1000, 65535, 65536, 123456789, 2 ** 31 - 1]) {
      const histogram = new LogHistogram();
      histogram.add(number);
      histogram.add(2 ** 31 - 1);
      const found = histogram.percentile(0.5) as number;
      assert(found >= number && found <= number * 1.016, `${number}: ${found}`);
    }
  });

  it("takes what is out of range for the nearest number", () => {
    const histogram = new LogHistogram();
    for (const number of [-5, 1.9, 1e12]) histogram.add(number);
    assertEquals([histogram.percentile(0.3), histogram.percentile(0.6), histogram.max], [0, 1, 2 ** 31 - 1]);
    assertEquals(Math.round(histogram.mean as number), Math.round((2 ** 31 - 1 + 1) / 3));
  });
});
