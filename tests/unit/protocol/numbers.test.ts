/** The numbers of request lines, as strtoul and strtoll read them. Covers lib/protocol/expiry.ts: the times among them. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { EXPIRE_PAST, EXPTIME_RELATIVE_MAX } from "../../../lib/item/entry.ts";
import { absoluteExpire } from "../../../lib/protocol/expiry.ts";
import { parseFlags, parseInteger } from "../../../lib/protocol/numbers.ts";

function within(parse: (bytes: Uint8Array, start: number, end: number) => number, text: string): number {
  const bytes = fromLatin1(`9${text}9`);
  return parse(bytes, 1, bytes.length - 1);
}

describe("parseFlags", () => {
  it("takes 64 bits and keeps the lower 32", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }), (value) => {
        for (const text of [String(value), `+${value}`, `0${value}`]) {
          assertEquals(within(parseFlags, text), Number(value & 0xffffffffn), text);
        }
      }),
    );
  });

  it("takes nothing else", () => {
    for (const text of ["+", "-1", "1 ", "a", "1a", "0x1", "18446744073709551616"]) {
      assertEquals(within(parseFlags, text), Number.NaN, text);
    }
  });
});

describe("parseInteger", () => {
  it("takes what 64 bits with a sign hold", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const found = within(parseInteger, String(value));
        // Exact as far as a number is.
        const difference = Math.abs(found - Number(value));
        assert(difference <= Math.abs(found) * Number.EPSILON * 4, `${value} is read as ${found}`);
      }),
    );
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        assertEquals(within(parseInteger, String(value)), value);
      }),
    );
    assertEquals(within(parseInteger, "+5"), 5);
  });

  it("takes nothing else", () => {
    const wrong = ["", "-", "+", "--1", "1-", "1.5", "9223372036854775808", "-9223372036854775809", "9".repeat(40)];
    for (const text of wrong) assertEquals(within(parseInteger, text), Number.NaN, text);
  });
});

describe("absoluteExpire", () => {
  it("has memcached's four kinds of times", () => {
    const now = 1_700_000_000;
    const times: readonly (readonly [exptime: number, second: number])[] = [
      [0, 0],
      [1, now + 1],
      [EXPTIME_RELATIVE_MAX, now + EXPTIME_RELATIVE_MAX],
      [EXPTIME_RELATIVE_MAX + 1, EXPTIME_RELATIVE_MAX + 1],
      [0xffffffff, 0xffffffff],
      [0x100000000, EXPIRE_PAST],
      [-1, EXPIRE_PAST],
    ];
    for (const [exptime, second] of times) assertEquals(absoluteExpire(exptime, now), second, String(exptime));
  });
});
