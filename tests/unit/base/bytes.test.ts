/** Bytes and byte strings: every byte goes in and out, of any length; what is compared has an order. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  compareBytes,
  concatBytes,
  equalBytes,
  fromLatin1,
  latin1,
  startsWithBytes,
  utf8AsLatin1,
} from "../../../lib/base/bytes.ts";

const bytesOf = (maxLength: number) => fc.uint8Array({ maxLength });

describe("bytes", () => {
  it("become a string and bytes again, at every length at which the way of doing it changes", () => {
    for (const length of [0, 1, 63, 64, 65, 8191, 8192, 8193, 20000]) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 31) & 255);
      assertEquals(latin1(bytes).length, length);
      assertEquals(fromLatin1(latin1(bytes)), bytes);
    }
  });

  it("are cut out by start and end", () => {
    fc.assert(
      fc.property(bytesOf(200), fc.nat(200), fc.nat(200), (bytes, left, right) => {
        const [start, end] = [Math.min(left, right, bytes.length), Math.min(Math.max(left, right), bytes.length)];
        assertEquals(latin1(bytes, start, end), latin1(bytes.slice(start, end)));
      }),
    );
  });

  it("of a text beyond latin-1 are its UTF-8", () => {
    assertEquals(utf8AsLatin1("aß€"), "a\xc3\x9f\xe2\x82\xac");
  });

  it("are equal, begin and are ordered as their strings are", () => {
    fc.assert(
      fc.property(bytesOf(4), bytesOf(4), (left, right) => {
        const [one, other] = [latin1(left), latin1(right)];
        assertEquals(Math.sign(compareBytes(left, right)), one < other ? -1 : one === other ? 0 : 1);
        assertEquals(startsWithBytes(left, right), one.startsWith(other));
        assertEquals(equalBytes(left, 0, left.length, right, 0, right.length), one === other);
      }),
    );
    assert(equalBytes(fromLatin1("xab"), 1, 3, fromLatin1("aby"), 0, 2));
    assert(!equalBytes(fromLatin1("xab"), 1, 3, fromLatin1("aby"), 0, 3));
  });

  it("are put together in order", () => {
    fc.assert(
      fc.property(fc.array(bytesOf(5), { maxLength: 5 }), (parts) => {
        assertEquals(latin1(concatBytes(parts)), parts.map((part) => latin1(part)).join(""));
      }),
    );
  });
});
