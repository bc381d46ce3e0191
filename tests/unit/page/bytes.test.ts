/** Keys and values as bytes: no byte changes on its way into a field and back. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  escaped,
  from64,
  fromHex,
  hexLines,
  hexText,
  indentedJson,
  isEditableText,
  textOf,
  to64,
  unescaped,
} from "../../../lib/web/browser/model/bytes.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const anyBytes = fc.uint8Array({ maxLength: 80 });

describe("bytes", () => {
  it("come back from base64url", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const text = to64(bytes);
        assert(/^[\w-]*$/.test(text), text);
        assertEquals(from64(text), bytes);
      }),
    );
    assertEquals(from64("+/8="), from64("-_8"));
  });

  it("come back from the line of text that shows them", () => {
    fc.assert(fc.property(anyBytes, (bytes) => assertEquals(unescaped(escaped(bytes)), bytes)));
    const texts = fc.string({ unit: "grapheme", maxLength: 40 });
    fc.assert(fc.property(texts, (text) => assertEquals(unescaped(escaped(bytesOf(text))), bytesOf(text))));
  });

  it("come back from hex", () => {
    fc.assert(fc.property(anyBytes, (bytes) => assertEquals(fromHex(hexText(bytes)), bytes)));
  });
});

describe("a key as text", () => {
  it("shows what is no visible text as an escape", () => {
    assertEquals(escaped(bytesOf("user:1 é 日本")), "user:1 é 日本");
    assertEquals(escaped(Uint8Array.of(0x61, 0xff, 0x0a, 0x5c)), "a\\xff\\x0a\\\\");
    assertEquals(escaped(bytesOf("a\tb\x7f")), "a\\x09b\\x7f");
  });

  it("is no key if an escape is malformed", () => {
    for (const text of ["\\", "\\x0", "\\xgg", "a\\n", "\\\\\\"]) assertEquals(unescaped(text), undefined, text);
  });
});

describe("a value", () => {
  it("is text if it is UTF-8, every byte of it", () => {
    assertEquals(textOf(bytesOf("日本")), "日本");
    assertEquals(textOf(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), "\ufeffa");
    assertEquals(textOf(Uint8Array.of(0xc3)), undefined);
  });

  it("can be edited as text only if a field gives the same bytes back", () => {
    assert(isEditableText(bytesOf("a\nb\tc 日本")));
    for (const text of ["a\r\nb", "a\0", "\x1b[0m", "\x7f"]) assertEquals(isEditableText(bytesOf(text)), false, text);
    assertEquals(isEditableText(Uint8Array.of(0xff)), false);
  });

  it("is sixteen bytes in a line of hex", () => {
    const lines = hexLines(Uint8Array.from({ length: 18 }, (_, i) => 0x40 + i));
    assertEquals(lines[0]?.text, "@ABCDEFGHIJKLMNO");
    assertEquals(lines[1], { offset: "00000010", hex: "50 51", text: "PQ" });
    assertEquals(hexLines(Uint8Array.of(0, 0x20, 0x7f, 0xff))[0]?.text, ". ..");
    assertEquals(hexLines(new Uint8Array()), []);
  });

  it("is no hex with half a byte or other letters", () => {
    assertEquals(fromHex(" 00 fF\n0a "), Uint8Array.of(0, 255, 10));
    assertEquals(fromHex(""), new Uint8Array());
    for (const text of ["0", "0g", "00 1", "0x00"]) assertEquals(fromHex(text), undefined, text);
  });
});

describe("JSON", () => {
  it("is indented as it is: large numbers, members that are there twice, and strings that look like structure", () => {
    assertEquals(
      indentedJson('{"a":12345678901234567890,"a": [1,{}, [] ,"x{,:\\""]}'),
      '{\n  "a": 12345678901234567890,\n  "a": [\n    1,\n    {},\n    [],\n    "x{,:\\""\n  ]\n}',
    );
    assertEquals(indentedJson(" 1.50 "), "1.50");
  });

  it("means the same afterwards", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        const indented = indentedJson(text);
        assert(indented !== undefined);
        assertEquals(JSON.parse(indented), JSON.parse(text));
      }),
    );
  });

  it("is nothing else", () => {
    for (const text of ["", "{", "hello", "{'a':1}"]) assertEquals(indentedJson(text), undefined, text);
  });
});
