/** Whole numbers in words. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { parseWholeNumber } from "../../../lib/base/whole_number.ts";

describe("parseWholeNumber", () => {
  it("takes digits up to a number", () => {
    assertEquals([parseWholeNumber("0", 0), parseWholeNumber("65535", 65535), parseWholeNumber("007", 7)], [0, 65535, 7]);
    assertEquals(parseWholeNumber(String(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  });

  it("takes nothing else", () => {
    for (const text of [undefined, "", " 1", "1 ", "+1", "-1", "1.0", "1e3", "0x1", "١", "65536", "9".repeat(17)]) {
      assertEquals(parseWholeNumber(text, 65535), undefined, text);
    }
  });
});
