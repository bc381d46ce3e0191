/**
 * A master that returns without its data, before its failure was detected: the slave that has the data takes over; if there is
 * none, the master is refused until an operator accepts the loss, unless its data was in memory only. With real processes.
 */

import { mkdirSync } from "node:fs";
import { cp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { LineClient } from "../support/line_client.ts";
import { runProgram, type SpawnedProgram, startProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

const KEYS = Array.from({ length: 200 }, (_, number) => `key-${number}`);
/** The monitor is slow: what happens here happens before it has noticed anything. */
const SLOW_MONITOR = ["--monitor-interval", "5"];

/** A flarei and flareds, each a process that can be killed and started again. */
class Programs {
  readonly #runtime: Runtime;
  readonly #directory: string;
  readonly #firstPort: number;
  readonly #nodeArgs: readonly string[];
  readonly #running = new Map<string, SpawnedProgram>();
  readonly #ended = new Set<SpawnedProgram>();

  constructor(runtime: Runtime, directory: string, firstPort: number, nodeArgs: readonly string[]) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.#firstPort = firstPort;
    this.#nodeArgs = nodeArgs;
  }

  get index(): string {
    return `${HOST}:${this.#firstPort}`;
  }

  port(node: number): number {
    return this.#firstPort + 1 + node;
  }

  dataDir(node: number): string {
    return join(this.#directory, `node-${node}`);
  }

  async startIndex(): Promise<void> {
    const place = ["--data-dir", join(this.#directory, "index"), "--server-port", String(this.#firstPort)];
    await this.#start("flarei", "index", [...place, ...SLOW_MONITOR]).waitFor("ready on");
  }

  /** Starts a node; the process, which may be refused. */
  launch(node: number): SpawnedProgram {
    mkdirSync(this.dataDir(node), { recursive: true });
    const place = ["--data-dir", this.dataDir(node), "--server-port", String(this.port(node))];
    return this.#start("flared", `node-${node}`, [...place, "--index-servers", this.index, ...this.#nodeArgs]);
  }

  async startNode(node: number): Promise<SpawnedProgram> {
    const program = this.launch(node);
    await program.waitFor("ready on");
    return program;
  }

  async kill(name: string): Promise<void> {
    const program = this.#running.get(name);
    if (program === undefined || !this.#running.delete(name)) return;
    if (!this.#ended.has(program)) program.kill("SIGKILL");
    await program.finished;
  }

  async killAll(): Promise<void> {
    for (const name of [...this.#running.keys()]) await this.kill(name);
  }

  output(name: string): string {
    return this.#running.get(name)?.output ?? "";
  }

  /** Says a command to the index server. */
  async tell(command: string): Promise<string> {
    const operator = await TextClient.connect(this.#runtime, { host: HOST, port: this.#firstPort });
    const answer = await operator.ask(`${command}\r\n`, /(OK|END|ERROR[^\n]*)\r\n$/);
    operator.close();
    return answer;
  }

  /** Role and state of a node, as the index server says. */
  async place(node: number): Promise<string> {
    const answer = await this.tell("stats nodes");
    const field = (name: string): string | undefined =>
      new RegExp(`^STAT ${HOST}:${this.port(node)}:${name} (\\S+)\\r$`, "m").exec(answer)?.[1];
    return `${field("role")} ${field("state")}`;
  }

  async untilPlace(node: number, place: string): Promise<void> {
    await waitUntil(async () => (await this.place(node)) === place, `node ${node} becomes ${place}`);
  }

  /** Node 0 becomes master, node 1, if it runs, its slave that takes half of the reads. */
  async shape(): Promise<void> {
    assertEquals(await this.tell(`node role ${HOST} ${this.port(0)} master 1 0`), "OK\r\n");
    await this.untilPlace(0, "master active");
    if (!this.#running.has("node-1")) return;
    assertEquals(await this.tell(`node role ${HOST} ${this.port(1)} slave 0 0`), "OK\r\n");
    await this.untilPlace(1, "slave active");
    assertEquals(await this.tell(`node role ${HOST} ${this.port(1)} slave 1 0`), "OK\r\n");
  }

  connect(node: number): Promise<LineClient> {
    return LineClient.connect(this.#runtime, { host: HOST, port: this.port(node) });
  }

  /** Every key gets the value of a round; `sync`: when the slave has it, too. */
  async store(node: number, round: number): Promise<void> {
    const client = await this.connect(node);
    for (const key of KEYS) {
      const value = `${key} of round ${round}`;
      assertEquals(await client.ask(`set ${key} 0 0 ${value.length} sync\r\n${value}\r\n`), "STORED");
    }
    client.close();
  }

  async assertStored(node: number, round: number): Promise<void> {
    const client = await this.connect(node);
    // Reads take turns between the replicas: everybody must have everything.
    for (let time = 0; time < 3; time++) {
      const found = await client.gets(KEYS);
      for (const key of KEYS) assertEquals(found.get(key)?.value, `${key} of round ${round}`);
    }
    client.close();
  }

  async items(node: number): Promise<number> {
    const client = await TextClient.connect(this.#runtime, { host: HOST, port: this.port(node) });
    const answer = await client.ask("stats\r\n", /END\r\n$/);
    client.close();
    return Number(/^STAT curr_items (\d+)\r$/m.exec(answer)?.[1]);
  }

  #start(program: "flarei" | "flared", name: string, args: readonly string[]): SpawnedProgram {
    const started = startProgram(program, ["--bind", HOST, "--server-name", HOST, ...args]);
    this.#running.set(name, started);
    void started.finished.then(() => this.#ended.add(started));
    return started;
  }
}

async function withPrograms(nodeArgs: readonly string[], test: (programs: Programs) => Promise<void>): Promise<void> {
  const runtime = clientRuntime();
  await withTemporaryDirectory(async (directory) => {
    const programs = new Programs(runtime, directory, await freePorts(3), nodeArgs);
    try {
      await programs.startIndex();
      await programs.startNode(0);
      await test(programs);
    } finally {
      await programs.killAll();
    }
  });
}

describe("a master that comes back without its data", () => {
  for (const [kept, nodeArgs] of [
    ["in memory", ["--storage-type", "memory"]],
    ["on disk", []],
  ] as const) {
    it(`is succeeded by its slave: data ${kept}`, async () => {
      await withPrograms(nodeArgs, async (programs) => {
        await programs.startNode(1);
        await programs.shape();
        for (let round = 1; round <= 3; round++) await programs.store(0, round);
        await programs.kill("node-0");
        if (kept === "on disk") await rm(programs.dataDir(0), { recursive: true });
        const startMs = performance.now();
        await programs.startNode(0);
        console.info(`data ${kept}: back after ${(performance.now() - startMs).toFixed(0)} ms`);
        assertEquals([await programs.place(0), await programs.place(1)], ["proxy active", "master active"]);
        for (const node of [0, 1]) await programs.assertStored(node, 3);
        // Writes count on from the versions the slave had, and no read is old.
        await programs.store(0, 4);
        for (const node of [0, 1]) await programs.assertStored(node, 4);
        assertMatch(programs.output("index"), /returned without the data of partition 0: it.*; a slave takes over/);
        // As a slave it gets everything back, and may be master again.
        assertEquals(await programs.tell(`node role ${HOST} ${programs.port(0)} slave 0 0`), "OK\r\n");
        await programs.untilPlace(0, "slave active");
        assertEquals(await programs.items(0), KEYS.length);
      });
    });
  }

  it("is refused where nobody else has them, until it has them again", async () => {
    await withPrograms([], async (programs) => {
      await programs.shape();
      await programs.store(0, 1);
      const directory = programs.dataDir(0);
      await programs.kill("node-0");
      await cp(directory, `${directory}.backup`, { recursive: true });
      await programs.startNode(0);
      await programs.untilPlace(0, "master active");
      await programs.store(0, 2);
      await programs.kill("node-0");

      // The index server knows that as well after a restart.
      await programs.kill("index");
      await programs.startIndex();
      await rename(directory, `${directory}.good`);
      const empty = programs.launch(0);
      await empty.waitFor("its data directory is new");
      await programs.untilPlace(0, "master down");
      assert(!empty.output.includes("ready on"));
      const { status, stderr } = await empty.finished;
      assertEquals(status, 1);
      assertMatch(stderr, /its data directory is new, and no other node has it; start it with its data, or accept the loss/);

      await rm(directory, { recursive: true });
      await rename(`${directory}.backup`, directory);
      const older = programs.launch(0);
      await older.waitFor("its data is an older copy");
      // However often it is tried.
      await programs.kill("node-0");
      for (let attempt = 0; attempt < 2; attempt++) {
        await programs.launch(0).waitFor("its data is an older copy");
        await programs.kill("node-0");
      }
      assertEquals(await programs.place(0), "master down");

      await rm(directory, { recursive: true });
      await rename(`${directory}.good`, directory);
      await programs.startNode(0);
      await programs.untilPlace(0, "master active");
      await programs.assertStored(0, 2);
    });
  });

  it("is let in where nobody else has them when an operator says so", async () => {
    await withPrograms([], async (programs) => {
      await programs.shape();
      await programs.store(0, 1);
      await programs.kill("node-0");
      await rm(programs.dataDir(0), { recursive: true });
      const empty = programs.launch(0);
      await empty.waitFor("accept the loss: flare activate --unsafe");
      const key = `${HOST}:${programs.port(0)}`;
      const said = await runProgram("flare", ["activate", "--unsafe", "--force", key, "-i", programs.index]);
      assertEquals(said.status, 0, said.stderr);
      await empty.waitFor("ready on");
      await programs.untilPlace(0, "master active");
      assertEquals(await programs.items(0), 0);
      await programs.store(0, 2);
      await programs.kill("node-0");
      await programs.startNode(0);
      await programs.untilPlace(0, "master active");
      await programs.assertStored(0, 2);
    });
  });

  it("begins again empty, and the index server says so, if it kept them in memory and has no slave", async () => {
    await withPrograms(["--storage-type", "memory"], async (programs) => {
      await programs.shape();
      await programs.store(0, 1);
      await programs.kill("node-0");
      await programs.startNode(0);
      assertEquals(await programs.place(0), "master active");
      assertEquals(await programs.items(0), 0);
      assertMatch(programs.output("index"), /without the data of partition 0: .*no other node has it; partition 0 is empty/);
      await programs.store(0, 2);
      await programs.assertStored(0, 2);
    });
  });
});

describe("a slave's copy", () => {
  it("is refused from a master that is empty, until an operator gives up what the slave has", async () => {
    await withPrograms(["--storage-type", "memory"], async (programs) => {
      await programs.startNode(1);
      await programs.shape();
      await programs.store(0, 1);
      assertEquals(await programs.tell(`node role ${HOST} ${programs.port(1)} proxy 0 -1`), "OK\r\n");
      await programs.kill("node-0");
      await programs.startNode(0);
      assertEquals([await programs.items(0), await programs.items(1)], [0, KEYS.length]);

      assertEquals(await programs.tell(`node role ${HOST} ${programs.port(1)} slave 0 0`), "OK\r\n");
      await waitUntil(() => /copy failed: master .* lacks 64/.test(programs.output("node-1")), "the copy is refused");
      await programs.untilPlace(1, "proxy active");
      const slave = (...flags: string[]) => {
        const target = `${HOST}:${programs.port(1)}:1:0`;
        return runProgram("flare", ["slave", "--force", ...flags, target, "-i", programs.index]);
      };
      const refused = await slave();
      assertEquals(refused.status, 1);
      assertMatch(refused.stderr, /is proxy active instead of slave, active: see its log/);
      assertEquals(await programs.items(1), KEYS.length);

      // A few new keys do not make it the better copy.
      const client = await programs.connect(0);
      for (const key of KEYS.slice(0, 20)) assertEquals(await client.ask(`set ${key} 0 0 1\r\n1\r\n`), "STORED");
      client.close();
      assertEquals((await slave()).status, 1);
      assertEquals(await programs.items(1), KEYS.length);

      const given = await slave("--unsafe");
      assertEquals(given.status, 0, given.stderr);
      assertEquals(await programs.items(1), 20);
    });
  });

  it("is refused from a master whose data are older", async () => {
    await withPrograms([], async (programs) => {
      await programs.startNode(1);
      await programs.shape();
      await programs.store(0, 1);
      const directory = programs.dataDir(0);
      await programs.kill("node-0");
      await cp(directory, `${directory}.backup`, { recursive: true });
      await programs.startNode(0);
      await programs.untilPlace(0, "master active");
      await programs.store(0, 2);
      assertEquals(await programs.tell(`node role ${HOST} ${programs.port(1)} proxy 0 -1`), "OK\r\n");
      await programs.kill("node-0");
      await rm(directory, { recursive: true });
      await rename(`${directory}.backup`, directory);
      assertEquals(await programs.tell(`node state ${HOST} ${programs.port(0)} active unsafe`), "OK\r\n");
      await programs.startNode(0);
      await programs.untilPlace(0, "master active");
      assertEquals(await programs.tell(`node role ${HOST} ${programs.port(1)} slave 0 0`), "OK\r\n");
      await waitUntil(() => programs.output("node-1").includes("has older versions of 64 of 64 keys"), "the copy is refused");
      await programs.untilPlace(1, "proxy active");
      assertEquals(await programs.items(1), KEYS.length);
    });
  });
});
