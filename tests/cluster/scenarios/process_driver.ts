/**
 * A cluster whose servers are processes, the index server and the nodes under whichever of Node, Deno and Bun are
 * installed, mixed; their data are on disk.
 */

import { join } from "node:path";
import type { Runtime } from "../../../lib/runtime/runtime.ts";
import { freePorts } from "../../support/free_ports.ts";
import { findLaunchers, type Launcher } from "../../support/launchers.ts";
import { SpawnedProgram } from "../../support/spawn.ts";
import {
  type ClusterDriver,
  type HostPort,
  MONITOR_INTERVAL_S,
  MONITOR_THRESHOLD,
  MOVED_KEYS_DELAY_S,
} from "./cluster_driver.ts";

const HOST = "127.0.0.1";

export class ProcessDriver implements ClusterDriver {
  readonly runtime: Runtime;
  readonly index: HostPort;
  readonly workers = 40;
  readonly nodes: HostPort[] = [];
  readonly #directory: string;
  readonly #launchers: readonly Launcher[];
  readonly #nodeArgs: readonly string[];
  readonly #programs = new Map<HostPort, SpawnedProgram>();

  private constructor(runtime: Runtime, directory: string, port: number, nodeArgs: readonly string[]) {
    this.runtime = runtime;
    this.#directory = directory;
    this.#launchers = findLaunchers();
    this.#nodeArgs = nodeArgs;
    this.index = { host: HOST, port };
  }

  /** @param directory of all data; @param nodesMax nodes there will ever be; @param nodeArgs further options of every node */
  static async start(
    runtime: Runtime,
    directory: string,
    nodesMax: number,
    nodeArgs: readonly string[] = [],
  ): Promise<ProcessDriver> {
    const port = await freePorts(1 + nodesMax);
    const driver = new ProcessDriver(runtime, directory, port, nodeArgs);
    await driver.#startIndex();
    return driver;
  }

  async addNode(): Promise<HostPort> {
    const node = { host: HOST, port: this.index.port + this.nodes.length + 1 };
    this.nodes.push(node);
    await this.startNode(node);
    return node;
  }

  startNode(node: HostPort): Promise<void> {
    return this.#launch(node, "flared", node.port - this.index.port, [
      ...["--index-servers", `${HOST}:${this.index.port}`, "--memory-limit", "16", "--fsync", "os"],
      ...["--moved-keys-delay", String(MOVED_KEYS_DELAY_S), ...this.#nodeArgs],
    ]);
  }

  stopNode(node: HostPort): Promise<void> {
    return this.#end(node, "SIGTERM");
  }

  killNode(node: HostPort): Promise<void> {
    return this.#end(node, "SIGKILL");
  }

  async restartIndex(): Promise<void> {
    await this.#end(this.index, "SIGTERM");
    await this.#startIndex();
  }

  async clear(): Promise<void> {
    await Promise.all([...this.#programs.keys()].map((server) => this.#end(server, "SIGKILL")));
  }

  #startIndex(): Promise<void> {
    return this.#launch(this.index, "flarei", 0, [
      ...["--monitor-interval", String(MONITOR_INTERVAL_S), "--monitor-threshold", String(MONITOR_THRESHOLD)],
    ]);
  }

  async #launch(server: HostPort, name: "flared" | "flarei", number: number, args: readonly string[]): Promise<void> {
    const { command, args: first } = this.#launchers[number % this.#launchers.length] as Launcher;
    const program = new SpawnedProgram(
      command,
      [
        ...first,
        `cli/${name}.ts`,
        "--data-dir",
        join(this.#directory, `${name}-${server.port}`),
        ...["--bind", HOST, "--server-name", HOST, "--server-port", String(server.port), ...args],
      ],
      {},
    );
    this.#programs.set(server, program);
    await program.waitFor("ready on");
  }

  async #end(server: HostPort, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const program = this.#programs.get(server);
    if (program === undefined) throw new Error(`"${server.host}:${server.port}" does not run`);
    program.kill(signal);
    const { status, stderr } = await program.finished;
    this.#programs.delete(server);
    if (signal === "SIGTERM" && status !== 0)
      throw new Error(`"${server.host}:${server.port}" ended with ${status}:\n${stderr}`);
  }
}
