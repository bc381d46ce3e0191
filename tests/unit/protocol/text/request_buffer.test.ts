/** Requests to other nodes: read by the parser they are what was written, and they stay where they are. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { nodeCommandSet } from "../../../../lib/node_server/node_command_table.ts";
import { Command } from "../../../../lib/protocol/command.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { RequestBuffer } from "../../../../lib/protocol/text/request_buffer.ts";
import { ParseStatus, TextParser } from "../../../../lib/protocol/text/text_parser.ts";

const LIMITS = { lineBytesMax: 2048, keyBytesMax: 250, valueBytesMax: 200_000 };

function parsed(text: string): Request {
  const request = new Request();
  const bytes = fromLatin1(text);
  assertEquals(
    new TextParser(LIMITS, nodeCommandSet.words).parse(request, bytes, 0, bytes.length, 0),
    ParseStatus.request,
    text,
  );
  const copy = request.clone();
  // A gat may have several keys: its handler chooses one.
  if (copy.command === Command.gat) Object.assign(copy.mutation.key, { bytes: copy.bytes, start: 0, end: copy.keysEnd });
  return copy;
}

const last = ({ bytes, start, end }: RequestBuffer): string => latin1(bytes, start, end);

describe("a request buffer", () => {
  const cases = [
    ["set k 4294967295 9 3\r\na\rb\r\n", "set k 4294967295 77 3\r\na\rb\r\n"],
    ["set k 0 0 0 18446744073709551615 sync\r\n\r\n", "set k 0 77 0 18446744073709551615 sync\r\n\r\n"],
    ["add k 1 0 1 async\r\nx\r\n", "add k 1 77 1 async\r\nx\r\n"],
    ["replace k 10 0 1\r\nx\r\n", "replace k 10 77 1\r\nx\r\n"],
    ["append k 0 0 1\r\nx\r\n", "append k 0 77 1\r\nx\r\n"],
    ["prepend k 0 0 1\r\nx\r\n", "prepend k 0 77 1\r\nx\r\n"],
    ["cas k 0 0 1 0\r\nx\r\n", "cas k 0 77 1 0\r\nx\r\n"],
    ["incr k 18446744073709551615\r\n", "incr k 18446744073709551615\r\n"],
    ["decr k 0 sync\r\n", "decr k 0 sync\r\n"],
    ["delete k\r\n", "delete k 77\r\n"],
    ["delete k 5 9 async\r\n", "delete k 77 9 async\r\n"],
    ["touch k 5 sync\r\n", "touch k 77\r\n"],
    ["gat k 5\r\n", "gat k 77\r\n"],
  ] as const;
  for (const [from, to] of cases) {
    it(`writes ${from.split("\r\n")[0]}`, () => {
      const buffer = new RequestBuffer();
      buffer.writeForwarded(parsed(from), "", 77, false);
      assertEquals([last(buffer), latin1(buffer.bytes, buffer.keyStart, buffer.keyEnd)], [to, "k"]);
      buffer.writeForwarded(parsed(from), "<a:1,b:2>", 77, false);
      assertEquals(last(buffer), `<a:1,b:2>${to}`);
      assertEquals(parsed(last(buffer)).mutation.value, parsed(from).mutation.value);
    });
  }

  it("says noreply only where the caller wants it", () => {
    const buffer = new RequestBuffer();
    buffer.writeForwarded(parsed("set k 0 0 1 noreply\r\nx\r\n"), "", 0, false);
    assertEquals(last(buffer), "set k 0 0 1\r\nx\r\n");
    buffer.writeForwarded(parsed("incr k 1\r\n"), "", 0, true);
    assertEquals(last(buffer), "incr k 1 noreply\r\n");
  });

  it("keeps requests in a row while there is room, and as they are when there is none", () => {
    const buffer = new RequestBuffer(400);
    const key = { bytes: fromLatin1("some key"), start: 5, end: 8 };
    const written: { bytes: Uint8Array; start: number; end: number }[] = [];
    for (let i = 0; i < 40; i++) {
      const { bytes, end } = buffer;
      if (i % 5 === 4) buffer.writeForwarded(parsed(`set k${i} 0 0 500\r\n${"v".repeat(500)}\r\n`), "", 0, false);
      else buffer.writeGet(i % 2 === 0 ? Command.get : Command.gets, key);
      assert(buffer.bytes !== bytes || buffer.start === end);
      written.push({ bytes: buffer.bytes, start: buffer.start, end: buffer.end });
    }
    assertEquals(
      written.map(({ bytes, start, end }) => latin1(bytes, start, end).slice(0, 8)),
      Array.from({ length: 40 }, (_, i) =>
        (i % 5 === 4 ? `set k${i} 0` : i % 2 === 0 ? "get key\r\n" : "gets key").slice(0, 8),
      ),
    );
    assert(new Set(written.map(({ bytes }) => bytes)).size < 40);
  });
});
