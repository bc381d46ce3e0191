/**
 * Runs that find planted bugs: without one they are clean, because each leaves out what the cluster does not promise yet. One
 * fault comes after another, each when the cluster has got over the last one.
 */

import { NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { compareReplicas, MapWatch } from "../../../lib/testing/checks.ts";
import type { Daemon } from "../../../lib/testing/fault_kinds.ts";
import { FaultKind, Faults } from "../../../lib/testing/faults.ts";
import { Operator, type Shape } from "../../../lib/testing/operator.ts";
import { SimCluster, type SimClusterOptions } from "../../../lib/testing/sim_cluster.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import { SimWorld } from "../../../lib/testing/sim_world.ts";
import { liveWithCut } from "../power_cuts.ts";
import { runOnce } from "../run_seed.ts";
import { StrictLoad } from "./strict_load.ts";

/** How many changes of the disk a life has, about. */
const CHANGES_OF_A_LIFE = 180;
const ROUNDS = 3;
const QUIET_MS = 3000;
const COPY_START_MS_MAX = 3000;
const SLOW_LINK_US = 80_000;
const RUN_MS_MAX = 900_000;

/** By name: a run with a seed. @throws Error what is wrong */
export const SEARCHES: { readonly [name: string]: (seed: string) => Promise<void> } = {
  /** The power of a node alone fails somewhere. */
  async power(seed) {
    const { random } = new SimWorld(`search ${seed}`);
    await liveWithCut(seed, { changes: random.between(0, CHANGES_OF_A_LIFE), outcome: random.between(0, 9) });
  },

  /** Nodes stand still or are cut off, while their partition goes on without them. */
  cutOff: (seed) => clean(["sync-pause-1", "sync-indexCut-2", "sync-isolate-2", "sync-cut-1", "sync-indexCut-1"], seed),

  /** What three index servers share fails, while the map changes. */
  leaders: (seed) => clean(["sync-mapService"], seed),

  /** Connections break at times. */
  resets: (seed) => clean(["sync-reset-1", "sync-resetAll-2", "sync-resetAll-1"], seed),

  /** Nodes are killed, and come back, while a partition is added. */
  growing: (seed) => clean(["grow-kill"], seed),

  /** Nodes do not get the node map in time while a partition is added. */
  lateMaps: (seed) => clean(["grow-indexCut"], seed),

  /** Links and disks are slow at times. */
  slowPeers: (seed) => clean(["slowPeers"], seed),

  /** Disks are full at times. */
  fullDisks: (seed) => clean(["sync-fullDisk-1", "sync-fullDisk-2"], seed),

  /** Disks fail at times. */
  failingDisks: (seed) => clean(["sync-brokenDisk-1", "sync-failingAppend-2", "sync-descriptors-1"], seed),

  /** The cluster grows, gets slaves and loses them, without a fault. */
  reshape: (seed) =>
    search(seed, {
      kinds: [],
      options: { replicationType: "sync", node: { noreplyWindowLimit: 20 } },
      shapes: [
        { partitions: 1, slaves: 1 },
        { partitions: 2, slaves: 1 },
        { partitions: 3, slaves: 1 },
        { partitions: 3, slaves: 0 },
      ],
      nodes: 6,
    }),

  /** Nodes refuse writes because their disks are full, and lose connections: a slave that misses a write must not stay one. */
  missedCopies: (seed) =>
    search(seed, {
      kinds: [FaultKind.fullDisk, FaultKind.resetAll],
      options: { replicationType: "sync" },
      shapes: [{ partitions: 1, slaves: 1 }],
      nodes: 2,
    }),

  /** Nobody reaches a master while its slave is still copying; it comes back with everything. */
  copyingFailover: (seed) =>
    search(seed, {
      victims: "masters",
      whileReshaping: true,
      rounds: 1,
      kinds: [FaultKind.isolate],
      options: { replicationType: "sync" },
      shapes: [{ partitions: 1, slaves: 1 }],
      nodes: 2,
    }),

  /** A disk of nodes alone is full, or fails, and their processes end. */
  disks: (seed) =>
    search(seed, {
      kinds: [FaultKind.fullDisk, FaultKind.failingAppend, FaultKind.kill, FaultKind.descriptors],
      options: { fsync: "always" },
      shapes: [{ partitions: 1, slaves: 0 }],
      nodes: 1,
    }),

  /** A master comes back without its data while its slave has all of it. */
  emptyMaster: (seed) =>
    search(seed, {
      victims: "masters",
      kinds: [FaultKind.lostData],
      options: { replicationType: "sync" },
      shapes: [{ partitions: 1, slaves: 1 }],
      nodes: 3,
    }),
};

interface Search {
  readonly kinds: readonly FaultKind[];
  /** Where the faults strike; absent: at any node. */
  readonly victims?: "masters";
  /** The first fault strikes while a node copies, over slow links. */
  readonly whileReshaping?: boolean;
  readonly options: Partial<SimClusterOptions>;
  /** Faults at each shape. */
  readonly rounds?: number;
  readonly shapes: readonly Shape[];
  readonly nodes: number;
}

async function search(seed: string, plan: Search): Promise<void> {
  const world = new SimWorld(`search ${seed}`);
  try {
    await world.drive(run(world, plan), RUN_MS_MAX);
  } catch (error) {
    const faults = world.trace.tail.filter((line) => line.includes(" fault: "));
    throw new Error([(error as Error).message, ...faults].join("\n"));
  }
}

async function run(
  world: SimWorld,
  { kinds, victims, whileReshaping, rounds = ROUNDS, options, shapes, nodes }: Search,
): Promise<void> {
  const random = world.random.split("search");
  const cluster = new SimCluster(world, {
    replicationType: random.chance(0.5) ? "sync" : "async",
    syncReads: random.chance(0.5),
    fsync: random.pick(["always", "interval", "os"]),
    ...options,
  });
  const watch = new MapWatch(cluster, (message) => world.fail(message));
  world.onEvent = () => watch.look();
  const faults = new Faults(cluster, world.random.split("faults"), kinds);
  cluster.startIndex();
  const operator = new Operator(cluster);
  for (let node = 0; node < nodes; node++) cluster.addNode();
  const load = new StrictLoad(cluster);
  await operator.reshape({ partitions: 1, slaves: 0 });
  load.start();
  await world.sleep(500);
  if (whileReshaping === true) slowDown(cluster);
  for (const shape of shapes) {
    const reshaping = operator.reshape(shape);
    if (whileReshaping === true) await copying(cluster, random);
    else await reshaping;
    for (let round = 0; round < rounds && kinds.length > 0; round++) {
      if (round > 0 || whileReshaping !== true) await world.sleep(random.between(0, 1500));
      await faults.inflict(random.pick(kinds), victimOf(cluster, victims, random));
      await operator.reshape(shape);
    }
    await world.sleep(random.between(0, 1000));
  }
  await load.stop();
  await world.sleep(QUIET_MS);
  await operator.reshape(shapes.at(-1) as Shape);
  for (const difference of await compareReplicas(cluster)) world.fail(`replicas differ: ${difference}`);
  await load.readEverything();
  operator.stop();
}

function victimOf(cluster: SimCluster, victims: Search["victims"], random: SimRandom): Daemon {
  if (victims === undefined) return random.pick(cluster.nodes);
  const masters = cluster.map?.nodes.filter(({ role }) => role === NodeRole.master) ?? [];
  return cluster.nodeOf(random.pick(masters).key) as Daemon;
}

function slowDown({ world, nodes }: SimCluster): void {
  for (const { host: from } of nodes) for (const { host: to } of nodes) world.network.clog(from, to, SLOW_LINK_US);
}

/** Resolves soon after a node began to copy, or when none has for a while. */
async function copying(cluster: SimCluster, random: SimRandom): Promise<void> {
  const { world } = cluster;
  const untilMs = world.nowMs + COPY_START_MS_MAX;
  while (world.nowMs < untilMs && !cluster.map?.nodes.some(({ state }) => state === NodeState.prepare)) await world.sleep(5);
  await world.sleep(random.between(0, SLOW_LINK_US / 1000));
}

/**
 * A run of one of these scenarios, which find nothing.
 * @throws Error what it found
 */
async function clean(scenarios: readonly string[], seed: string): Promise<void> {
  const { error } = await runOnce(scenarios[Number(seed) % scenarios.length] as string, seed);
  if (error !== undefined) throw error;
}
