/**
 * Ordinary memcached clients while a master is killed: memjs (binary protocol) and pymemcache (text protocol) keep running
 * through a proxy. Requests may fail until the slave has taken over, and never afterwards; no answer is ever wrong, and no
 * acknowledged write is lost.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client } from "memjs";
import { keyOf, Operator } from "../cluster/scenarios/operator.ts";
import { ProcessDriver } from "../cluster/scenarios/process_driver.ts";
import { findInterpreter } from "../support/client_program.ts";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { repositoryRoot } from "../support/repository.ts";
import { skipUnless } from "../support/skip.ts";
import { SpawnedProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const NODES = 5;
const KEYS = Array.from({ length: 20 }, (_, number) => `failover-javascript-${number}`);
const READY = 200;
const CALM = 400;

const python = findInterpreter({ interpreters: ["python3", "/usr/bin/python3"], probe: ["-c", "import pymemcache"] });
const skip = skipUnless(python !== undefined, "pymemcache (python3-pymemcache)");

/** memjs, one request at a time; the counterpart of `programs/failover_pymemcache.py`. */
class Load {
  answered = 0;
  readonly #client: Client;
  /** What a key may hold: what was acknowledged last, and what got an error since. */
  readonly #possible = new Map<string, Set<string>>(KEYS.map((key) => [key, new Set([""])]));
  #calm = 0;
  #over = false;
  #stopped = false;

  constructor(server: string) {
    this.#client = Client.create(server, {
      ...{ retries: 1, timeout: 10, failoverTime: 0.05, logger: { log: () => undefined } },
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#client.close();
  }

  /** From now on nothing may fail. */
  endTrouble(): void {
    this.#over = true;
  }

  /** Runs until enough has gone well after the trouble. @throws Error at the first wrong answer */
  async run(): Promise<void> {
    for (let number = 1; this.#calm < CALM && !this.#stopped; number++) {
      const key = KEYS[number % KEYS.length] as string;
      const wasOver = this.#over;
      const possible = this.#possible.get(key) as Set<string>;
      try {
        if (!(await this.#client.set(key, String(number)))) throw new Error("not stored");
        possible.clear();
        possible.add(String(number));
        const found = await this.#get(key);
        assert(possible.has(found), `"${key}" holds "${found}", not one of "${[...possible].join(" ")}"`);
      } catch (error) {
        if (wasOver || (error as Error).name === "AssertionError") throw error;
        possible.add(String(number));
        // It leaves a server that failed alone for a moment, and says so at once.
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      this.answered++;
      if (wasOver) this.#calm++;
    }
    for (const [key, possible] of this.#possible) assert(possible.has(await this.#get(key)), key);
  }

  async #get(key: string): Promise<string> {
    const { value } = await this.#client.get(key);
    return value === null ? "" : new TextDecoder().decode(value);
  }
}

describe("clients while a master is killed", () => {
  it("memjs and pymemcache go on through a proxy", { skip }, async () => {
    await withTemporaryDirectory(async (directory) => {
      const runtime = clientRuntime();
      const cluster = await ProcessDriver.start(runtime, directory, NODES, ["--replication-type", "sync"]);
      const operator = new Operator(cluster);
      let load: Load | undefined;
      let program: SpawnedProgram | undefined;
      let told = false;
      try {
        const [masterA, slaveA, masterB, slaveB, proxy] = await Promise.all(
          Array.from({ length: NODES }, () => cluster.addNode()),
        );
        assert(masterA && slaveA && masterB && slaveB && proxy);
        await operator.addPartition(masterA, 0);
        await operator.addPartition(masterB, 1);
        await operator.addSlave(slaveA, 0);
        await operator.addSlave(slaveB, 1);

        const memjs = new Load(keyOf(proxy));
        load = memjs;
        const running = memjs.run();
        running.catch(() => undefined);
        const path = `${repositoryRoot}tests/clients/programs/failover_pymemcache.py`;
        program = new SpawnedProgram(python ?? "", ["-B", path, keyOf(proxy)], {});
        await program.waitFor("ready");
        await waitUntil(() => memjs.answered >= READY, "memjs is answered");

        await cluster.killNode(masterA);
        await operator.waitFor(slaveA, { role: "master", state: "active" });
        await waitUntil(async () => {
          const known = await operator.stats(proxy, " nodes");
          return known.get(`${keyOf(slaveA)}:role`) === "master";
        }, "the proxy knows the new master");
        memjs.endTrouble();
        program.feed("");
        told = true;
        await running;
        const { status, stdout, stderr } = await program.finished;
        assertEquals([status, stderr], [0, ""], stdout);
        assertMatch(stdout, /^answered \d+$/m);
      } finally {
        load?.stop();
        if (!told) program?.feed("");
        await program?.finished;
        await cluster.clear();
      }
    });
  });
});
