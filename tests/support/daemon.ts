/**
 * Servers in processes of their own, on the runtime the test runs on, which can be killed and started again at the same
 * address with the same data: a whole cluster (`flare up`), or one flared with an index server inside the test.
 */

import { readFileSync } from "node:fs";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import type { IndexServer } from "../../mod.ts";
import { detectRuntime, startIndexServer } from "../../mod.ts";
import { freePorts } from "./free_ports.ts";
import { LineClient } from "./line_client.ts";
import type { Finished, SpawnedProgram } from "./spawn.ts";
import { startProgram } from "./spawn.ts";
import { TextClient } from "./text_client.ts";

/** Everything in these tests is on this host. */
export const HOST = "127.0.0.1";

/** How many rounds of what is repeated: fewer where the same has been proven under Node already. */
export const ROUNDS_PART = "Bun" in globalThis || "Deno" in globalThis ? 0.4 : 1;

const POLL_MS = 10;
const WAIT_MS_MAX = 30000;

/** A runtime for the clients of a test. */
export function clientRuntime(): Runtime {
  return detectRuntime({ logLevel: "error" });
}

/** Waits until `done` holds. @throws Error when that takes too long */
export async function waitUntil(done: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS_MAX;
  while (!(await done())) {
    if (performance.now() > deadlineMs) throw new Error(`${what}: timed out after ${WAIT_MS_MAX} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kibibytes === undefined) throw new Error(`process ${pid} does not say how much memory it uses`);
  return Number(kibibytes) * 1024;
}

/** A program that is killed and started again. */
abstract class Daemon {
  #program: SpawnedProgram | undefined;
  #ended = true;

  /** Starts the program again and waits until it serves. */
  abstract start(): Promise<void>;

  get isRunning(): boolean {
    return !this.#ended;
  }

  get pid(): number {
    return this.program.pid;
  }

  get program(): SpawnedProgram {
    if (this.#program === undefined) throw new Error("the program is not running");
    return this.#program;
  }

  protected set program(program: SpawnedProgram) {
    this.#program = program;
    this.#ended = false;
    const end = (): void => {
      if (this.#program === program) this.#ended = true;
    };
    program.finished.then(end, end);
  }

  /** Ends the program by a signal and waits for its end. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<Finished> {
    this.program.kill(signal);
    return this.program.finished;
  }

  /** Kills what may still run; for the end of a test. */
  async clear(): Promise<void> {
    if (!this.#ended) await this.end("SIGKILL");
  }
}

/** `flare up` in a process of its own. */
export class ClusterDaemon extends Daemon {
  readonly port: number;
  readonly #args: readonly string[];

  private constructor(port: number, args: readonly string[]) {
    super();
    this.port = port;
    this.#args = args;
  }

  /** @param nodes how many there will be in all */
  static async start(directory: string, nodes: number, args: readonly string[]): Promise<ClusterDaemon> {
    const port = await freePorts(nodes + 1);
    const ports = ["--port", String(port), "--index-port", String(port + nodes), "--http-port", "0"];
    const cluster = new ClusterDaemon(port, ["up", "--data-dir", directory, ...ports, ...args]);
    try {
      await cluster.start();
    } catch (error) {
      await cluster.clear();
      throw error;
    }
    return cluster;
  }

  /** The address of a node. */
  address(number = 0): Address {
    return { host: HOST, port: this.port + number };
  }

  async start(): Promise<void> {
    this.program = startProgram("flare", this.#args);
    await this.program.waitFor("\nready");
  }
}

/** A flared in a process of its own, the only master of a cluster whose index server lives in the test. */
export class NodeDaemon extends Daemon {
  readonly index: IndexServer;
  readonly port: number;
  readonly #runtime: Runtime;
  readonly #args: readonly string[];

  readonly #descriptors: number | undefined;

  private constructor(
    runtime: Runtime,
    index: IndexServer,
    port: number,
    args: readonly string[],
    descriptors: number | undefined,
  ) {
    super();
    this.#descriptors = descriptors;
    this.#runtime = runtime;
    this.index = index;
    this.port = port;
    this.#args = args;
  }

  /** @param limits.descriptors what the process may have open; by default as much as this one */
  static async start(
    runtime: Runtime,
    directory: string,
    args: readonly string[],
    limits: { readonly descriptors?: number } = {},
  ): Promise<NodeDaemon> {
    const index = await startIndexServer({
      runtime,
      ...{ indexDb: "memory://", bind: HOST, serverName: HOST, serverPort: 0 },
      ...{ monitorIntervalMs: 1000, monitorThreshold: 2 },
    });
    const [indexAddress] = index.addresses;
    if (indexAddress === undefined || !("port" in indexAddress)) throw new Error("index server does not listen");
    const port = await freePorts(1);
    const node = new NodeDaemon(
      runtime,
      index,
      port,
      [
        ...["--data-dir", directory, "--bind", HOST, "--server-name", HOST, "--server-port", String(port)],
        ...["--index-servers", `${HOST}:${indexAddress.port}`, ...args],
      ],
      limits.descriptors,
    );
    try {
      await node.launch();
      const operator = await TextClient.connect(runtime, indexAddress);
      const answer = await operator.ask(`node role ${HOST} ${port} master 1 0\r\n`);
      operator.close();
      if (answer !== "OK\r\n") throw new Error(`node role answered "${answer}"`);
      await node.#untilMaster();
    } catch (error) {
      await node.clear();
      throw error;
    }
    return node;
  }

  get address(): Address {
    return { host: HOST, port: this.port };
  }

  /** Starts flared and waits until it serves its partition. */
  async start(): Promise<void> {
    await this.launch();
    await this.#untilMaster();
  }

  /** Starts flared and waits until it is ready. */
  async launch(): Promise<void> {
    this.program = startProgram("flared", this.#args, {}, this.#descriptors);
    await this.program.waitFor("ready on");
  }

  /** What `stats` says. */
  async stats(words = ""): Promise<Map<string, string>> {
    const client = await TextClient.connect(this.#runtime, this.address);
    const answer = await client.ask(`stats${words}\r\n`, /END\r\n$/);
    client.close();
    return new Map([...answer.matchAll(/^STAT (\S+) (.*)\r$/gm)].map(([, name = "", value = ""]) => [name, value]));
  }

  connect(): Promise<LineClient> {
    return LineClient.connect(this.#runtime, this.address);
  }

  override async clear(): Promise<void> {
    await super.clear();
    await this.index.stop();
  }

  async #untilMaster(): Promise<void> {
    const name = `${HOST}:${this.port}`;
    await waitUntil(async () => {
      const nodes = await this.stats(" nodes");
      return nodes.get(`${name}:role`) === "master" && nodes.get(`${name}:state`) === "active";
    }, `"${name}" becomes the master`);
  }
}
