/**
 * A partition becomes active: what its new master, its slaves and the masters that give keys away hold, ask and answer, and for
 * how long.
 *
 * Covers lib/node_server/life/takeover.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { agrees, PlayedNode } from "../../../support/played_node.ts";

const FIRST = "127.0.0.1:2001";
const SECOND = "127.0.0.1:2002";
const THIRD = "127.0.0.1:2003";
const PREPARING = ["2001 0 0 0 1 16", "2002 0 3 1 1 17"];
const ACTIVE = ["2001 0 0 0 1 16", "2002 0 0 1 1 17"];
const WITH_SLAVE = ["2003 1 0 1 1 18"];
const YIELD = "node yield 127.0.0.1 2002 6\r\n";
const TIMEOUT_MS = 5000;
/** Of partition 0 and of partition 1, if there are two. */
const KEY_OF_FIRST = "key0";
const KEY_OF_SECOND = "key1";

async function start(key: string, preparing = PREPARING, node = new PlayedNode(key)): Promise<PlayedNode> {
  node.keepsInSyncSet = true;
  await node.start(preparing, { replicationType: "sync" });
  await node.push(5, preparing);
  return node;
}

function yields({ requests }: { readonly requests: readonly string[] }): string[] {
  return requests.filter((request) => request.startsWith("node yield"));
}

describe("the master of a partition that becomes active", () => {
  it("holds requests until the other masters have given the keys away, and takes their copies meanwhile", async () => {
    const node = await start(SECOND);
    const giver = node.host(FIRST);
    giver.answer = (request) => (request.startsWith("node yield") ? undefined : "END\r\n");
    await node.push(6, ACTIVE);
    assertEquals(yields(giver), [YIELD]);
    const client = await node.send(`append ${KEY_OF_SECOND} 0 0 1\r\n2\r\nget ${KEY_OF_SECOND}\r\n`);
    assertEquals(await node.ask(`<${FIRST}>set ${KEY_OF_SECOND} 0 0 1 7\r\n1\r\n`), "STORED\r\n");
    await node.network.pass(TIMEOUT_MS / 2);
    assertEquals(client.received, "");
    giver.connections.at(-1)?.send("OK\r\n");
    await node.network.settle();
    assertEquals(client.received, `STORED\r\nVALUE ${KEY_OF_SECOND} 0 2\r\n12\r\nEND\r\n`);
    await node.stop();
  });

  for (const [request, answer] of [
    ["set KEY 0 0 1\r\n1\r\n", "STORED\r\n"],
    ["touch KEY 100\r\n", "TOUCHED\r\n"],
    ["gat KEY 100\r\n", "VALUE KEY 0 1\r\n0\r\n"],
    ["ms KEY 1\r\n1\r\n", "HD\r\n"],
    ["mg KEY T100\r\n", "HD\r\n"],
  ].map((words) => words.map((text) => text.replaceAll("KEY", KEY_OF_SECOND))) as [string, string][]) {
    it(`holds what it got from a node that knew of it before: ${request.split("\r\n")[0]}`, async () => {
      const node = await start(SECOND);
      const giver = node.host(FIRST);
      giver.answer = (asked) => (asked.startsWith("node yield") ? undefined : "END\r\n");
      assertEquals(await node.ask(`<${FIRST}>set ${KEY_OF_SECOND} 0 0 1 7\r\n0\r\n`), "STORED\r\n");
      const sender = await node.send(`<${THIRD}>forward 6\r\n`);
      assertEquals(sender.received, "OK\r\n");
      sender.received = "";
      sender.send(request);
      await node.network.settle();
      await node.push(6, ACTIVE);
      await node.network.pass(1000);
      assertEquals([sender.received, yields(giver)], ["", [YIELD]]);
      giver.connections.at(-1)?.send("OK\r\n");
      await node.network.settle();
      assertEquals(sender.received, answer);
      await node.stop();
    });
  }

  it("asks again while they have not", async () => {
    const node = await start(SECOND);
    const giver = node.host(FIRST);
    let answers = 0;
    giver.answer = () => (answers++ < 3 ? "SERVER_ERROR node map version is 5, not 6\r\n" : "OK\r\n");
    await node.push(6, ACTIVE);
    const client = await node.send(`set ${KEY_OF_SECOND} 0 0 1\r\n1\r\n`);
    assertEquals(client.received, "");
    await node.network.pass(1000);
    assertEquals([client.received, yields(giver).length], ["STORED\r\n", 4]);
    await node.stop();
  });

  it("waits for no master that does not know the question", async () => {
    const node = await start(SECOND);
    node.host(FIRST).answer = () => "ERROR\r\n";
    await node.push(6, ACTIVE);
    assertEquals(await node.ask(`set ${KEY_OF_SECOND} 0 0 1\r\n1\r\n`), "STORED\r\n");
    await node.stop();
  });

  it("asks the successor of a master that is none any more", async () => {
    const node = await start(SECOND);
    const successor = node.host(THIRD);
    node.host(FIRST).answer = () => "SERVER_ERROR node map version is 5, not 6\r\n";
    successor.answer = (request) => (request.startsWith("node yield") ? undefined : "END\r\n");
    await node.push(6, ACTIVE);
    const client = await node.send(`set ${KEY_OF_SECOND} 0 0 1\r\n1\r\n`);
    await node.push(7, ["2001 2 2 -1 0 16", "2002 0 0 1 1 17", "2003 0 0 0 1 18"]);
    await node.network.pass(1000);
    assertEquals([yields(successor), client.received], [[YIELD], ""]);
    successor.connections.at(-1)?.send("OK\r\n");
    await node.network.settle();
    assertEquals(client.received, "STORED\r\n");
    await node.stop();
  });

  it("waits for no partition that has no master any more", async () => {
    const node = await start(SECOND);
    node.host(FIRST).answer = () => "SERVER_ERROR node map version is 5, not 6\r\n";
    await node.push(6, ACTIVE);
    const client = await node.send(`set ${KEY_OF_SECOND} 0 0 1\r\n1\r\n`);
    await node.push(7, ["2001 2 2 -1 0 16", "2002 0 0 1 1 17"]);
    await node.network.pass(1000);
    assertEquals(client.received, "STORED\r\n");
    await node.stop();
  });

  it("goes on after twice replication-timeout", async () => {
    const node = await start(SECOND);
    node.network.unreachable.add(FIRST);
    await node.push(6, ACTIVE);
    const client = await node.send(`set ${KEY_OF_SECOND} 0 0 1\r\n1\r\n`);
    await node.network.pass(2 * TIMEOUT_MS - 100);
    assertEquals(client.received, "");
    await node.network.pass(200);
    assertEquals(client.received, "STORED\r\n");
    await node.stop();
  });
});

describe("a slave of a partition that becomes active", () => {
  it("asks its master", async () => {
    const node = await start(THIRD, [...PREPARING, ...WITH_SLAVE]);
    node.host(SECOND).answer = (request) => (request.startsWith("node yield") ? "OK\r\n" : "END\r\n");
    await node.push(6, [...ACTIVE, ...WITH_SLAVE]);
    assertEquals(yields(node.host(SECOND)), ["node yield 127.0.0.1 2003 6\r\n"]);
    assertEquals(yields(node.host(FIRST)), []);
    await node.stop();
  });

  it("asks the other masters when it is promoted before its master has answered", async () => {
    const node = await start(THIRD, [...PREPARING, ...WITH_SLAVE]);
    node.host(SECOND).answer = (request) => (request.startsWith("node yield") ? "SERVER_ERROR not yet\r\n" : "END\r\n");
    node.host(FIRST).answer = (request) => (request.startsWith("node yield") ? undefined : "END\r\n");
    await node.push(6, [...ACTIVE, ...WITH_SLAVE]);
    await node.push(7, ["2001 0 0 0 1 16", "2002 2 2 -1 0 17", "2003 0 0 1 1 18"]);
    await node.network.pass(1000);
    assertEquals(yields(node.host(FIRST)), ["node yield 127.0.0.1 2003 6\r\n"]);
    const client = await node.send(`set ${KEY_OF_SECOND} 0 0 1\r\n1\r\n`);
    assertEquals(client.received, "");
    node.host(FIRST).connections.at(-1)?.send("OK\r\n");
    await node.network.settle();
    assertEquals(client.received, "STORED\r\n");
    await node.stop();
  });
});

describe("a master that gives keys away", () => {
  it("holds requests, and answers when its copies have arrived", async () => {
    const node = await start(FIRST);
    const taker = node.host(SECOND);
    taker.answer = (request) => (request.includes("set") ? undefined : "NOT_FOUND\r\n");
    const writer = await node.send(`set ${KEY_OF_SECOND} 0 0 1\r\n1\r\n`);
    assertEquals(writer.received, "");
    await node.push(6, ACTIVE);
    const asking = await node.send(YIELD);
    const client = await node.send(`get ${KEY_OF_FIRST}\r\n`);
    await node.network.pass(TIMEOUT_MS / 2);
    assertEquals([asking.received, client.received], ["", ""]);
    taker.connections[0]?.send("STORED\r\n");
    await node.network.settle();
    assertEquals([writer.received, asking.received, client.received], ["STORED\r\n", "OK\r\n", "END\r\n"]);
    await node.stop();
  });

  it("answers when its slave has heard how many partitions there are, or has no lease any more", async () => {
    for (const hears of [true, false]) {
      const slave = ["2003 1 0 0 1 18"];
      const node = new PlayedNode(FIRST);
      // The name of its log.
      node.network.draws.push(...Array.from({ length: 100 }, (_, at) => at + 1));
      const host = node.host(THIRD);
      host.knowsStreams = true;
      let isSilent = false;
      host.answer = (request) => (isSilent && request.includes(">beacon ") ? undefined : agrees(request));
      const said = () => host.requests.filter((request) => request.includes(">beacon ")).at(-1);
      await start(FIRST, [...PREPARING, ...slave], node);
      await node.network.pass(TIMEOUT_MS);
      assert(said()?.endsWith(" 1\r\n"), said());
      isSilent = true;
      await node.push(6, [...ACTIVE, ...slave]);
      assert(said()?.endsWith(" 2\r\n"), said());
      const asking = await node.send(YIELD);
      await node.network.pass(TIMEOUT_MS / 2);
      assertEquals(asking.received, "");
      // Its connection for the stream is the first one.
      if (hears) host.connections[0]?.send("OK\r\n");
      await node.network.pass(hears ? 100 : TIMEOUT_MS / 2);
      assertEquals(asking.received, "OK\r\n");
      await node.stop();
    }
  });

  it("fetches the map by which it gives them away", async () => {
    const node = await start(FIRST);
    const asking = await node.send(YIELD);
    await node.network.pass(100);
    assertEquals(asking.received, "");
    await node.push(6, ACTIVE);
    await node.network.pass(100);
    assertEquals(asking.received, "OK\r\n");
    await node.stop();
  });

  it("says what it lacks", async () => {
    const node = await start(FIRST);
    const asking = await node.send(YIELD);
    await node.network.pass(TIMEOUT_MS);
    assertEquals(asking.received, "SERVER_ERROR node map version is 5, not 6\r\n");
    for (const words of ["", " 127.0.0.1 2002", " 127.0.0.1 2002 x", " 127.0.0.1 2002 6 7"])
      assertEquals(await node.ask(`node yield${words}\r\n`), "ERROR\r\n");
    await node.stop();
  });

  it("holds requests for replication-timeout at most", async () => {
    const node = await start(FIRST);
    node.host(SECOND).answer = (request) => (request.includes("set") ? undefined : "END\r\n");
    await node.send(`set ${KEY_OF_SECOND} 0 0 1\r\n1\r\n`);
    await node.push(6, ACTIVE);
    const asking = await node.send(YIELD);
    const client = await node.send(`get ${KEY_OF_FIRST}\r\n`);
    await node.network.pass(TIMEOUT_MS + 100);
    assertEquals(client.received, "END\r\n");
    assert(asking.received.startsWith(`SERVER_ERROR writes are on their way to "${SECOND}"`), asking.received);
    await node.stop();
  });
});
