/**
 * Replication to another cluster from a log on disk, on a manual clock: where it continues, what it repeats, and what becomes
 * of flushes. The other cluster is played.
 *
 * Covers lib/replication/other_cluster/change_feed.ts, lib/replication/other_cluster/change_lines.ts,
 * lib/replication/other_cluster/far_flush.ts, lib/storage/log/deliveries.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { MemoryLevel } from "memory-level";
import type { NodeServerOptions } from "../../../../mod.ts";
import { type PlayedHost, PlayedNode } from "../../../support/played_node.ts";

const OTHER = "127.0.0.1:3000";
const ALONE = ["2001 0 0 0 1 16"];
const TWO = ["2001 0 0 0 1 16", "2002 0 0 1 1 17"];
const MODE = {
  dataDir: "/data",
  clusterReplication: true,
  clusterReplicationServerName: "127.0.0.1",
  clusterReplicationServerPort: 3000,
  clusterReplicationConcurrency: 1,
};

function set(key: string, value: string): string {
  return `set ${key} 0 0 ${value.length}\r\n${value}\r\n`;
}

/** A node with data on disk that is started again and again. */
class Durable {
  node = new PlayedNode();
  readonly #engine = new MemoryLevel<Uint8Array, Uint8Array>({
    keyEncoding: "view",
    valueEncoding: "view",
    storeEncoding: "view",
  });
  #draw = 0;

  constructor() {
    // Each log has a name of its own.
    Object.assign(this.node.network.runtime, { random: { uint32: () => ++this.#draw } });
  }

  get other(): PlayedHost {
    return this.node.host(OTHER);
  }

  /** The requests that the other cluster has got since the last look. */
  get requests(): string[] {
    return this.other.requests.splice(0);
  }

  async start(nodes: readonly string[] = ALONE, options: Partial<NodeServerOptions> = {}): Promise<void> {
    await this.node.start(nodes, { ...MODE, ...options }, this.#engine);
    await this.node.network.settle();
  }

  /** Stops it and starts it again; `meanwhile` before that. */
  async restart(nodes: readonly string[] = ALONE, options: Partial<NodeServerOptions> = {}): Promise<void> {
    await this.node.stop();
    const { answer } = this.other;
    this.node = new PlayedNode(this.node.key, this.node.network);
    this.other.answer = answer;
    await this.start(nodes, options);
  }

  async stat(name: string): Promise<string | undefined> {
    const stats = await this.node.ask("stats replication\r\n");
    return new RegExp(`STAT cluster_replication_${name} (.*)\r\n`).exec(stats)?.[1];
  }

  logged(part: string): number {
    return this.node.network.logged.filter((line) => line.includes(part)).length;
  }
}

/** Answers like a node of ours with these keys. */
function ours(keys: string[] = []): PlayedHost["answer"] {
  return (request) => {
    if (request === "node flush\r\n") return "FLUSH 0\r\n";
    if (request.startsWith("node flush now")) return "OK\r\n";
    if (request.startsWith("scan ")) return `${keys.map((key) => `KEY ${btoa(key)} 0 1 1 0 b\r\n`).join("")}END\r\n`;
    if (request.startsWith("md ")) {
      const at = keys.indexOf(atob(request.split(" ")[1] ?? ""));
      if (at < 0) return "NF\r\n";
      keys.splice(at, 1);
      return "HD\r\n";
    }
    return request.startsWith("delete") ? "DELETED\r\n" : "STORED\r\n";
  };
}

describe("replication to another cluster, after a restart", () => {
  it("continues with what was not acknowledged", async () => {
    const durable = new Durable();
    await durable.start();
    durable.other.answer = (request) => (request.startsWith("set a") ? "STORED\r\n" : undefined);
    await durable.node.ask(set("a", "1") + set("b", "2") + set("c", "3"));
    assertEquals(durable.requests.length, 3);
    durable.other.answer = () => "STORED\r\n";
    await durable.restart();
    assertEquals(durable.requests, ["set b 0 0 1 1\r\n2\r\n", "set c 0 0 1 1\r\n3\r\n"]);
    assertEquals([durable.logged("sending everything"), durable.logged("it continues there")], [1, 1]);
    await durable.node.ask(set("a", "4"));
    assertEquals(durable.requests, ["set a 0 0 1 2\r\n4\r\n"]);
    await durable.restart();
    assertEquals(durable.requests, []);
    await durable.node.stop();
  });

  it("notes where it is once a second, and nothing while nothing changes", async () => {
    const durable = new Durable();
    await durable.start();
    await durable.node.ask(set("a", "1"));
    const { storage } = durable.node.server;
    await durable.node.network.pass(900);
    assertEquals(storage.deliveredTo(OTHER), undefined);
    await durable.node.network.pass(200);
    const position = storage.deliveredTo(OTHER);
    assertEquals(position?.history, storage.history);
    assertEquals(await durable.stat("position"), `${position?.history}:${storage.lastSequence}`);
    // A new segment of the log repeats it.
    await durable.node.network.pass(60_000);
    const { lastSequence } = storage;
    await durable.node.network.pass(600_000);
    assertEquals(storage.lastSequence, lastSequence);
    await durable.node.stop();
  });

  it("sends everything when the log does not reach back, and says so", async () => {
    const durable = new Durable();
    await durable.start(ALONE, { logRetentionBytes: 0 });
    await durable.node.ask(set("a", "1"));
    await durable.node.network.pass(2000);
    durable.node.network.unreachable.add(OTHER);
    durable.other.connections[0]?.close();
    await durable.node.ask(set("b", "2"));
    await durable.node.network.during(durable.node.server.storage.checkpoint());
    durable.requests;
    await durable.node.stop();
    durable.node.network.unreachable.clear();
    durable.node = new PlayedNode(durable.node.key, durable.node.network);
    await durable.start(ALONE, { logRetentionBytes: 0 });
    assertEquals(durable.requests, ["set a 0 0 1 1\r\n1\r\n", "set b 0 0 1 1\r\n2\r\n"]);
    assertEquals(durable.logged("the change log does not reach back"), 1);
    await durable.node.stop();
  });

  it("asks before it repeats a touch, because a later write may have set another time", async () => {
    const durable = new Durable();
    await durable.start();
    durable.other.answer = () => undefined;
    await durable.node.ask(`${set("k", "1")}touch k 4000000000\r\n${set("k", "2")}touch k 4000000001\r\n`);
    assertEquals(durable.requests.length, 4);
    durable.other.answer = (request) => {
      if (request.startsWith("gets")) return "VALUE k 0 1 2\r\n2\r\nEND\r\n";
      return request.startsWith("touch") ? "TOUCHED\r\n" : "NOT_STORED\r\n";
    };
    await durable.restart();
    assertEquals(durable.requests, [
      "set k 0 0 1 1\r\n1\r\n",
      "gets k\r\n",
      "set k 0 0 1 2\r\n2\r\n",
      "gets k\r\n",
      "touch k 4000000001\r\n",
    ]);
    assertEquals(await durable.stat("lag_entries"), "0");
    await durable.node.stop();
  });
});

describe("a flush, in replication to another cluster,", () => {
  it("goes there once, after what was written before it and before what is written after it", async () => {
    const durable = new Durable();
    await durable.start();
    durable.other.answer = () => undefined;
    await durable.node.ask(`${set("a", "1")}flush_all\r\n${set("a", "2")}`);
    assertEquals(durable.requests, ["set a 0 0 1 1\r\n1\r\n"]);
    assertEquals(await durable.stat("state"), "flushing");
    durable.other.answer = ours();
    durable.other.connections[0]?.close();
    await durable.node.network.pass(600);
    const rest = ["node flush\r\n", "node flush now cluster\r\n", "set a 0 0 1 1\r\n2\r\n"];
    assertEquals(durable.requests, ["set a 0 0 1 1\r\n1\r\n", ...rest]);
    assertEquals(await durable.stat("state"), "sending");
    await durable.restart();
    assertEquals(durable.requests, []);
    await durable.node.stop();
  });

  it("is known to have happened before anything later is sent", async () => {
    const durable = new Durable();
    await durable.start();
    durable.other.answer = (request) => (request.startsWith("set b") ? undefined : ours()(request));
    await durable.node.ask(`${set("a", "1")}flush_all\r\n${set("b", "2")}`);
    assertEquals(durable.requests.length, 4);
    durable.other.answer = ours();
    await durable.restart();
    assertEquals(durable.requests, ["set b 0 0 1 1\r\n2\r\n"]);
    await durable.node.stop();
  });

  it("is tried again until it succeeds, and `stats` says why nothing goes on", async () => {
    const durable = new Durable();
    await durable.start();
    const refusal = "SERVER_ERROR flush_all: nothing was flushed, because partition 0 has no live master";
    durable.other.answer = (request) => (request.startsWith("node flush now") ? `${refusal}\r\n` : ours()(request));
    await durable.node.ask(`flush_all\r\n${set("b", "2")}`);
    assertEquals(durable.requests, ["node flush\r\n", "node flush now cluster\r\n"]);
    assertMatch((await durable.stat("standstill")) ?? "", /^it%20is%20not%20flushed:%20.*no%20live%20master/);
    await durable.node.network.pass(3000);
    assert(durable.requests.every((request) => request.startsWith("node flush")));
    assertEquals(await durable.stat("lag_seconds"), "3");
    durable.other.answer = ours();
    await durable.node.network.pass(30_000);
    assertEquals(durable.requests.at(-1), "set b 0 0 1 1\r\n2\r\n");
    assertEquals(await durable.stat("standstill"), "none");
    await durable.node.stop();
  });

  it("is a flush of each node, where the other cluster runs the C++ Flare", async () => {
    const durable = new Durable();
    await durable.start();
    const stats = ["3000:role proxy", "3001:role master", "3001:state active", "3002:role slave"];
    durable.other.answer = (request) => {
      if (request.startsWith("stats nodes")) return `${stats.map((each) => `STAT 127.0.0.1:${each}\r\n`).join("")}END\r\n`;
      return request.startsWith("node flush") ? "ERROR\r\n" : "STORED\r\n";
    };
    const nodes = [durable.node.host("127.0.0.1:3001"), durable.node.host("127.0.0.1:3002")];
    for (const node of nodes) node.answer = () => "OK\r\n";
    await durable.node.ask(`flush_all\r\n${set("b", "2")}`);
    assertEquals(
      nodes.map(({ requests }) => requests),
      [["flush_all\r\n"], ["flush_all\r\n"]],
    );
    assertEquals(durable.requests, ["node flush\r\n", "stats nodes\r\n", "set b 0 0 1 1\r\n2\r\n"]);
    await durable.node.stop();
  });

  it("removes the keys of the flushed partition, where there are others", async () => {
    const durable = new Durable();
    await durable.start(TWO);
    const keys = ["a", "b", "c", "d", "with space"];
    durable.other.answer = ours(keys);
    await durable.node.ask("<127.0.0.1:2002>flush_all\r\n");
    const kept = ["a", "b", "c", "d", "with space"].filter((key) => !keys.includes(key));
    assert(kept.length > 0 && keys.length > 0, "both partitions have keys");
    const { requests } = durable;
    assertEquals(requests.filter((request) => request.startsWith("md ")).length, kept.length);
    assert(!requests.some((request) => request.includes("now")));
    // Looked through until nothing is left.
    assertEquals(requests.filter((request) => request.startsWith("scan ")).length, 2);
    await durable.node.stop();
  });
});
