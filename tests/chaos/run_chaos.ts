/**
 * One chaos run: a cluster of real processes under load, a fault at regular intervals, an operator who puts spare nodes in the
 * places of lost ones; then everything is healed, must recover, and is judged. The seed decides which faults strike when.
 */

import { KEY_HASHES } from "../../lib/cluster/key_hash.ts";
import { KeyResolver } from "../../lib/cluster/key_resolver.ts";
import { NodeRole, NodeState } from "../../lib/cluster/node.ts";
import { isRead } from "../../lib/testing/item_model.ts";
import { type Finding, FindingKind, type JudgedHistory, judge } from "../../lib/testing/judge.ts";
import { Operator } from "../../lib/testing/operator.ts";
import { SimClient } from "../../lib/testing/sim_client.ts";
import { Workload } from "../../lib/testing/workload.ts";
import { longestSilence, type Span } from "./availability.ts";
import { ChaosCluster, type ClusterOptions } from "./chaos_cluster.ts";
import { type FaultKind, inflict } from "./chaos_faults.ts";
import { replicaDifferences } from "./replicas.ts";

/** What happens in a run. */
export interface ChaosOptions extends Omit<ClusterOptions, "nodes"> {
  /** How long faults strike. */
  readonly seconds: number;
  /** Between two faults. */
  readonly intervalMs: number;
  readonly kinds: readonly FaultKind[];
  readonly partitions: number;
  /** Of each partition. */
  readonly slaves: number;
  /** Ends the faults early. */
  readonly signal?: AbortSignal;
}

/** How long the writes of a partition stood still. */
export interface Silence {
  readonly partition: number;
  /** The longest time without a successful write. */
  readonly longest: Span;
  /** The longest part of such a time in which a replica of the in-sync set and the index server suffered no fault. */
  readonly unexcused: Span;
}

/** What a run has shown. */
export interface ChaosReport extends JudgedHistory {
  readonly acknowledgedWrites: number;
  readonly silences: readonly Silence[];
  /** Servers that ended by themselves, however often. */
  readonly ends: number;
  /** From the end of the last fault until the cluster was whole, with equal replicas. */
  readonly recoveryMs: number;
  /** What happened, in lines. */
  readonly notes: readonly string[];
}

const CLIENTS = 6;
const KEYS = 40;
const PAUSE_MS_MAX = 60;
const DURATION_MS_MIN = 200;
const DURATION_MS_MAX = 8000;
/** One fault in eight takes longer than anything waits for an answer. */
const LONG_MS_MAX = 20_000;
const CALM_MS = 2000;
/** Within this time after the last fault everything is whole. */
const RECOVERY_MS_MAX = 60_000;
const LOOK_MS = 100;
const READ_MS_MAX = 10_000;
const DIFFERENCES_SHOWN = 5;
const ACKNOWLEDGED = /^(STORED|DELETED|\d+)$/;
/** How the index server spreads keys: its defaults. */
const RESOLVER = new KeyResolver({ partitionSize: 1024, hint: 1, virtual: 4096 });

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const cluster = await ChaosCluster.start({ ...options, nodes: options.partitions * (1 + options.slaves) + 1 });
  try {
    return await new ChaosRun(cluster, options).run();
  } finally {
    await cluster.clear();
  }
}

class ChaosRun {
  readonly #cluster: ChaosCluster;
  readonly #options: ChaosOptions;
  readonly #operator: Operator;
  readonly #workload: Workload;
  readonly #findings: Finding[] = [];
  /** By partition: when no write was to be expected. */
  readonly #excused: Span[][];
  #watching = true;

  constructor(cluster: ChaosCluster, options: ChaosOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#operator = new Operator(cluster);
    this.#workload = new Workload(cluster, { clients: CLIENTS, keys: KEYS, pauseMsMax: PAUSE_MS_MAX, mayFail: true });
    this.#excused = Array.from({ length: options.partitions }, () => []);
  }

  async run(): Promise<ChaosReport> {
    const { world } = this.#cluster;
    const { partitions, slaves } = this.#options;
    await this.#operator.reshape({ partitions, slaves });
    world.note("the cluster is formed");
    this.#workload.start();
    await world.sleep(CALM_MS);
    const fromUs = world.clock.nowUs;
    const watching = this.#watch();
    await this.#rage();
    const healedUs = world.clock.nowUs;
    await world.sleep(CALM_MS);
    this.#watching = false;
    await watching;
    const whole: Span = { fromUs, toUs: world.clock.nowUs };
    await this.#recover(healedUs);
    await this.#workload.stop();
    await this.#compare(healedUs);
    const recoveryMs = (world.clock.nowUs - healedUs) / 1000;
    await this.#readEverything();
    this.#operator.stop();
    return this.#report(whole, recoveryMs);
  }

  /** Lets faults strike; resolves when the last one is over. */
  async #rage(): Promise<void> {
    const { world, servers } = this.#cluster;
    const random = world.random.split("faults");
    const underway: Promise<void>[] = [];
    const { seconds, intervalMs, kinds, signal } = this.#options;
    for (const endUs = world.clock.nowUs + seconds * 1e6; world.clock.nowUs < endUs && signal?.aborted !== true; ) {
      const server = random.pick(servers);
      const other = random.pick(servers.filter((each) => each !== server));
      const durationMs = random.between(DURATION_MS_MIN, random.chance(1 / 8) ? LONG_MS_MAX : DURATION_MS_MAX);
      underway.push(
        inflict(random.pick(kinds), {
          ...{ cluster: this.#cluster, server, other, durationMs },
          random: random.split("fault"),
        }),
      );
      await world.sleep(intervalMs);
    }
    await Promise.all(underway);
    world.note("all faults are over");
  }

  /** Notes the times in which no write is to be expected. */
  async #watch(): Promise<void> {
    const { world, index } = this.#cluster;
    const begun: (number | undefined)[] = this.#excused.map(() => undefined);
    while (this.#watching || begun.some((fromUs) => fromUs !== undefined)) {
      for (const [partition, excused] of this.#excused.entries()) {
        const isAble = !this.#watching || (index.troubles === 0 && this.#hasHealthyReplica(partition));
        const { nowUs } = world.clock;
        const fromUs = begun[partition];
        if (!isAble) begun[partition] ??= nowUs;
        else if (fromUs !== undefined) {
          excused.push({ fromUs, toUs: nowUs });
          begun[partition] = undefined;
        }
      }
      await world.sleep(LOOK_MS);
    }
  }

  #hasHealthyReplica(partition: number): boolean {
    const nodes = this.#cluster.map?.nodes ?? [];
    return nodes.some((node) => {
      const isInSync = node.partition === partition && node.state === NodeState.active;
      return isInSync && this.#cluster.nodeOf(node.key)?.troubles === 0;
    });
  }

  /** Waits until the cluster has its shape again. */
  async #recover(healedUs: number): Promise<void> {
    const { world, map } = this.#cluster;
    while (!this.#operator.settled) {
      if (world.clock.nowUs - healedUs > RECOVERY_MS_MAX * 1000) {
        const nodes = (map?.nodes ?? []).map(({ key, role, state, partition }) => `${key} ${role} ${state} ${partition}`);
        this.#found(FindingKind.unserved, `the cluster did not get its shape back: ${nodes.join(", ")}`);
        return;
      }
      await world.sleep(LOOK_MS);
    }
    world.note("the cluster has its shape");
  }

  /** Waits until replicas are equal. */
  async #compare(healedUs: number): Promise<void> {
    const { world } = this.#cluster;
    for (;;) {
      const differences = await replicaDifferences(this.#cluster);
      if (differences.length === 0) return;
      if (world.clock.nowUs - healedUs > RECOVERY_MS_MAX * 1000) {
        const shown = differences.slice(0, DIFFERENCES_SHOWN).join("\n");
        this.#found(FindingKind.differ, `${differences.length} differences between replicas:\n${shown}`);
        return;
      }
      await world.sleep(1000);
    }
  }

  /** Reads every key through every node. */
  async #readEverything(): Promise<void> {
    const { history, request } = this.#workload;
    const process = this.#cluster.world.host("reader").start();
    const masters = (this.#cluster.map?.nodes ?? []).filter(({ role }) => role === NodeRole.master);
    for (const node of this.#cluster.nodes) {
      const { host, port } = this.#cluster.addressOf(node);
      const client = new SimClient(process, host, port, READ_MS_MAX);
      const asked = history.keys.map((key) => {
        const final = masters.some((master) => master.key === client.target && master.partition === this.#partitionOf(key));
        return request(client, { client: "reader", key, command: { name: "gets" }, final });
      });
      for (const { ended } of asked) await ended;
      const failed = asked.find(({ operation }) => operation.returnUs === undefined);
      if (failed !== undefined) this.#found(FindingKind.unserved, `${failed.operation}`);
      client.close();
    }
  }

  #report(whole: Span, recoveryMs: number): ChaosReport {
    const { world, servers } = this.#cluster;
    const { history } = this.#workload;
    const writes = history.keys.flatMap((key) =>
      history
        .of(key)
        .filter(({ command, answer }) => !isRead(command) && answer?.kind === "line" && ACKNOWLEDGED.test(answer.line))
        .map(({ returnUs }) => ({ partition: this.#partitionOf(key), atUs: returnUs as number })),
    );
    const silences = this.#excused.map((excused, partition) => {
      const timesUs = writes.filter((write) => write.partition === partition).map(({ atUs }) => atUs);
      return { partition, longest: longestSilence(timesUs, whole), unexcused: longestSilence(timesUs, whole, excused) };
    });
    for (const failure of world.failures) this.#found(FindingKind.wrongValue, failure);
    const judged = judge(history);
    return {
      ...judged,
      findings: [...this.#findings, ...judged.findings],
      acknowledgedWrites: writes.length,
      silences,
      ends: servers.reduce((sum, server) => sum + server.ends, 0),
      recoveryMs,
      notes: world.notes,
    };
  }

  #partitionOf(key: string): number {
    const { partitions } = this.#options;
    const bytes = new TextEncoder().encode(key);
    return partitions === 1 ? 0 : RESOLVER.resolve(KEY_HASHES.simple(bytes, 0, bytes.length), partitions);
  }

  #found(kind: FindingKind, explanation: string): void {
    this.#cluster.world.note(`found ${kind}: ${explanation}`);
    this.#findings.push({ kind, explanation });
  }
}
