/** What clients of a master meet whose slave is further behind than `replication-lag-max`. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { NodeServerOptions } from "../../../lib/node_server/node_server_options.ts";
import { describeReplies, packet } from "../../support/binary_packets.ts";
import type { FarEnd } from "../../support/played_network.ts";
import { agrees, PlayedNode } from "../../support/played_node.ts";

const SLAVE = "127.0.0.1:2002";
const PAIR = ["2001 0 0 0 1 16", "2002 1 0 0 1 17"];
const LAG_MAX_MS = 500;
const SET = 0x01;

/** A master whose slave has been silent since a write that is older than the limit. */
async function holding(options: Partial<NodeServerOptions> = {}): Promise<PlayedNode> {
  const node = new PlayedNode();
  node.keepsInSyncSet = true;
  const slave = node.host(SLAVE);
  slave.knowsStreams = true;
  slave.answer = agrees;
  // The name of its log.
  node.network.draws.push(...Array.from({ length: 100 }, (_, at) => at + 1));
  await node.start(PAIR, { replicationType: "async", replicationLagMaxMs: LAG_MAX_MS, ...options });
  await node.push(5, PAIR);
  await node.network.pass(1000);
  slave.answer = () => undefined;
  slave.requests.length = 0;
  await node.send("set old 0 0 1\r\n1\r\n");
  await node.network.pass(2 * LAG_MAX_MS);
  return node;
}

/** The slave answers everything it has got. */
async function catchUp(node: PlayedNode): Promise<void> {
  const slave = node.host(SLAVE);
  slave.answer = () => "OK\r\n";
  slave.connections.at(-1)?.send("OK\r\n".repeat(slave.requests.length));
  await node.network.settle();
}

async function send(node: PlayedNode, ...texts: readonly string[]): Promise<FarEnd[]> {
  const ends: FarEnd[] = [];
  for (const text of texts) ends.push(await node.send(text));
  return ends;
}

describe("writers", () => {
  it("wait while an in-sync slave is too far behind, readers do not", async () => {
    const node = await holding();
    const writers = await send(
      node,
      "set a 0 0 1\r\n1\r\n",
      "ms b 1 T0\r\n1\r\n",
      packet({ opcode: SET, extras: "\0".repeat(8), key: "c" }),
    );
    assertEquals(
      writers.map(({ received }) => received),
      ["", "", ""],
    );
    assertEquals(await node.ask("get old a\r\n"), "VALUE old 0 1\r\n1\r\nVALUE a 0 1\r\n1\r\nEND\r\n");
    await catchUp(node);
    assertEquals(
      writers.slice(0, 2).map(({ received }) => received),
      ["STORED\r\n", "HD\r\n"],
    );
    assertEquals(writers[2]?.received.length, 24);
    assertEquals(await node.ask("set a 0 0 1\r\n2\r\n"), "STORED\r\n");
    await node.stop();
  });

  it("go on when nothing is missing that is older than the limit", async () => {
    const node = await holding();
    const [writer] = await send(node, "set a 0 0 1\r\n1\r\n");
    // It has the first block, not the second.
    node.host(SLAVE).connections.at(-1)?.send("OK\r\n");
    await node.network.settle();
    assertEquals(writer?.received, "STORED\r\n");
    await node.stop();
  });

  it("do not wait where there is no limit, or none that is reached", async () => {
    for (const replicationLagMaxMs of [0, 2000]) {
      const node = await holding({ replicationLagMaxMs });
      assertEquals(await node.ask("set a 0 0 1\r\n1\r\n"), "STORED\r\n");
      await node.stop();
    }
  });

  it("that want no answer are held up, too, so that not more than a thousand writes of a connection wait", async () => {
    for (const [more, received] of [
      ["noreply ", ""],
      ["", "STORED\r\n".repeat(1500)],
    ] as const) {
      for (const replicationType of ["async", "sync"] as const) {
        const node = await holding({ replicationType });
        const lines = Array.from({ length: 1500 }, (_, at) => `set k${at} 0 0 1 ${more}\r\n1\r\n`);
        const [writer] = await send(node, lines.join(""));
        assertEquals([node.server.items, writer?.received], [1001, ""], replicationType);
        await catchUp(node);
        assertEquals([node.server.items, writer?.received], [1501, received]);
        await node.stop();
      }
    }
  });

  it("hear that a write is in doubt when their node ceases to be the master, each in its protocol", async () => {
    const node = await holding();
    const both = ["c", "d"].map((key, at) => packet({ opcode: SET, extras: "\0".repeat(8), key, opaque: at + 1 })).join("");
    const [text, binary] = await send(node, "set a 0 0 1\r\n1\r\n", both);
    await node.push(6, ["2001 2 0 -1 0 16", "2002 0 0 0 1 17"]);
    assertMatch(text?.received ?? "", /^SERVER_ERROR in doubt/);
    const replies = describeReplies(binary?.received ?? "");
    assertEquals(replies.length, 2);
    for (const [at, reply] of replies.entries())
      assert(reply.includes("in doubt") && reply.includes(`opaque ${at + 1}`), reply);
    await node.stop();
  });
});

describe("a slave that is too far behind", () => {
  it("leaves the in-sync set at once where that is the policy, and the log says why", async () => {
    const node = await holding({ replicationLagPolicy: "leave" });
    const [writer] = await send(node, "set a 0 0 1\r\n1\r\n");
    assertEquals(
      node.index.requests.filter((request) => request.startsWith("node state")),
      ["node state 127.0.0.1 2002 prepare 5\r\n"],
    );
    assertEquals(writer?.received, "STORED\r\n");
    assertMatch(
      node.network.logged.join("\n"),
      /replica "127\.0\.0\.1:2002" is not in sync: it is \d+ ms behind \(replication-lag-max\)/,
    );
    await node.stop();
  });
});
