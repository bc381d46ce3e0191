/**
 * Every kind of restart: the index server killed and started again, a node at once (before its failure is detected) and later,
 * both; and `flare up` killed as a whole. No acknowledged write is lost, and the cluster is ready soon.
 */

import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { ClusterDaemon, clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { LineClient } from "../support/line_client.ts";
import { type SpawnedProgram, startProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

const KEYS = Array.from({ length: 300 }, (_, number) => `key-${number}`);
/** Start of the program included, on a busy machine. */
const READY_MS_MAX = 15_000;

async function store(runtime: Runtime, port: number, round: number): Promise<void> {
  const client = await LineClient.connect(runtime, { host: HOST, port });
  for (const key of KEYS) {
    const value = `${key} of round ${round}`;
    assertEquals(await client.ask(`set ${key} 0 0 ${value.length}\r\n${value}\r\n`), "STORED");
  }
  client.close();
}

async function assertStored(runtime: Runtime, port: number, round: number): Promise<void> {
  const client = await LineClient.connect(runtime, { host: HOST, port });
  const found = await client.gets(KEYS);
  client.close();
  for (const key of KEYS) assertEquals(found.get(key)?.value, `${key} of round ${round}`);
}

describe("flare up", () => {
  it("killed and started again is ready soon and has everything, again and again", async () => {
    const runtime = clientRuntime();
    await withTemporaryDirectory(async (directory) => {
      const cluster = await ClusterDaemon.start(join(directory, "data"), 4, ["--partitions", "2", "--slaves", "1"]);
      try {
        for (let round = 1; round <= 3; round++) {
          await store(runtime, cluster.port, round);
          await cluster.end(round === 2 ? "SIGTERM" : "SIGKILL");
          const startMs = performance.now();
          await cluster.start();
          const readyMs = performance.now() - startMs;
          console.info(`two partitions with a slave each, round ${round}: ready after ${readyMs.toFixed(0)} ms`);
          assert(readyMs < READY_MS_MAX, `ready after ${readyMs} ms`);
          for (let node = 0; node < 4; node++) await assertStored(runtime, cluster.port + node, round);
        }
      } finally {
        await cluster.clear();
      }
    });
  });
});

/** flarei and one flared as separate programs, each of which can be killed and started again. */
class TwoPrograms {
  readonly nodePort: number;
  readonly #runtime: Runtime;
  readonly #indexPort: number;
  readonly #directory: string;
  readonly #running = new Set<SpawnedProgram>();
  #index: SpawnedProgram | undefined;
  #node: SpawnedProgram | undefined;

  constructor(runtime: Runtime, directory: string, firstPort: number) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.#indexPort = firstPort;
    this.nodePort = firstPort + 1;
  }

  async startIndex(): Promise<void> {
    this.#index = this.#start("flarei", ["--server-port", String(this.#indexPort), "--monitor-interval", "1"]);
    await this.#index.waitFor("ready on");
  }

  async startNode(): Promise<void> {
    const index = ["--index-servers", `${HOST}:${this.#indexPort}`];
    this.#node = this.#start("flared", ["--server-port", String(this.nodePort), ...index]);
    await this.#node.waitFor("ready on");
  }

  async makeMaster(): Promise<void> {
    const operator = await TextClient.connect(this.#runtime, { host: HOST, port: this.#indexPort });
    assertEquals(await operator.ask(`node role ${HOST} ${this.nodePort} master 1 0\r\n`), "OK\r\n");
    operator.close();
    await this.untilServed();
  }

  async killIndex(): Promise<void> {
    await this.#kill(this.#index);
  }

  async killNode(): Promise<void> {
    await this.#kill(this.#node);
  }

  /** Waits until the node takes writes. */
  async untilServed(): Promise<void> {
    const client = await LineClient.connect(this.#runtime, { host: HOST, port: this.nodePort });
    await waitUntil(async () => (await client.ask("set probe 0 0 1\r\n1\r\n")) === "STORED", "the node serves");
    client.close();
  }

  async clear(): Promise<void> {
    for (const program of [...this.#running]) await this.#kill(program);
  }

  #start(name: "flarei" | "flared", args: readonly string[]): SpawnedProgram {
    const place = ["--data-dir", join(this.#directory, name), "--bind", HOST, "--server-name", HOST];
    const program = startProgram(name, [...place, ...args]);
    this.#running.add(program);
    return program;
  }

  async #kill(program: SpawnedProgram | undefined): Promise<void> {
    if (program === undefined || !this.#running.delete(program)) return;
    program.kill("SIGKILL");
    await program.finished;
  }
}

describe("flarei and flared", () => {
  it("come back whoever of them was killed, in whatever order", async () => {
    const runtime = clientRuntime();
    await withTemporaryDirectory(async (directory) => {
      const programs = new TwoPrograms(runtime, directory, await freePorts(2));
      const { nodePort } = programs;
      const timed = async (what: string, round: number, back: () => Promise<void>): Promise<void> => {
        const startMs = performance.now();
        await back();
        await programs.untilServed();
        console.info(`${what}: served after ${(performance.now() - startMs).toFixed(0)} ms`);
        await assertStored(runtime, nodePort, round);
        await store(runtime, nodePort, round + 1);
      };
      try {
        await programs.startIndex();
        await programs.startNode();
        await programs.makeMaster();
        await store(runtime, nodePort, 1);

        await timed("index server gone", 1, () => programs.killIndex());
        await timed("index server back", 2, () => programs.startIndex());
        await timed("node back at once", 3, async () => {
          await programs.killNode();
          await programs.startNode();
        });
        await programs.killNode();
        await new Promise((resolve) => setTimeout(resolve, 4000));
        await timed("node back after it was noticed", 4, () => programs.startNode());
        await programs.killIndex();
        await programs.killNode();
        await timed("both back", 5, async () => {
          await programs.startIndex();
          await programs.startNode();
        });
        await programs.killNode();
        await programs.killIndex();
        await timed("node first, then the index server", 6, async () => {
          const node = programs.startNode();
          await programs.startIndex();
          await node;
        });
      } finally {
        await programs.clear();
      }
    });
  });
});
