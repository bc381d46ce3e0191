/**
 * What a cluster has to live through while clients use it: growing, losing and getting back replicas, restarts of its
 * servers, the death of a master. One suite for any driver. After each step every answer must have been right, and at
 * rest the cluster must be whole.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Runtime } from "../../../lib/runtime/runtime.ts";
import { clientRuntime, waitUntil } from "../../support/daemon.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { type ClusterDriver, type HostPort, MONITOR_INTERVAL_S, MONITOR_THRESHOLD } from "./cluster_driver.ts";
import { ClusterLoad } from "./cluster_load.ts";
import { inspectCluster, versionDifferences } from "./inspection.ts";
import { Operator } from "./operator.ts";

/** Starts an empty cluster. */
export type StartCluster = (runtime: Runtime, directory: string, nodesMax: number) => Promise<ClusterDriver>;

/** How long clients continue after each step before the cluster is checked. */
const AFTER_MS = 300;
/** How long a failover may take after the index server could know. */
const FAILOVER_MS = MONITOR_INTERVAL_S * MONITOR_THRESHOLD * 1000 + 1000;

/** Declares the scenarios for one kind of cluster. */
export function describeScenarios(name: string, startCluster: StartCluster): void {
  describe(name, () => {
    it("grows from one node to four partitions with replicas", async () => {
      await withStage(startCluster, 6, async (stage) => {
        const [first, second, third, fourth, fifth, sixth] = await stage.addNodes(6);
        const { operator } = stage;
        await operator.addPartition(first, 0);
        await stage.startLoad();
        await stage.step("first slave", () => operator.addSlave(second, 0));
        await stage.step("second partition", () => operator.addPartition(third, 1));
        await stage.step("third partition, which has a slave before it has clients", () =>
          operator.addPartition(fourth, 2, () => operator.addSlave(fifth, 2)),
        );
        await stage.step("fourth partition", () => operator.addPartition(sixth, 3));
      });
    });

    it("reconstructs and restarts its parts", async () => {
      await withStage(startCluster, 5, async (stage) => {
        const [masterA, masterB, slaveA, slaveB, proxy] = await stage.twoPartitions();
        const { operator, cluster } = stage;
        await stage.step("reconstruction of a slave", async () => {
          await operator.change(slaveA, "state", "down");
          await operator.waitFor(slaveA, { role: "proxy", state: "active" });
          await operator.addSlave(slaveA, 0);
        });
        await stage.step("restart of the proxy", () => stage.restart(proxy));
        for (const [slave, partition] of [
          [slaveA, 0],
          [slaveB, 1],
        ] as const) {
          await stage.step(`restart of the slave of partition ${partition}`, async () => {
            await stage.restart(slave);
            await operator.addSlave(slave, partition);
          });
        }
        await stage.step("restart of the index server", () => cluster.restartIndex());
        for (const [master, partition] of [
          [masterA, 0],
          [masterB, 1],
        ] as const) {
          await stage.step(`restart of the master of partition ${partition}`, async () => {
            await stage.restart(master);
            await operator.addSlave(master, partition);
          });
        }
      });
    });

    it("survives kill -9 of a master", async () => {
      await withStage(startCluster, 5, async (stage) => {
        const [masterA, , slaveA] = await stage.twoPartitions();
        const { operator, cluster, load } = stage;
        await stage.step("kill -9 of a master", async () => {
          load.expectTrouble();
          stage.leave(masterA);
          await cluster.killNode(masterA);
          await load.run(FAILOVER_MS);
          await load.endTrouble();
          await operator.waitFor(slaveA, { role: "master", state: "active" });
        });
        await stage.step("return as a slave", async () => {
          await cluster.startNode(masterA);
          stage.enter(masterA);
          await operator.waitFor(masterA, { role: "proxy", state: "active" });
          await operator.addSlave(masterA, 0);
        });
        const untilThen = load.tolerated;
        assert(untilThen > 0, "the killed master was in use");
        await stage.step("kill -9 of a slave", async () => {
          load.expectTrouble();
          stage.leave(masterA);
          await cluster.killNode(masterA);
          await load.run(FAILOVER_MS);
          await load.endTrouble();
        });
        assert(load.tolerated - untilThen <= cluster.workers, "only what was under way through the killed slave failed");
      });
    });
  });
}

type Five = readonly [HostPort, HostPort, HostPort, HostPort, HostPort];
type Six = readonly [...Five, HostPort];

/** A cluster under load, with its operator. */
export class Stage<Cluster extends ClusterDriver = ClusterDriver> {
  readonly cluster: Cluster;
  readonly operator: Operator;
  readonly load: ClusterLoad;
  /** Nodes that run and that clients know. */
  readonly #running: HostPort[] = [];

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.operator = new Operator(cluster);
    this.load = new ClusterLoad(cluster.runtime, cluster.workers, () => this.#running);
  }

  addNodes(count: 5): Promise<Five>;
  addNodes(count: 6): Promise<Six>;
  async addNodes(count: number): Promise<readonly HostPort[]> {
    const nodes = await Promise.all(Array.from({ length: count }, () => this.cluster.addNode()));
    this.#running.push(...nodes);
    return nodes;
  }

  /** Two masters, their slaves and a proxy, under load. */
  async twoPartitions(): Promise<Five> {
    const nodes = await this.addNodes(5);
    const [masterA, masterB, slaveA, slaveB] = nodes;
    await this.operator.addPartition(masterA, 0);
    await this.operator.addPartition(masterB, 1);
    await this.operator.addSlave(slaveA, 0);
    await this.operator.addSlave(slaveB, 1);
    await this.startLoad();
    return nodes;
  }

  /** Begins once every node knows where keys lie. */
  async startLoad(): Promise<void> {
    await waitUntil(async () => {
      return (await versionDifferences(this.cluster, this.operator, this.#running)).length === 0;
    }, "every node has the newest map");
    this.load.start();
    await this.step("fill", () => this.load.run(500));
  }

  /** Does something to the cluster; no answer may have been wrong meanwhile, and then everything is in its place. */
  async step(name: string, work: () => Promise<void>): Promise<void> {
    const startMs = performance.now();
    const { answered, repeated, tolerated } = this.load;
    try {
      await work();
      await this.load.run(AFTER_MS);
      await this.load.pause();
      const loadMs = performance.now() - startMs;
      assertEquals(this.load.failures, []);
      await inspectCluster(this.cluster, this.operator, this.#running, this.load.expected);
      this.load.resume();
      const count = this.load.answered - answered;
      const rate = Math.round((count * 1000) / loadMs);
      const others = `${this.load.repeated - repeated} repeated, ${this.load.tolerated - tolerated} tolerated`;
      console.info(
        `${name}: ${count} right answers, ${rate} a second, ${others}, ${Math.round(performance.now() - startMs)} ms`,
      );
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Ends a node in order and starts it again; it is a proxy then. */
  async restart(node: HostPort): Promise<void> {
    await this.cluster.stopNode(node);
    await this.cluster.startNode(node);
    await this.operator.waitFor(node, { role: "proxy", state: "active" });
  }

  /** Clients forget a node. */
  leave(node: HostPort): void {
    this.#running.splice(this.#running.indexOf(node), 1);
  }

  /** Clients learn of a node. */
  enter(node: HostPort): void {
    this.#running.push(node);
  }
}

/** Starts a cluster, lets it be played with, and ends it. */
export async function withStage<Cluster extends ClusterDriver>(
  startCluster: (runtime: Runtime, directory: string, nodesMax: number) => Promise<Cluster>,
  nodesMax: number,
  play: (stage: Stage<Cluster>) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const cluster = await startCluster(clientRuntime(), directory, nodesMax);
    const stage = new Stage(cluster);
    try {
      await play(stage);
    } finally {
      await stage.load.stop();
      await cluster.clear();
    }
  });
}
