/** Bytes as a word of text. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { uriCode, uriDecoded, uriEncoded } from "../../../lib/base/uri_bytes.ts";

describe("bytes as a word", () => {
  it("keep letters, digits and four marks", () => {
    assertEquals(uriEncoded(fromLatin1("aZ09-._~ %/\n\xff")), "aZ09-._~%20%25%2F%0A%FF");
    assertEquals(uriEncoded(fromLatin1("xabcx"), 1, 4), "abc");
    assertEquals(uriCode("\t"), "%09");
  });

  it("are what they were, all of them", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    assertEquals(uriDecoded(uriEncoded(bytes)), bytes);
    assertEquals(uriDecoded(""), new Uint8Array());
  });

  it("are not made of other text", () => {
    for (const text of ["a b", "%", "%4", "%4g", "ä", "a/b"]) assertEquals(uriDecoded(text), undefined, text);
  });
});
