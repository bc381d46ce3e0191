/**
 * What 2.0.0 lost or showed too late with synchronous replication, measured with real processes: the same faults again, in
 * simulated clusters, one story each. docs/safety.md has the figures.
 */

import { describe, it } from "node:test";
import { assertEquals, assertGreater, assertLess, assertNotEquals } from "@std/assert";
import { type ClusterNode, NodeRole } from "../../lib/cluster/node.ts";
import { INDEX_PORT } from "../../lib/net/daemon_options.ts";
import { SimClient } from "../../lib/testing/sim_client.ts";
import { DATA_DIR, type SimClusterOptions } from "../../lib/testing/sim_cluster.ts";
import type { SimHost } from "../../lib/testing/sim_host.ts";
import { Audit } from "./audit.ts";
import { first, play, type Scene } from "./scene.ts";

const TIMEOUT_MS = 5000;

interface Story {
  readonly name: string;
  readonly slaves: number;
  readonly options?: Partial<SimClusterOptions>;
  /** Resolves to the node through which everything must be there at the end. */
  readonly play: (scene: Scene, audit: Audit) => Promise<ClusterNode>;
  /** Whom the audit writes to and reads from; absent = every replica. */
  readonly nodes?: (scene: Scene) => Promise<readonly ClusterNode[]>;
}

function cut({ run }: Scene, one: SimHost, other: SimHost): void {
  run.world.network.cut(one, other);
  run.world.network.cut(other, one);
}

async function cutFromIndex(scene: Scene, node: ClusterNode, durationMs: number): Promise<void> {
  cut(scene, scene.host(node), scene.run.cluster.index.host);
  await scene.sleep(durationMs);
  scene.run.world.network.heal();
  await scene.sleep(5000);
}

async function pause(scene: Scene, node: ClusterNode, durationMs: number): Promise<void> {
  const { process } = scene.host(node);
  process?.pause();
  await scene.sleep(durationMs);
  process?.resume();
  await scene.sleep(5000);
}

/** The master by the map of the index server. */
function masterOf({ run }: Scene): ClusterNode {
  return first((run.cluster.map?.nodes ?? []).filter(({ role }) => role === NodeRole.master));
}

async function untilPromoted(scene: Scene, node: ClusterNode): Promise<void> {
  await scene.until(() => scene.place(node).startsWith("master active"), 30_000, "the slave is promoted");
  await scene.sleep(2000);
}

const STORIES: readonly Story[] = [
  {
    name: "the master is cut from the index server for 20 s, and its clients still reach it",
    slaves: 1,
    async play(scene) {
      await cutFromIndex(scene, scene.master, 20_000);
      return masterOf(scene);
    },
  },
  {
    name: "the master stands still for 10 s, with requests on its connections, and goes on",
    slaves: 1,
    async play(scene) {
      await pause(scene, scene.master, 10_000);
      return masterOf(scene);
    },
  },
  {
    name: "a slave is cut from the index server for 20 s",
    slaves: 1,
    async play(scene) {
      await cutFromIndex(scene, first(scene.slaves), 20_000);
      return masterOf(scene);
    },
  },
  {
    name: "a slave stands still for 10 s, with requests on its connections, and goes on",
    slaves: 1,
    async play(scene) {
      await pause(scene, first(scene.slaves), 10_000);
      return masterOf(scene);
    },
  },
  {
    name: "the link between master and slave is reset for 0.5 s, and the master dies 10 s later",
    slaves: 1,
    async play(scene) {
      const slave = first(scene.slaves);
      await scene.resetLink(scene.master, slave, 500);
      await scene.sleep(10_000);
      scene.daemon(scene.master).kill();
      await untilPromoted(scene, slave);
      return slave;
    },
  },
  {
    name: "the link between master and slave is reset for 10 s",
    slaves: 1,
    async play(scene, audit) {
      await scene.resetLink(scene.master, first(scene.slaves), 10_000);
      await scene.sleep(1000);
      audit.stop();
      await scene.assertWhole();
      return scene.master;
    },
  },
  {
    name: "the link to one of two slaves drops packets for 20 s",
    slaves: 2,
    async play(scene, audit) {
      const slave = first(scene.slaves);
      scene.cutLink(scene.master, slave);
      await scene.sleep(20_000);
      assertLess(audit.gapMs, TIMEOUT_MS + 1000);
      scene.mendLink(scene.master, slave);
      audit.stop();
      await scene.assertWhole();
      return scene.master;
    },
  },
  {
    name: "the disk of one of two slaves is full for 12 s, then the master dies",
    slaves: 2,
    async play(scene) {
      const [full, other] = scene.slaves as [ClusterNode, ClusterNode];
      scene.host(full).disk.freeBytes = 0;
      await scene.sleep(12_000);
      scene.daemon(scene.master).kill();
      scene.host(full).disk.freeBytes = Number.POSITIVE_INFINITY;
      await scene.sleep(10_000);
      return masterOf(scene).key === scene.master.key ? other : masterOf(scene);
    },
  },
  {
    name: "the power of the master fails for a moment, and its slave has everything",
    slaves: 1,
    options: { fsync: "interval" },
    async play(scene) {
      scene.daemon(scene.master).cutPower();
      scene.daemon(scene.master).start();
      await scene.sleep(15_000);
      return masterOf(scene);
    },
  },
  {
    name: "the power of the master fails for a moment, and its two slaves have everything",
    slaves: 2,
    options: { fsync: "os" },
    async play(scene) {
      scene.daemon(scene.master).cutPower();
      scene.daemon(scene.master).start();
      await scene.sleep(15_000);
      assertNotEquals(masterOf(scene).key, scene.master.key);
      return masterOf(scene);
    },
  },
  {
    name: "the index server is restarted with a map from before the failover",
    slaves: 1,
    async play(scene) {
      const { index } = scene.run.cluster;
      const slave = first(scene.slaves);
      const files = index.host.disk.backup(DATA_DIR);
      scene.daemon(scene.master).kill();
      await untilPromoted(scene, slave);
      scene.daemon(scene.master).start();
      await scene.sleep(3000);
      index.kill();
      index.host.disk.restore(DATA_DIR, files);
      index.start();
      await scene.sleep(20_000);
      return slave;
    },
  },
  {
    name: "a second index server works on the same map and is cut from the master",
    slaves: 1,
    async play(scene) {
      const { index } = scene.run.cluster;
      const second = scene.run.cluster.secondIndex();
      cut(scene, second.host, scene.host(scene.master));
      second.start();
      await scene.sleep(20_000);
      scene.run.world.network.heal();
      await scene.sleep(5000);
      second.kill();
      index.kill();
      index.start();
      await scene.sleep(5000);
      return masterOf(scene);
    },
  },
  {
    name: "a node with a map from before the failover sends writes to the former master, which is a slave now",
    slaves: 1,
    async nodes(scene) {
      scene.run.addNodes(1);
      const isThere = (): ClusterNode | undefined => scene.run.cluster.map?.nodes.find(({ role }) => role === NodeRole.proxy);
      await scene.until(() => isThere() !== undefined, 5000, "the proxy is there");
      return [first(scene.slaves), isThere() as ClusterNode];
    },
    async play(scene) {
      const { index } = scene.run.cluster;
      const { master, run } = scene;
      const slave = first(scene.slaves);
      const proxy = run.cluster.nodes.at(-1)?.host as SimHost;
      cut(scene, proxy, index.host);
      scene.daemon(master).kill();
      await untilPromoted(scene, slave);
      scene.daemon(master).start();
      await scene.until(() => scene.place(master).startsWith("proxy active"), 10_000, "the former master is back");
      const operator = new SimClient(run.world.host("operator").start(), index.host.name, INDEX_PORT, 10_000);
      const answer = await operator.request(`node role ${master.host} ${master.port} slave 1 0\r\n`, "line");
      assertEquals(answer, { kind: "line", line: "OK" });
      operator.close();
      await scene.sleep(10_000);
      return slave;
    },
  },
];

describe("with synchronous replication no acknowledged write is lost, and nothing stale is read, when", () => {
  for (const { name, slaves, options, nodes, play: story } of STORIES) {
    it(name, { timeout: 60_000 }, async () => {
      await play(name, slaves, options ?? {}, async (scene) => {
        const audit = new Audit(scene, await nodes?.(scene));
        await scene.sleep(500);
        const node = await story(scene, audit);
        audit.stop();
        await scene.sleep(1000);
        const lost = await audit.lostAt(node);
        assertEquals([lost, audit.missing], [[], []]);
        assertGreater(audit.acknowledged.length, 300);
        assertGreater(audit.shown, audit.acknowledged.length / 2);
      });
    });
  }
});
