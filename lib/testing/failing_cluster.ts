/**
 * A simulated cluster as a test sees it: lets time pass while something is awaited, records what its clients do, and checks all
 * of it at the end. What is judged, and how, is `judge.ts` and `checks.ts`.
 */

import { FlareError } from "../base/errors.ts";
import type { HostPort } from "../base/host_port.ts";
import { NodeRole } from "../cluster/node.ts";
import { NODE_PORT } from "../net/daemon_options.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { compareReplicas, MapWatch } from "./checks.ts";
import { NamedFaults } from "./cluster_faults.ts";
import { History } from "./history.ts";
import { type Finding, FindingKind, judge } from "./judge.ts";
import { Operator, type Shape } from "./operator.ts";
import type {
  CheckOptions,
  CheckReport,
  ClusterLoad,
  FailingCluster,
  LoadOptions,
  RecordingClient,
  RecordingClientOptions,
} from "./public_failing_cluster.ts";
import { RecordedClient } from "./recorded_client.ts";
import { SimClient } from "./sim_client.ts";
import { SimCluster, type SimClusterOptions } from "./sim_cluster.ts";
import { SimWorld } from "./sim_world.ts";
import { Workload } from "./workload.ts";

/** Nothing that is awaited takes longer, in virtual time. */
const RUN_MS_MAX = 3_600_000;
const SETTLED_MS = 60_000;
const RECOVERY_MS = 60_000;
const POLL_MS = 200;
const TIMEOUT_MS = 8000;
const LOAD_PAUSE_MS_MAX = 40;
/** Differences and findings that are printed. */
const SHOWN_MAX = 5;

export interface FailingShape extends Shape {
  /** Nodes besides those of the partitions. */
  readonly spares: number;
}

export class SimulatedCluster implements FailingCluster {
  readonly seed: string;
  readonly faults: NamedFaults;
  readonly #world: SimWorld;
  readonly #cluster: SimCluster;
  readonly #operator: Operator;
  readonly #history = new History();
  readonly #conflicts: string[] = [];
  readonly #loads: Workload[] = [];
  /** What is awaited: rejects each, when nothing can come of it any more. */
  readonly #awaited = new Set<(error: unknown) => void>();
  #isGoingOn = false;
  #isOver = false;
  #clients = 0;
  #nextNode = 0;

  private constructor(seed: string, { partitions, slaves, spares }: FailingShape, options: SimClusterOptions) {
    this.seed = seed;
    this.#world = new SimWorld(seed);
    this.#cluster = new SimCluster(this.#world, options);
    const watch = new MapWatch(this.#cluster, (message) => void this.#conflicts.push(message));
    this.#world.onEvent = () => watch.look();
    this.faults = new NamedFaults(this.#cluster, (work) => this.run(work));
    this.#cluster.startIndex();
    for (let i = 0; i < partitions * (1 + slaves) + spares; i++) this.#cluster.addNode();
    this.#operator = new Operator(this.#cluster);
    this.#operator.shape = { partitions, slaves };
  }

  /** Resolves when the cluster has its shape. */
  static async start(seed: string, shape: FailingShape, options: SimClusterOptions): Promise<SimulatedCluster> {
    const cluster = new SimulatedCluster(seed, shape, options);
    await cluster.settled();
    return cluster;
  }

  get nodes(): readonly string[] {
    return this.#cluster.nodes.map(({ host }) => host.name);
  }

  get index(): string {
    return this.#cluster.index.host.name;
  }

  get indexServers(): readonly string[] {
    return this.#cluster.indexServers.map(({ host }) => host.name);
  }

  get mapService(): string | undefined {
    return this.#cluster.service?.host.name;
  }

  get nowMs(): number {
    return this.#world.nowMs;
  }

  get hash(): string {
    return this.#world.trace.hash;
  }

  leader(): string | undefined {
    return this.#cluster.leader?.host.name;
  }

  master(partition = 0): string | undefined {
    return this.#members(NodeRole.master, partition)[0];
  }

  slaves(partition = 0): readonly string[] {
    return this.#members(NodeRole.slave, partition);
  }

  address(node: string): HostPort {
    if (!this.nodes.includes(node)) {
      throw new FlareError("INVALID_OPTION", `no node "${node}"; there are ${this.nodes.join(", ")}`);
    }
    return { host: node, port: NODE_PORT };
  }

  client({ node, timeoutMs = TIMEOUT_MS }: RecordingClientOptions = {}): RecordingClient {
    const fixed = node === undefined ? undefined : this.address(node);
    return new RecordedClient(this.#world.host(`app${++this.#clients}`), {
      history: this.#history,
      timeoutMs,
      attemptsMax: fixed === undefined ? this.nodes.length : 1,
      nextAddress: () => fixed ?? this.address(this.nodes[this.#nextNode++ % this.nodes.length] as string),
      run: (work) => this.run(work),
    });
  }

  startLoad({ clients = 4, keys = 8 }: LoadOptions = {}): ClusterLoad {
    const load = new Workload(
      this.#cluster,
      { clients, keys, pauseMsMax: LOAD_PAUSE_MS_MAX, mayFail: true, name: `load${this.#loads.length + 1}` },
      this.#history,
    );
    this.#loads.push(load);
    load.start();
    return { stop: () => this.run(() => load.stop()) };
  }

  runtime(name: string): Runtime {
    return this.#world.host(name).start();
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isOver) throw new FlareError("CLOSED", "the cluster is over");
      const fail = (error: unknown): void => {
        this.#awaited.delete(fail);
        reject(error);
      };
      this.#awaited.add(fail);
      work().then((value) => {
        this.#awaited.delete(fail);
        resolve(value);
      }, fail);
      this.#goOn();
    });
  }

  sleep(delayMs: number): Promise<void> {
    return this.run(() => this.#world.sleep(delayMs));
  }

  async settled(limitMs = SETTLED_MS): Promise<void> {
    if (await this.run(() => this.#until(() => this.#operator.settled, this.nowMs + limitMs))) return;
    throw new FlareError("TIMED_OUT", `the cluster does not have its shape after ${limitMs} ms`, { retriable: true });
  }

  async check({ recoveryMs = RECOVERY_MS, allowed = [] }: CheckOptions = {}): Promise<CheckReport> {
    this.faults.heal();
    const found = await this.run(() => this.#recover(this.nowMs + recoveryMs));
    for (const explanation of this.#conflicts) found.push({ kind: FindingKind.mapConflict, explanation });
    const { findings, ...figures } = judge(this.#history);
    found.push(...findings);
    const unexpected = found.filter(({ kind }) => !allowed.includes(kind));
    if (unexpected.length > 0) throw new Error(this.#explain(unexpected));
    return { ...figures, findings: found.map(({ kind, explanation }) => ({ name: kind, explanation })) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#operator.stop();
    for (const host of this.#world.hosts.values()) host.kill();
    for (const fail of [...this.#awaited]) fail(new FlareError("CLOSED", "the cluster is over"));
  }

  #members(role: NodeRole, partition: number): string[] {
    const nodes = this.#cluster.map?.nodes ?? [];
    return nodes.filter((node) => node.role === role && node.partition === partition).map(({ host }) => host);
  }

  /** Lets events happen as long as something is awaited. */
  #goOn(): void {
    if (this.#isGoingOn) return;
    this.#isGoingOn = true;
    this.#world.goOn(
      this.nowMs + RUN_MS_MAX,
      () => this.#awaited.size === 0,
      (error) => {
        this.#isGoingOn = false;
        if (error !== undefined) for (const fail of [...this.#awaited]) fail(error);
      },
    );
  }

  /** Whether a condition has become true in time. */
  async #until(condition: () => boolean, endMs: number): Promise<boolean> {
    while (!condition()) {
      if (this.nowMs >= endMs) return false;
      await this.#world.sleep(POLL_MS);
    }
    return true;
  }

  /** What does not become whole in time. */
  async #recover(endMs: number): Promise<Finding[]> {
    const found: Finding[] = [];
    for (const load of this.#loads) await load.stop();
    if (!(await this.#until(() => this.#operator.settled, endMs))) {
      found.push({ kind: FindingKind.unserved, explanation: "the cluster does not have its shape again" });
    }
    let differences = await compareReplicas(this.#cluster);
    while (differences.length > 0 && this.nowMs < endMs) {
      await this.#world.sleep(POLL_MS);
      differences = await compareReplicas(this.#cluster);
    }
    if (differences.length > 0) {
      const shown = differences.slice(0, SHOWN_MAX).join("\n  ");
      found.push({ kind: FindingKind.differ, explanation: `replicas differ in ${differences.length} keys:\n  ${shown}` });
    }
    const unserved = await this.#readEverything();
    if (unserved !== undefined) found.push({ kind: FindingKind.unserved, explanation: unserved });
    return found;
  }

  /** Reads every key through every node; what could not be read. */
  async #readEverything(): Promise<string | undefined> {
    const reader = new Workload(this.#cluster, { clients: 0, keys: 0, pauseMsMax: 0, mayFail: true, name: "" }, this.#history);
    const process = this.#world.host("reader").start();
    let failed: string | undefined;
    for (const node of this.nodes) {
      const { host, port } = this.address(node);
      const client = new SimClient(process, host, port, TIMEOUT_MS);
      const final = this.#isMaster(node);
      const asked = this.#history.keys.map((key) =>
        reader.request(client, { client: "reader", key, command: { name: "gets" }, final }),
      );
      for (const { operation, ended } of asked) {
        await ended;
        if (operation.returnUs === undefined) failed ??= `a key cannot be read: ${operation}`;
      }
      client.close();
    }
    return failed;
  }

  #isMaster(node: string): boolean {
    return (this.#cluster.map?.nodes ?? []).some(({ host, role }) => host === node && role === NodeRole.master);
  }

  #explain(findings: readonly Finding[]): string {
    const shown = findings.slice(0, SHOWN_MAX).map(({ kind, explanation }) => `${kind}: ${explanation}`);
    const more = findings.length > SHOWN_MAX ? [`and ${findings.length - SHOWN_MAX} more`] : [];
    const faults = this.faults.list.map((line) => `  ${line}`);
    return [...shown, ...more, "faults:", ...faults, `to run it again: seed "${this.seed}"`].join("\n");
  }
}
