/**
 * Slow requests and hot keys of real nodes on simulated machines: what made a request slow is known at the node that its client
 * has asked, and a request that goes through two nodes is hot once.
 */

import { describe, it } from "node:test";
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { latin1 } from "../../../lib/base/bytes.ts";
import { formatHostPort } from "../../../lib/base/host_port.ts";
import { Client } from "../../../lib/client/client.ts";
import { hotReportOf } from "../../../lib/stats/hot_stats.ts";
import { type SlowReport, slowReportOf } from "../../../lib/stats/slow_stats.ts";
import type { FailingCluster } from "../../../lib/testing/public_failing_cluster.ts";
import { startFailingCluster } from "../../../lib/testing/start_failing_cluster.ts";

function connect(cluster: FailingCluster, node: string, machine = "app"): Client {
  return new Client({ ...cluster.address(node), runtime: cluster.runtime(`${machine} of ${node}`) });
}

async function slowOf(cluster: FailingCluster, client: Client): Promise<SlowReport> {
  const report = slowReportOf(await cluster.run(() => client.stats("slow")));
  assert(report !== undefined);
  return report;
}

/** `get k of client, waited for …`. */
function told({ requests }: SlowReport): string[] {
  return requests.map(({ command, key, isOfNode, waitedFor }) => {
    const from = isOfNode ? "node" : "client";
    return `${command} ${key === undefined ? "?" : latin1(key)} of ${from}, waited for ${waitedFor ?? "nothing"}`;
  });
}

/** A key that the master of this partition has, and not another one. */
async function keyOf(cluster: FailingCluster, partition: number): Promise<string> {
  const client = connect(cluster, cluster.master(partition) as string);
  for (let at = 0; ; at++) {
    const before = await cluster.run(() => client.stats());
    await cluster.run(() => client.set(`key${at}`, "v"));
    const after = await cluster.run(() => client.stats());
    if (Number(after.get("curr_items")) > Number(before.get("curr_items"))) return `key${at}`;
  }
}

describe("a slow request", () => {
  it("for another node's key names that node", { timeout: 60_000 }, async () => {
    await using cluster = await startFailingCluster({ partitions: 2, slaves: 0 });
    const [first, second] = [cluster.master(0) as string, cluster.master(1) as string];
    const key = await keyOf(cluster, 1);
    const client = connect(cluster, first);
    await cluster.run(() => client.get(key));
    assertEquals(told(await slowOf(cluster, client)), []);
    // On a connection of its own: it would wait for the get of the same key.
    using other = connect(cluster, first, "other app");
    const answers = cluster.run(() => Promise.all([client.get(key), other.set(key, "w")]));
    cluster.faults.pause(second);
    await cluster.sleep(300);
    cluster.faults.resume(second);
    await answers;
    const { host, port } = cluster.address(second);
    const owner = formatHostPort(host, port);
    const report = await slowOf(cluster, client);
    assertEquals(told(report).toSorted(), [
      `get ${key} of client, waited for ${owner}`,
      `set ${key} of client, waited for ${owner}`,
    ]);
    for (const { ms, atMs } of report.requests) {
      assert(ms >= 290 && ms < 2000, `${ms}`);
      assert(atMs > 1_000_000_000_000, `${atMs}`);
    }
    assertEquals([report.thresholdMs, report.count], [100, 2]);
    await cluster.run(() => client.line("stats reset"));
    assertEquals(await slowOf(cluster, client), { thresholdMs: 100, count: 0, requests: [] });
  });

  it("that waits for a slave says so, and one that waits for the disk, too", { timeout: 60_000 }, async () => {
    await using cluster = await startFailingCluster({ slaves: 1, node: { slowLogMs: 50, slowLogSize: 2 } });
    const [master, slave] = [cluster.master() as string, cluster.slaves()[0] as string];
    const client = connect(cluster, master);
    await cluster.run(() => client.set("fast", "1"));
    cluster.faults.slow(master, slave, 100);
    await cluster.run(() => client.set("far", "1"));
    await cluster.run(() => client.set("farther", "1"));
    assertEquals(told(await slowOf(cluster, client)), [
      "set farther of client, waited for replicas",
      "set far of client, waited for replicas",
    ]);
    cluster.faults.slow(master, slave, 0);
    await cluster.sleep(5000);
    cluster.faults.disk(master, { slowMs: 200 });
    await cluster.run(() => client.set("stuck", "1"));
    const report = await slowOf(cluster, client);
    assertEquals(told(report)[0], "set stuck of client, waited for commit");
    assertEquals([report.count, report.requests.length, report.thresholdMs], [3, 2, 50]);
  });
});

describe("a hot key", () => {
  it("is counted at the node that was asked, and apart at the one that has it", { timeout: 60_000 }, async () => {
    await using cluster = await startFailingCluster({ partitions: 2, slaves: 0 });
    const [first, second] = [cluster.master(0) as string, cluster.master(1) as string];
    const key = await keyOf(cluster, 1);
    const [asked, owner] = [connect(cluster, first), connect(cluster, second)];
    for (const client of [asked, owner]) await cluster.run(() => client.line("stats reset"));
    await cluster.run(async () => {
      for (let at = 0; at < 40; at++) await Promise.all(Array.from({ length: 50 }, () => asked.get(key)));
      for (let at = 0; at < 500; at++) await asked.set(key, "w");
    });
    const [here, there] = await cluster
      .run(() => Promise.all([asked.stats("hot"), owner.stats("hot")]))
      .then((all) => all.map(hotReportOf));
    assert(here !== undefined && there !== undefined);
    // 2500 requests are about 25 samples, weighted: 5 standard deviations.
    for (const [report, isOwner] of [
      [here, false],
      [there, true],
    ] as const) {
      assertEquals(
        report.keys.map((each) => latin1(each.key)),
        [key],
      );
      const { reads, writes, readsOfNodes, writesOfNodes } = report.total;
      const [ofClients, ofNodes] = [reads + writes, readsOfNodes + writesOfNodes];
      assertEquals(isOwner ? ofClients : ofNodes, 0);
      assertAlmostEquals(isOwner ? ofNodes : ofClients, 25, 15);
      assert(reads + readsOfNodes > writes + writesOfNodes);
    }
  });
});
