/**
 * What a node forwards to others and to which ones, with and without failures.
 *
 * Covers lib/node_server/commands/write_commands.ts and lib/protocol/text/text_client.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { PlayedNode } from "../../support/played_node.ts";

const MASTER = "127.0.0.1:2002";
const SLAVE = "127.0.0.1:2003";
/** We are a proxy, a slave of 2002, or its master. */
const PROXY = ["2001 2 0 -1 0 16", "2002 0 0 0 1 17"];

describe("a proxy", () => {
  it("passes gat on key by key, and gats as a read, which has the version, and a touch", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    const master = node.host(MASTER);
    master.answer = (request) => {
      if (request.includes("miss")) return request.startsWith("gets") ? "END\r\n" : "NOT_FOUND\r\n";
      if (request.includes("touch")) return "TOUCHED\r\n";
      return request.startsWith("gets") ? "VALUE a 1 1 9\r\nx\r\nEND\r\n" : "VALUE a 1 1\r\nx\r\n";
    };
    assertEquals(await node.ask("gat 4000000000 a miss a\r\n"), "VALUE a 1 1\r\nx\r\nVALUE a 1 1\r\nx\r\nEND\r\n");
    assertEquals(await node.ask("gats 4000000000 a miss\r\n"), "VALUE a 1 1 9\r\nx\r\nEND\r\n");
    assertEquals(await node.ask("gat miss 4000000000\r\n"), "NOT_FOUND\r\n");
    assertEquals(master.requests.slice(3), [
      "gets a\r\n",
      "<127.0.0.1:2001>touch a 4000000000\r\n",
      "gets miss\r\n",
      "<127.0.0.1:2001>gat miss 4000000000\r\n",
    ]);
    await node.stop();
  });

  it("answers gats with the version although the new time leaves nothing to ask for it", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    let isThere = true;
    node.host(MASTER).answer = (request) => {
      if (request.startsWith("gets")) return isThere ? "VALUE a 1 1 9\r\nx\r\nEND\r\n" : "END\r\n";
      if (!isThere) return "NOT_FOUND\r\n";
      isThere = false;
      return request.includes("gat ") ? "VALUE a 1 1\r\nx\r\n" : "TOUCHED\r\n";
    };
    assertEquals(await node.ask("gats -1 a\r\n"), "VALUE a 1 1 9\r\nx\r\nEND\r\n");
    assert(!isThere);
    assertEquals(await node.ask("gats -1 a\r\n"), "END\r\n");
    await node.stop();
  });

  it("refuses further writes when max-total-thread-queue are under way", async () => {
    const node = new PlayedNode();
    await node.start(PROXY, { maxTotalThreadQueue: 2 });
    node.host(MASTER).answer = () => undefined;
    await node.send("set a 0 0 1\r\n1\r\n");
    await node.send("set b 0 0 1\r\n1\r\n");
    assertEquals(await node.ask("set c 0 0 1\r\n1\r\n"), "SERVER_ERROR proxy failure\r\n");
    assertEquals(node.host(MASTER).requests.length, 2);
    await node.stop();
  });

  it("executes a write itself that has not left when it becomes the master", async () => {
    const node = new PlayedNode();
    await node.start(["2001 1 0 0 1 16", "2002 0 0 0 1 17"]);
    node.network.unreachable.add(MASTER);
    const client = await node.send("set a 0 0 1\r\n1\r\nincr a 4\r\nget a\r\n");
    assertEquals(client.received, "");
    await node.push(2, ["2001 0 0 0 1 16", "2002 2 2 -1 0 17"]);
    await node.network.pass(2000);
    assertEquals(client.received, "STORED\r\n5\r\nVALUE a 0 1\r\n5\r\nEND\r\n");
    await node.stop();
  });

  it("gives up soon what is under way to a node that went down", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    node.host(MASTER).answer = () => undefined;
    const client = await node.send("incr a 1\r\n");
    await node.push(2, ["2001 2 0 -1 0 16", "2002 0 2 0 1 17"]);
    await node.network.pass(10000);
    assertEquals(client.received, "SERVER_ERROR proxy error\r\n");
    assertEquals(node.host(MASTER).requests, ["<127.0.0.1:2001>incr a 1\r\n"]);
    await node.stop();
  });

  it("reads from nodes of its own network if there are any", async () => {
    const node = new PlayedNode();
    await node.start(["2001 2 0 -1 0 16", "2002 0 0 0 100 17"], { proxyPriorNetmask: 32 });
    node.host(MASTER).answer = () => "END\r\n";
    assertEquals(await node.ask("get a\r\n"), "END\r\n");
    assertEquals(node.host(MASTER).requests, ["get a\r\n"]);
    await node.stop();
  });
});

describe("a slave", () => {
  it("reads what a noreply of the same connection wrote at the master", async () => {
    const node = new PlayedNode();
    await node.start(["2001 1 0 0 1 16", "2002 0 0 0 1 17"]);
    let copied: Promise<unknown> | undefined;
    node.host(MASTER).answer = (request) => {
      const copy = request.replace("<127.0.0.1:2001>set a 0 0 1\r\n", "<127.0.0.1:2002>set a 0 0 1 1\r\n");
      copied = node.send(copy);
      return "STORED\r\n";
    };
    assertEquals(await node.ask("set a 0 0 1 noreply\r\n1\r\nget a\r\n"), "VALUE a 0 1\r\n1\r\nEND\r\n");
    await copied;
    await node.stop();
  });
});

describe("a master", () => {
  const nodes = ["2001 0 0 0 1 16", "2003 1 0 0 1 18"];

  it("leaves out replication while max-total-thread-queue are under way, and says so once", async () => {
    const node = new PlayedNode();
    const server = await node.start(nodes, { maxTotalThreadQueue: 1 });
    const slave = node.host(SLAVE);
    slave.answer = () => undefined;
    for (const key of ["a", "b", "c"]) assertEquals(await node.ask(`set ${key} 0 0 1\r\n1\r\n`), "STORED\r\n");
    assertEquals(slave.requests, ["<127.0.0.1:2001>set a 0 0 1 1\r\n1\r\n"]);
    assertEquals(node.network.logged.filter((line) => line.includes("is not replicated")).length, 1);
    server.reload({ ...server.options, maxTotalThreadQueue: 0 });
    await node.ask("set d 0 0 1\r\n1\r\n");
    assertEquals(slave.requests.length, 2);
    await node.stop();
  });

  it("asks for a reply after every noreply-window-limit replicated writes, and whenever a client waits for them", async () => {
    const node = new PlayedNode();
    await node.start(nodes, { noreplyWindowLimit: 2 });
    const slave = node.host(SLAVE);
    slave.answer = (request) => (request.includes(" noreply\r\n") ? undefined : "STORED\r\n");
    await node.ask("set a 0 0 1\r\n1\r\nset a 0 0 1\r\n2\r\nset a 0 0 1 sync\r\n3\r\nset a 0 0 1\r\n4\r\nset a 0 0 1\r\n5\r\n");
    assertEquals(
      slave.requests.map((request) => request.slice("<127.0.0.1:2001>set a 0 0 1 ".length, request.indexOf("\r\n"))),
      ["1 noreply", "2 noreply", "3 sync", "4", "5 noreply"],
    );
    await node.stop();
  });
});
