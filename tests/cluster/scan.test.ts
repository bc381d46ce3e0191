/**
 * Scans and deletions by prefix over a cluster of three partitions with a slave each, through a proxy: against a model while
 * others write, while the cluster grows, while replicas die, and with the keys and values that are hardest to carry.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { base64 } from "../../lib/base/base64.ts";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import type { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { RunningNode } from "../../lib/node_server/node_server.ts";
import { Client, type Runtime, type ScanItem, type ScanOptions } from "../../mod.ts";
import { clientRuntime } from "../support/daemon.ts";
import { startOpenCluster } from "../support/open_servers.ts";
import { TextClient } from "../support/text_client.ts";

const SHAPE = { partitions: 3, slaves: 1, nodes: 7, replicationType: "sync", monitorIntervalMs: 100 } as const;
const PAGE_END = /(?:^|\r\n)(?:END|NEXT \S+|[A-Z]+_ERROR [^\r]*|ERROR)\r\n$/;

let runtime: Runtime;

before(async () => {
  runtime = clientRuntime();
});

function addressOf(node: RunningNode | undefined): { host: string; port: number } {
  assert(node !== undefined);
  return { host: node.options.serverName, port: node.port };
}

async function collect(client: Client, options: ScanOptions = {}): Promise<ScanItem[]> {
  const items: ScanItem[] = [];
  for await (const item of client.scan(options)) items.push(item);
  return items;
}

function names(items: readonly ScanItem[]): string[] {
  return items.map(({ key }) => latin1(key));
}

/** Byte strings in the order of their bytes. */
function sorted(keys: Iterable<string>): string[] {
  return [...keys].sort((left, right) => (left < right ? -1 : left > right ? 1 : 0));
}

/** Stores a key that may hold any bytes. */
async function store(client: TextClient, key: string, value: string | Uint8Array, words = ""): Promise<void> {
  const text = typeof value === "string" ? value : latin1(value);
  assertEquals(await client.ask(`ms ${base64(fromLatin1(key))} ${text.length} b${words}\r\n${text}\r\n`), "HD\r\n");
}

/** The keys of one page and where the next one begins, as a plain client sees them. */
async function page(client: TextClient, words: string): Promise<{ keys: string[]; cursor: string | undefined; text: string }> {
  const text = await client.ask(`scan ${words}\r\n`, PAGE_END);
  assertMatch(text, /(?:END|NEXT \S+)\r\n$/);
  const keys = [...text.matchAll(/^KEY (\S+)/gm)].map(([, key]) => key as string);
  return { keys, cursor: /NEXT (\S+)\r\n$/.exec(text)?.[1], text };
}

describe("a scan of a cluster", () => {
  let cluster: LocalCluster;
  let proxy: Client;
  let plain: TextClient;

  before(async () => {
    cluster = await startOpenCluster({ ...SHAPE, runtime });
    proxy = new Client({ runtime, ...addressOf(cluster.nodes[6]) });
    plain = await TextClient.connect(runtime, addressOf(cluster.nodes[6]));
  });

  after(async () => {
    proxy.close();
    plain.close();
    await cluster.stop();
  });

  it("is empty when nothing is stored", async () => {
    assertEquals(await plain.ask("scan 10\r\n", PAGE_END), "END\r\n");
    assertEquals(await plain.ask("delete_prefix 10 pmodel:\r\n"), "DELETED 0\r\n");
  });

  it("shows every key that stands still once and in order, whatever others write meanwhile", async () => {
    const still = Array.from({ length: 700 }, (_, i) => `model:${((i * 7919) % 1000).toString(36)}:${i}`);
    const odd = ["model:a b", "model:\r\nget x\r\n", "model:\x00", "model:\xff\xff", `model:${"k".repeat(250)}`];
    for (const key of [...still, ...odd]) await store(plain, key, `value of ${key}`, " F7");
    const everWritten = new Set([...still, ...odd]);
    let writing = true;
    const writer = new Client({ runtime, ...addressOf(cluster.nodes[0]) });
    const writes = (async () => {
      for (let i = 0; writing; i++) {
        const key = `model:${(i % 300).toString(36)}:moving`;
        everWritten.add(key);
        if (i % 3 === 2) await writer.delete(key);
        else await writer.set(key, `${i}`);
      }
    })();
    for (const pageSize of [1000, 97, 10]) {
      const seen = await collect(proxy, { prefix: "model:", pageSize, values: pageSize !== 97 });
      const keys = names(seen);
      assertEquals(keys, sorted(new Set(keys)), "in order, and none twice");
      assertEquals(
        [...still, ...odd].filter((key) => !keys.includes(key)),
        [],
      );
      assertEquals(
        keys.filter((key) => !everWritten.has(key)),
        [],
      );
      for (const { key, value, valueBytes, flags, version, expire } of seen) {
        if (latin1(key).endsWith(":moving")) continue;
        assertEquals([valueBytes, flags, version, expire], [9 + key.length, 7, 1, 0]);
        assertEquals(value === undefined ? undefined : latin1(value), pageSize === 97 ? undefined : `value of ${latin1(key)}`);
      }
    }
    writing = false;
    await writes;
    writer.close();
    // Now that nobody writes any more, what is seen is what is there.
    const { deleted, complete } = await proxy.deletePrefix("model:");
    assertEquals(complete, true);
    assert(deleted >= still.length + odd.length);
    assertEquals(await collect(proxy, { prefix: "model:" }), []);
    for (const node of cluster.nodes) assertEquals(node.storage.stats().items, 0);
  });

  it("goes on at any other node with the cursor of the last page", async () => {
    const keys = Array.from({ length: 120 }, (_, i) => `any:${String(i).padStart(3, "0")}`);
    for (const key of keys) await store(plain, key, "x");
    const clients = await Promise.all(cluster.nodes.map((node) => TextClient.connect(runtime, addressOf(node))));
    const seen: string[] = [];
    let cursor: string | undefined = "";
    for (let i = 0; cursor !== undefined; i++) {
      const answer = await page(clients[i % clients.length] as TextClient, `7 pany:${cursor === "" ? "" : ` c${cursor}`}`);
      assert(answer.keys.length <= 7);
      seen.push(...answer.keys);
      cursor = answer.cursor;
    }
    assertEquals(seen, keys);
    for (const client of clients) client.close();
  });

  it("sees what another replica has that was never asked before, though nothing was brought to its engine", async () => {
    const before = await page(plain, "1 pany:");
    // Not in the scan: it lies in front of it. Its number is the only thing another scan knows.
    const [scan] = (before.cursor ?? "").split("-");
    for (const node of cluster.nodes.slice(0, 6)) {
      const client = await TextClient.connect(runtime, addressOf(node));
      const { keys } = await page(client, `1000 pany: c${scan}-`);
      assertEquals(keys.length, 120);
      client.close();
    }
    assertEquals((await proxy.deletePrefix("any:")).deleted, 120);
  });

  it("leaves out what is deleted or has expired", async () => {
    await store(plain, "gone:1", "x");
    await store(plain, "gone:2", "x", " T-1");
    await store(plain, "gone:3", "x");
    await store(plain, "gone:4", "x", " T1000");
    assertEquals(await plain.ask("delete gone:3\r\n"), "DELETED\r\n");
    const [first, fourth, ...others] = await collect(proxy, { prefix: "gone:" });
    assertEquals([latin1(first?.key ?? new Uint8Array()), others], ["gone:1", []]);
    const left = (fourth?.expire ?? 0) - Date.now() / 1000;
    assert(left > 900 && left < 1001);
    assertEquals(await proxy.deletePrefix("gone:").then(({ deleted }) => deleted), 2);
  });

  it("carries values near a megabyte in pages that stay small", async () => {
    const value = (i: number): Uint8Array => new Uint8Array(1000000 + i).fill(65 + i);
    for (let i = 0; i < 9; i++) await store(plain, `big:${i}`, value(i));
    let largest = 0;
    const lengths: number[] = [];
    for (let cursor = ""; ; ) {
      const text = await plain.ask(`scan 1000 pbig: v${cursor}\r\n`, PAGE_END);
      largest = Math.max(largest, text.length);
      lengths.push(...[...text.matchAll(/VALUE big:\d 0 (\d+) 1 0\r\n/g)].map(([, length]) => Number(length)));
      const next = /NEXT (\S+)\r\n$/.exec(text)?.[1];
      if (next === undefined) break;
      cursor = ` c${next}`;
    }
    assertEquals(
      lengths,
      Array.from({ length: 9 }, (_, i) => 1000000 + i),
    );
    assert(largest < 2.2 * 1048576, `${largest}`);
    const items = await collect(proxy, { prefix: "big:", values: true });
    items.forEach((item, i) => {
      assertEquals(item.value?.length, 1000000 + i);
      assert(item.value?.every((byte) => byte === 65 + i));
    });
    assertEquals(items.length, 9);
    // Keys alone fit into one page of each partition.
    assertEquals((await page(plain, "1000 pbig:")).keys.length, 9);
    await proxy.deletePrefix("big:");
  });

  it("deletes as any other write does: counted, versioned, replicated, once", async () => {
    for (let i = 0; i < 250; i++) await store(plain, `del:${i}`, "x");
    await store(plain, "dem", "stays");
    await store(plain, "del\xff", "stays");
    const first = await plain.ask("delete_prefix 100 pdel:\r\n");
    const [, count, cursor] = /^MORE (\d+) (\S+)\r\n$/.exec(first) ?? [];
    assert(Number(count) > 0 && Number(count) <= 100, first);
    // From the beginning again: what is gone does not count.
    const again = /^MORE (\d+) \S+\r\n$/.exec(await plain.ask("delete_prefix 100 pdel:\r\n"))?.[1];
    assert(Number(again) > 0 && Number(again) <= 100);
    const counts: number[] = [];
    const { deleted } = await proxy.deletePrefix("del:", { onProgress: (progress) => counts.push(progress.deleted) });
    assertEquals(deleted, 250 - Number(again) - Number(count));
    assertEquals(counts.at(-1), deleted);
    assertEquals(await plain.ask(`delete_prefix 100 pdel: c${cursor}\r\n`), "DELETED 0\r\n");
    assertEquals(names(await collect(proxy, { prefix: "de" })), ["del\xff", "dem"]);
    for (const node of cluster.nodes) assert(node.storage.stats().items <= 2);
    // The next write of a key goes on counting behind its deletion.
    assertEquals(await plain.ask("set del:1 0 0 1\r\nx\r\n"), "STORED\r\n");
    assertMatch(await plain.ask("gets del:1\r\n", /END\r\n$/), /^VALUE del:1 0 1 2\r\n/);
    await proxy.deletePrefix("de");
  });

  it("deletes no more than a limit, at no more than a rate", async () => {
    for (let i = 0; i < 40; i++) await store(plain, `slow:${i}`, "x");
    const few = await proxy.deletePrefix("slow:", { limit: 7 });
    assertEquals([few.deleted, few.complete], [7, false]);
    const startedMs = performance.now();
    const rest = await proxy.deletePrefix("slow:", { ratePerSecond: 20 });
    assertEquals([rest.deleted, rest.complete], [33, true]);
    // The first twenty are free, the others are due a second later.
    assert(performance.now() - startedMs > 900);
    assertEquals(await collect(proxy, { prefix: "slow:", ratePerSecond: 1000 }), []);
  });

  it("takes prefixes of any bytes", async () => {
    const prefix = Uint8Array.of(0xff, 0xff, 0x20, 0x00);
    for (let i = 0; i < 256; i += 5) await store(plain, `${latin1(prefix)}${String.fromCharCode(i)}`, "x");
    await store(plain, "\xff\xff\x20", "x");
    await store(plain, "\xff\xff\x20\x01", "x");
    assertEquals((await collect(proxy, { prefix, pageSize: 9 })).length, 52);
    assertEquals((await proxy.deletePrefix(prefix)).deleted, 52);
    assertEquals(names(await collect(proxy, { prefix: Uint8Array.of(0xff) })), ["\xff\xff\x20", "\xff\xff\x20\x01"]);
    await proxy.deletePrefix(Uint8Array.of(0xff));
  });

  it("refuses what makes no sense before anything is asked", async () => {
    await assertRejects(() => proxy.deletePrefix(""), Error, "prefix");
    await assertRejects(() => proxy.deletePrefix("a", { limit: 0 }), Error, '"limit"');
    await assertRejects(() => collect(proxy, { pageSize: 1001 }), Error, '"pageSize"');
    await assertRejects(() => collect(proxy, { ratePerSecond: -1 }), Error, '"ratePerSecond"');
  });
});

describe("a scan of a cluster that changes", () => {
  /** Scans page by page, and does something else after the third. */
  async function scanWith(client: Client, change: () => Promise<void>): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of client.scan({ pageSize: 50 })) {
      keys.push(latin1(key));
      if (keys.length === 150) await change();
    }
    return keys;
  }

  async function fill(client: Client, count: number): Promise<string[]> {
    const keys = Array.from({ length: count }, (_, i) => `key:${i}`);
    await Promise.all(keys.map((key) => client.set(key, "x")));
    return sorted(keys);
  }

  // Moved keys still lie with their old owners, or are being removed there.
  for (const movedKeysDelayMs of [86400000, 0]) {
    it(`neither loses nor repeats keys when it grows (moved keys are removed after ${movedKeysDelayMs} ms)`, async () => {
      const cluster = await startOpenCluster({ ...SHAPE, partitions: 2, nodes: 7, runtime, node: { movedKeysDelayMs } });
      const client = new Client({ runtime, ...addressOf(cluster.nodes[6]) });
      const keys = await fill(client, 1000);
      const seen = await scanWith(client, async () => {
        await cluster.addPartition(cluster.nodes[4] as RunningNode, 2);
        await cluster.addSlave(cluster.nodes[5] as RunningNode, 2);
      });
      assertEquals(seen, keys);
      // And while it grows, scan after scan.
      let growing = true;
      const grown = cluster
        .addNode()
        .then((node) => cluster.addPartition(node, 3))
        .finally(() => {
          growing = false;
        });
      for (let scans = 0; growing || scans < 2; scans++) assertEquals(names(await collect(client, { pageSize: 200 })), keys);
      await grown;
      assertEquals((await client.deletePrefix("key:")).deleted, 1000);
      assertEquals(await collect(client), []);
      client.close();
      await cluster.stop();
    });
  }

  it("goes on with the other replica when one is gone, and with the slave that became master", async () => {
    const cluster = await startOpenCluster({ ...SHAPE, runtime });
    const client = new Client({ runtime, ...addressOf(cluster.nodes[6]) });
    const keys = await fill(client, 600);
    const [firstMaster, , , secondSlave] = cluster.nodes;
    assertEquals(await scanWith(client, () => (secondSlave as RunningNode).stop({ announce: false })), keys);
    assertEquals(await scanWith(client, () => (firstMaster as RunningNode).stop({ announce: false })), keys);
    assertEquals((await client.deletePrefix("key:")).deleted, 600);
    client.close();
    await cluster.stop();
  });

  it("is an error, never a part of the truth, when nobody answers for a partition", async () => {
    const cluster = await startOpenCluster({ partitions: 2, nodes: 3, runtime, monitorIntervalMs: 100 });
    const client = new Client({ runtime, ...addressOf(cluster.nodes[2]) });
    await fill(client, 50);
    await (cluster.nodes[1] as RunningNode).stop({ announce: false });
    const plain = await TextClient.connect(runtime, addressOf(cluster.nodes[2]));
    await plain.send("scan 1000\r\n");
    assertMatch(
      await plain.until((received) => /\r\n$/.test(received), 15000),
      /^SERVER_ERROR partition 1 cannot be scanned: [^\r]+\r\n$/,
    );
    plain.received = "";
    await plain.send("delete_prefix 1000 pkey:\r\n");
    assertMatch(
      await plain.until((received) => /\r\n$/.test(received), 15000),
      /^SERVER_ERROR partition 1 cannot be scanned: [^\r]+\r\n$/,
    );
    plain.close();
    client.close();
    await cluster.stop();
  });
});
