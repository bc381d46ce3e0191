/**
 * flush_all of a whole cluster: from any node, at once and with a delay, while others write and nodes join, leave and restart.
 * Afterwards the nodes of a partition always have the same items.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { latin1 } from "../../lib/base/bytes.ts";
import { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { RunningNode } from "../../lib/node_server/node_server.ts";
import { Client, type Runtime } from "../../mod.ts";
import { packet, words } from "../support/binary_packets.ts";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { startOpenCluster } from "../support/open_servers.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

const SHAPE = { partitions: 2, slaves: 1, nodes: 5, monitorIntervalMs: 200 } as const;
const KEYS = Array.from({ length: 60 }, (_, number) => `key-${number}`);

let runtime: Runtime;

before(async () => {
  runtime = clientRuntime();
});

function addressOf(node: RunningNode | undefined): { host: string; port: number } {
  assert(node !== undefined);
  return { host: node.options.serverName, port: node.port };
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** Asks one question on a connection of its own. */
async function ask(node: RunningNode | undefined, text: string, last?: RegExp): Promise<string> {
  const client = await TextClient.connect(runtime, addressOf(node));
  const answer = await client.ask(text, last);
  client.close();
  return answer;
}

/** What a node itself holds, `key=value@version`. */
async function contents(node: RunningNode | undefined): Promise<string[]> {
  assert(node !== undefined);
  const cursor = node.storage.openCursor();
  const found: string[] = [];
  for (;;) {
    const items = await cursor.next(1000, 1 << 20);
    if (items.length === 0) break;
    for (const { key, value, version } of items) found.push(`${latin1(key)}=${latin1(value)}@${version}`);
  }
  await cursor.close();
  return found;
}

async function store(cluster: LocalCluster, value = "x", keys: readonly string[] = KEYS): Promise<void> {
  const client = new Client({ runtime, ...addressOf(cluster.nodes[0]) });
  for (const key of keys) assertEquals(await client.set(key, value, { replication: "sync" }), "STORED");
  client.close();
}

/** The nodes of each partition, master and slaves. */
function partitions(cluster: LocalCluster): RunningNode[][] {
  const { nodes } = cluster.index.nodeMap;
  return [0, 1].map((partition) =>
    nodes
      .filter((entry) => entry.partition === partition)
      .sort((left, right) => left.role - right.role)
      .map((entry) => cluster.nodes.find((node) => node.key === entry.key) as RunningNode),
  );
}

async function assertEmpty(cluster: LocalCluster): Promise<void> {
  for (const node of cluster.nodes) assertEquals(await contents(node), [], node.key);
}

async function assertSame(cluster: LocalCluster): Promise<number> {
  let items = 0;
  for (const members of partitions(cluster)) {
    const [first, ...others] = await Promise.all(members.map(contents));
    items += first?.length ?? 0;
    for (const other of others) assertEquals(other, first);
  }
  return items;
}

describe("flush_all", () => {
  let cluster: LocalCluster;

  before(async () => {
    cluster = await startOpenCluster({ ...SHAPE, runtime });
  });

  after(async () => {
    await cluster.stop();
  });

  it("empties every partition and replica, whichever node is asked", async () => {
    for (const node of cluster.nodes) {
      await store(cluster);
      assertEquals(await assertSame(cluster), KEYS.length);
      assertEquals(await ask(node, "flush_all\r\n"), "OK\r\n");
      await assertEmpty(cluster);
    }
    await store(cluster);
    assertEquals(await binary(cluster.nodes[4], 0x08), 0);
    await assertEmpty(cluster);
  });

  it("says nothing to noreply, and what follows it stays", async () => {
    await store(cluster);
    const answer = await ask(cluster.nodes[4], "flush_all noreply\r\nset later 0 0 1\r\nx\r\nget later key-1\r\n", /END\r\n$/);
    assertEquals(answer, "STORED\r\nVALUE later 0 1\r\nx\r\nEND\r\n");
    assertEquals(await ask(cluster.nodes[0], "flush_all 0 noreply\r\nmn\r\n"), "MN\r\n");
    await assertEmpty(cluster);
  });

  it("waits out its delay, relative or absolute; what is stored from then on stays, everywhere", async () => {
    for (const [node, delay] of [
      [cluster.nodes[4], () => "2"],
      [cluster.nodes[0], () => `${seconds() + 2}`],
      [cluster.nodes[2], () => "+2"],
    ] as const) {
      await store(cluster);
      const startSeconds = seconds();
      assertEquals(await ask(node, `flush_all ${delay()}\r\n`), "OK\r\n");
      assertEquals(await assertSame(cluster), KEYS.length);
      for (const replica of partitions(cluster).flat()) assert(replica.storage.flushPlannedFor >= startSeconds + 2);
      const [plan] = partitions(cluster)
        .flat()
        .map((replica) => replica.storage.flushPlannedFor);
      assert(plan !== undefined);
      const written = await writeUntil(cluster, plan + 2);
      await assertSame(cluster);
      const left = new Map<string, number>();
      for (const members of partitions(cluster)) {
        for (const item of await contents(members[0])) left.set(item.split("=")[0] as string, Number(item.split(/[=@]/)[1]));
      }
      // A write may have been sent in the second before.
      for (const [key, second] of left) assert(second >= plan - 1, `"${key}" of second ${second} is left after ${plan}`);
      for (const [key, second] of written) if (second >= plan) assertEquals(left.get(key), second, key);
      assert(left.size > 0);
      for (const replica of partitions(cluster).flat()) assertEquals(replica.storage.flushPlannedFor, 0);
      assertEquals(await ask(node, "flush_all 0\r\n"), "OK\r\n");
    }
    await store(cluster);
    assertEquals(await binary(cluster.nodes[1], 0x08, words(2)), 0);
    assertEquals(await assertSame(cluster), KEYS.length);
    await waitUntil(async () => (await contents(partitions(cluster)[0]?.[1])).length === 0, "the delayed flush");
    await waitUntil(async () => (await assertSame(cluster)) === 0, "the delayed flush everywhere");
  });

  it("of a later time, or at once, takes the place of an earlier one; one before the start is none", async () => {
    const plans = (): Set<number> =>
      new Set(partitions(cluster).flatMap((nodes) => nodes.map((node) => node.storage.flushPlannedFor)));
    await store(cluster);
    const now = seconds();
    for (const [word, plan] of [
      [`${now + 1000}`, now + 1000],
      [`${now + 500}`, now + 500],
      ["2592001", 0],
      ["4294967295", 4294967295],
      [`${now - 1000000}`, 0],
    ] as const) {
      assertEquals(await ask(cluster.nodes[4], `flush_all ${word}\r\n`), "OK\r\n");
      assertEquals(plans(), new Set([plan]), word);
      assertEquals(await assertSame(cluster), KEYS.length);
    }
    assertEquals(await ask(cluster.nodes[4], "flush_all 100\r\n"), "OK\r\n");
    assertEquals(await ask(cluster.nodes[4], "flush_all -1\r\n"), "OK\r\n");
    assertEquals(plans(), new Set([0]));
    await assertEmpty(cluster);
  });

  it("refuses what is no time", async () => {
    await store(cluster);
    for (const word of ["x", "1x", "4294967296", "99999999999999999999", "0x1", "1.5", "- 1"]) {
      const answer = await ask(cluster.nodes[4], `flush_all ${word}\r\n`);
      assertEquals(answer, "CLIENT_ERROR invalid exptime argument\r\n", word);
    }
    assertEquals(await ask(cluster.nodes[4], "flush_all 0 0 0\r\n"), "ERROR\r\n");
    for (const line of ["x", "now", "now all", "0 node", "4294967296 node", "-1 node", "now node x"]) {
      assertEquals(await ask(cluster.nodes[0], `node flush ${line}\r\n`), "ERROR\r\n");
    }
    assertEquals(await assertSame(cluster), KEYS.length);
  });

  it("is the node's alone where a node says it", async () => {
    await store(cluster);
    const [[master, slave] = [], [other] = []] = partitions(cluster);
    assertEquals(await ask(slave, "<a:1>flush_all\r\n"), "OK\r\n");
    assertEquals([(await contents(slave)).length, (await contents(master)).length > 0], [0, true]);
    assertEquals(await ask(slave, "<a:1>flush_all 60\r\n"), "CLIENT_ERROR a flush of one node knows no delay\r\n");
    assertEquals(await ask(master, "node flush now node\r\n"), "OK\r\n");
    assert((await contents(other)).length > 0);
    assertEquals(await ask(slave, "node flush now partition\r\n"), "SERVER_ERROR not the master of a partition\r\n");
    assertEquals(await ask(other, "node flush now partition\r\n"), "OK\r\n");
    await assertEmpty(cluster);
  });

  it("of the original's tools, who empty one node by it, is not taken for the cluster's", async () => {
    await store(cluster);
    for (const node of cluster.nodes) {
      const answer = await ask(node, "version\r\nflush_all\r\n", /\r\n[^\r]+\r\n$/);
      assertMatch(answer, /^VERSION [^\r]+\r\nCLIENT_ERROR "version" and then "flush_all" is how flare-tools/);
    }
    assertEquals(await assertSame(cluster), KEYS.length);
    assertMatch(await ask(cluster.nodes[4], "version\r\nget x\r\nflush_all\r\n", /OK\r\n$/), /OK\r\n$/);
    await store(cluster);
    assertMatch(await ask(cluster.nodes[4], "version\r\nflush_all 0\r\n", /OK\r\n$/), /OK\r\n$/);
    await assertEmpty(cluster);
  });

  it("falls between the same two writes at a master and its slave", async () => {
    let isOver = false;
    const writers = cluster.nodes.map(async (node, number) => {
      const client = new Client({ runtime, ...addressOf(node) });
      // Each key is written once only: nothing makes up for a copy that a flush has hit.
      for (let round = 0; !isOver; round++) {
        await Promise.all(KEYS.map((key) => client.set(`${key}-${number}-${round}`, "x")));
      }
      client.close();
    });
    for (let flush = 0; flush < 8; flush++) {
      await pause(150);
      assertEquals(await ask(cluster.nodes[flush % 5], "flush_all\r\n"), "OK\r\n");
    }
    isOver = true;
    await Promise.all(writers);
    await waitUntil(
      () =>
        assertSame(cluster).then(
          () => true,
          () => false,
        ),
      "the last copies",
    );
    assert((await assertSame(cluster)) > 0);
    assertEquals(await ask(cluster.nodes[4], "flush_all 0\r\n"), "OK\r\n");
  });
});

/** The status of the answer to a packet. */
async function binary(node: RunningNode | undefined, opcode: number, extras = ""): Promise<number> {
  return (await ask(node, packet({ opcode, extras }), /^[\s\S]{24}$/)).charCodeAt(7);
}

/** Stores the second of writing under a few keys, again and again; gives what was written last under each. */
async function writeUntil(cluster: LocalCluster, endSeconds: number): Promise<Map<string, number>> {
  const written = new Map<string, number>();
  const client = new Client({ runtime, ...addressOf(cluster.nodes[3]) });
  for (let round = 0; seconds() < endSeconds; round++) {
    const key = `at-${round % 20}`;
    const second = seconds();
    assertEquals(await client.set(key, String(second), { replication: "sync" }), "STORED");
    written.set(key, second);
    await pause(5);
  }
  client.close();
  return written;
}

describe("a flush that is planned", () => {
  it("survives a restart, a checkpoint and its second; what was stored after it stays", async () => {
    await withTemporaryDirectory(async (dataDir) => {
      let cluster = await startOpenCluster({ dataDir, runtime });
      await store(cluster);
      await cluster.nodes[0]?.storage.checkpoint();
      const plan = seconds() + 1000;
      assertEquals(await ask(cluster.nodes[0], `flush_all ${plan}\r\n`), "OK\r\n");
      await cluster.stop();

      cluster = await startOpenCluster({ dataDir, runtime });
      assertEquals((await contents(cluster.nodes[0])).length, KEYS.length);
      assertEquals(cluster.nodes[0]?.storage.flushPlannedFor, plan);
      assertEquals(await ask(cluster.nodes[0], "flush_all 1\r\n"), "OK\r\n");
      await cluster.stop();
      await pause(2000);

      cluster = await startOpenCluster({ dataDir, runtime });
      assertEquals(await contents(cluster.nodes[0]), []);
      await store(cluster, "new");
      await cluster.stop();

      cluster = await startOpenCluster({ dataDir, runtime });
      assertEquals((await contents(cluster.nodes[0])).length, KEYS.length);
      assertEquals(cluster.nodes[0]?.storage.flushPlannedFor, 0);
      await cluster.stop();
    });
  });

  it("is known to a slave that comes later, and carried out by it when it is the master", async () => {
    const cluster = await startOpenCluster({ partitions: 1, nodes: 2, runtime, monitorIntervalMs: 200 });
    try {
      const [master, slave] = cluster.nodes;
      assert(master !== undefined && slave !== undefined);
      await store(cluster);
      const plan = seconds() + 6;
      assertEquals(await ask(master, `flush_all ${plan}\r\n`), "OK\r\n");
      await cluster.addSlave(slave, 0);
      assertEquals((await contents(slave)).length, KEYS.length);
      assertEquals(slave.storage.flushPlannedFor, plan);
      await master.stop();
      await waitUntil(() => slave.role === 1 || seconds() > plan, "the promotion");
      await waitUntil(async () => (await contents(slave)).length === 0, "the flush");
      assert(seconds() >= plan);
    } finally {
      await cluster.stop();
    }
  });

  it("reaches a partition that is being made, and drops what its copy has brought", async () => {
    const node = { reconstructionIntervalUs: 20000 };
    const cluster = await startOpenCluster({ partitions: 1, nodes: 2, runtime, monitorIntervalMs: 200, node });
    try {
      const [master, next] = cluster.nodes;
      assert(master !== undefined && next !== undefined);
      await store(cluster);
      const made = cluster.addPartition(next, 1);
      await waitUntil(async () => (await contents(next)).length > 3, "the copy");
      assertEquals(await ask(next, "flush_all 0\r\n"), "OK\r\n");
      await store(cluster, "new", KEYS.slice(0, 10));
      await made;
      const left = [...(await contents(master)), ...(await contents(next))];
      assert(
        left.every((item) => item.includes("=new@1")),
        left.join(" "),
      );
      assertEquals(new Set(left.map((item) => item.split("=")[0])), new Set(KEYS.slice(0, 10)));
    } finally {
      await cluster.stop();
    }
  });
});

describe("flush_all that cannot reach everybody", () => {
  it("names the node, and has flushed nothing", async () => {
    const cluster = await startOpenCluster({ ...SHAPE, runtime, monitorIntervalMs: 600000 });
    try {
      await store(cluster);
      const [, [, slave] = []] = partitions(cluster);
      assert(slave !== undefined);
      await slave.stop({ announce: false });
      const answer = await ask(cluster.nodes[4], "flush_all\r\n");
      assertMatch(answer, /^SERVER_ERROR flush_all: nothing was flushed, because "[^"]+" does not answer \([^\r]+\)\r\n$/);
      assert(answer.includes(`"${slave.key}"`), answer);
      assertEquals(await ask(cluster.nodes[4], "flush_all 100\r\n"), answer);
      for (const node of partitions(cluster).flat()) {
        if (node === slave) continue;
        assert((await contents(node)).length > 0);
        assertEquals(node.storage.flushPlannedFor, 0);
      }
    } finally {
      await cluster.stop();
    }
  });

  it("is refused where there is no partition", async () => {
    const cluster = await LocalCluster.start(runtime, { partitions: 0, nodes: 1 });
    assertMatch(await ask(cluster.nodes[0], "flush_all\r\n"), /^SERVER_ERROR [^\r]*no partition available\r\n$/);
    await cluster.stop();
  });
});
