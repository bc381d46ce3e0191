/**
 * Invalid input from peers: replies, dumps and VALUE blocks that are too long or have malformed numbers.
 *
 * Covers lib/protocol/dump_parser.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { parseValues } from "../../../lib/client/value_blocks.ts";
import { EXPIRE_PAST } from "../../../lib/item/entry.ts";
import { DumpParser } from "../../../lib/protocol/dump_parser.ts";
import { MALFORMED, ReplyParser, ReplyShape } from "../../../lib/protocol/text/text_client.ts";

function reply(text: string, shape: ReplyShape, bytesMax = 100): unknown {
  const parser = new ReplyParser(bytesMax);
  parser.push(fromLatin1(text));
  const found = parser.next(shape);
  return typeof found === "object" ? [found.line, latin1(found.body)] : found;
}

function firstItem(text: string): unknown {
  const parser = new DumpParser(100);
  parser.push(fromLatin1(text));
  const what = parser.next();
  const { flags, version, expire, keyStart, keyEnd, bytes } = parser.item;
  return what === "item" ? [latin1(bytes, keyStart, keyEnd), flags, version, expire] : what;
}

describe("a reply", () => {
  it("is no longer than allowed, however many values and lines it has", () => {
    const block = `VALUE a 0 30\r\n${"v".repeat(30)}\r\n`;
    assertEquals(reply(`${block}${block}END\r\n`, ReplyShape.values), ["END", block + block]);
    assertEquals(reply(`${block}${block}${block}END\r\n`, ReplyShape.values), MALFORMED);
    assertEquals(reply(`${block}${block}VALUE a 0 30\r\n`, ReplyShape.values), MALFORMED);
    assertEquals(reply("STAT a 1\r\n".repeat(11), ReplyShape.lines), MALFORMED);
    assertEquals(reply(`${"x".repeat(99)}\r\n`, ReplyShape.line), MALFORMED);
    assertEquals(reply(`${"x".repeat(98)}\r\n`, ReplyShape.line), ["x".repeat(98), ""]);
  });

  it("has lengths in decimal digits", () => {
    for (const length of ["", "0x1", "1e0", "+1", "-1", "1.0"]) {
      assertEquals(reply(`VALUE a 0 ${length}\r\nx\r\nEND\r\n`, ReplyShape.values), MALFORMED, length);
      assertEquals(reply(`VA ${length}\r\nx\r\n`, ReplyShape.meta), MALFORMED, length);
      assertThrows(() => parseValues(fromLatin1(`VALUE a 0 ${length}\r\nx\r\n`)), FlareError, "malformed VALUE block");
    }
    assertThrows(() => parseValues(fromLatin1("VALUE a 0 -15\r\n")), FlareError, "malformed VALUE block");
  });
});

describe("a dump", () => {
  it("has numbers that can be stored; a time beyond is past", () => {
    assertEquals(firstItem("VALUE a 4294967295 1 18446744073709551615 4294967295\r\nx\r\n"), [
      "a",
      4294967295,
      18446744073709551615n,
      4294967295,
    ]);
    assertEquals(firstItem("VALUE a 0 1 1 4294967296\r\nx\r\n"), ["a", 0, 1, EXPIRE_PAST]);
    for (const numbers of ["4294967296 1 1 0", "0x1 1 1 0", "0 1 1 ", "0 1 1 -1", "0 1e0 1 0", "0 101 1 0"]) {
      assertEquals(firstItem(`VALUE a ${numbers}\r\nx\r\n`), "bad", numbers);
    }
  });

  it("has no line without an end", () => {
    assertEquals(firstItem("VALUE a"), "more");
    assertEquals(firstItem("x".repeat(131073)), "bad");
  });
});
