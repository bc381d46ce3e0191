/**
 * Every command of a node server, sent to a real one: it is executed, and it changes items if and only if it says so. A new
 * command does not compile here without an exchange.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { nodeCommandSet, nodeCommands } from "../../../lib/node_server/node_command_table.ts";
import { BinaryParser } from "../../../lib/protocol/binary/binary_parser.ts";
import { Opcode } from "../../../lib/protocol/binary/binary_protocol.ts";
import {
  Command,
  type CommandWord,
  commandName,
  isBinaryWord,
  mayWrite,
  type NodeWord,
} from "../../../lib/protocol/command.ts";
import { Request } from "../../../lib/protocol/request.ts";
import { packet } from "../../support/binary_packets.ts";
import { DirectNode } from "../../support/direct_node.ts";

/** What is sent, and how the answer begins. There is an item `a` with the value 1, and none `b`. */
const EXCHANGES: Readonly<Record<NodeWord, readonly [request: string, answer: RegExp]>> = {
  get: ["get a\r\n", /^VALUE a 0 1\r\n1\r\nEND\r\n$/],
  gets: ["gets a\r\n", /^VALUE a 0 1 \d+\r\n1\r\nEND\r\n$/],
  gat: ["gat 100 a\r\n", /^VALUE a 0 1\r\n1\r\nEND\r\n$/],
  gats: ["gats 100 a\r\n", /^VALUE a 0 1 \d+\r\n1\r\nEND\r\n$/],
  set: ["set a 0 0 1\r\n2\r\n", /^STORED\r\n$/],
  add: ["add b 0 0 1\r\n2\r\n", /^STORED\r\n$/],
  replace: ["replace a 0 0 1\r\n2\r\n", /^STORED\r\n$/],
  append: ["append a 0 0 1\r\n2\r\n", /^STORED\r\n$/],
  prepend: ["prepend a 0 0 1\r\n2\r\n", /^STORED\r\n$/],
  cas: ["cas a 0 0 1 1\r\n2\r\n", /^STORED\r\n$/],
  restore: ["restore a 0 0 1 2\r\n2\r\n", /^STORED\r\n$/],
  incr: ["incr a 1\r\n", /^2\r\n$/],
  decr: ["decr a 1\r\n", /^0\r\n$/],
  delete: ["delete a\r\n", /^DELETED\r\n$/],
  touch: ["touch a 100\r\n", /^TOUCHED\r\n$/],
  ttl: ["ttl a\r\n", /^TTL -1\r\n$/],
  mg: ["mg a T100\r\n", /^HD\r\n$/],
  ms: ["ms a 1\r\n2\r\n", /^HD\r\n$/],
  md: ["md a\r\n", /^HD\r\n$/],
  ma: ["ma a\r\n", /^HD\r\n$/],
  mn: ["mn\r\n", /^MN\r\n$/],
  me: ["me a\r\n", /^ME a exp=-1 /],
  scan: ["scan 10\r\n", /^KEY a 0 1 \d+ 0\r\nEND\r\n$/],
  delete_prefix: ["delete_prefix 10 pa\r\n", /^DELETED 1\r\n$/],
  lru_crawler: ["lru_crawler metadump all\r\n", /^key=a exp=-1 [^\n]+\nEND\r\n$/],
  keys: ["keys a 10\r\n", /^KEY a\r\nEND\r\n$/],
  dump: ["dump\r\n", /^VALUE a 0 1 \d+ 0\r\n1\r\nEND\r\n$/],
  dump_key: ["dump_key\r\n", /^KEY a\r\nEND\r\n$/],
  flush_all: ["flush_all\r\n", /^OK\r\n$/],
  watch: ["watch\r\n", /^OK\r\n$/],
  cache_memlimit: ["cache_memlimit 64\r\n", /^OK\r\n$/],
  node: ["node flush now node\r\n", /^OK\r\n$/],
  forward: ["<127.0.0.1:1>forward 1\r\n", /^OK\r\n$/],
  lane: ["<127.0.0.1:1>lane ask 1\r\n", /^IDLE\r\n$/],
  stream: [`<x:1>stream ${"0".repeat(16)}\r\n`, /^AGAIN this node is no slave, not of "x:1", by node map \d+\r\n$/],
  beacon: [`<x:1>beacon ${"0".repeat(16)} 1 0 9 9 0 0\r\n`, /^AGAIN this node is no slave, /],
  block: [`<x:1>block ${"0".repeat(16)} 1 1 0 0 0 1\r\n.\r\n`, /^AGAIN this node is no slave, /],
  ping: ["ping\r\n", /^OK\r\n$/],
  version: ["version\r\n", /^VERSION flare-/],
  verbosity: ["verbosity 1\r\n", /^OK\r\n$/],
  stats: ["stats reset\r\n", /^RESET\r\n$/],
  show: ["show variables\r\n", /\r\nEND\r\n$/],
  kill: ["kill 999999\r\n", /^CLIENT_ERROR thread not found\r\n$/],
  refresh_certs: ["refresh_certs\r\n", /^Error TLS not enabled\r\n$/],
  quit: ["quit\r\nget a\r\n", /^$/],
};
/** A master refuses it; `stream_commands.test.ts` sends it to a slave. */
const ONLY_FOR_SLAVES: NodeWord = "block";
const words = Object.keys(nodeCommands) as NodeWord[];

describe("the commands of a node server", () => {
  let node: DirectNode;

  before(async () => {
    node = await DirectNode.start();
  });

  after(async () => {
    await node.stop();
  });

  /** What is answered, once it has the form that is expected, or after a second. */
  async function answer(request: string, expected: RegExp): Promise<string> {
    const { connection, session } = node.open(fromLatin1(request));
    for (let tries = 0; tries < 100 && !expected.test(connection.text); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    session.onClose();
    return connection.text;
  }

  const items = (): string => node.ask(fromLatin1("mg a v c t\r\nmg b v c t\r\n"));

  for (const word of words) {
    it(`execute ${word}, which ${mayWrite(Command[word]) ? "changes" : "does not change"} items`, async () => {
      // With a version the item has it afterwards, whatever was there before.
      await answer("flush_all\r\n", /^OK\r\n$/);
      node.ask(fromLatin1("md a\r\nmd b\r\nms a 1 E1\r\n1\r\n"));
      const before = items();
      assertEquals(before, "VA 1 c1 t-1\r\n1\r\nEN\r\n");
      const [request, expected] = EXCHANGES[word];
      assertMatch(await answer(request, expected), expected);
      assertEquals(items() !== before, mayWrite(Command[word]) && word !== ONLY_FOR_SLAVES);
    });
  }

  it("answer in the binary protocol what that has, too", () => {
    const parser = new BinaryParser({ lineBytesMax: 100, keyBytesMax: 100, valueBytesMax: 100 });
    const found = new Set<CommandWord>();
    for (const opcode of Object.values(Opcode)) {
      for (const extras of ["", "\0\0\0\0", "\0".repeat(8), "\0".repeat(20)]) {
        for (const key of ["", "a"]) {
          const bytes = fromLatin1(packet({ opcode, extras, key }));
          const request = new Request();
          if (parser.parse(request, bytes, 0, bytes.length) === 1) found.add(commandName(request.command));
        }
      }
    }
    assertEquals([...found].sort(), words.filter(isBinaryWord).sort());
    for (const opcode of [Opcode.noop, Opcode.version, Opcode.stat, Opcode.flush, Opcode.quit]) {
      const text = node.ask(fromLatin1(packet({ opcode, opaque: 7 })));
      assert(text.startsWith("\x81"), JSON.stringify(text));
    }
    assert(node.ask(fromLatin1(packet({ opcode: Opcode.verbosity, extras: "\0\0\0\0" }))).startsWith("\x81"));
  });

  it("are parsed by their words alone", () => {
    for (const word of words) {
      const bytes = fromLatin1(word);
      assertEquals(nodeCommandSet.words.find(bytes, 0, bytes.length), Command[word]);
    }
    for (const other of ["shutdown", "meta"]) assertEquals(nodeCommandSet.words.find(fromLatin1(other), 0, other.length), -1);
    assertEquals(node.ask(fromLatin1("shutdown a 1\r\n")), "ERROR\r\n");
  });
});
