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
import { type ClientReply, MALFORMED, ReplyParser, ReplyShape } from "../../../lib/protocol/text/text_client.ts";

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

describe("a stream of replies", () => {
  const replies: readonly (readonly [string, ReplyShape])[] = [
    ["STORED\r\n", ReplyShape.line],
    ["VALUE a 0 5\r\na\r\nbc\r\nVALUE b 1 0 77\r\n\r\nEND\r\n", ReplyShape.values],
    ["END\r\n", ReplyShape.values],
    ["SERVER_ERROR x\n", ReplyShape.values],
    [`VALUE ${"k".repeat(120)} 0 3\r\nEND\r\nEND\r\n`, ReplyShape.values],
    ["VALUE a 0 1\r\nx\r\n", ReplyShape.value],
    ["NOT_FOUND\r\n", ReplyShape.value],
    ["VA 3 c9 f1\r\nx\r\n\r\n", ReplyShape.meta],
    ["HD\r\n", ReplyShape.meta],
    ["STAT a 1\r\nSTAT b 2\r\nEND\r\n", ReplyShape.lines],
    ["KEY a 1\r\nVALUE a 0 1\r\nx\r\nNEXT c\r\n", ReplyShape.scan],
    ["\r\n", ReplyShape.line],
  ];
  const stream = fromLatin1(replies.map(([text]) => text).join(""));

  it("is cut into the replies as they came, at every split point, and byte by byte", () => {
    const whole = readReplies([stream]);
    assertEquals(
      whole.map(({ text }) => text),
      replies.map(([text]) => text),
    );
    assertEquals(whole[1]?.reply, { line: "END", body: fromLatin1("VALUE a 0 5\r\na\r\nbc\r\nVALUE b 1 0 77\r\n\r\n") });
    assertEquals(whole[7]?.reply, { line: "VA 3 c9 f1", body: fromLatin1("x\r\n") });
    for (let at = 1; at < stream.length; at++) {
      assertEquals(readReplies([stream.subarray(0, at), stream.subarray(at)]), whole, `cut at ${at}`);
    }
    assertEquals(readReplies(Array.from(stream, (_, i) => stream.subarray(i, i + 1))), whole);
  });

  it("leaves no large buffer behind, and no bytes of a reply that was read", () => {
    const parser = new ReplyParser(1 << 20);
    parser.push(fromLatin1(`VALUE a 0 500000\r\n${"v".repeat(500_000)}\r\nEND\r\nEN`));
    assertEquals([parser.find(ReplyShape.values), parser.find(ReplyShape.values), parser.heldBytes], [true, undefined, 2]);
    parser.release();
    assertEquals(parser.heldBytes, 2);
    parser.push(fromLatin1("D\r\n"));
    assertEquals([parser.find(ReplyShape.values), parser.heldBytes], [true, 0]);
    parser.release();
    assertEquals(parser.bytes.length, 0);
    parser.push(fromLatin1("END\r\n"));
    assertEquals(parser.next(ReplyShape.values), { line: "END", body: new Uint8Array(0) });
  });

  function readReplies(chunks: readonly Uint8Array[]): { text: string; reply: ClientReply }[] {
    const parser = new ReplyParser(1000);
    const found: { text: string; reply: ClientReply }[] = [];
    for (const chunk of chunks) {
      parser.push(chunk);
      for (let shape = replies[found.length]?.[1]; shape !== undefined && parser.find(shape) === true; ) {
        found.push({ text: latin1(parser.bytes, parser.start, parser.end), reply: parser.reply() });
        shape = replies[found.length]?.[1];
      }
    }
    assertEquals(parser.heldBytes, 0);
    return found;
  }
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
