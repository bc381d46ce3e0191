/**
 * Keys that have moved to a new partition, in simulated clusters: their old owner removes them, however long that takes.
 *
 * Covers lib/replication/moved_keys.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { type ClusterNode, NodeRole, NodeState } from "../../lib/cluster/node.ts";
import type { RunningNode } from "../../lib/node_server/node_server.ts";
import { SimClient } from "../../lib/testing/sim_client.ts";
import type { SimDaemon } from "../../lib/testing/sim_cluster.ts";
import { SimWorld } from "../../lib/testing/sim_world.ts";
import { Run } from "./scenarios.ts";

const RUN_MS_MAX = 240_000;
const LIMIT = { timeout: 60_000 };
const KEYS = 40;
/** Much longer than the delay of 1 s. */
const LATER_MS = 5000;
/** After a walk that failed there is another one within this time. */
const RETRY_MS = 65_000;

/** One partition becomes two; `story` begins when the new one is active, with the node that has all keys. */
async function grow(name: string, story: (node: SimDaemon<RunningNode>, world: SimWorld) => Promise<void>): Promise<void> {
  const world = new SimWorld(name);
  const play = async (): Promise<void> => {
    const run = new Run(world, [], { replicationType: "sync", fsync: "always" });
    run.addNodes(2);
    await run.reshape({ partitions: 1, slaves: 0 }, 200);
    const master = run.cluster.map?.nodes.find(({ role }) => role === NodeRole.master) as ClusterNode;
    const client = new SimClient(world.host("setter").start(), master.host, master.port, 60_000);
    for (let i = 0; i < KEYS; i++) await client.request(`set key${i} 0 0 1\r\nx\r\n`, "line");
    run.operator.shape = { partitions: 2, slaves: 0 };
    const isActive = ({ partition, state }: ClusterNode) => partition === 1 && state === NodeState.active;
    while (run.cluster.map?.nodes.some(isActive) !== true) await world.sleep(1);
    run.operator.stop();
    await story(run.cluster.nodeOf(master.key) as SimDaemon<RunningNode>, world);
  };
  await world.drive(play(), RUN_MS_MAX);
}

/** Whether it has only its own keys left. */
function assertRemoved(node: SimDaemon<RunningNode>): void {
  assertGreater(node.server?.items ?? 0, 0);
  assertLess(node.server?.items ?? KEYS, KEYS);
}

describe("keys that have moved to a new partition", () => {
  it("are removed by a node that was restarted before it has removed them", LIMIT, async () => {
    await grow("restarted", async (node, world) => {
      node.kill();
      node.start();
      while (node.server === undefined) await world.sleep(1);
      assertEquals(node.server.items, KEYS);
      await world.sleep(LATER_MS);
      assertRemoved(node);
    });
  });

  it("are removed by a node whose disk was full", LIMIT, async () => {
    await grow("full", async (node, world) => {
      const warnings: string[] = [];
      world.trace.onLine = (line) => void (line.includes("moved keys could not be removed") && warnings.push(line));
      node.host.disk.freeBytes = 0;
      await world.sleep(LATER_MS);
      assertEquals([node.server?.items, warnings.length], [KEYS, 1]);
      node.host.disk.freeBytes = Number.POSITIVE_INFINITY;
      await world.sleep(RETRY_MS);
      assertRemoved(node);
    });
  });
});
