/**
 * Slaves that differ from their masters: found and repaired while everything serves, and nothing is found where nothing is
 * wrong.
 *
 * Covers lib/admin/replica_check.ts, lib/node_server/commands/compare_commands.ts, lib/node_server/comparison/key_repair.ts,
 * lib/node_server/comparison/own_items.ts and lib/node_server/comparison/replica_comparison.ts.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ClusterAdmin } from "../../lib/admin/cluster_admin.ts";
import { differenceText, isSuspicious, type VerifyOptions, type VerifyReport, verifyCluster } from "../../lib/admin/verify.ts";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import type { Uint64 } from "../../lib/base/uint64.ts";
import type { Client } from "../../lib/client/client.ts";
import { hashSimple } from "../../lib/cluster/key_hash.ts";
import { KeyResolver } from "../../lib/cluster/key_resolver.ts";
import { NodeRole } from "../../lib/cluster/node.ts";
import { type Mutation, MutationKind } from "../../lib/item/mutation.ts";
import type { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { RunningNode } from "../../lib/node_server/node_server.ts";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { detectRuntime } from "../../mod.ts";
import { startOpenCluster } from "../support/open_servers.ts";
import { mutation, read, set, writeDurably } from "../support/storage_world.ts";

const ITEMS = 1200;
let runtime: Runtime;
let cluster: LocalCluster;
let admin: ClusterAdmin;
let client: Client;

before(async () => {
  runtime = detectRuntime({ programName: "test", logLevel: "error" });
  cluster = await startOpenCluster({ runtime, partitions: 2, slaves: 1, monitorIntervalMs: 50 });
  admin = new ClusterAdmin({ runtime, indexServer: cluster.indexAddress });
  client = cluster.client();
  const names = Array.from({ length: ITEMS }, (_, i) => `item-${i}`);
  await Promise.all(names.map((name, i) => client.set(name, `value ${i}`, { flags: i, replication: "sync" })));
});

after(async () => {
  client.close();
  admin.close();
  await cluster.stop();
});

const now = (): number => Math.floor(runtime.clock.nowMs() / 1000);

/** Keys `item-…` of a partition, by what its master has. */
async function keysOf(partition: number, count: number): Promise<string[]> {
  const master = nodeOf(partition, NodeRole.master);
  const found: string[] = [];
  for (let i = 0; found.length < count; i++) {
    if ((await read(master.storage, `item-${i}`, now())) !== undefined) found.push(`item-${i}`);
  }
  return found;
}

function nodeOf(partition: number, role: NodeRole): RunningNode {
  const { nodes } = cluster.nodes[0]?.nodeMap ?? { nodes: [] };
  const entry = nodes.find((node) => node.partition === partition && node.role === role);
  return cluster.nodes.find(({ key }) => key === entry?.key) as RunningNode;
}

/** A key of a partition that nothing is stored under. */
function newKeyOf(partition: number, prefix: string): string {
  const resolver = new KeyResolver(cluster.index.meta);
  for (let i = 0; ; i++) {
    const key = fromLatin1(`${prefix}-${i}`);
    if (resolver.resolve(hashSimple(key, 0, key.length), 2) === partition) return latin1(key);
  }
}

/** Changes one node alone. */
async function plant(node: RunningNode, change: Mutation): Promise<void> {
  await writeDurably(node.storage, change, now());
}

function remove(key: string, version: Uint64): Mutation {
  return mutation(MutationKind.delete, key, "", { version });
}

/** Both replicas' item under a key, or `none`. */
async function seenOn(partition: number, key: string): Promise<string[]> {
  const nodes = [nodeOf(partition, NodeRole.master), nodeOf(partition, NodeRole.slave)];
  const items = await Promise.all(nodes.map(({ storage }) => read(storage, key, now())));
  return items.map((item) => (item === undefined ? "none" : `${item.value} ${item.flags} ${item.expire} ${item.version}`));
}

/** Few keys are read through every node: this is about the comparison. */
function verify(options: VerifyOptions = {}): Promise<VerifyReport> {
  return verifyCluster(admin, { keysPerPartitionMax: 10, ...options });
}

function textsOf({ differences }: VerifyReport): string[] {
  return differences.map(differenceText).sort();
}

describe("replicas", () => {
  it("that are equal are compared completely, and nothing is found", async () => {
    const report = await verify();
    assertEquals(
      report.replicas.map(({ outcome, differences, busy }) => [outcome, differences, busy]),
      [
        ["complete", 0, 0],
        ["complete", 0, 0],
      ],
    );
    assertEquals(
      report.replicas.reduce((sum, { items }) => sum + items, 0),
      ITEMS,
    );
    assertEquals([report.findings, report.differences, isSuspicious(report)], [[], [], false]);
  });

  it("that differ are found, with versions, and repaired on request", async () => {
    const [missing, older, other, newer, touched, deleted] = (await keysOf(1, 6)) as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const [extra, spaced] = [newKeyOf(1, "extra"), newKeyOf(1, "with a space")];
    const slave = nodeOf(1, NodeRole.slave);
    for (const key of [older, older, touched, touched]) await client.set(key, "new", { replication: "sync" });
    await client.delete(deleted);
    await plant(slave, remove(missing, 1));
    // An older value, as if the last write had not arrived: gone, then back at the version before.
    await plant(slave, remove(older, 3));
    await plant(slave, set(older, "old", { version: 2 }));
    await plant(slave, remove(other, 1));
    await plant(slave, set(other, "not what was written", { version: 1 }));
    await plant(slave, set(newer, "from a lost master", { version: 9 }));
    await plant(slave, mutation(MutationKind.touch, touched, "", { expire: now() + 100_000 }));
    await plant(slave, set(deleted, "back from the dead", { version: 1 }));
    await plant(slave, set(extra, "never written", { version: 4 }));
    await plant(slave, set(spaced, "never written", { version: 4 }));
    // Keys of another partition are nobody's business here.
    await plant(slave, set((await keysOf(0, 1))[0] as string, "stray"));

    const found = await verify();
    const name = `slave "${slave.key}" and key`;
    const expected = [
      `${name} ${missing}: nothing, its master has version 1`,
      `${name} ${older}: version 2, its master has version 3`,
      `${name} ${other}: version 1, its master has version 1 with other content`,
      `${name} ${newer}: version 9, its master has version 1`,
      `${name} ${touched}: version 3, its master has version 3 with other content`,
      `${name} ${deleted}: version 1, its master has nothing`,
      `${name} ${extra}: version 4, its master has nothing`,
      `${name} ${spaced.replaceAll(" ", "\\x20")}: version 4, its master has nothing`,
    ];
    assertEquals(textsOf(found), expected.sort());
    assert(isSuspicious(found));

    const repaired = await verify({ repair: true });
    assertEquals(textsOf(repaired), expected.map((line) => `${line}; repaired`).sort());
    assertEquals([isSuspicious(repaired), repaired.findings], [false, []]);
    const first = (key: string): string => `value ${key.slice(5)} ${key.slice(5)} 0`;
    assertEquals(await seenOn(1, missing), Array(2).fill(`${first(missing)} 1`));
    assertEquals(await seenOn(1, older), Array(2).fill("new 0 0 3"));
    // A version that both had, or only the slave, does not stand for something else now.
    assertEquals(await seenOn(1, other), Array(2).fill(`${first(other)} 2`));
    assertEquals(await seenOn(1, newer), Array(2).fill(`${first(newer)} 10`));
    assertEquals(await seenOn(1, touched), Array(2).fill("new 0 0 4"));
    for (const key of [deleted, extra, spaced]) assertEquals(await seenOn(1, key), ["none", "none"]);
    await client.set(extra, "written");
    assertEquals((await client.gets(extra))?.version, 5);
    assertEquals(textsOf(await verify()), []);
  });

  it("are told apart from nodes that lost or gained whole ranges", async () => {
    const [master, slave] = [nodeOf(0, NodeRole.master), nodeOf(0, NodeRole.slave)];
    const lost = await keysOf(0, 100);
    for (const key of lost) await plant(slave, remove(key, 1));
    for (let i = 0; i < 1200; i++) {
      await plant(slave, set(`zz-${i}`, "extra", { version: 1 }));
    }
    const found = await verify();
    const gained = (found.replicas[0]?.differences ?? 0) - lost.length;
    // About half of the keys belong to the partition.
    assert(gained > 500 && gained < 700, `${gained}`);
    const repaired = await verify({ repair: true });
    assertEquals(repaired.replicas[0]?.repaired, gained + lost.length);
    assertEquals(textsOf(await verify()), []);
    assertEquals(await seenOn(0, lost[0] as string), Array(2).fill((await seenOn(0, lost[0] as string))[0]));
    assert((await read(master.storage, lost[0] as string, now())) !== undefined);
  });

  it("are not said to differ while clients write all the time", async () => {
    let isOver = false;
    let writes = 0;
    const names = await keysOf(0, 40);
    const writer = async (first: number): Promise<void> => {
      for (let i = first; !isOver; i++) {
        const key = names[i % names.length] as string;
        if (i % 7 === 0) await client.delete(key);
        else if (i % 5 === 0) await client.touch(key, 1000 + i);
        else if (i % 3 === 0) await client.set(`${key}-${i}`, "a new key");
        else await client.set(key, `value ${i}`);
        writes++;
      }
    };
    const writers = Array.from({ length: 8 }, (_, i) => writer(i * 5));
    for (let round = 0; round < 5; round++) {
      const report = await verify({ repair: true });
      assertEquals(textsOf(report), []);
      assertEquals(
        report.replicas.map(({ outcome }) => outcome),
        ["complete", "complete"],
      );
    }
    isOver = true;
    await Promise.all(writers);
    assert(writes > 100, `${writes}`);
  });

  it("are repaired while clients write, and no write is lost", async () => {
    const slave = nodeOf(0, NodeRole.slave);
    const keys = await keysOf(0, 200);
    for (const key of keys) await plant(slave, remove(key, 1));
    let isOver = false;
    const written = new Map<string, string>();
    const writer = (async () => {
      for (let i = 0; !isOver; i++) {
        const key = keys[i % 100] as string;
        await client.set(key, `later ${i}`, { replication: "sync" });
        written.set(key, `later ${i}`);
      }
    })();
    const report = await verify({ repair: true });
    isOver = true;
    await writer;
    assert(!isSuspicious(report));
    for (const [key, value] of written) assertEquals(latin1((await client.get(key))?.value ?? fromLatin1("")), value);
    assertEquals(textsOf(await verify()), []);
  });

  it("are not compared if one is no active slave of the other, and the report says so", async () => {
    const [master, slave] = [nodeOf(0, NodeRole.master), nodeOf(1, NodeRole.slave)];
    const master0 = admin.client(master.key);
    const refused = await master0.lines(`node compare 127.0.0.1 ${slave.port} -`).catch((error: Error) => error.message);
    assertStringIncludes(String(refused), `"${slave.key}" is not a slave of this node`);
    assertMatch(
      await admin.client(slave.key).line("node digest 0/2 range - -"),
      /^SERVER_ERROR this node is not an active replica/,
    );
    assertMatch(await admin.client(slave.key).line("node digest 1/2 range - -"), /^DIGEST \d+ [0-9a-f]{16} /);
    assertEquals(await master0.line("node digest 1/1 range - -"), "CLIENT_ERROR bad command line format");
  });
});
