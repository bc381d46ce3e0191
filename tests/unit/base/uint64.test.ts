/** 64-bit numbers in two forms: every operation agrees with bigints, and equal numbers are `===`. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import {
  addWrapping,
  fromBigInt,
  fromWords,
  highWord,
  increment,
  isUint64,
  lowWord,
  parseUint64,
  subtractSaturating,
  UINT64_MAX,
} from "../../../lib/base/uint64.ts";

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);
/** Numbers around the places where something changes, and any. */
const edges = [0n, 1n, 9n, 10n, 0xffffffffn, 1n << 32n, SAFE_MAX - 1n, SAFE_MAX, SAFE_MAX + 1n, UINT64_MAX - 1n, UINT64_MAX];
const any64 = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: UINT64_MAX }));

function parse(text: string): unknown {
  const bytes = fromLatin1(`x${text}y`);
  return parseUint64(bytes, 1, bytes.length - 1);
}

describe("a 64-bit number", () => {
  it("is a number as long as that is exact, a bigint above", () => {
    assertEquals([fromBigInt(SAFE_MAX), fromBigInt(SAFE_MAX + 1n)], [Number(SAFE_MAX), SAFE_MAX + 1n]);
  });

  it("counts on, adds and subtracts as 64 bits do", () => {
    fc.assert(
      fc.property(any64, any64, (left, right) => {
        const [one, other] = [fromBigInt(left), fromBigInt(right)];
        assertEquals(increment(one), fromBigInt((left + 1n) & UINT64_MAX));
        assertEquals(addWrapping(one, other), fromBigInt((left + right) & UINT64_MAX));
        assertEquals(subtractSaturating(one, other), left > right ? fromBigInt(left - right) : 0);
        assertEquals(one < other, left < right);
      }),
    );
  });

  it("is two words and itself again", () => {
    fc.assert(
      fc.property(any64, (value) => {
        const number = fromBigInt(value);
        assertEquals([highWord(number), lowWord(number)], [Number(value >> 32n), Number(value & 0xffffffffn)]);
        assert(fromWords(highWord(number), lowWord(number)) === number);
      }),
    );
  });

  it("is read from its digits, and from nothing else", () => {
    fc.assert(
      fc.property(any64, (value) => {
        assert(parse(String(value)) === fromBigInt(value));
        assert(parse(`000${value}`) === fromBigInt(value));
      }),
    );
    for (const text of ["", "-1", "+1", "1 ", "0x1", "18446744073709551616", "99999999999999999999", "9007199254740992x"]) {
      assertEquals(parse(text), undefined, text);
    }
  });

  it("is known among what programs give", () => {
    for (const value of [0, Number.MAX_SAFE_INTEGER, 0n, UINT64_MAX]) assert(isUint64(value), String(value));
    for (const value of [-1, 1.5, 2 ** 53, Number.NaN, -1n, UINT64_MAX + 1n, "1", null, undefined]) assert(!isUint64(value));
  });
});
