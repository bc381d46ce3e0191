/**
 * Text, meta and binary requests on one connection of a real node, without a socket in between: the answers are the same
 * wherever the bytes are cut, and whatever the bytes are the node lives on.
 *
 * Covers lib/node_server/commands/flush_commands.ts.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { Opcode } from "../../../lib/protocol/binary/binary_protocol.ts";
import { packet, words } from "../../support/binary_packets.ts";
import { DirectNode } from "../../support/direct_node.ts";

const KEY = "a key\r\n\0";

const CONVERSATION = [
  packet({ opcode: Opcode.flush }),
  packet({ opcode: Opcode.set, extras: words(5, 0), key: KEY, value: "ab\r\n" }),
  packet({ opcode: Opcode.setQuiet, extras: words(0, 0), key: "k", value: "1" }),
  "get k\r\n",
  "mg k v f c q\r\nmg nope q\r\n",
  packet({ opcode: Opcode.getKeyQuiet, key: KEY }),
  packet({ opcode: Opcode.getQuiet, key: "nope" }),
  "ms k 2 F7 c\r\n12\r\n",
  packet({ opcode: Opcode.increment, extras: words(0, 5, 0, 0, 0), key: "k", cas: 2 }),
  packet({ opcode: Opcode.increment, extras: words(0, 5, 0, 0, 0), key: "k", cas: 2 }),
  packet({ opcode: 0x77, value: "unknown" }),
  "ms k 3 Y\r\nabc\r\n",
  packet({ opcode: Opcode.append, key: "k", value: "\x80\x00" }),
  "mg k v s\r\n",
  packet({ opcode: Opcode.stat, key: "sizes" }),
  packet({ opcode: Opcode.noop, opaque: 1 }),
  "version\r\n",
].join("");

describe("text, meta and binary on one connection", () => {
  let node: DirectNode;

  before(async () => {
    node = await DirectNode.start();
  });

  after(async () => {
    await node.stop();
  });

  it("is answered alike wherever the bytes are cut", () => {
    const bytes = fromLatin1(CONVERSATION);
    const whole = node.ask(bytes);
    assert(whole.includes("VALUE k 0 1\r\n1\r\n") && whole.endsWith("\r\n"), JSON.stringify(whole));
    for (let cut = 1; cut < bytes.length; cut++) {
      assertEquals(node.ask(bytes.subarray(0, cut), bytes.subarray(cut)), whole, `cut at ${cut}`);
    }
    assertEquals(node.ask(...Array.from(bytes, (byte) => Uint8Array.of(byte))), whole, "byte by byte");
  });

  it("a key that is too long is refused before anything is answered, also behind a large value", () => {
    const value = "v".repeat(900000);
    const long = "k".repeat(node.cluster.nodes[0]?.options.keyBytesMax ?? 0);
    assertEquals(node.ask(fromLatin1(`set large 0 0 ${value.length}\r\n${value}\r\n`)), "STORED\r\n");
    const refused = "CLIENT_ERROR bad command line format\r\n";
    assertEquals(node.ask(fromLatin1(`get large large large ${long}k\r\nmn\r\n`)), `${refused}MN\r\n`);
    assertEquals(node.ask(fromLatin1(`get ${long}k large\r\nmn\r\n`)), `${refused}MN\r\n`);
    assertEquals(node.ask(fromLatin1(`get ${long} nothing\r\nmn\r\n`)), "END\r\nMN\r\n");
  });

  it("any bytes are answered or end the connection, and the next connection is served", () => {
    const part = fc.oneof(
      fc.constantFrom(...CONVERSATION.split("\r\n").map((line) => `${line}\r\n`)),
      fc
        .record({
          opcode: fc.nat(0x40),
          extras: fc.uint8Array({ maxLength: 24 }),
          key: fc.uint8Array({ maxLength: 20 }),
          value: fc.uint8Array({ maxLength: 40 }),
          cas: fc.nat(5),
        })
        .map(({ opcode, extras, key, value, cas }) =>
          packet({ opcode, extras: latin1(extras), key: latin1(key), value: latin1(value), cas }),
        ),
      fc.uint8Array({ maxLength: 60 }).map((bytes) => latin1(bytes)),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.nat(), (parts, seed) => {
        const bytes = fromLatin1(parts.join(""));
        const cut = bytes.length === 0 ? 0 : seed % bytes.length;
        const text = node.ask(bytes.subarray(0, cut), bytes.subarray(cut));
        assert(!text.includes("internal error") && !text.includes("Internal error"), JSON.stringify(text));
        assertEquals(node.ask(fromLatin1("mn\r\n")), "MN\r\n");
      }),
    );
  });
});
