/** zlib's CRC-32, against zlib's definition bit by bit, whole and in parts. Covers lib/base/crc32c.ts, too: LevelDB's. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { crc32 } from "../../../lib/base/crc32.ts";
import { crc32c } from "../../../lib/base/crc32c.ts";

/** One bit at a time. */
function slowCrc(polynomial: number, bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe("crc32 and crc32c", () => {
  it("have the published values", () => {
    const check = fromLatin1("123456789");
    assertEquals([crc32(check), crc32c(check)], [0xcbf43926, 0xe3069283]);
    assertEquals([crc32(new Uint8Array()), crc32c(new Uint8Array())], [0, 0]);
    // RFC 3720, B.4: 32 bytes of zeroes, of ones, and counting up.
    assertEquals(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assertEquals(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assertEquals(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e);
  });

  it("of a range are those of its bytes, at every length and place", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(9), (bytes, start) => {
        const from = Math.min(start, bytes.length);
        assertEquals(crc32(bytes, from), slowCrc(0xedb88320, bytes.slice(from)));
        assertEquals(crc32c(bytes, from), slowCrc(0x82f63b78, bytes.slice(from)));
      }),
    );
  });

  it("goes on where the part before ended", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(40), (bytes, at) => {
        const middle = Math.min(at, bytes.length);
        assertEquals(crc32(bytes, middle, bytes.length, crc32(bytes, 0, middle)), crc32(bytes));
      }),
    );
  });
});
