/**
 * Requests that nodes of this Flare forward to each other: how they are sent, what comes back, and who executes them when the
 * two nodes have different node maps.
 *
 * Covers lib/node_server/commands/forward_commands.ts, lib/node_server/forward/ask_node.ts, lib/node_server/forward/moved.ts,
 * lib/node_server/forward/passed_get.ts and lib/node_server/forward/passed_write.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { FarEnd } from "../../../support/played_network.ts";
import { type PlayedHost, PlayedNode } from "../../../support/played_node.ts";

const MASTER = "127.0.0.1:2002";
const OTHER = "127.0.0.1:2003";
const PROXY = ["2001 2 0 -1 0 16", "2002 0 0 0 1 17"];
const SLAVE = ["2001 1 0 0 1 16", "2002 0 0 0 1 17"];

/** A node of ours whose master takes forwarded requests. */
async function start(nodes: readonly string[] = PROXY): Promise<{ node: PlayedNode; master: PlayedHost }> {
  const node = new PlayedNode();
  await node.start(nodes);
  const master = node.host(MASTER);
  master.takesForwards = true;
  master.answer = (request) => (request.includes(">forward ") ? "OK\r\n" : "STORED\r\n");
  return { node, master };
}

/** A node that forwards to ours by a map of this version. */
async function connect(node: PlayedNode, version: number): Promise<FarEnd> {
  const far = await node.send(`<${OTHER}>forward ${version}\r\n`);
  assertEquals(far.received, "OK\r\n");
  far.received = "";
  return far;
}

async function ask(node: PlayedNode, far: FarEnd, text: string): Promise<string> {
  far.received = "";
  far.send(text);
  await node.network.settle();
  return far.received;
}

describe("a node that forwards", () => {
  it("says once by which map, and passes requests on without a list, with absolute times", async () => {
    const { node, master } = await start();
    await node.push(3, PROXY);
    const absolute = "4000000000";
    assertEquals(await node.ask(`set a 1 ${absolute} 1\r\n1\r\n`), "STORED\r\n");
    const requests = [
      "set b 1 0 1 sync\r\n1\r\n",
      "incr c 5\r\n",
      `touch d ${absolute}\r\n`,
      "cas f 0 0 1 7\r\n1\r\n",
      "ms h 1 T0\r\n1\r\n",
      "delete i 0\r\n",
    ];
    const further = "set j 0 0 1 noreply\r\n1\r\ntouch k 10\r\n";
    assertEquals(await node.ask(`${requests.join("")}${further}`), "STORED\r\n".repeat(7));
    const seconds = Math.floor(node.network.runtime.clock.nowMs() / 1000);
    assertEquals(
      new Set(master.requests),
      new Set([
        "<127.0.0.1:2001>forward 3\r\n",
        `set a 1 ${absolute} 1\r\n1\r\n`,
        ...requests,
        "set j 0 0 1\r\n1\r\n",
        `touch k ${seconds + 10}\r\n`,
      ]),
    );
    assertEquals(master.requests.length, 10);
    await node.push(4, PROXY);
    await node.ask("delete a\r\n");
    assertEquals(master.requests.slice(-2), ["<127.0.0.1:2001>forward 4\r\n", "delete a 0\r\n"]);
    await node.stop();
  });

  it("gives the client the other node's answers as they are, in the order of its requests", async () => {
    const { node, master } = await start();
    await node.ask("set a 0 0 1\r\n1\r\n");
    master.answer = (request) => {
      if (request.startsWith("get hit")) return "VALUE hit 7 3\r\nx\r\n\r\nEND\r\n";
      if (request.startsWith("get miss")) return "END\r\n";
      return request.startsWith("incr") ? "15\r\n" : "CLIENT_ERROR as it is\r\n";
    };
    assertEquals(
      await node.ask("get hit\r\nversion\r\nget miss\r\nincr a 1\r\nset b 0 0 1\r\nx\r\nincr c 1 noreply\r\nget  hit \r\n"),
      "VALUE hit 7 3\r\nx\r\n\r\nEND\r\nVERSION flare-2.0.0\r\nEND\r\n15\r\nCLIENT_ERROR as it is\r\n" +
        "VALUE hit 7 3\r\nx\r\n\r\nEND\r\n",
    );
    const stats = await node.ask("stats\r\n");
    assert(stats.includes("STAT cmd_get 3\r\nSTAT cmd_set 2\r\n"), stats);
    assert(stats.includes("STAT get_hits 2\r\nSTAT get_misses 1\r\n"), stats);
    await node.stop();
  });

  it("sends a write to the owner that the other node names, fetches its map, and gives up after a few", async () => {
    const { node, master } = await start([...PROXY, "2003 2 0 -1 0 18"]);
    const other = node.host(OTHER);
    other.takesForwards = true;
    other.answer = (request) => (request.includes(">forward ") ? "OK\r\n" : "STORED\r\n");
    master.answer = (request) => (request.includes(">forward ") ? "OK\r\n" : `MOVED 9 ${OTHER}\r\n`);
    const asked: string[] = [];
    const before = node.index.answer;
    node.index.answer = (request) => {
      asked.push(request);
      return before(request);
    };
    // The first asks whether forwarded requests are taken, the second is passed on.
    for (const key of ["a", "b"]) assertEquals(await node.ask(`set ${key} 0 0 1\r\n1\r\n`), "STORED\r\n");
    assertEquals(await node.ask("ms c 1\r\n1\r\n"), "STORED\r\n");
    assertEquals(
      other.requests.map((request) => request.split(" ").slice(0, 2).join(" ")),
      ["<127.0.0.1:2001>forward 0\r\n", "set a", "set b", "ms c"],
    );
    assert(asked.includes("stats\r\n"));
    other.answer = master.answer;
    const client = await node.send("set d 0 0 1\r\n1\r\n");
    await node.network.pass(10000);
    assertEquals(client.received, "SERVER_ERROR proxy failure\r\n");
    await node.stop();
  });

  it("reads a key elsewhere, or not at all, when the node that it asks names another one", async () => {
    const nodes = ["2001 2 0 -1 0 16", "2002 0 0 0 1 17", "2003 1 0 0 0 18"];
    const { node, master } = await start(nodes);
    await node.ask("set k 0 0 1\r\n1\r\n");
    const other = node.host(OTHER);
    other.takesForwards = true;
    other.answer = (request) => (request.includes(">forward ") ? "OK\r\n" : "VALUE k 0 1\r\nx\r\nEND\r\n");
    const refuse = (request: string): string => (request.includes(">forward ") ? "OK\r\n" : "MOVED 0\r\n");
    master.answer = refuse;
    for (const get of ["get k", "get k k", "mg k v", "ttl k", "keys k 1"]) {
      const client = await node.send(`${get}\r\n`);
      await node.network.pass(5000);
      assertEquals(client.received, "SERVER_ERROR proxy failure\r\n", get);
    }
    await node.push(1, ["2001 2 0 -1 0 16", "2002 0 0 0 1 17", "2003 1 0 0 1 18"]);
    for (let i = 0; i < 8; i++) assertEquals(await node.ask("get k\r\n"), "VALUE k 0 1\r\nx\r\nEND\r\n");
    assertEquals(master.connections.length, 1);
    await node.stop();
  });

  it("sends nothing again that was sent, except reads", async () => {
    const { node, master } = await start();
    await node.ask("set a 0 0 1\r\n1\r\n");
    master.answer = () => undefined;
    const client = await node.send("incr a 1\r\nset b 0 0 1\r\n1\r\nincr c 1 noreply\r\nget d\r\nversion\r\n");
    assertEquals(client.received, "");
    const sent = master.requests.length;
    master.answer = (request) =>
      request.startsWith("get") ? "END\r\n" : request.includes("forward") ? "OK\r\n" : "STORED\r\n";
    master.connections.at(-1)?.close();
    await node.network.pass(3000);
    assertEquals(client.received, "SERVER_ERROR proxy error\r\nSERVER_ERROR proxy error\r\nEND\r\nVERSION flare-2.0.0\r\n");
    assertEquals(master.requests.slice(sent), [`<${node.key}>forward 0\r\n`, "get d\r\n"]);
    await node.stop();
  });

  it("gives a node that does not take them the list, on any later connection, too", async () => {
    const { node, master } = await start();
    await node.ask("set a 0 0 1\r\n1\r\n");
    master.takesForwards = false;
    master.connections.at(-1)?.close();
    await node.network.pass(1000);
    assertEquals(await node.ask("set b 0 0 1\r\n1\r\n"), "STORED\r\n");
    assertEquals(await node.ask("set c 0 0 1\r\n1\r\n"), "STORED\r\n");
    assertEquals(master.requests.slice(-2), ["<127.0.0.1:2001>set b 0 0 1\r\n1\r\n", "<127.0.0.1:2001>set c 0 0 1\r\n1\r\n"]);
    await node.stop();
  });
});

describe("a node that gets forwarded requests", () => {
  const writes = [
    "set k 0 0 1\r\nx\r\n",
    "set k 0 0 1 9\r\nx\r\n",
    "append k 0 0 1\r\nx\r\n",
    "delete k\r\n",
    "delete k 0 9\r\n",
    "touch k 100\r\n",
    "gat k 100\r\n",
    "incr k 1\r\n",
    "ms k 1\r\nx\r\n",
    "md k\r\n",
    "mg k T0\r\n",
  ];

  it("executes no write as a slave, whatever it looks like, and names the master", async () => {
    const { node, master } = await start(SLAVE);
    await node.push(5, SLAVE);
    for (const version of [4, 5]) {
      const far = await connect(node, version);
      for (const write of writes) assertEquals(await ask(node, far, write), `MOVED 5 ${MASTER}\r\n`, write);
      assertEquals(await ask(node, far, `<${MASTER}>set copied 0 0 1 ${version}\r\nx\r\n`), "STORED\r\n");
    }
    assertEquals(master.requests, []);
    assertEquals(node.server.items, 1);
    await node.stop();
  });

  it("executes what is its own by its map, and answers reads", async () => {
    const { node } = await start(["2001 0 0 0 1 16", "2002 2 0 -1 0 17"]);
    await node.push(5, ["2001 0 0 0 1 16", "2002 2 0 -1 0 17"]);
    for (const version of [4, 5, 6]) {
      const far = await connect(node, version);
      assertEquals(
        await ask(node, far, "set 1 0 0 1\r\n1\r\nincr 1 4\r\nget 1\r\ngat 1 100\r\nmg 1 v\r\n"),
        "STORED\r\n5\r\nVALUE 1 0 1\r\n5\r\nEND\r\nVALUE 1 0 1\r\n5\r\nVA 1\r\n5\r\n",
      );
    }
    await node.stop();
  });

  it("gets the sender's map first, if that is newer and the write is not its own by its own", async () => {
    const { node, master } = await start(SLAVE);
    const far = await connect(node, 2);
    far.send("set k 0 0 1\r\n1\r\nms k 1 MA\r\n2\r\ngat k 100\r\nget other\r\n");
    await node.network.pass(500);
    assertEquals(far.received, "");
    await node.push(2, ["2001 0 0 0 1 16", "2002 2 2 -1 0 17"]);
    await node.network.pass(100);
    assertEquals(far.received, "STORED\r\nHD\r\nVALUE k 0 2\r\n12\r\nEND\r\n");
    assertEquals(master.requests, []);
    await node.stop();
  });

  it("passes a read on by the sender's map only: by two maps it could come back, behind itself", async () => {
    const { node, master } = await start(PROXY);
    await node.push(5, PROXY);
    master.answer = (request) => (request.includes(">forward ") ? "OK\r\n" : "END\r\n");
    const reads = ["get k", "gets k", "get k l", "mg k v", "ttl k", "keys k 1"].map((read) => `${read}\r\n`);
    for (const version of [4, 6]) {
      const far = await connect(node, version);
      for (const read of reads) {
        far.received = "";
        far.send(read);
        await node.network.pass(3000);
        assertEquals(far.received, `MOVED 5 ${MASTER}\r\n`, read);
      }
    }
    assertEquals(master.requests, []);
    const far = await connect(node, 5);
    assertEquals(await ask(node, far, "get k\r\n"), "END\r\n");
    assertEquals(master.requests, [`<${node.key}>forward 5\r\n`, "get k\r\n"]);
    await node.stop();
  });

  it("refuses such a write after a while, if it cannot have that map", async () => {
    const { node } = await start(SLAVE);
    const far = await connect(node, 2);
    far.send("set k 0 0 1\r\n1\r\nms k 1\r\n1\r\nincr k 1\r\n");
    await node.network.pass(3000);
    assertEquals(far.received, `MOVED 0 ${MASTER}\r\n`.repeat(3));
    await node.stop();
  });

  it("passes a write of a key that has just moved from it on to the new owner, and names that a moment later", async () => {
    const nodes = ["2001 0 0 0 1 16", "2002 0 0 1 1 17"];
    const { node, master } = await start(["2001 0 0 0 1 16", "2002 0 1 1 1 17"]);
    await node.push(2, ["2001 0 0 0 1 16", "2002 0 3 1 1 17"]);
    await node.push(3, nodes);
    const far = await connect(node, 2);
    let moved = "";
    for (const key of ["a", "b", "c", "d", "e"]) {
      if (
        (await ask(node, far, `set ${key} 0 0 1\r\n1\r\n`)) !== "" &&
        master.requests.some((one) => one.startsWith(`set ${key} `))
      ) {
        moved = key;
      }
    }
    assert(moved !== "");
    assertEquals(master.requests[0], "<127.0.0.1:2001>forward 3\r\n");
    await node.network.pass(1500);
    assertEquals(await ask(node, far, `set ${moved} 0 0 1\r\n1\r\n`), `MOVED 3 ${MASTER}\r\n`);
    await node.stop();
  });

  it("refuses a forward that does not say who sends it, or by which map, and takes the following as a client's", async () => {
    const { node } = await start(SLAVE);
    for (const line of ["forward 1", `<${OTHER}>forward`, `<${OTHER}>forward x`]) {
      assertEquals(await node.ask(`${line}\r\n`), "CLIENT_ERROR bad command line format\r\n");
    }
    await node.stop();
  });
});
