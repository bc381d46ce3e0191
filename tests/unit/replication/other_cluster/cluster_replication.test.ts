/**
 * Replication to another cluster that cannot always be reached, on a manual clock.
 *
 * Covers lib/replication/other_cluster/cluster_lane.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { NodeServerOptions } from "../../../../mod.ts";
import { type PlayedHost, PlayedNode } from "../../../support/played_node.ts";

const OTHER = "127.0.0.1:3000";
const ALONE = ["2001 0 0 0 1 16"];
const MODE = {
  clusterReplication: true,
  clusterReplicationServerName: "127.0.0.1",
  clusterReplicationServerPort: 3000,
  clusterReplicationConcurrency: 1,
};

function set(key: string, value: string): string {
  return `set ${key} 0 0 ${value.length}\r\n${value}\r\n`;
}

async function duplicating(options: Partial<NodeServerOptions> = {}): Promise<{ node: PlayedNode; other: PlayedHost }> {
  const node = new PlayedNode();
  const other = node.host(OTHER);
  await node.start(ALONE, { ...MODE, ...options });
  await node.network.settle();
  return { node, other };
}

describe("cluster replication", () => {
  it("sends each write with its version, and asks for an answer even where the client wants none", async () => {
    const { node, other } = await duplicating();
    await node.ask(`${set("k", "1")}incr k 4\r\ntouch k 4000000000\r\nset n 0 0 1 noreply\r\nx\r\ndelete k\r\n`);
    assertEquals(other.requests, [
      "set k 0 0 1 1\r\n1\r\n",
      "set k 0 0 1 2\r\n5\r\n",
      "touch k 4000000000\r\n",
      "set n 0 0 1 1\r\nx\r\n",
      "delete k 0 2\r\n",
    ]);
    await node.stop();
  });

  it("sends nothing of what it only holds as a slave", async () => {
    const node = new PlayedNode();
    await node.start(["2001 1 0 0 1 16", "2002 0 0 0 1 17"], MODE);
    assertEquals(await node.ask("<127.0.0.1:2002>set k 0 0 1 7\r\nx\r\n"), "STORED\r\n");
    assertEquals(node.host(OTHER).requests, []);
    await node.stop();
  });

  it("keeps writes while the other cluster is away and sends them in order when it is back", async () => {
    const { node, other } = await duplicating();
    node.network.unreachable.add(OTHER);
    assertEquals(await node.ask(set("a", "1") + set("a", "2") + set("b", "3")), "STORED\r\nSTORED\r\nSTORED\r\n");
    await node.network.pass(20000);
    assertEquals(other.requests, []);
    node.network.unreachable.clear();
    await node.network.pass(31000);
    assertEquals(other.requests, ["set a 0 0 1 1\r\n1\r\n", "set a 0 0 1 2\r\n2\r\n", "set b 0 0 1 1\r\n3\r\n"]);
    assertEquals(node.network.logged.filter((line) => line.includes("accepts changes again")).length, 1);
    await node.stop();
  });

  it("sends again what was not answered when the connection broke", async () => {
    const { node, other } = await duplicating();
    other.answer = (request) => (request.startsWith("set a") ? "STORED\r\n" : undefined);
    await node.ask(set("a", "1") + set("b", "2") + set("c", "3"));
    other.answer = () => "STORED\r\n";
    other.connections[0]?.close();
    await node.network.pass(1000);
    assertEquals(other.requests.slice(3), ["set b 0 0 1 1\r\n2\r\n", "set c 0 0 1 1\r\n3\r\n"]);
    await node.stop();
  });

  it("tries again while the other cluster has no master, and not what it refuses for good", async () => {
    const { node, other } = await duplicating();
    other.answer = () => "SERVER_ERROR no partition available\r\n";
    await node.ask(set("a", "1"));
    other.answer = (request) => (request.startsWith("set a") ? "CLIENT_ERROR bad data chunk\r\n" : "STORED\r\n");
    await node.network.pass(1000);
    await node.ask(set("b", "2"));
    await node.network.pass(5000);
    assertEquals(other.requests, ["set a 0 0 1 1\r\n1\r\n", "set a 0 0 1 1\r\n1\r\n", "set b 0 0 1 1\r\n2\r\n"]);
    await node.stop();
  });

  it("sends all items and deletions when too many writes had to wait", async () => {
    const { node, other } = await duplicating({ clusterReplicationQueueBytesMax: 100_000 });
    await node.ask(set("gone", "1") + set("kept", "1"));
    node.network.unreachable.add(OTHER);
    other.connections[0]?.close();
    await node.ask("delete gone\r\n");
    const large = "x".repeat(10_000);
    for (let number = 0; number < 12; number++) assertEquals(await node.ask(set("large", large)), "STORED\r\n");
    assertEquals(node.network.logged.filter((line) => line.includes("more changes wait")).length, 1);
    other.requests.length = 0;
    node.network.unreachable.clear();
    await node.network.pass(31000);
    // First what was to be sent anyway; then comes everything, in the order of the keys.
    const lines = other.requests.map((request) => request.slice(0, request.indexOf("\r\n")));
    assertEquals(lines[0], "delete gone 0 1");
    assertEquals(lines.slice(-3), ["delete gone 0 1", "set kept 0 0 1 1", "set large 0 0 10000 12"]);
    assert(lines.length < 4 + 12, lines.join("; "));
    const stats = await node.ask("stats replication\r\n");
    assertMatch(stats, /_queue 0\r\nSTAT cluster_replication_queue_bytes 0\r\nSTAT cluster_replication_dropped [1-9]\d*\r\n/);
    other.requests.length = 0;
    await node.ask(set("new", "1"));
    assertEquals(other.requests, ["set new 0 0 1 1\r\n1\r\n"]);
    await node.stop();
  });

  it("never sends what it read of an item behind a later write of the same key", async () => {
    const { node, other } = await duplicating();
    await node.ask(set("k", "1"));
    other.requests.length = 0;
    const { server } = node;
    server.reload({ ...server.options, clusterReplication: false });
    server.reload({ ...server.options, clusterReplication: true });
    await node.ask("delete k\r\n");
    await node.network.pass(100);
    const last = other.requests.at(-1);
    assertEquals(last, "delete k 0 1\r\n");
    await node.stop();
  });

  it("sends everything when its node becomes master", async () => {
    const node = new PlayedNode();
    await node.start(["2001 1 0 0 1 16", "2002 0 0 0 1 17"], MODE);
    await node.ask("<127.0.0.1:2002>set k 0 0 1 7\r\nx\r\n");
    await node.push(2, ["2001 0 0 0 1 16", "2002 2 2 -1 0 17"]);
    await node.network.pass(100);
    assertEquals(node.host(OTHER).requests, ["set k 0 0 1 7\r\nx\r\n"]);
    await node.stop();
  });

  it("executes requests itself again when forwarding is turned off", async () => {
    const node = new PlayedNode();
    const server = await node.start(ALONE, { ...MODE, clusterReplicationMode: "forward" });
    node.host(OTHER).answer = (request) => (request.startsWith("get") ? "VALUE k 0 5\r\nthere\r\nEND\r\n" : "STORED\r\n");
    assertEquals(await node.ask(set("k", "here")), "STORED\r\n");
    assertEquals(await node.ask("get k\r\n"), "VALUE k 0 5\r\nthere\r\nEND\r\n");
    server.reload({ ...server.options, clusterReplication: false });
    assertEquals(await node.ask("get k\r\n"), "END\r\n");
    assert(node.host(OTHER).connections.every(({ closed }) => closed));
    await node.stop();
  });

  it("touches a key that is a number in words that cannot be mistaken", async () => {
    const node = new PlayedNode();
    await node.start(ALONE, { ...MODE, clusterReplicationMode: "forward" });
    const other = node.host(OTHER);
    other.answer = (request) => {
      if (request.startsWith("gets")) return "VALUE 7 0 1 9\r\nx\r\nEND\r\n";
      if (request.startsWith("gat")) return "VALUE k 0 1\r\nx\r\n";
      return request.startsWith("touch") ? "TOUCHED\r\n" : "VALUE 7 0 1\r\nx\r\nEND\r\n";
    };
    for (const [request, answer, asked] of [
      ["gat 0 7", "VALUE 7 0 1\r\nx\r\nEND\r\n", ["get 7\r\n", "touch 7 0\r\n"]],
      ["gats 0 7", "VALUE 7 0 1 9\r\nx\r\nEND\r\n", ["gets 7\r\n", "touch 7 0\r\n"]],
      ["gat 0 k", "VALUE k 0 1\r\nx\r\nEND\r\n", ["gat k 0\r\n"]],
    ] as const) {
      other.requests.length = 0;
      assertEquals(await node.ask(`${request}\r\n`), answer);
      assertEquals(other.requests, [...asked]);
    }
    other.answer = () => "END\r\n";
    assertEquals(await node.ask("gat 0 7\r\n"), "END\r\n");
    // Gone between the two: as if it had not been there.
    other.answer = (request) => (request.startsWith("touch") ? "NOT_FOUND\r\n" : "VALUE 7 0 1\r\nx\r\nEND\r\n");
    assertEquals(await node.ask("gat 0 7\r\n"), "END\r\n");
    other.answer = (request) => (request.startsWith("touch") ? "SERVER_ERROR busy\r\n" : "VALUE 7 0 1\r\nx\r\nEND\r\n");
    assertEquals(await node.ask("gat 0 7\r\n"), "SERVER_ERROR busy\r\n");
    await node.stop();
  });

  it("answers with errors while the cluster it forwards to is away", async () => {
    const node = new PlayedNode();
    await node.start(ALONE, { ...MODE, clusterReplicationMode: "forward" });
    node.network.unreachable.add(OTHER);
    const read = await node.send("get k\r\n");
    const write = await node.send(set("k", "1"));
    await node.network.pass(5000);
    assertEquals([read.received, write.received], ["SERVER_ERROR proxy failure\r\n", "SERVER_ERROR proxy failure\r\n"]);
    await node.stop();
  });
});
