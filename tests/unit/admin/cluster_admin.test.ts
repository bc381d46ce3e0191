/**
 * The operator's verbs against a whole cluster in this process, in the order an operator may need them.
 *
 * Covers lib/admin/cluster_host.ts, lib/admin/restore.ts and lib/admin/verify.ts.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Change } from "../../../lib/admin/change.ts";
import {
  activateChange,
  balanceChange,
  downChange,
  masterChange,
  partChange,
  reconstructChange,
  removeChange,
  slaveChange,
} from "../../../lib/admin/change_verbs.ts";
import { ClusterAdmin } from "../../../lib/admin/cluster_admin.ts";
import { ClusterHost } from "../../../lib/admin/cluster_host.ts";
import { summarize } from "../../../lib/admin/cluster_summary.ts";
import { encodeItems } from "../../../lib/admin/dump_format.ts";
import { dumpSources } from "../../../lib/admin/dump_sources.ts";
import { rebuildIndexFile } from "../../../lib/admin/index_file.ts";
import { addressOf } from "../../../lib/admin/node_targets.ts";
import { nodeTable } from "../../../lib/admin/report_tables.ts";
import { type RestoredItem, type RestoreOptions, restoreItems } from "../../../lib/admin/restore.ts";
import { findingText, verifyCluster } from "../../../lib/admin/verify.ts";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { dumpItems, dumpKeys } from "../../../lib/client/dump.ts";
import { decodeFlareXml } from "../../../lib/cluster/flare_xml.ts";
import { hashSimple } from "../../../lib/cluster/key_hash.ts";
import { KeyResolver } from "../../../lib/cluster/key_resolver.ts";
import type { LocalCluster } from "../../../lib/local_cluster/local_cluster.ts";
import type { Runtime } from "../../../lib/runtime/runtime.ts";
import { detectRuntime, FlareError, startIndexServer } from "../../../mod.ts";
import { freePorts } from "../../support/free_ports.ts";
import { startOpenCluster } from "../../support/open_servers.ts";
import { startFile } from "../../support/spawn.ts";
import { TextClient } from "../../support/text_client.ts";

const itemCount = 300;
let runtime: Runtime;
let cluster: LocalCluster;
let admin: ClusterAdmin;
let host: ClusterHost;
/** The keys of the nodes: master, slave, and four proxies at first. */
let keys: string[];

before(async () => {
  runtime = detectRuntime({ programName: "test", logLevel: "error" });
  cluster = await startOpenCluster({ runtime, nodes: 6, partitions: 1, slaves: 1, monitorIntervalMs: 50 });
  admin = new ClusterAdmin({ runtime, indexServer: cluster.indexAddress });
  host = new ClusterHost(admin);
  keys = cluster.nodes.map((node) => node.key);
  const client = admin.client(key(5));
  await Promise.all(
    Array.from({ length: itemCount }, (_, i) => client.set(`item-${i}`, `value ${i}`, { flags: i, replication: "sync" })),
  );
});

after(async () => {
  admin.close();
  await cluster.stop();
});

function key(number: number): string {
  return keys[number] as string;
}

async function run(change: Change): Promise<void> {
  for await (const event of admin.carryOut(change, { pollMs: 10 })) assert(event.kind !== "retry");
}

/** Role, state, partition and balance of each node, in their order. */
async function places(): Promise<string[]> {
  const { nodes } = await admin.nodeMap();
  const lines = nodeTable(nodes).slice(1);
  return keys.map((each) => {
    const line = lines.find((text) => text.startsWith(`${each} `));
    return (line ?? "").slice(each.length).trim().replace(/ +/g, " ");
  });
}

async function readable(): Promise<number> {
  const names = Array.from({ length: itemCount }, (_, i) => `item-${i}`);
  const items = await admin.client(key(0)).getMany(names);
  return items.filter((item, i) => latin1(item.value) === `value ${i}`).length;
}

async function dumpAll(): Promise<Uint8Array> {
  const view = await admin.view();
  const parts: Uint8Array[] = [];
  for (const { node, range } of dumpSources(view.map, view.partitionCountMax, { nodes: [] })) {
    for await (const items of dumpItems(runtime, addressOf(node), range)) parts.push(encodeItems(items, "default"));
  }
  return fromLatin1(parts.map((part) => latin1(part)).join(""));
}

/** A key `stale-…` of a partition out of the given number. */
function keyOf(partition: number, partitionSize: number): string {
  const resolver = new KeyResolver(cluster.index.meta);
  for (let i = 0; ; i++) {
    const name = fromLatin1(`stale-${i}`);
    if (resolver.resolve(hashSimple(name, 0, name.length), partitionSize) === partition) return latin1(name);
  }
}

/** How many keys of a node begin so. */
async function dumpedKeys(node: string, prefix: string): Promise<number> {
  let count = 0;
  for await (const batch of dumpKeys(runtime, addressOf(node), {})) {
    count += batch.filter((name) => latin1(name).startsWith(prefix)).length;
  }
  return count;
}

async function restore(dump: Uint8Array, options: Partial<RestoreOptions>): Promise<Record<string, number>> {
  const chunks = (async function* () {
    for (let at = 0; at < dump.length; at += 1000) yield dump.subarray(at, at + 1000);
  })();
  const counts: Record<string, number> = {};
  for await (const items of restoreItems(runtime, admin.client(key(5)), chunks, {
    format: "default",
    acceptIncomplete: true,
    ...options,
  })) {
    for (const { outcome } of items as RestoredItem[]) counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

describe("verbs that look", () => {
  it("list the nodes", async () => {
    assertEquals(await places(), ["0 master active 1", "0 slave active 1", ...Array(4).fill("- proxy active 0")]);
    assertEquals((await admin.nodeMap()).version, cluster.index.nodeMap.version);
  });

  it("tell figures and sums", async () => {
    const reports = await admin.stats();
    assertEquals(
      reports.map(({ node }) => node.role),
      [2, 2, 2, 2, 0, 1],
    );
    const master = (await admin.stats([key(0)]))[0];
    assertEquals([master?.node.key, master?.figures?.items], [key(0), itemCount]);
    await assertRejects(() => admin.stats(["n:1"]), FlareError, '"n:1" is not in the node map');
    const { partitions, nodes, masters, slaves, items } = summarize("c", reports);
    assertEquals([partitions, nodes, masters, slaves, items], [1, 6, 1, 1, itemCount]);
  });

  it("ping and list threads", async () => {
    await admin.ping(key(3));
    await admin.waitUntilAlive(admin.index.server);
    assertEquals(await host.answers("127.0.0.1:1"), false);
    await assertRejects(() => admin.ping("127.0.0.1:1"), FlareError, "127.0.0.1:1");
    const threads = await admin.threads(key(0));
    assert(threads.some(({ operation, type }) => operation === "stats" && type === 1));
  });

  it("rebuild the index server's file", async () => {
    const map = decodeFlareXml(rebuildIndexFile(await admin.nodeMap(), 7));
    assertEquals(map.version, Number(cluster.index.nodeMap.version) + 7);
    // Which data they have the nodes tell nobody but their index server.
    assertEquals(
      map.nodes,
      cluster.index.nodeMap.nodes.map(({ data, ...node }) => node),
    );
  });

  it("show what a change would do without doing it", async () => {
    const version = cluster.index.nodeMap.version;
    const { before: earlier, after: later } = await admin.preview(slaveChange([{ node: key(2), balance: 2, partition: 0 }]));
    assertEquals([earlier.version, cluster.index.nodeMap.version], [version, version]);
    assertEquals(nodeTable(later.nodes.filter((node) => node.key === key(2)))[1]?.endsWith("0  slave active       2"), true);
  });
});

describe("verbs that change", () => {
  it("add a slave with everything", async () => {
    await run(slaveChange([{ node: key(2), balance: 2, partition: 0 }]));
    assertEquals((await places())[2], "0 slave active 2");
    assertEquals(await host.itemsOf(key(2)), itemCount);
  });

  it("create a partition, master first, activated by hand", async () => {
    await run(masterChange([{ node: key(3), balance: 1, partition: 1 }]));
    assertEquals((await places())[3], "1 master ready 1");
    await run(activateChange([key(3)]));
    assertEquals((await places())[3], "1 master active 1");
    assert((await host.itemsOf(key(3))) > 0);
    await run(slaveChange([{ node: key(4), balance: 1, partition: 1 }]));
    assertEquals((await places())[4], "1 slave active 1");
    assertEquals(await readable(), itemCount);
  });

  it("create a partition in one go", async () => {
    await run(partChange([{ node: key(5), balance: 1, partition: 2 }]));
    assertEquals((await places())[5], "2 master active 1");
    assertEquals(await readable(), itemCount);
  });

  it("change a balance", async () => {
    await run(
      balanceChange([
        { node: key(2), balance: 5 },
        { node: key(1), balance: 0 },
      ]),
    );
    assertEquals((await places()).slice(0, 3), ["0 master active 1", "0 slave active 0", "0 slave active 5"]);
  });

  it("rebuild a slave and a master, never the only copy", async () => {
    // Something only this slave has: it must not survive.
    const slave = await TextClient.connect(runtime, addressOf(key(1)));
    assertEquals(await slave.ask(`<n:1>set ${keyOf(0, 3)} 0 0 1 9\r\nx\r\n`), "STORED\r\n");
    slave.close();
    assertEquals(await host.itemsOf(key(1)), itemCount + 1);
    await run(reconstructChange([key(1), key(0)]));
    // The slave with the larger balance has taken the master's place.
    assertEquals((await places()).slice(0, 3), ["0 slave active 1", "0 slave active 0", "0 master active 5"]);
    assertEquals(await dumpedKeys(key(1), "stale"), 0);
    assertEquals(await readable(), itemCount);
    await assertRejects(() => run(reconstructChange([key(5)])), FlareError, "has the only active copy");
    assertEquals((await places())[5], "2 master active 1");
    assertEquals(await readable(), itemCount);
  });

  it("take nodes down; what answers is a proxy again soon", async () => {
    await run(downChange([key(4)]));
    while ((await places())[4] !== "- proxy active 0") await host.sleep(20);
  });

  it("refuse what the index server or common sense refuses", async () => {
    await assertRejects(
      () => run(slaveChange([{ node: key(0), balance: 1, partition: 1 }])),
      FlareError,
      "only an active proxy",
    );
    await assertRejects(() => run(removeChange([key(4)])), FlareError, "stop it and wait until it is down");
    await assertRejects(() => host.tellIndex("node remove n 1"), FlareError, 'answered "SERVER_ERROR failed to remove node"');
  });

  it("remove a node that was stopped", async () => {
    await cluster.nodes[4]?.stop();
    assertEquals((await places())[4], "- proxy down 0");
    await run(removeChange([key(4)]));
    assertEquals((await places())[4], "");
  });
});

describe("verbs about data", () => {
  it("find nothing wrong, and what is left behind", async () => {
    const report = await verifyCluster(admin, { keysPerPartitionMax: 150 });
    assertEquals(report.findings, []);
    assertEquals([report.partitions, report.nodes], [3, 5]);
    assert(report.keys >= 150 && report.keys <= itemCount && report.strayKeys > 0);
    const written = await verifyCluster(admin, { useTestData: true, keysPerPartitionMax: 20 });
    assertEquals([written.keys, written.findings.length], [60, 0]);
    const items = latin1(await dumpAll());
    assertEquals(items.includes("flare-verify"), false);
  });

  it("find a replica that differs", async () => {
    // Slave 0 answers reads; the version makes it refuse what replication will send.
    const lines: string[] = [];
    const original = latin1((await dumpAll()).slice(0, 200)).split(" ")[0] as string;
    await admin.client(key(0)).line(`<x:1>delete ${original} 0 99`);
    const report = await verifyCluster(admin, { onProgress: (line) => lines.push(line) });
    assertEquals(
      report.findings.map(({ node, key: name }) => [node, latin1(name)]),
      [[key(0), original]],
    );
    const finding = report.findings[0];
    assert(finding !== undefined);
    assertStringIncludes(
      findingText(finding),
      `"${key(0)}" and key ${original}: answers nothing, its owner "${key(2)}" version `,
    );
    assertEquals(
      report.differences.map(({ slave, key: name }) => [slave, latin1(name)]),
      [[key(0), original]],
    );
    // One line for each partition, and one for each slave.
    assertEquals(lines.length, 5);
  });

  it("dump every item once, and set them again", async () => {
    const dump = await dumpAll();
    const names = latin1(dump)
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" ")[0] as string);
    assertEquals(new Set(names).size, itemCount);
    assertEquals(names.length, itemCount);
    for (const node of cluster.nodes.filter((each) => each.key !== key(4))) await host.clean(node.key);
    assertEquals(await readable(), 0);
    assertEquals(await restore(dump, { include: [/^item-1/], exclude: [/5$/], prefix: "item-" }), {
      stored: 100,
      excluded: 200,
    });
    assertEquals(await restore(dump, { keepVersions: true, bytesPerSecond: 1000000 }), { stored: 200, kept: 100 });
    // What was deleted or written since the dump stays so; without versions everything is as in the dump.
    const client = admin.client(key(5));
    const changed = Array.from({ length: 20 }, (_, i) => `item-${i}`);
    await Promise.all(changed.map((name, i) => (i < 10 ? client.delete(name) : client.set(name, "later"))));
    assertEquals(await restore(dump, { keepVersions: true }), { kept: itemCount });
    assertEquals(
      (await client.getMany(changed)).map(({ value }) => latin1(value)),
      Array(10).fill("later"),
    );
    assertEquals(await restore(dump, {}), { stored: itemCount });
    assertEquals(await readable(), itemCount);
    assertEquals((await admin.client(key(0)).get("item-299"))?.flags, 299);
  });

  it("leave out what has expired and tell what cannot be sent", async () => {
    const nowSeconds = Math.floor(runtime.clock.nowMs() / 1000);
    const lines = [`gone 0 1 1 ${nowSeconds - 1} 'x'`, `here 0 1 1 ${nowSeconds + 1000} 'x'`, "a\\x20blank 0 1 1 0 'x'", ""];
    assertEquals(await restore(fromLatin1(lines.join("\n")), {}), { expired: 1, stored: 1, refused: 1 });
    assertEquals(await admin.client(key(0)).get("gone"), undefined);
    await assertRejects(() => restore(fromLatin1("rubbish\n"), {}), FlareError, "line 1 of the dump");
  });
});

describe("an operator's program", () => {
  it("lives as long as it waits for a server, though it has no connection", { timeout: 60_000 }, async () => {
    const port = await freePorts(1);
    const program = startFile("tests/unit/admin/waiting_program.ts", [`127.0.0.1:${port}`]);
    await program.waitFor("is not alive yet");
    const options = { indexDb: "memory://", bind: "127.0.0.1", serverName: "127.0.0.1", serverPort: port };
    const server = await startIndexServer({ runtime, ...options });
    const { status, stdout } = await program.finished;
    await server.stop();
    assertEquals([status, stdout], [0, "alive\n"]);
  });
});
