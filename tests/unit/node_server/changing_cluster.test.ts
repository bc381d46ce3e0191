/**
 * What clients and other nodes meet while the cluster changes around a node: replicas that fail, copies that come too
 * late, a master that leaves.
 *
 * Covers lib/node_server/life/leave_cluster.ts and lib/node_server/node_handler.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { PlayedNode } from "../../support/played_node.ts";

const INDEX = "127.0.0.1:2000";
const MASTER = "127.0.0.1:2002";
const SLAVE = "127.0.0.1:2003";
const VALUE = "VALUE a 0 1\r\n1\r\nEND\r\n";

describe("a read", () => {
  it("is retried at the master when the slave does not answer", async () => {
    const node = new PlayedNode();
    await node.start(["2001 2 0 -1 0 16", "2002 0 0 0 0 17", "2003 1 0 0 1 18"]);
    node.network.unreachable.add(SLAVE);
    node.host(MASTER).answer = () => VALUE;
    const client = await node.send("get a\r\n");
    await node.network.pass(5000);
    assertEquals(client.received, VALUE);
    await node.stop();
  });

  it("is retried at the master when the slave answers with an error", async () => {
    const node = new PlayedNode();
    await node.start(["2001 2 0 -1 0 16", "2002 0 0 0 0 17", "2003 1 0 0 1 18"]);
    node.host(SLAVE).answer = () => "SERVER_ERROR storage error\r\n";
    node.host(MASTER).answer = () => VALUE;
    assertEquals(await node.ask("get a\r\n"), VALUE);
    await node.stop();
  });
});

describe("a copy", () => {
  it("does not go back to the master of a replica that is none any more, or does not know yet that it is one", async () => {
    const node = new PlayedNode();
    await node.start(["2001 2 0 -1 0 16", "2002 0 0 0 1 17"]);
    for (const request of ["set a 0 0 1 7\r\n1\r\n", "delete a 0 7\r\n", "touch a 4000000000\r\n"]) {
      assertEquals(await node.ask(`<${MASTER}>${request}`), "SERVER_ERROR proxy failure\r\n");
      // Who wants no answer would take an error for the answer to something else.
      const unheard = request.replace(/\r\n/, " noreply\r\n");
      assertEquals(await node.ask(`<${MASTER}>${unheard}version\r\n`), "VERSION flare-2.0.0\r\n");
    }
    assertEquals(node.host(MASTER).requests, []);
    await node.stop();
  });

  it("is distinguished from a write that the new master passes on because it does not know yet", async () => {
    const node = new PlayedNode();
    await node.start(["2001 0 0 0 1 16", "2002 1 0 0 1 17"]);
    await node.push(2, ["2001 2 2 -1 0 16", "2002 0 0 0 1 17"]);
    node.host(MASTER).answer = () => "TOUCHED\r\n";
    assertEquals(await node.ask(`<${MASTER}>touch a 4000000000\r\n`), "TOUCHED\r\n");
    assertEquals(node.host(MASTER).requests, [`<${MASTER},127.0.0.1:2001>touch a 4000000000\r\n`]);
    await node.stop();
  });
});

describe("a write that waits because a former master may still answer", () => {
  it("waits for the end of a flush, too, that has begun meanwhile", async () => {
    const node = new PlayedNode();
    node.keepsInSyncSet = true;
    await node.start(["2001 1 0 0 1 16", "2002 0 0 0 1 17", "2003 1 0 0 1 18"]);
    await node.push(5, ["2001 1 0 0 1 16", "2002 0 0 0 1 17", "2003 1 0 0 1 18"]);
    await node.ask(`<${MASTER}>stream 0123456789abcdef\r\n<${MASTER}>beacon 0123456789abcdef 1 0 4000 3000 0 0 1\r\n`);
    let isFlushing = false;
    const slave = node.host(SLAVE);
    slave.answer = (request) => {
      if (request === "node flush\r\n") return "FLUSH 0\r\n";
      isFlushing ||= request.includes("flush");
      return isFlushing ? undefined : "STORED\r\n";
    };
    await node.push(6, ["2001 0 0 0 1 16", "2002 2 2 -1 0 17", "2003 1 0 0 1 18"]);
    const writer = await node.send("set a 0 0 1\r\n1\r\n");
    await node.network.pass(4000);
    const flush = await node.send("flush_all\r\n");
    await node.network.pass(3000);
    assertEquals([isFlushing, flush.received, writer.received, await node.ask("me a\r\n")], [true, "", "", "EN\r\n"]);
    slave.answer = () => "STORED\r\n";
    // One of them is the flush's; the others end, because they were asked nothing.
    for (const connection of slave.connections) connection.send("OK\r\n");
    await node.network.pass(5000);
    assertEquals([flush.received, writer.received], ["OK\r\n", "STORED\r\n"]);
    await node.stop();
  });
});

describe("a touch of the master", () => {
  const TOUCH = `<${MASTER}>touch a 4000000000\r\n`;

  it("is executed by a slave until the master's stream has begun, and then comes too late", async () => {
    const node = new PlayedNode();
    await node.start(["2001 1 0 0 1 16", "2002 0 0 0 1 17"]);
    assertEquals(await node.ask(`<${MASTER}>set a 0 0 1 7\r\n1\r\n${TOUCH}`), "STORED\r\nTOUCHED\r\n");
    assertEquals((await node.ask(`<${MASTER}>stream 0123456789abcdef\r\n`)).startsWith("OK"), true);
    // Lines still come: the master waits for their answers.
    assertEquals(await node.ask(TOUCH), "TOUCHED\r\n");
    assertEquals(await node.ask(`<${MASTER}>stream 0123456789abcdef 1\r\n`), "OK\r\n");
    assertEquals(await node.ask(TOUCH), "SERVER_ERROR proxy failure\r\n");
    await node.stop();
  });

  it("changes the version that it names, whenever it comes, and no other one", async () => {
    const node = new PlayedNode();
    await node.start(["2001 1 0 0 1 16", "2002 0 0 0 1 17"]);
    const touch = (expire: number, version: number) => `<${MASTER}>touch a ${expire} ${version}\r\n`;
    assertEquals(await node.ask(`<${MASTER}>set a 0 0 1 7\r\n1\r\n${touch(4000000000, 7)}`), "STORED\r\nTOUCHED\r\n");
    await node.ask(`<${MASTER}>stream 0123456789abcdef\r\n<${MASTER}>stream 0123456789abcdef 1\r\n`);
    assertEquals(await node.ask(touch(1, 6)), "EXISTS\r\n");
    assertEquals(await node.ask(`<${MASTER}>mg a T1 E6 X\r\n`), "EX\r\n");
    assertMatch(await node.ask("mg a t\r\n"), /^HD t[1-9]\d{8}/);
    await node.stop();
  });
});

describe("a late copy of the master", () => {
  it("brings nothing back that was deleted since, if its versions do not begin again as the original's do", async () => {
    const node = new PlayedNode();
    await node.start(["2001 1 0 0 1 16", "2002 0 0 0 1 17"]);
    const set = (version: number) => `<${MASTER}>set a 0 0 1 ${version}\r\n1\r\n`;
    const remove = (version: number) => `<${MASTER}>delete a 0 ${version}\r\n`;
    for (const version of [3, 1]) assertEquals(await node.ask(`${set(version)}${remove(version)}`), "STORED\r\nDELETED\r\n");
    assertEquals(await node.ask(`${set(4)}${remove(4)}`), "STORED\r\nDELETED\r\n");
    assertEquals((await node.ask(`<${MASTER}>stream 0123456789abcdef\r\n`)).startsWith("OK"), true);
    assertEquals(await node.ask(`${set(3)}${set(4)}${set(5)}`), "NOT_STORED\r\nNOT_STORED\r\nSTORED\r\n");
    await node.stop();
  });
});

describe("a master that leaves", () => {
  it("holds requests until its slave has taken over, then forwards them", async () => {
    const node = new PlayedNode();
    const server = await node.start(["2001 0 0 0 1 16", "2003 1 0 0 1 18"]);
    node.host(INDEX).answer = () => undefined;
    assertEquals(await node.ask("set a 0 0 1\r\n1\r\n"), "STORED\r\n");
    const waiting = await node.send("");
    let stopped = false;
    void server.stop().then(() => {
      stopped = true;
    });
    await node.network.pass(100);
    assert(node.host(INDEX).requests.includes("shutdown 127.0.0.1 2001\r\n"));
    waiting.send("incr a 1\r\n");
    await node.network.pass(100);
    assertEquals(waiting.received, "");
    node.host(SLAVE).answer = () => "2\r\n";
    await node.push(2, ["2001 2 2 -1 0 16", "2003 0 0 0 1 18"]);
    await node.network.pass(100);
    assertEquals(waiting.received, "2\r\n");
    assertEquals(node.host(SLAVE).requests.at(-1), "<127.0.0.1:2001>incr a 1\r\n");
    await node.network.passUntil(() => stopped, 30000);
    assert(stopped);
  });

  it("keeps serving when it has no slave", async () => {
    const node = new PlayedNode();
    const server = await node.start(["2001 0 0 0 1 16"]);
    node.host(INDEX).answer = () => undefined;
    const client = await node.send("");
    let stopped = false;
    void server.stop().then(() => {
      stopped = true;
    });
    await node.network.pass(100);
    client.send("set a 0 0 1\r\n1\r\n");
    await node.network.pass(100);
    assertEquals(client.received, "STORED\r\n");
    await node.network.passUntil(() => stopped, 30000);
    assert(stopped);
  });

  it("fails health checks once it has announced that it leaves", async () => {
    const node = new PlayedNode();
    const server = await node.start(["2001 2 0 -1 0 16"]);
    node.host(INDEX).answer = () => undefined;
    const monitor = await node.send("ping\r\n");
    assertEquals(monitor.received, "OK\r\n");
    let stopped = false;
    void server.stop().then(() => {
      stopped = true;
    });
    await node.network.pass(100);
    monitor.received = "";
    monitor.send("ping\r\n");
    await node.network.pass(100);
    assertEquals(monitor.received, "SERVER_ERROR stopping\r\n");
    await node.network.passUntil(() => stopped, 30000);
    assert(stopped);
  });
});
