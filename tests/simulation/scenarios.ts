/**
 * What is tried in simulated clusters. Each scenario takes its numbers from the seed. Every history is judged; which findings
 * a scenario tolerates is part of it: where replication is asynchronous late reads, and with faults everything but made-up
 * values and maps; otherwise none.
 */

import { NodeRole, NodeState } from "../../lib/cluster/node.ts";
import { type Mutation, MutationKind } from "../../lib/item/mutation.ts";
import { compareReplicas, contentOf, MapWatch } from "../../lib/testing/checks.ts";
import { FaultKind, Faults, LEADER_FAULTS, PASSING_FAULTS } from "../../lib/testing/faults.ts";
import type { ClientOperation } from "../../lib/testing/history.ts";
import { countFindings, type Finding, FindingKind, judge } from "../../lib/testing/judge.ts";
import { Operator, type Shape } from "../../lib/testing/operator.ts";
import { SimClient } from "../../lib/testing/sim_client.ts";
import { SimCluster, type SimClusterOptions } from "../../lib/testing/sim_cluster.ts";
import type { SimRandom } from "../../lib/testing/sim_random.ts";
import type { SimWorld } from "../../lib/testing/sim_world.ts";
import { Workload } from "../../lib/testing/workload.ts";
import { mutation } from "../support/storage_world.ts";
import { Scanner } from "./scanner.ts";

/** What a run has seen. */
export interface RunFigures {
  readonly [name: string]: number;
}

/** A running scenario. */
export class Run {
  readonly world: SimWorld;
  readonly random: SimRandom;
  readonly cluster: SimCluster;
  readonly operator: Operator;
  readonly faults: Faults;
  readonly figures: Record<string, number> = {};
  readonly findings: Finding[] = [];
  /** Findings that do not end the run. */
  readonly #tolerated: readonly FindingKind[];
  #scanner: Scanner | undefined;

  constructor(
    world: SimWorld,
    kinds: readonly FaultKind[],
    options: Partial<SimClusterOptions> = {},
    tolerated: readonly FindingKind[] = [],
  ) {
    this.world = world;
    this.#tolerated = tolerated;
    this.random = world.random.split("scenario");
    this.cluster = new SimCluster(world, {
      replicationType: this.random.chance(0.5) ? "sync" : "async",
      syncReads: this.random.chance(0.5),
      fsync: this.random.pick(["always", "interval", "os"]),
      ...options,
    });
    this.faults = new Faults(this.cluster, world.random.split("faults"), kinds);
    const watch = new MapWatch(this.cluster, (message) => this.#found(FindingKind.mapConflict, message));
    world.onEvent = () => watch.look();
    this.cluster.startIndex();
    this.operator = new Operator(this.cluster);
  }

  addNodes(count: number): void {
    for (let i = 0; i < count; i++) this.cluster.addNode();
  }

  /** @param mayFail whether requests may fail */
  startLoad(mayFail: boolean): Workload {
    const workload = new Workload(this.cluster, { clients: 4, keys: 8, pauseMsMax: 40, mayFail });
    workload.start();
    return workload;
  }

  /** Somebody lists keys from now on, and nothing may keep a list from being complete. */
  async startScans(): Promise<void> {
    this.#scanner = new Scanner(this.cluster, this.world.host("scanner").start(), this.random.split("scanner"));
    await this.#scanner.start();
  }

  /** Grows to a shape and lets the clients work on it for a while. */
  async reshape(shape: Shape, restMs: number): Promise<void> {
    await this.operator.reshape(shape);
    await this.world.sleep(restMs);
  }

  /** Changes the map all the time: the balance of a slave, until the result is called. */
  startChanges(): () => void {
    let isStopped = false;
    const work = async (): Promise<void> => {
      for (let change = 0; !isStopped; change++) {
        const slave = this.cluster.map?.nodes.find(({ role, state }) => role === NodeRole.slave && state === NodeState.active);
        if (slave !== undefined && slave.balance > 0) {
          const balance = 1 + (change % 3);
          await this.operator.node(`role ${slave.host} ${slave.port} slave ${balance} ${slave.partition}`);
        }
        await this.world.sleep(CHANGE_MS);
      }
    };
    void work();
    return () => {
      isStopped = true;
    };
  }

  /** Ends the load and compares everything with everything. */
  async finish(workload: Workload): Promise<void> {
    await workload.stop();
    await this.#scanner?.stop();
    if (this.#scanner !== undefined) this.figures.scans = this.#scanner.scans;
    await this.world.sleep(QUIET_MS);
    for (const difference of await compareReplicas(this.cluster)) this.world.fail(`replicas differ: ${difference}`);
    await this.#compareReads(await this.#readEverything(workload));
    await this.#findQueued();
    this.operator.stop();
    this.#judge(workload);
  }

  /**
   * Ends the load when the cluster has had the time to recover. Nobody makes fresh copies: a replica that was left behind has
   * to find out by itself.
   */
  async recover(workload: Workload): Promise<void> {
    const endMs = this.world.nowMs + RECOVERY_MS;
    await this.settle();
    await workload.stop();
    let differences = await compareReplicas(this.cluster);
    while (differences.length > 0 && this.world.nowMs < endMs) {
      await this.world.sleep(POLL_MS);
      differences = await compareReplicas(this.cluster);
    }
    if (differences.length > 0) {
      const shown = differences.slice(0, DIFFERENCES_SHOWN).join("\n  ");
      this.#found(
        FindingKind.differ,
        `replicas still differ after ${RECOVERY_MS} ms in ${differences.length} keys:\n  ${shown}`,
      );
    }
    const reads = await this.#readEverything(workload);
    const failed = reads.filter(({ returnUs }) => returnUs === undefined);
    if (failed.length > 0) this.#found(FindingKind.unserved, `${failed.length} keys cannot be read: ${failed[0]}`);
    this.operator.stop();
    this.#judge(workload);
  }

  /** Waits until the cluster has its shape, and every node is in use. */
  async settle(): Promise<void> {
    const startMs = this.world.nowMs;
    while (!this.operator.settled && this.world.nowMs < startMs + RECOVERY_MS) await this.world.sleep(POLL_MS);
    this.figures.settledMs = Math.round(this.world.nowMs - startMs);
    if (!this.operator.settled) this.#found(FindingKind.unserved, `the cluster has not its shape after ${RECOVERY_MS} ms`);
  }

  /** How many keys differ now; reported, not judged. */
  async countDifferences(): Promise<number> {
    await this.world.sleep(QUIET_MS);
    const differences = await compareReplicas(this.cluster);
    for (const difference of differences) this.world.note(`differs: ${difference}`);
    return differences.length;
  }

  #judge(workload: Workload): void {
    const { findings, ...figures } = judge(workload.history);
    for (const { kind, explanation } of findings) this.#found(kind, explanation);
    Object.assign(this.figures, figures, countFindings(this.findings));
  }

  #found(kind: FindingKind, explanation: string): void {
    this.findings.push({ kind, explanation });
    if (this.#tolerated.includes(kind)) this.world.note(`found ${kind}: ${explanation}`);
    else this.world.fail(`${kind}: ${explanation}`);
  }

  /** Nothing waits for ever in a queue between nodes. */
  async #findQueued(): Promise<void> {
    const process = this.world.host("inspector").start();
    for (const node of this.cluster.nodes) {
      const { host, port } = this.cluster.addressOf(node);
      const client = new SimClient(process, host, port, 10_000);
      // A ping on an idle connection may be under way.
      let looks = 1;
      while (looks <= LOOKS_MAX && !(await this.#hasEmptyQueues(client))) {
        looks++;
        await this.world.sleep(POLL_MS);
      }
      if (looks > LOOKS_MAX) this.world.fail(`"${client.target}" has not emptied its queues`);
      client.close();
    }
  }

  async #hasEmptyQueues(client: SimClient): Promise<boolean> {
    const answer = await client.request("stats threads queue\r\n", "lines");
    return answer.kind === "lines" && answer.lines.includes("STAT total_thread_queue 0");
  }

  /** Reads every key through every node. */
  async #readEverything({ history, request }: Workload): Promise<ClientOperation[]> {
    const { cluster } = this;
    const process = this.world.host("reader").start();
    const reads: ClientOperation[] = [];
    for (const node of cluster.nodes) {
      const { host, port } = cluster.addressOf(node);
      const client = new SimClient(process, host, port, 10_000);
      const isMaster = cluster.map?.nodes.some(({ key, role }) => key === client.target && role === NodeRole.master) ?? false;
      const asked = history.keys.map((key) =>
        request(client, { client: "reader", key, command: { name: "gets" }, final: isMaster }),
      );
      for (const { operation, ended } of asked) {
        await ended;
        reads.push(operation);
      }
      client.close();
    }
    return reads;
  }

  /** Every read shows what the master of the key has. */
  async #compareReads(reads: readonly ClientOperation[]): Promise<void> {
    const { cluster, world, operator } = this;
    const masters = (cluster.map?.nodes ?? []).filter(({ role }) => role === NodeRole.master);
    const stored = new Map<string, string>();
    for (const master of masters) {
      const content = await contentOf(cluster, master.key, master.partition, operator.shape.partitions);
      for (const [key, text] of content) stored.set(key, text);
    }
    for (const read of reads) {
      const item = read.answer?.kind === "items" ? read.answer.items[0] : undefined;
      const seen =
        item === undefined
          ? undefined
          : `v${item.version} flags ${item.flags} ${item.value.length} bytes "${item.value.slice(0, 60)}"`;
      const expected = stored.get(read.key)?.replace(/ expire \d+/, "");
      if (read.answer?.kind !== "items" || seen !== expected) world.fail(`the master has ${expected ?? "nothing"}: ${read}`);
    }
  }
}

const CHANGE_MS = 100;
/** The time without writes after which every copy has arrived. */
const QUIET_MS = 3000;
/** After faults with synchronous replication, everything is served and equal within this time. */
const RECOVERY_MS = 60_000;
const POLL_MS = 500;
/** How often a queue is looked at that is not empty. */
const LOOKS_MAX = 3;
const DIFFERENCES_SHOWN = 5;
/** How long a run may take. */
export const RUN_MS_MAX = 600_000;
const { wrongValue, mapConflict, ...KINDS_OF_LOSS } = FindingKind;
/** A wall clock that jumps far enough ends `tombstone-retention`. */
const AFTER_JUMPS = [FindingKind.forgottenDeletion];
/** What asynchronous replication may do without any. */
const LATE = [FindingKind.earlyRead, FindingKind.staleRead];
/** What asynchronous replication may do under faults: everything but make up values or maps. */
const LOSSY = Object.values(KINDS_OF_LOSS);

export type Scenario = (world: SimWorld) => Promise<Run>;

/** Events of several kinds while a cluster changes, by name. */
export const MIXTURES: { readonly [name: string]: Scenario } = {
  /** One partition becomes two, three and four while clients work. */
  async growth(world) {
    const run = new Run(world, []);
    run.addNodes(4);
    await run.reshape({ partitions: 1, slaves: 0 }, 0);
    const workload = run.startLoad(false);
    await run.startScans();
    for (let partitions = 1; partitions <= 4; partitions++) {
      await run.reshape({ partitions, slaves: 0 }, run.random.between(200, 1500));
    }
    await run.finish(workload);
    return run;
  },

  /** Slaves join one and two partitions while clients work, and partitions are added to a cluster with slaves. */
  async slaves(world) {
    const run = new Run(world, [], { replicationType: "sync" });
    run.addNodes(6);
    await run.reshape({ partitions: 1, slaves: 0 }, 0);
    const workload = run.startLoad(false);
    await run.startScans();
    const shapes = [
      { partitions: 1, slaves: 1 },
      { partitions: 2, slaves: 1 },
      { partitions: 2, slaves: 2 },
    ];
    for (const shape of shapes) await run.reshape(shape, run.random.between(200, 2000));
    await run.finish(workload);
    return run;
  },

  /** The same with asynchronous replication, where a read may come late but never wrong. */
  async lateSlaves(world) {
    const run = new Run(world, [], { replicationType: "async" }, LATE);
    run.addNodes(6);
    await run.reshape({ partitions: 1, slaves: 0 }, 0);
    const workload = run.startLoad(false);
    await run.startScans();
    for (const shape of [
      { partitions: 1, slaves: 2 },
      { partitions: 2, slaves: 1 },
      { partitions: 2, slaves: 2 },
    ]) {
      await run.reshape(shape, run.random.between(200, 2000));
    }
    await run.finish(workload);
    return run;
  },

  /** A cluster grows and gets slaves while links and disks are slow at times: all takes longer, nothing fails. */
  async slowPeers(world) {
    const run = new Run(world, [FaultKind.clog, FaultKind.slowDisk], { replicationType: "sync" });
    run.addNodes(6);
    await run.reshape({ partitions: 1, slaves: 0 }, 0);
    const workload = run.startLoad(false);
    await run.startScans();
    const slowness = run.faults.rage(10_000, 1500);
    for (const shape of [
      { partitions: 1, slaves: 1 },
      { partitions: 2, slaves: 1 },
      { partitions: 2, slaves: 2 },
    ]) {
      await run.reshape(shape, run.random.between(200, 2000));
    }
    await slowness;
    await run.finish(workload);
    return run;
  },

  /** Masters are killed, their slaves take over, and they come back. */
  failover: (world) => withFaults(world, [FaultKind.kill, FaultKind.stop], { partitions: 2, slaves: 1 }, 5),

  /** Every daemon is killed, stopped and cut from power, the index server too. */
  restarts: (world) => withFaults(world, [FaultKind.kill, FaultKind.stop, FaultKind.power], { partitions: 2, slaves: 0 }, 3),

  /**
   * Links between nodes lose everything for a while, and names are slow, but the index server sees every node: what replication
   * owes a slave arrives without another copy.
   */
  async silence(world) {
    const run = new Run(world, [], {}, LOSSY);
    run.addNodes(4);
    await run.reshape({ partitions: 1, slaves: 2 }, 0);
    const workload = run.startLoad(true);
    await world.sleep(500);
    for (let round = 0; round < 3; round++) {
      const from = run.random.pick(run.cluster.nodes).host;
      const to = run.random.pick(run.cluster.nodes.filter(({ host }) => host !== from)).host;
      world.network.cut(from, to);
      if (run.random.chance(0.7)) world.network.cut(to, from);
      world.network.slowNames.set(to.name, run.random.between(0, 30_000));
      await world.sleep(run.random.between(200, 12_000));
      world.network.slowNames.clear();
      world.network.heal();
      await world.sleep(run.random.between(0, 3000));
    }
    // A slave that could not reach its master tries again later and later.
    await run.settle();
    await run.finish(workload);
    return run;
  },

  /** Links are cut and clogged, connections reset, processes paused, names slow. */
  network: (world) =>
    withFaults(
      world,
      [FaultKind.cut, FaultKind.isolate, FaultKind.clog, FaultKind.reset, FaultKind.pause, FaultKind.slowName],
      { partitions: 2, slaves: 1 },
      5,
    ),

  /** Three index servers, of which the leading one fails, and with it what they share, masters and links. */
  leaders: (world) =>
    withLeaders(world, [...LEADER_FAULTS, FaultKind.kill, FaultKind.pause, FaultKind.isolate, FaultKind.drift]),

  /** Everything at once, while the cluster also grows. */
  chaos: (world) => withFaults(world, PASSING_FAULTS, { partitions: 2, slaves: 2 }, 8, { partitions: 3, slaves: 1 }),
};

/** One kind of fault of three index servers, whose map changes all the time; by name. */
const LEADERS: { readonly [name: string]: Scenario } = Object.fromEntries(
  LEADER_FAULTS.map((kind) => [`sync-${kind}`, (world) => withLeaders(world, [kind])]),
);

/** Every kind of fault after which nobody has to help, and two of the others: they may hurt the service, but not the data. */
const ONE_FAULT_KINDS = [...PASSING_FAULTS, FaultKind.oldMap, FaultKind.secondIndex];

/** Those that strike while a partition is added. */
const GROWTH_FAULTS = [
  FaultKind.kill,
  FaultKind.power,
  FaultKind.pause,
  FaultKind.isolate,
  FaultKind.indexCut,
  FaultKind.resetAll,
  FaultKind.loss,
  FaultKind.fullDisk,
  FaultKind.failingSync,
];

/** One kind of fault, synchronous replication, one or two slaves, or a growing cluster; by name. */
export const ONE_FAULT: { readonly [name: string]: Scenario } = Object.fromEntries(
  ONE_FAULT_KINDS.flatMap((kind) => [keepsEverything(kind, 1), keepsEverything(kind, 2)]).concat(
    Object.entries(LEADERS),
    GROWTH_FAULTS.map(keepsEverythingGrowing),
  ),
);

export const SCENARIOS: { readonly [name: string]: Scenario } = { ...MIXTURES, ...ONE_FAULT };

/** Runs with a planted bug, each of which must be found; by name. */
export const CANARIES: { readonly [name: string]: Scenario } = {
  /** A replicated item is not at the slave. */
  lostCopy: (world) => planted(world, mutation(MutationKind.mirrorDeletion, "canary", "", { version: 1 })),
  /** It has another value there than at its master. */
  otherCopy: (world) => planted(world, mutation(MutationKind.mirror, "canary", "chIrp", { version: 1 })),
};

/** One item that is changed at the slave alone. */
async function planted(world: SimWorld, change: Mutation): Promise<Run> {
  const run = new Run(world, [], { replicationType: "async" }, LOSSY);
  run.addNodes(3);
  await run.reshape({ partitions: 1, slaves: 1 }, 0);
  const workload = run.startLoad(true);
  await world.sleep(500);
  const master = run.cluster.map?.nodes.find(({ role }) => role === NodeRole.master);
  if (master === undefined) throw new Error("there is no master");
  const client = new SimClient(world.host("canary").start(), master.host, master.port, 1000);
  await client.request("set canary 0 0 5\r\nchirp\r\n", "line");
  client.close();
  await world.sleep(1000);
  const slave = run.cluster.map?.nodes.find(({ role }) => role === NodeRole.slave);
  if (slave === undefined) throw new Error("there is no slave");
  await run.cluster.nodeOf(slave.key)?.server?.storage.apply(change, 0);
  await run.finish(workload);
  return run;
}

/** A cluster under load, faults for a while, then none, and everything must fit together. */
async function withFaults(
  world: SimWorld,
  kinds: readonly FaultKind[],
  shape: Shape,
  nodes: number,
  grown = shape,
): Promise<Run> {
  const run = new Run(world, kinds, {}, LOSSY);
  run.addNodes(nodes);
  await run.reshape(shape, 0);
  const workload = run.startLoad(true);
  await world.sleep(500);
  run.operator.shape = grown;
  await run.faults.rage(run.random.between(10_000, 30_000), run.random.between(500, 5000));
  await run.reshape(grown, 0);
  await workload.stop();
  // What replication could not deliver stays away until somebody copies again: counted here, mended below.
  run.figures.differ = await run.countDifferences();
  await run.operator.releaseSlaves();
  await run.reshape(grown, 0);
  await run.finish(workload);
  return run;
}

/** Three index servers while synchronous replication is to keep everything, and somebody changes the map all the time. */
async function withLeaders(world: SimWorld, kinds: readonly FaultKind[]): Promise<Run> {
  const options: Partial<SimClusterOptions> = { replicationType: "sync", fsync: "always", indexMachines: 3 };
  const run = new Run(world, kinds, options);
  run.addNodes(3);
  await run.reshape({ partitions: 1, slaves: 1 }, 0);
  const workload = run.startLoad(true);
  const stopChanges = run.startChanges();
  await world.sleep(500);
  await run.faults.rage(run.random.between(10_000, 20_000), 3000);
  stopChanges();
  await run.recover(workload);
  return run;
}

/**
 * One kind of fault while synchronous replication with synced logs is to keep everything, even if all replicas lose their power
 * at once. Nobody helps but what fills up the places of lost slaves.
 */
function keepsEverything(kind: FaultKind, slaves: number): readonly [name: string, scenario: Scenario] {
  const name = `sync-${kind}-${slaves}`;
  return [
    name,
    async (world) => {
      const tolerated = kind === FaultKind.clock ? AFTER_JUMPS : [];
      const run = new Run(world, [kind], { replicationType: "sync", fsync: "always" }, tolerated);
      // One node is left over: a proxy, which takes the place of a lost slave.
      run.addNodes(slaves + 2);
      await run.reshape({ partitions: 1, slaves }, 0);
      const workload = run.startLoad(true);
      await world.sleep(500);
      await run.faults.rage(run.random.between(6000, 12_000), 3000);
      await run.recover(workload);
      return run;
    },
  ];
}

/** The same while one partition becomes two, each with a slave, as soon as the faults let it. */
function keepsEverythingGrowing(kind: FaultKind): readonly [name: string, scenario: Scenario] {
  return [
    `grow-${kind}`,
    async (world) => {
      const run = new Run(world, [kind], { replicationType: "sync", fsync: "always" });
      run.addNodes(5);
      await run.reshape({ partitions: 1, slaves: 1 }, 0);
      const workload = run.startLoad(true);
      await world.sleep(500);
      run.operator.shape = { partitions: 2, slaves: 1 };
      await run.faults.rage(run.random.between(6000, 12_000), 3000);
      await run.recover(workload);
      return run;
    },
  ];
}
