/** Copies and decimal numbers written in place: what is around them stays as it was. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { latin1 } from "../../../lib/base/bytes.ts";
import { copyBytes, decimalLength, writeDecimal } from "../../../lib/base/copy_bytes.ts";

const AROUND = 0xee;

describe("copyBytes", () => {
  it("copies the range and nothing else, short and long", () => {
    for (const length of [0, 1, 95, 96, 97, 500]) {
      const source = Uint8Array.from({ length: length + 7 }, (_, at) => at & 255);
      const target = new Uint8Array(length + 10).fill(AROUND);
      assertEquals(copyBytes(target, 3, source, 5, 5 + length), 3 + length);
      assertEquals(target.slice(3, 3 + length), source.slice(5, 5 + length));
      assertEquals(
        [...target.slice(0, 3), ...target.slice(3 + length)].every((byte) => byte === AROUND),
        true,
      );
    }
  });
});

describe("writeDecimal", () => {
  it("writes what a number's string is, up to 2^53-1", () => {
    const check = (value: number): void => {
      const target = new Uint8Array(20).fill(AROUND);
      const end = writeDecimal(target, 2, value);
      assertEquals(latin1(target, 2, end), String(value));
      assertEquals([target[1], target[end]], [AROUND, AROUND]);
      assertEquals(decimalLength(value), String(value).length);
    };
    for (let power = 1; power <= Number.MAX_SAFE_INTEGER; power *= 10) for (const value of [power - 1, power]) check(value);
    check(Number.MAX_SAFE_INTEGER);
    fc.assert(fc.property(fc.maxSafeNat(), check));
  });
});
