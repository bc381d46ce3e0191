/**
 * What clients of a node hear while other nodes are silent or answer errors, or no node has the key.
 *
 * Covers lib/node_server/commands/read_commands.ts, lib/node_server/life/reconstructor.ts, lib/replication/copy_task.ts and
 * lib/replication/dump_client.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { PlayedNode } from "../../support/played_node.ts";

const MASTER = "127.0.0.1:2002";
const SLAVE = "127.0.0.1:2003";
/** We are a proxy; the second node reads, too. */
const PROXY = ["2001 2 0 -1 0 16", "2002 0 0 0 1 17", "2003 1 0 0 1 18"];
const MASTER_ONLY = ["2001 2 0 -1 0 16", "2002 0 0 0 1 17"];
const MASTER_DOWN = ["2001 2 0 -1 0 16", "2002 0 2 0 1 17"];
const NO_PARTITION = ["2001 2 0 -1 0 16"];

const FAILURE = "SERVER_ERROR proxy failure\r\n";
const BINARY_GET = `\x80\x00\x00\x01${"\0".repeat(7)}\x01${"\0".repeat(12)}k`;
const BINARY_FAILURE = "\x00\x84";

/** Every way to read a key that lies elsewhere. */
const READS = [
  "get k\r\n",
  "gets k\r\n",
  "get k l\r\n",
  "mg k v\r\n",
  "mg k v q\r\n",
  "gat 0 k\r\n",
  "gats 0 k\r\n",
  "keys k 5\r\n",
  "ttl k\r\n",
];

function playHost(node: PlayedNode, key: string, value: string): void {
  node.host(key).answer = (request) => {
    if (request === "mn\r\n") return "MN\r\n";
    if (request.startsWith("mg")) return `VA 1\r\n${value}\r\n`;
    if (request.startsWith("get")) return `VALUE k 0 1\r\n${value}\r\nEND\r\n`;
    return "STORED\r\n";
  };
}

describe("a read of a key whose nodes cannot be reached", () => {
  for (const [what, map, expected] of [
    ["the only node has disappeared", MASTER_ONLY, FAILURE],
    ["the only node is down", MASTER_DOWN, FAILURE],
    ["there is no partition", NO_PARTITION, "SERVER_ERROR no partition available\r\n"],
  ] as const) {
    it(`is an error, never a miss, when ${what}`, async () => {
      const node = new PlayedNode();
      await node.start(map);
      node.network.silent.add(MASTER);
      const clients = await Promise.all(READS.map((read) => node.send(read)));
      const binary = await node.send(BINARY_GET);
      await node.network.pass(7000);
      for (const [at, { received }] of clients.entries()) assertEquals([READS[at], received], [READS[at], expected]);
      assertEquals(binary.received.slice(6, 8), BINARY_FAILURE);
      const stats = await node.ask("stats\r\n");
      assert(stats.includes("STAT get_misses 0\r\n"), stats);
      await node.stop();
    });
  }

  it("is answered by another replica within the time a node may be silent", async () => {
    for (const read of ["get k\r\n", "mg k v\r\n"]) {
      const node = new PlayedNode();
      await node.start(PROXY);
      playHost(node, MASTER, "m");
      playHost(node, SLAVE, "s");
      // The draw leads to the slave, which answers once and is gone then.
      node.network.draws.push(1);
      assert((await node.ask(read)).includes("s"));
      node.network.silent.add(SLAVE);
      node.network.draws.push(1);
      const client = await node.send(read);
      assert(await node.network.passUntil(() => client.received !== "", 5100));
      assertEquals(client.received, read === "get k\r\n" ? "VALUE k 0 1\r\nm\r\nEND\r\n" : "VA 1\r\nm\r\n");
      // By now it is known, so that nobody waits any more.
      node.network.draws.push(1);
      assert((await node.ask(read)).includes("m"));
      await node.stop();
    }
  });

  it("is answered by another replica when one answers an error", async () => {
    for (const read of ["get k\r\n", "mg k v\r\n"]) {
      const node = new PlayedNode();
      await node.start(PROXY);
      playHost(node, MASTER, "m");
      node.host(SLAVE).answer = (request) => (request === "mn\r\n" ? "MN\r\n" : "SERVER_ERROR corrupt record\r\n");
      node.network.draws.push(1);
      assert((await node.ask(read)).includes("m"));
      node.host(MASTER).answer = node.host(SLAVE).answer;
      node.network.draws.push(1);
      assertEquals(await node.ask(read), "SERVER_ERROR corrupt record\r\n");
      await node.stop();
    }
  });

  it("goes to whom the newest map names", async () => {
    const node = new PlayedNode();
    await node.start(MASTER_ONLY);
    node.network.unreachable.add(MASTER);
    playHost(node, SLAVE, "s");
    const client = await node.send("get k\r\n");
    assertEquals(client.received, "");
    await node.push(2, ["2001 2 0 -1 0 16", "2002 2 2 -1 0 17", "2003 0 0 0 1 18"]);
    await node.network.pass(300);
    assertEquals(client.received, "VALUE k 0 1\r\ns\r\nEND\r\n");
    await node.stop();
  });
});

describe("a write", () => {
  it("whose answer never comes is in doubt; one that was never sent has not happened", async () => {
    const node = new PlayedNode();
    await node.start(MASTER_ONLY);
    assertEquals(await node.ask("set a 0 0 1\r\nx\r\n"), "STORED\r\n");
    node.network.silent.add(MASTER);
    const lost = await node.send("incr a 1\r\n");
    await node.network.pass(5100);
    assertEquals(lost.received, "SERVER_ERROR proxy error\r\n");
    const unsent = await node.send("incr a 1\r\n");
    await node.network.pass(800);
    assertEquals(unsent.received, FAILURE);
    await node.stop();
  });

  it("waits for a slave that is gone no longer than a node may be silent, and not at all once that is known", async () => {
    const node = new PlayedNode();
    await node.start(["2001 0 0 0 1 16", "2002 1 0 0 1 17", "2003 1 0 0 1 18"], { replicationType: "sync" });
    assertEquals(await node.ask("set a 0 0 1\r\n1\r\n"), "STORED\r\n");
    node.network.silent.add(MASTER);
    const healthy = node.host(SLAVE);
    const first = await node.send("set a 0 0 1\r\n2\r\n");
    // The other slave has it at once.
    assertEquals(healthy.requests.at(-1), "<127.0.0.1:2001>set a 0 0 1 2\r\n2\r\n");
    await node.network.pass(4900);
    assertEquals(first.received, "");
    await node.network.pass(200);
    assertEquals(first.received, "STORED\r\n");
    assertEquals(await node.ask("set a 0 0 1\r\n3\r\n"), "STORED\r\n");
    await node.network.pass(30000);
    // It is back before anybody said that it is down: it gets everything, in order.
    node.network.silent.clear();
    node.host(MASTER).requests.length = 0;
    await node.network.pass(3000);
    assertEquals(node.host(MASTER).requests, [
      "<127.0.0.1:2001>set a 0 0 1 2\r\n2\r\n",
      "<127.0.0.1:2001>set a 0 0 1 3\r\n3\r\n",
    ]);
    await node.stop();
  });

  it("whose slave is busy waits for as long as that says it is there", async () => {
    const node = new PlayedNode();
    await node.start(["2001 0 0 0 1 16", "2002 1 0 0 1 17"], { replicationType: "sync" });
    node.host(MASTER).answer = () => undefined;
    const client = await node.send("set a 0 0 1\r\n1\r\n");
    await node.network.pass(20000);
    assertEquals(client.received, "");
    node.host(MASTER).connections[1]?.send("STORED\r\n");
    await node.network.settle();
    assertEquals(client.received, "STORED\r\n");
    await node.stop();
  });
});

describe("a copy of everything", () => {
  it("ends when its source has disappeared, and waits for one that has little to send", async () => {
    const node = new PlayedNode();
    await node.start(["2001 2 0 -1 0 16", "2002 0 0 0 1 17"]);
    const source = node.host(MASTER);
    source.answer = (request) => (request.includes("dump") ? undefined : "END\r\n");
    await node.push(2, ["2001 1 1 0 0 16", "2002 0 0 0 1 17"]);
    await node.network.pass(60000);
    assert(!node.network.logged.some((line) => line.includes("copy failed")));
    node.network.silent.add(MASTER);
    assert(await node.network.passUntil(() => node.network.logged.some((line) => line.includes("copy failed")), 5100));
    await node.stop();
  });
});
