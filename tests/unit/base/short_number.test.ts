/** Numbers for people. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { shortBytes, shortCount } from "../../../lib/base/short_number.ts";

describe("short numbers", () => {
  it("have a unit from five digits on", () => {
    assertEquals([0, 7, 9999, 10_000, 99_949, 99_950, 999_499, 999_500, 1_234_567, 2e9, 3e12, 4e15].map(shortCount), [
      ...["0", "7", "9999", "10.0k", "99.9k", "100k", "999k", "1.0M", "1.2M", "2.0G", "3.0T", "4000T"],
    ]);
  });

  it("count bytes in units of 1024", () => {
    assertEquals([0, 10_239, 10_240, 1_048_576, 1_610_612_736, 5 * 2 ** 40].map(shortBytes), [
      ...["0", "10239", "10.0Ki", "1.0Mi", "1.5Gi", "5.0Ti"],
    ]);
  });
});
