/**
 * Multi-gets whose line is longer than a line may be: by real sockets, whole clusters, and wherever they are cut.
 *
 * Covers lib/protocol/text/part_reply.ts and lib/protocol/text/text_reply.ts.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import type { Runtime } from "../../../../lib/runtime/runtime.ts";
import { type Cluster, detectRuntime, startCluster } from "../../../../mod.ts";
import { DirectNode } from "../../../support/direct_node.ts";
import { TextClient } from "../../../support/text_client.ts";

const LINE_BYTES_MAX = 1024;
const KEYS = 3000;
const STORED = 100;

function keyName(i: number): string {
  return `key:${String(i).padStart(8, "0")}`;
}

describe("multi-gets of any length", () => {
  let runtime: Runtime;
  let cluster: Cluster;

  before(async () => {
    runtime = detectRuntime({ logLevel: "error" });
    cluster = await startCluster({
      runtime,
      partitions: 2,
      nodes: 3,
      node: { outputHighWaterBytes: 1024, lineBytesMax: LINE_BYTES_MAX },
    });
  });

  after(() => cluster.stop());

  it("are answered by masters and proxies, at the price of a part's memory, and later requests are in order", async () => {
    const clients = await Promise.all(cluster.addresses.map((address) => TextClient.connect(runtime, address)));
    const [writer] = clients;
    assert(writer !== undefined);
    const stored = Array.from({ length: STORED }, (_, i) => keyName(i * (KEYS / STORED)));
    for (const key of stored) assertEquals(await writer.ask(`set ${key} 0 0 3\r\nabc\r\n`), "STORED\r\n");
    const keys = Array.from({ length: KEYS }, (_, i) => keyName(i)).join(" ");
    assert(keys.length > 30 * LINE_BYTES_MAX);
    for (const client of clients) {
      for (const [command, version] of [
        ["get", ""],
        ["gets", " 1"],
      ]) {
        const wanted = `${stored.map((key) => `VALUE ${key} 0 3${version}\r\nabc\r\n`).join("")}END\r\n`;
        void client.send(`${command} ${keys}\r\nget ${stored[1]}\r\nmn\r\n`);
        const answer = await client.until((received) => received.endsWith("MN\r\n"), 60000);
        client.received = "";
        assert(answer === `${wanted}VALUE ${stored[1]} 0 3\r\nabc\r\nEND\r\nMN\r\n`, answer.slice(0, 300));
      }
    }
    for (const client of clients) client.close();
  });
});

describe("a long multi-get", () => {
  let node: DirectNode;

  before(async () => {
    node = await DirectNode.start({ lineBytesMax: LINE_BYTES_MAX });
    const { connection } = node.open(fromLatin1("set a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\n"));
    while (connection.text !== "STORED\r\nSTORED\r\n") await new Promise((resolve) => setTimeout(resolve, 1));
  });

  after(() => node.stop());

  const many = Array.from({ length: 600 }, (_, i) => `k${i}`).join(" ");
  const cases: readonly (readonly [what: string, line: string, answer: RegExp])[] = [
    ["ends with a line end, blanks or not", `get a ${many}  b  \r\n`, /^VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n$/],
    ["ends with LF", `gets ${many} b\n`, /^VALUE b 0 1 \d+\r\n2\r\nEND\r\n$/],
    ["ends at a NUL", `get a ${many}\0 b ${many} b\r\n`, /^VALUE a 0 1\r\n1\r\nEND\r\n$/],
    [
      "is refused for a key that is too long",
      `get ${many} ${"x".repeat(9000)} a ${many}\r\n`,
      /^CLIENT_ERROR bad command line format\r\n$/,
    ],
    ["without keys is no multi-get", `get${" ".repeat(2000)}a\r\n`, /^CLIENT_ERROR line too long\r\n$/],
    ["that is no get is too long", `touch ${many} 1\r\n`, /^CLIENT_ERROR line too long\r\n$/],
  ];

  it("may have sixty thousand keys, or any number, of which no more than a part is held", () => {
    const keys = Array.from({ length: 60000 }, (_, i) => `none:${i}`).join(" ");
    assertEquals(node.ask(fromLatin1(`get ${keys} a\r\n`)), "VALUE a 0 1\r\n1\r\nEND\r\n");
    const { connection, session } = node.open(fromLatin1("get"));
    const part = fromLatin1(` ${keys.slice(0, 60000)} a`);
    for (let i = 0; i < 50; i++) session.onData(part);
    session.onData(fromLatin1("\r\n"));
    assertEquals(connection.text, `${"VALUE a 0 1\r\n1\r\n".repeat(50)}END\r\n`);
    session.onClose();
  });

  for (const [what, line, wanted] of cases) {
    it(what, () => {
      const bytes = fromLatin1(line);
      for (const step of [bytes.length, 1, 7, 100, 1000, 1500]) {
        const chunks = [];
        for (let at = 0; at < bytes.length; at += step) chunks.push(bytes.subarray(at, at + step));
        const answer = node.ask(...chunks);
        assert(wanted.test(answer), `in steps of ${step}: ${JSON.stringify(answer)}`);
      }
    });
  }
});
