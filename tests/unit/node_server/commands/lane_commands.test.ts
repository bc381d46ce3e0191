/** What a node says of a connection to another node that asks about it. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { agrees, PlayedNode } from "../../../support/played_node.ts";

const MASTER = "127.0.0.1:2002";
const PROXY = ["2001 2 0 -1 0 16", "2002 0 0 0 1 17"];

describe("a node that is asked about a connection", () => {
  it("is busy while a request that came there waits for its answer, whoever asks where", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    const lane = await node.send("<n:1>lane open 7\r\n");
    assertEquals(lane.received, "OK\r\n");
    const ask = (name: string) => node.ask(`<n:1>lane ask ${name}\r\n`);
    assertEquals([await ask("7"), await ask("8")], ["IDLE\r\n", "IDLE\r\n"]);
    node.host(MASTER).answer = () => undefined;
    lane.send("get a\r\n");
    await node.network.settle();
    assertEquals([await ask("7"), await ask("8")], ["BUSY\r\n", "IDLE\r\n"]);
    assertEquals(await node.ask("<n:2>lane ask 7\r\n"), "IDLE\r\n");
    const [connection] = node.host(MASTER).connections;
    connection?.send("END\r\n");
    await node.network.settle();
    assertEquals([lane.received, await ask("7")], ["OK\r\nEND\r\n", "IDLE\r\n"]);
    await node.stop();
  });

  it("is not busy with half a request, which may be all that came, and knows no closed connection", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    const lane = await node.send("<n:1>lane open 7\r\nset a 0 0 10\r\nhalf");
    assertEquals(await node.ask("<n:1>lane ask 7\r\n"), "IDLE\r\n");
    lane.close();
    await node.network.settle();
    assertEquals(await node.ask("<n:1>lane ask 7\r\n"), "IDLE\r\n");
    await node.stop();
  });

  it("means the newest connection of a name: the node may have been restarted", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    const old = await node.send("<n:1>lane open 7\r\n");
    node.host(MASTER).answer = () => undefined;
    old.send("get a\r\n");
    await node.network.settle();
    assertEquals(await node.ask("<n:1>lane ask 7\r\n"), "BUSY\r\n");
    await node.send("<n:1>lane open 7\r\n");
    assertEquals(await node.ask("<n:1>lane ask 7\r\n"), "IDLE\r\n");
    await node.stop();
  });

  it("says who it is when another node is meant", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    assertEquals(await node.ask("<n:1>lane open 7 127.0.0.1:2001\r\n"), "OK\r\n");
    assertEquals(await node.ask(`<n:1>lane open 7 ${MASTER}\r\n`), "SERVER_ERROR this is node 127.0.0.1:2001\r\n");
    assertEquals(await node.ask("lane meet 127.0.0.1:2001\r\n"), "OK\r\n");
    assertEquals(await node.ask(`lane meet ${MASTER}\r\n`), "SERVER_ERROR this is node 127.0.0.1:2001\r\n");
    await node.stop();
  });

  it("refuses a malformed question", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    assertEquals(await node.ask("lane ask 7\r\n"), "CLIENT_ERROR bad command line format\r\n");
    await node.stop();
  });
});

describe("a master", () => {
  it("replicates to the slave that it means, and counts no answer of another node at its address", async () => {
    const node = new PlayedNode();
    node.keepsInSyncSet = true;
    const slave = node.host(MASTER);
    slave.knowsStreams = true;
    slave.answer = agrees;
    slave.stranger = "127.0.0.1:2003";
    // The name of its log.
    node.network.draws.push(...Array.from({ length: 100 }, (_, at) => at + 1));
    const pair = ["2001 0 0 0 1 16", "2002 1 0 0 1 17"];
    await node.start(pair, { replicationType: "sync" });
    await node.push(5, pair);
    await node.network.pass(500);
    const writer = await node.send("set a 0 0 1\r\n1\r\n");
    await node.network.pass(500);
    const blocks = () => slave.requests.filter((request) => request.includes(">block ")).length;
    assertEquals([writer.received, blocks()], ["", 0]);
    slave.stranger = undefined;
    await node.network.pass(1000);
    assertEquals([writer.received, blocks()], ["STORED\r\n", 1]);
    await node.stop();
  });
});
