/** Whole numbers in words. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { INT32_MAX } from "../../../lib/base/number_bounds.ts";
import { parseInt32, parseWholeNumber } from "../../../lib/base/whole_number.ts";

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

describe("parseInt32", () => {
  it("takes a number of 32 bits, perhaps negative", () => {
    for (const number of [0, 7, -1, INT32_MAX, -INT32_MAX - 1]) assertEquals(parseInt32(String(number)), number);
    assertEquals(parseInt32("-007"), -7);
  });

  it("takes nothing else", () => {
    const beyond = [INT32_MAX + 1, -INT32_MAX - 2, 4294967296, 99999999999].map(String);
    for (const text of [undefined, "", "-", " 1", "1 ", "+1", "--1", "1.0", "1e3", "0x1", "١", ...beyond]) {
      assertEquals(parseInt32(text), undefined, text);
    }
  });
});
