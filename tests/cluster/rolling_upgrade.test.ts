/**
 * A cluster of 2.0.0 is upgraded server by server under load, and goes back: no request fails, nothing is lost, and nodes say
 * what replication guarantees meanwhile. The servers of 2.0.0 run from the sources in the repository's history.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { ROUNDS_PART } from "../support/daemon.ts";
import { EARLIER_RELEASES, type EarlierRelease, hasRelease, unpackRelease } from "../support/earlier_release.ts";
import { skipWhere } from "../support/skip.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import type { HostPort } from "./scenarios/cluster_driver.ts";
import { ProcessDriver } from "./scenarios/process_driver.ts";
import { type Stage, withStage } from "./scenarios/scenarios.ts";

const skip = skipWhere(!EARLIER_RELEASES.every(hasRelease), "the history of the repository back to 2.0.0 is needed");

type UpgradeStage = Stage<ProcessDriver>;

/** Plays with two partitions of one slave each and a proxy, all of an earlier release. */
function withOldCluster(
  release: EarlierRelease,
  play: (stage: UpgradeStage, nodes: Nodes, sources: string) => Promise<void>,
): Promise<void> {
  return withTemporaryDirectory(async (sources) => {
    unpackRelease(release, sources);
    await withStage(
      (runtime, directory, nodesMax) =>
        ProcessDriver.start(runtime, directory, nodesMax, ["--replication-type", "sync"], sources),
      5,
      async (stage) => {
        const [masterA, masterB, slaveA, slaveB, proxy] = await stage.twoPartitions();
        await play(stage, { masters: [masterA, masterB], slaves: [slaveA, slaveB], proxy }, sources);
      },
    );
  });
}

interface Nodes {
  readonly masters: readonly [HostPort, HostPort];
  readonly slaves: readonly [HostPort, HostPort];
  readonly proxy: HostPort;
}

/** Restarts a replica, which copies its partition again and becomes its slave. */
async function restartReplica(stage: UpgradeStage, name: string, node: HostPort, partition: number): Promise<void> {
  await stage.step(name, async () => {
    await stage.restart(node);
    await stage.operator.addSlave(node, partition);
  });
}

/** Restarts slaves before masters: each master hands over to a slave that was restarted. */
async function restartNodes(stage: UpgradeStage, { masters, slaves, proxy }: Nodes): Promise<void> {
  await stage.step("the proxy", () => stage.restart(proxy));
  for (const [partition, slave] of slaves.entries()) {
    await restartReplica(stage, `the slave of partition ${partition}`, slave, partition);
  }
  for (const [partition, master] of masters.entries()) {
    await restartReplica(stage, `the master of partition ${partition}`, master, partition);
  }
}

async function guaranteesOf(stage: UpgradeStage, node: HostPort): Promise<string | undefined> {
  return (await stage.operator.stats(node, " replication")).get("replication_guarantees");
}

describe("a rolling upgrade", { skip }, () => {
  // Under Node alone: the other test has the same steps.
  for (const release of ROUNDS_PART < 1 ? [] : EARLIER_RELEASES) {
    it(`from ${release}: the index server first`, { timeout: 240_000 }, () =>
      withOldCluster(release, async (stage, nodes) => {
        const { cluster } = stage;
        cluster.useRelease(undefined);
        await stage.step("the index server", () => cluster.restartIndex());
        await restartNodes(stage, nodes);
        // The slaves are the masters now.
        for (const node of nodes.slaves) assertEquals(await guaranteesOf(stage, node), "sync");
      }),
    );
  }

  it("from 2.0.0 with data format 2: the nodes first, and back", { timeout: 240_000 }, () =>
    withOldCluster("2.0.0 with data format 2", async (stage, nodes, sources) => {
      const { cluster } = stage;
      cluster.useRelease(undefined);
      await restartNodes(stage, nodes);
      const { masters: slaves, slaves: masters, proxy } = nodes;
      await stage.step("the index server", async () => {
        for (const node of masters) assertEquals(await guaranteesOf(stage, node), "legacy");
        await cluster.restartIndex();
      });

      cluster.useRelease(sources);
      await restartNodes(stage, { masters, slaves, proxy });
      await stage.step("the index server, back", () => cluster.restartIndex());
    }),
  );
});
