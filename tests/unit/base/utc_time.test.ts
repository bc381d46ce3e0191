/** Times as text, compared with the runtime's own. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { utcText } from "../../../lib/base/utc_time.ts";

describe("utcText", () => {
  it("is what every other clock says", () => {
    const expected = (second: number) => new Date(second * 1000).toISOString().replace(".000Z", "Z");
    for (const text of ["1970-01-01", "2000-02-29", "2000-03-01", "2100-02-28", "2100-03-01", "2024-12-31", "2400-02-29"]) {
      const second = Date.parse(`${text}T23:59:59Z`) / 1000;
      assertEquals(utcText(second), expected(second));
    }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000_000_000 }), (second) => assertEquals(utcText(second), expected(second))),
    );
  });
});
