/**
 * A cluster whose servers all live in the process of the test, over real sockets; nothing a node holds survives its end.
 */

import type { Runtime } from "../../../lib/runtime/runtime.ts";
import type { IndexServer, NodeServer } from "../../../mod.ts";
import { startIndexServer, startNodeServer } from "../../../mod.ts";
import { freePorts } from "../../support/free_ports.ts";
import { MortalRuntime } from "../../support/mortal_runtime.ts";
import {
  type ClusterDriver,
  type HostPort,
  MONITOR_INTERVAL_S,
  MONITOR_THRESHOLD,
  MOVED_KEYS_DELAY_S,
} from "./cluster_driver.ts";

const HOST = "127.0.0.1";
const MEMORY_BYTES_MAX = 16 * 1048576;

export class InProcessDriver implements ClusterDriver {
  readonly runtime: Runtime;
  readonly index: HostPort;
  readonly workers = 80;
  readonly nodes: HostPort[] = [];
  readonly #directory: string;
  readonly #latencyMsMax: number;
  readonly #lives = new Map<HostPort, { readonly runtime: MortalRuntime; readonly server: NodeServer }>();
  #indexServer: IndexServer | undefined;

  private constructor(runtime: Runtime, directory: string, port: number, latencyMsMax: number) {
    this.runtime = runtime;
    this.#latencyMsMax = latencyMsMax;
    this.#directory = directory;
    this.index = { host: HOST, port };
  }

  /**
   * @param directory for the node map; @param nodesMax nodes there will ever be
   * @param latencyMsMax what a node receives arrives late by up to so much, on each connection by another time
   */
  static async start(runtime: Runtime, directory: string, nodesMax: number, latencyMsMax: number): Promise<InProcessDriver> {
    const port = await freePorts(1 + nodesMax);
    const driver = new InProcessDriver(runtime, directory, port, latencyMsMax);
    await driver.#startIndex();
    return driver;
  }

  async addNode(): Promise<HostPort> {
    const node = { host: HOST, port: this.index.port + this.nodes.length + 1 };
    this.nodes.push(node);
    await this.startNode(node);
    return node;
  }

  async startNode(node: HostPort): Promise<void> {
    const runtime = new MortalRuntime(this.runtime, this.#latencyMsMax);
    const server = await startNodeServer({
      runtime,
      bind: HOST,
      serverName: HOST,
      serverPort: node.port,
      indexServers: [this.index],
      storageType: "memory",
      memoryBytesMax: MEMORY_BYTES_MAX,
      movedKeysDelayMs: MOVED_KEYS_DELAY_S * 1000,
    });
    this.#lives.set(node, { runtime, server });
  }

  async stopNode(node: HostPort): Promise<void> {
    await this.#life(node).server.stop();
    this.#lives.delete(node);
  }

  async killNode(node: HostPort): Promise<void> {
    await this.#life(node).runtime.kill();
    this.#lives.delete(node);
  }

  async restartIndex(): Promise<void> {
    await this.#indexServer?.stop();
    await this.#startIndex();
  }

  async clear(): Promise<void> {
    await this.#indexServer?.stop();
    for (const { server } of this.#lives.values()) await server.stop({ announce: false });
  }

  async #startIndex(): Promise<void> {
    this.#indexServer = await startIndexServer({
      runtime: this.runtime,
      bind: HOST,
      serverName: HOST,
      serverPort: this.index.port,
      dataDir: this.#directory,
      monitorIntervalMs: MONITOR_INTERVAL_S * 1000,
      monitorThreshold: MONITOR_THRESHOLD,
    });
  }

  #life(node: HostPort): { readonly runtime: MortalRuntime; readonly server: NodeServer } {
    const life = this.#lives.get(node);
    if (life === undefined) throw new Error(`"${node.host}:${node.port}" does not run`);
    return life;
  }
}
