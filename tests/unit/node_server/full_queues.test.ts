/**
 * What a master does with a write when its copies could not be queued: a write that somebody waits for is refused before
 * anything happens, one that nobody waits for loses its copy loudly.
 *
 * Covers lib/node_server/life/map_check.ts and lib/replication/replicator.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { PlayedNode } from "../../support/played_node.ts";

const SLAVE = "127.0.0.1:2002";
const PAIR = ["2001 0 0 0 1 16", "2002 1 0 0 1 17"];
const FULL = "SERVER_ERROR 2 requests are already queued for other nodes (max-total-thread-queue)\r\n";

async function figures(node: PlayedNode): Promise<Map<string, string>> {
  const answer = await node.ask("stats replication\r\n");
  return new Map([...answer.matchAll(/^STAT (\S+) (.*)\r$/gm)].map(([, name = "", value = ""]) => [name, value]));
}

/** A master whose slave accepts everything and answers nothing until the test lets it. */
async function withSilentSlave(options: Parameters<PlayedNode["start"]>[1]): Promise<PlayedNode> {
  const node = new PlayedNode();
  await node.start(PAIR, options);
  node.host(SLAVE).answer = () => undefined;
  return node;
}

describe("a master whose queue to other nodes is full", () => {
  it("refuses what replication-type sync would wait for, of every kind, and changes nothing", async () => {
    const node = await withSilentSlave({ maxTotalThreadQueue: 2, replicationType: "sync" });
    const waiting = await node.send("set a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\n");
    assertEquals(waiting.received, "");
    const refused = await node.send(
      "set c 0 0 1\r\n3\r\nadd c 0 0 1\r\n3\r\nincr c 1\r\ndelete c\r\ntouch c 10\r\n" +
        "gat 10 c\r\nms c 1\r\n3\r\nmd c\r\nma c\r\n",
    );
    assertEquals(refused.received, FULL.repeat(9));
    const binary = await node.ask("\x80\x04\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0c");
    assert(binary.includes("2 requests are already queued for other nodes"), binary);
    assertEquals(node.host(SLAVE).requests.length, 2);
    assertEquals(await node.ask("get c\r\n"), "END\r\n");
    const { length } = node.network.logged.filter((line) => line.includes("a write is refused, 2 requests are already queued"));
    assertEquals(length, 1);
    const stats = await figures(node);
    assertEquals([stats.get("replication_refused"), stats.get("replication_dropped")], ["10", "0"]);
    await node.stop();
  });

  it("acknowledges no sync write without its copy, however many come in one turn", async () => {
    const node = new PlayedNode();
    await node.start(PAIR, { maxTotalThreadQueue: 20, replicationType: "sync" });
    const sets = Array.from({ length: 200 }, (_, i) => `set k${i} 0 0 1\r\nx\r\n`);
    const client = await node.send(sets.join(""));
    const answers = client.received.split("\r\n").slice(0, -1);
    const stored = answers.flatMap((answer, i) => (answer === "STORED" ? [`k${i}`] : []));
    const copied = node.host(SLAVE).requests.map((request) => request.split(" ")[1]);
    assertEquals(answers.length, 200);
    assert(stored.length >= 20 && stored.length < 200, `${stored.length} stored`);
    assertEquals(copied, stored);
    assertEquals(
      answers
        .filter((answer) => answer !== "STORED")
        .every((answer) => answer.startsWith("SERVER_ERROR 20 requests are already queued")),
      true,
    );
    await node.stop();
  });

  it("takes writes again as soon as there is room", async () => {
    const node = await withSilentSlave({ maxTotalThreadQueue: 1, replicationType: "sync" });
    const waiting = await node.send("set a 0 0 1\r\n1\r\n");
    assert((await node.ask("set b 0 0 1\r\n1\r\n")).startsWith("SERVER_ERROR 1 requests are already queued"));
    node.host(SLAVE).answer = () => "STORED\r\n";
    node.host(SLAVE).connections[1]?.send("STORED\r\n");
    await node.network.settle();
    assertEquals(waiting.received, "STORED\r\n");
    assertEquals(await node.ask("set b 0 0 1\r\n1\r\n"), "STORED\r\n");
    await node.stop();
  });

  it("refuses by the client's word sync, and lets pass what says async", async () => {
    const node = await withSilentSlave({ maxTotalThreadQueue: 1 });
    assertEquals(await node.ask("set a 0 0 1\r\n1\r\n"), "STORED\r\n");
    assert((await node.ask("set b 0 0 1 sync\r\n1\r\n")).startsWith("SERVER_ERROR 1 requests are already queued"));
    await node.stop();
    const sync = await withSilentSlave({ maxTotalThreadQueue: 1, replicationType: "sync" });
    assertEquals(await sync.ask("set a 0 0 1 async\r\n1\r\nset b 0 0 1 async\r\n1\r\n"), "STORED\r\nSTORED\r\n");
    assertEquals((await figures(sync)).get("replication_dropped"), "1");
    await sync.stop();
  });

  it("leaves copies out where nobody waits for them, counts each and says how many", async () => {
    const node = await withSilentSlave({ maxTotalThreadQueue: 1 });
    for (const key of ["a", "b", "c", "d"]) assertEquals(await node.ask(`set ${key} 0 0 1\r\n1\r\n`), "STORED\r\n");
    assertEquals(node.host(SLAVE).requests.length, 1);
    assertEquals((await figures(node)).get("replication_dropped"), "3");
    await node.network.pass(10_001);
    await node.ask("set e 0 0 1\r\n1\r\n");
    const lines = node.network.logged.filter((line) => line.includes("not replicated"));
    assertEquals(
      lines.map((line) => [line.startsWith("warning "), line.includes("(and 2 more since")]),
      [
        [true, false],
        [true, true],
      ],
    );
    await node.stop();
  });

  it("counts and logs what a replica answers to a copy it refused", async () => {
    const node = await withSilentSlave({ replicationType: "sync" });
    node.host(SLAVE).answer = () => "SERVER_ERROR too many requests wait for the engine\r\n";
    await node.ask("set a 0 0 1\r\n1\r\n");
    node.host(SLAVE).answer = () => "NOT_STORED\r\n";
    await node.ask("set a 0 0 1\r\n1\r\n");
    assertEquals((await figures(node)).get("replication_failures"), "1");
    assertEquals(node.network.logged.filter((line) => line.includes("too many requests wait for the engine")).length, 1);
    await node.stop();
  });

  it("refuses by bytes, too: what waits for a replica that cannot be reached has a limit of its own", async () => {
    const node = new PlayedNode();
    await node.start(PAIR, { replicationType: "sync", valueBytesMax: 8 << 20 });
    node.network.unreachable.add(SLAVE);
    const value = "x".repeat(4 << 20);
    const answers: string[] = [];
    for (let i = 0; i < 20; i++) {
      const client = await node.send(`set k${i} 0 0 ${value.length}\r\n${value}\r\n`);
      await node.network.passUntil(() => client.received !== "", 20_000);
      answers.push(client.received);
    }
    const stored = answers.filter((answer) => answer === "STORED\r\n").length;
    assert(stored >= 15 && stored <= 16, `${stored} stored`);
    assertEquals(new Set(answers.slice(stored)), new Set([`SERVER_ERROR the queue to replica "${SLAVE}" is full\r\n`]));
    assertEquals(await node.ask(`get k${stored}\r\n`), "END\r\n");
    assertEquals((await figures(node)).get("replication_refused"), String(20 - stored));
    await node.stop();
  });

  it("refuses a write of a key that moves to a new partition, which is always waited for", async () => {
    const node = new PlayedNode();
    await node.start(["2001 0 0 0 1 16", "2002 0 3 1 1 17"], { maxTotalThreadQueue: 1 });
    node.host(SLAVE).answer = () => undefined;
    const keys = Array.from({ length: 40 }, (_, i) => `key${i}`);
    const answers: string[] = [];
    for (const key of keys) answers.push((await node.send(`set ${key} 0 0 1\r\n1\r\n`)).received);
    // One that moves waits for the new master; all others that move are refused, those that stay are stored.
    assertEquals(answers.filter((answer) => answer === "").length, 1);
    const refused = answers.filter((answer) => answer.startsWith("SERVER_ERROR 1 requests are already queued"));
    assert(refused.length > 0);
    assertEquals(refused.length + answers.filter((answer) => answer === "STORED\r\n").length, keys.length - 1);
    await node.stop();
  });
});
