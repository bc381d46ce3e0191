/** Base64 both ways, against known answers. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { base64, base64Length, decodeBase64, encodeBase64 } from "../../../lib/base/base64.ts";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";

function decoded(text: string): string | undefined {
  const bytes = decodeBase64(fromLatin1(text), 0, text.length);
  return bytes === undefined ? undefined : latin1(bytes);
}

describe("base64", () => {
  it("is the one of RFC 4648", () => {
    const pairs = [
      ["f", "Zg=="],
      ["fo", "Zm8="],
      ["foo", "Zm9v"],
      ["foob", "Zm9vYg=="],
      ["fooba", "Zm9vYmE="],
      ["\xfb\xff\xfe", "+//+"],
    ];
    for (const [plain = "", encoded = ""] of pairs) {
      assertEquals(base64(fromLatin1(plain)), encoded);
      assertEquals(decoded(encoded), plain);
      assertEquals(base64Length(plain.length), encoded.length);
    }
  });

  it("brings any bytes back, from anywhere to anywhere in a buffer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(9), (bytes, shift) => {
        const source = new Uint8Array(shift + bytes.length + 3);
        source.set(bytes, shift);
        const target = new Uint8Array(shift + base64Length(bytes.length));
        assertEquals(encodeBase64(target, shift, source, shift, shift + bytes.length), target.length);
        assertEquals(decodeBase64(target, shift, target.length), Uint8Array.from(bytes));
      }),
    );
  });

  it("refuses what is none", () => {
    for (const text of ["", "a", "ab", "abc", "ab=c", "a===", "====", "ab c", "ab\n=", "abcd=", "ab-_", "\xffbcd"]) {
      assertEquals(decoded(text), undefined, text);
    }
  });
});
