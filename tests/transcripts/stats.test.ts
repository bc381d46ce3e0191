/**
 * `stats` and what belongs to it over real sockets: the figures are true, memcached's exporter gets everything it makes
 * metrics of, from us as from a memcached in the same run, and the memory can be resized by command.
 *
 * Covers lib/node_server/commands/stats_reports.ts, lib/node_server/stats/memcached_settings.ts,
 * lib/node_server/stats/memcached_stats.ts,
 * lib/node_server/stats/node_stats.ts, lib/node_server/stats/prefix_stats.ts, lib/stats/connection_stats.ts and
 * lib/stats/general_stats.ts.
 */

import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { RunningNode } from "../../lib/node_server/node_server.ts";
import { Opcode } from "../../lib/protocol/binary/binary_protocol.ts";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import { detectRuntime } from "../../mod.ts";
import { describeReplies, packet } from "../support/binary_packets.ts";
import { Memcached } from "../support/memcached_server.ts";
import { startOpenCluster } from "../support/open_servers.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";
import { isInstalled } from "../support/tools.ts";
import { scrape } from "./memcached_exporter.ts";

const MIB = 1048576;

describe("stats of a node", () => {
  let runtime: Runtime;
  let cluster: LocalCluster;
  let node: RunningNode;
  let address: Address;
  let client: TextClient;

  before(async () => {
    runtime = detectRuntime({ logLevel: "error" });
    cluster = await startOpenCluster({ logLevel: "error" });
    const [first] = cluster.nodes;
    assert(first !== undefined);
    node = first;
    address = { host: "127.0.0.1", port: node.port };
    client = await TextClient.connect(runtime, address);
  });

  after(async () => {
    client.close();
    await cluster.stop();
  });

  const ask = (
    text: string,
    last = /(?:^|\n)(?:END|OK|RESET|ERROR|[A-Z]+_ERROR [^\r]*|MEMLIMIT[^\r]*)\r\n$/,
  ): Promise<string> => client.ask(text, last);

  /** The values of a stats command by key. */
  async function stats(command = "stats"): Promise<Map<string, string>> {
    const answer = await ask(`${command}\r\n`, /(?:^|\n)END\r\n$/);
    return new Map([...answer.matchAll(/^STAT ([^ ]+) ([^\r]*)\r$/gm)].map(([, key = "", value = ""]) => [key, value]));
  }

  it("count what was done", async () => {
    await ask("flush_all\r\nstats reset\r\n", /OK\r\nRESET\r\n$/);
    await ask("set a 0 0 3\r\nabc\r\nset e 0 -1 1\r\nx\r\nget a b e\r\n", /END\r\n$/);
    await ask("mg a\r\nms m 1\r\nx\r\nmd m\r\n", /HD\r\nHD\r\nHD\r\n$/);
    await ask("touch a 0\r\ntouch b 0\r\ngat 0 a\r\n", /END\r\n$/);
    await ask("flush_all\r\n");
    // A length that no block of data can have ends the connection.
    const reckless = await TextClient.connect(runtime, address);
    await reckless.ask("set big 0 0 2147483646\r\n", /CLIENT_ERROR [^\r]*\r\n$/);
    reckless.close();
    const counted = await stats();
    const expected: Record<string, string> = {
      cmd_get: "4",
      cmd_set: "6",
      get_hits: "2",
      get_misses: "2",
      get_expired: "1",
      cmd_flush: "1",
      cmd_meta: "3",
      cmd_touch: "3",
      touch_hits: "2",
      touch_misses: "1",
      delete_hits: "1",
      total_items: "3",
      curr_items: "0",
      limit_maxbytes: String(256 * MIB),
      max_connections: "1024",
      rejected_connections: "0",
      accepting_conns: "1",
      evictions: "0",
    };
    assertEquals(Object.fromEntries(Object.keys(expected).map((key) => [key, counted.get(key)])), expected);
  });

  it("reset restarts the counters, and only those", async () => {
    await ask("set a 0 0 3\r\nabc\r\nget a\r\n", /END\r\n$/);
    const before = await stats();
    assertEquals(await ask("stats reset whatever\r\n"), "RESET\r\n");
    const counted = await stats();
    for (const key of ["cmd_get", "cmd_set", "get_hits", "total_items", "total_connections", "cmd_flush", "cmd_meta"]) {
      assertEquals(counted.get(key), "0", key);
    }
    assert(Number(counted.get("bytes_read")) < Number(before.get("bytes_read")));
    for (const key of ["curr_items", "curr_connections", "pid", "limit_maxbytes"])
      assertEquals(counted.get(key), before.get(key));
    await ask("get a\r\n");
    assertEquals((await stats()).get("get_hits"), "1");
  });

  it("values too large, and too large for what is free, are counted", async () => {
    const small = await startOpenCluster({ logLevel: "error", node: { valueBytesMax: 1000 } });
    const other = await TextClient.connect(runtime, { host: "127.0.0.1", port: small.nodes[0]?.port ?? 0 });
    const large = "x".repeat(1001);
    const refused = `set a 0 0 1001\r\n${large}\r\nset a 0 0 1001 noreply\r\n${large}\r\nms a 1001\r\n${large}\r\n`;
    const text = `${refused}ms a 9 Y\r\n123456789\r\n`;
    const set = packet({ opcode: Opcode.set, extras: "\0".repeat(8), key: "a", value: large });
    await other.send(`${text}set a 0 0 600\r\n${"y".repeat(600)}\r\nappend a 0 0 600\r\n${"y".repeat(600)}\r\n${set}stats\r\n`);
    const answer = await other.until((received) => received.endsWith("END\r\n"));
    other.close();
    await small.stop();
    assert(answer.includes("STAT store_too_large 5\r\n"), answer);
  });

  it("items and slabs are those of the arena", async () => {
    await ask(`flush_all\r\n`);
    assertEquals(await ask("stats items\r\n"), "END\r\n");
    for (let i = 0; i < 10; i++) await ask(`set s${i} 0 0 1000\r\n${"s".repeat(1000)}\r\n`, /STORED\r\n$/);
    await ask("delete s0\r\n", /DELETED\r\n$/);
    const items = await stats("stats items");
    const slabs = await stats("stats slabs");
    assertEquals([items.get("items:1:number"), items.get("items:1:number_cold")], ["9", "9"]);
    const requested = Number(items.get("items:1:mem_requested"));
    assert(requested > 9 * 1000 && requested < 9 * 1100 + 100, `${requested}`);
    const [size, used, total, free] = ["chunk_size", "used_chunks", "total_chunks", "free_chunks"].map((key) =>
      Number(slabs.get(`1:${key}`)),
    ) as [number, number, number, number];
    assertEquals([size * used, used + free], [requested, total]);
    assertEquals([slabs.get("total_malloced"), slabs.get("active_slabs")], [String(size * total), "1"]);
    assertEquals(slabs.get("1:total_pages"), "1");
    assert(Number(slabs.get("1:free_chunks_end")) < free);
  });

  it("sizes are counted while that is enabled", async () => {
    assertEquals(await ask("stats sizes\r\n"), "STAT sizes_status disabled\r\nEND\r\n");
    assertEquals(await ask("stats sizes_enable\r\n"), "STAT sizes_status enabled\r\nEND\r\n");
    assertEquals((await stats("stats settings")).get("track_sizes"), "yes");
    await ask(
      `flush_all\r\nset a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\nset c 0 0 100\r\n${"c".repeat(100)}\r\n`,
      /(?:STORED\r\n){3}$/,
    );
    await ask("set d 0 0 1\r\nx\r\ndelete d\r\n", /DELETED\r\n$/);
    assertEquals(
      await ask("stats sizes\r\nget a\r\n", /END\r\nVALUE[\s\S]*END\r\n$/),
      "STAT 64 2\r\nSTAT 160 1\r\nEND\r\nVALUE a 0 1\r\nx\r\nEND\r\n",
    );
    assertEquals(await ask("stats sizes_disable\r\n"), "STAT sizes_status disabled\r\nEND\r\n");
  });

  it("conns tells the listeners and each connection", async () => {
    const idle = await TextClient.connect(runtime, address);
    await idle.ask("version\r\n");
    const half = await TextClient.connect(runtime, address);
    await half.send("set x 0 0 100\r\nab");
    const watcher = await TextClient.connect(runtime, address);
    await watcher.ask("watch\r\n");
    let answer = "";
    const states = (): string[] => [...answer.matchAll(/:state (\S+)\r/g)].map(([, state = ""]) => state).sort();
    while (!states().includes("conn_nread")) answer = await ask("stats conns\r\n", /(?:^|\n)END\r\n$/);
    const { port } = node;
    const listener = [`addr tcp:127\\.0\\.0\\.1:${port}`, "state conn_listening", "secs_since_last_cmd 0"];
    const one = [
      "addr tcp:127\\.0\\.0\\.1:\\d+",
      `listen_addr tcp:127\\.0\\.0\\.1:${port}`,
      "state conn_[a-z_]+",
      "secs_since_last_cmd \\d+",
    ];
    const lines = (block: readonly string[]) => block.map((line) => `STAT \\d+:${line}\\r\\n`).join("");
    assertMatch(answer, new RegExp(`^${lines(listener)}(?:${lines(one)})+END\\r\\n$`));
    for (const state of ["conn_listening", "conn_nread", "conn_parse_cmd", "conn_read", "conn_watch"]) {
      assert(states().includes(state), `${state} in ${states()}`);
    }
    for (const one of [idle, half, watcher]) one.close();
  });

  it("conns waits for a client that does not read", async () => {
    const many = await Promise.all(Array.from({ length: 150 }, () => TextClient.connect(runtime, address)));
    let answer = "";
    while (answer.split(":listen_addr ").length <= 150) answer = await ask("stats conns\r\n", /(?:^|\n)END\r\n$/);
    const numbers = [...answer.matchAll(/STAT (\d+):listen_addr /g)].map(([, number]) => number);
    assertEquals(new Set(numbers).size, numbers.length);
    for (const one of many) one.close();
  });

  it("detail counts by prefix while it is on", async () => {
    assertEquals(await ask("stats detail\r\n"), "CLIENT_ERROR usage: stats detail on|off|dump\r\n");
    assertEquals(await ask("stats detail dump\r\n"), "END\r\n");
    assertEquals(await ask("stats detail on\r\n"), "OK\r\n");
    assertEquals((await stats("stats settings")).get("detail_enabled"), "yes");
    await ask(
      "set a:b 0 0 1\r\nx\r\nget a:b a:c\r\ndelete a:b\r\nget zz\r\nset zz 0 0 1\r\nx\r\n" +
        "set p:q:r 0 0 1\r\nx\r\nset :x 0 0 1\r\nx\r\n",
      /(?:STORED\r\n){3}$/,
    );
    assertEquals(
      await ask("stats detail dump\r\n", /(?:^|\n)END\r\n$/),
      "PREFIX a get 2 hit 1 set 1 del 1\r\nPREFIX p get 0 hit 0 set 1 del 0\r\nEND\r\n",
    );
    assertEquals(await ask("stats detail off\r\n"), "OK\r\n");
    await ask("get a:b\r\n");
    assertMatch(await ask("stats detail dump\r\n", /(?:^|\n)END\r\n$/), /^PREFIX a get 2 /);
    await ask("stats reset\r\n");
    assertEquals(await ask("stats detail dump\r\n"), "END\r\n");
  });

  it("detail limits the number of prefixes, and sums up the rest", async () => {
    await ask("stats detail on\r\n");
    for (let i = 0; i < 10100; i += 100) {
      const keys = Array.from({ length: 100 }, (_, j) => `prefix${i + j}:k`).join(" ");
      await ask(`get ${keys}\r\n`);
    }
    const lines = (await ask("stats detail dump\r\n", /(?:^|\n)END\r\n$/)).split("\r\n");
    assertEquals(lines.length, 10001 + 2);
    assertEquals(lines[10000], "PREFIX (further) get 100 hit 0 set 0 del 0");
    await ask("stats detail off\r\nstats reset\r\n", /RESET\r\n$/);
  });

  it("a UNIX socket is shown by its path, and watched as local", async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, "socket");
      const local = await startOpenCluster({ logLevel: "error", node: { serverSocket: path } });
      const watcher = await TextClient.connect(runtime, { host: "127.0.0.1", port: local.nodes[0]?.port ?? 0 });
      await watcher.ask("watch connevents\r\n");
      const other = await TextClient.connect(runtime, { path });
      const answer = await other.ask("stats conns\r\n", /(?:^|\n)END\r\n$/);
      assert(answer.includes(`:addr unix:${path}\r\n`) && answer.includes(`:listen_addr unix:${path}\r\n`), answer);
      await other.ask("quit\r\n");
      const events = await watcher.until((received) => received.includes("conn_close"));
      assertMatch(events, /type=conn_new rip=unix rport=0 transport=local cfd=\d+\n/);
      assertMatch(events, /type=conn_close rip=unix rport=0 transport=local reason=normal cfd=\d+\n/);
      watcher.close();
      await local.stop();
    });
  });

  it("the binary protocol tells the same", async () => {
    const other = await TextClient.connect(runtime, address);
    /** The packets of one answer, which the answer to a noop ends. */
    const tell = async (key: string): Promise<string> => {
      await other.send(packet({ opcode: Opcode.stat, key }) + packet({ opcode: Opcode.noop }));
      const answer = await other.until((received) => received.slice(-24, -22) === "\x81\x0a");
      other.received = "";
      return answer.slice(0, -24);
    };
    await ask("stats detail on\r\nget d:x\r\n", /OK\r\nEND\r\n$/);
    assert((await tell("detail dump")).includes("detailedPREFIX d get 1 hit 0 set 0 del 0\r\n"));
    assertEquals(describeReplies(await tell("detail off")), ["10 00 -"]);
    assertEquals(describeReplies(await tell("reset")), ["10 00 -"]);
    assert((await tell("conns")).includes("conn_listening"));
    assert((await tell("slabs")).includes("1:chunk_size8"));
    await tell("sizes_enable");
    const sizes = describeReplies(await tell("sizes"));
    assert(sizes.length > 1 && sizes.every((reply) => /^10 00 -(?: key "\d+" "\d+")?$/.test(reply)), sizes.join("\n"));
    await tell("sizes_disable");
    other.close();
  });

  it("cache_memlimit answers as memcached and moves the limit", async () => {
    for (const [request, answer] of [
      ["cache_memlimit", "ERROR\r\n"],
      ["cache_memlimit a", "ERROR\r\n"],
      ["cache_memlimit -1", "ERROR\r\n"],
      ["cache_memlimit 7", "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"],
      ["cache_memlimit 8193", "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"],
      ["cache_memlimit 8", "OK\r\n"],
    ] as const) {
      assertEquals(await ask(`${request}\r\n`), answer, request);
    }
    assertEquals((await stats()).get("limit_maxbytes"), String(8 * MIB));
    assertEquals((await stats("stats settings")).get("maxbytes"), String(8 * MIB));
    assertEquals((await stats("stats settings")).get("memory-limit"), "8");
    await ask("cache_memlimit 32 noreply\r\nversion\r\n", /VERSION [^\r]*\r\n$/);
    assertEquals((await stats()).get("limit_maxbytes"), String(32 * MIB));
  });

  it("a reload of the settings takes the configured limit", async () => {
    node.reload({ ...node.options, memoryBytesMax: 64 * MIB });
    assertEquals((await stats()).get("limit_maxbytes"), String(64 * MIB));
    assertEquals(node.storage.stats().arenaBytesMax, 64 * MIB);
  });

  it("give memcached's exporter everything it makes a metric of", async () => {
    await ask("set exported 0 0 1\r\nx\r\nget exported\r\n", /END\r\n$/);
    const metrics = await scrape((command) => ask(command));
    assert(metrics.size > 70);
    for (const [key, value] of metrics) assert(value >= 0, key);
    assert((metrics.get("items:1:number") ?? 0) > 0 && metrics.get("maxconns") === 1024);
  });
});

if (isInstalled("memcached")) {
  it("the exporter's demands are met by memcached, too", async () => {
    const runtime = detectRuntime({ logLevel: "error" });
    const memcached = await Memcached.start(runtime);
    const client = await TextClient.connect(runtime, memcached.address);
    await client.ask("set exported 0 0 1\r\nx\r\n");
    const metrics = await scrape((command) => client.ask(command, /(?:^|\n)END\r\n$/));
    assert(metrics.size > 70);
    client.close();
    memcached.stop();
  });
}
