/**
 * A cluster whose servers are processes, the index server and the nodes under whichever of Node, Deno and Bun are
 * installed, mixed; their data are on disk.
 */

import type { Runtime } from "../../../lib/runtime/runtime.ts";
import { INDEX, ProcessCluster } from "../../support/process_cluster.ts";
import {
  type ClusterDriver,
  type HostPort,
  MONITOR_INTERVAL_S,
  MONITOR_THRESHOLD,
  MOVED_KEYS_DELAY_S,
} from "./cluster_driver.ts";

export class ProcessDriver implements ClusterDriver {
  readonly runtime: Runtime;
  readonly workers = 40;
  readonly nodes: HostPort[] = [];
  readonly #cluster: ProcessCluster;
  readonly #nodeArgs: readonly string[];

  private constructor(runtime: Runtime, cluster: ProcessCluster, nodeArgs: readonly string[]) {
    this.runtime = runtime;
    this.#cluster = cluster;
    this.#nodeArgs = nodeArgs;
  }

  /**
   * @param directory of all data; @param nodesMax nodes there will ever be; @param nodeArgs further options of every node
   * @param sources of another release, for `useRelease`
   */
  static async start(
    runtime: Runtime,
    directory: string,
    nodesMax: number,
    nodeArgs: readonly string[] = [],
    sources?: string,
  ): Promise<ProcessDriver> {
    const driver = new ProcessDriver(runtime, await ProcessCluster.prepare(directory, 1 + nodesMax), nodeArgs);
    driver.useRelease(sources);
    await driver.#startIndex();
    return driver;
  }

  /** Servers that are started from now on are of another release, whose sources are there; undefined: of this one. */
  useRelease(sources: string | undefined): void {
    this.#cluster.sources = sources;
  }

  /** What all servers have said so far. */
  get output(): string {
    return this.#cluster.programs.map(({ output }) => output).join("");
  }

  get index(): HostPort {
    return this.#cluster.address(INDEX);
  }

  async addNode(): Promise<HostPort> {
    const node = this.#cluster.address(this.nodes.length + 1);
    this.nodes.push(node);
    await this.startNode(node);
    return node;
  }

  async startNode(node: HostPort): Promise<void> {
    await this.#cluster.start(this.#number(node), [
      ...["--index-servers", this.#cluster.key(INDEX), "--memory-limit", "16", "--fsync", "os"],
      ...["--moved-keys-delay", String(MOVED_KEYS_DELAY_S), ...this.#nodeArgs],
    ]);
  }

  stopNode(node: HostPort): Promise<void> {
    return this.#cluster.end(this.#number(node), "SIGTERM");
  }

  killNode(node: HostPort): Promise<void> {
    return this.#cluster.end(this.#number(node), "SIGKILL");
  }

  /** Lets a node stand still, or go on. */
  signalNode(node: HostPort, signal: "SIGSTOP" | "SIGCONT"): void {
    this.#cluster.signal(this.#number(node), signal);
  }

  async restartIndex(): Promise<void> {
    await this.#cluster.end(INDEX, "SIGTERM");
    await this.#startIndex();
  }

  clear(): Promise<void> {
    return this.#cluster.clear();
  }

  async #startIndex(): Promise<void> {
    const times = ["--monitor-interval", String(MONITOR_INTERVAL_S), "--monitor-threshold", String(MONITOR_THRESHOLD)];
    await this.#cluster.start(INDEX, times);
  }

  #number(node: HostPort): number {
    return node.port - this.#cluster.firstPort;
  }
}
