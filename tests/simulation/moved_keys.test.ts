/**
 * Keys that have moved to a new partition, in a simulated cluster whose node ends before it has removed them.
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

const RUN_MS_MAX = 120_000;
const KEYS = 40;
/** Much longer than the delay of 1 s. */
const LATER_MS = 5000;

describe("keys that have moved to a new partition", () => {
  it("are removed by a node that was restarted before it has removed them", { timeout: 60_000 }, async () => {
    const world = new SimWorld("moved keys");
    const play = async (): Promise<void> => {
      const run = new Run(world, [], { replicationType: "sync", fsync: "always" });
      run.addNodes(2);
      await run.reshape({ partitions: 1, slaves: 0 }, 200);
      const master = run.cluster.map?.nodes.find(({ role }) => role === NodeRole.master) as ClusterNode;
      const node = run.cluster.nodeOf(master.key) as SimDaemon<RunningNode>;
      const client = new SimClient(world.host("setter").start(), master.host, master.port, 60_000);
      for (let i = 0; i < KEYS; i++) await client.request(`set key${i} 0 0 1\r\nx\r\n`, "line");
      run.operator.shape = { partitions: 2, slaves: 0 };
      const isActive = ({ partition, state }: ClusterNode) => partition === 1 && state === NodeState.active;
      while (run.cluster.map?.nodes.some(isActive) !== true) await world.sleep(1);
      run.operator.stop();
      node.kill();
      node.start();
      while (node.server === undefined) await world.sleep(1);
      assertEquals(node.server.items, KEYS);
      await world.sleep(LATER_MS);
      assertGreater(node.server.items, 0);
      assertLess(node.server.items, KEYS);
    };
    await world.drive(play(), RUN_MS_MAX);
  });
});
