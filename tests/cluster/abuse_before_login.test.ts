/**
 * Hostile clients that do not log in, against servers in their own processes that require a login: memory stays within a stated
 * limit, logged-in clients are served, and unauthenticated connections do not last long.
 *
 * Runs alone: it measures times.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import { Client } from "../../mod.ts";
import { connectAs, loginOf, USERS, writeUsers } from "../support/access_world.ts";
import { packet } from "../support/binary_packets.ts";
import { clientRuntime, HOST, residentBytes, waitUntil } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { skipUnless } from "../support/skip.ts";
import { type SpawnedProgram, startProgram } from "../support/spawn.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

const MIB = 1048576;
const MANY_CONNECTIONS = 10000;
const CONNECTIONS_AT_ONCE = 250;
/** Ten thousand sockets with what a runtime keeps for each, and what its garbage collector leaves lying about. */
const GROWTH_BYTES_MAX = 200 * MIB;
const MEDIAN_MS_MAX = 100;
const WORST_MS_MAX = 3000;
const PROBES_MIN = 20;
const ALICE = { user: "alice", password: "secret" };
const BOSS = { user: "boss", password: "chief" };

describe("abuse before the login", () => {
  let runtime: Runtime;
  let directory: string;
  let index: SpawnedProgram;
  let node: SpawnedProgram;
  let address: Address & { host: string; port: number };
  let bystander: Client;
  const strangers: TextClient[] = [];

  before(async () => {
    runtime = clientRuntime();
    directory = makeTemporaryDirectory();
    const [indexPort, port] = [await freePorts(1), await freePorts(1)];
    const access = ["--auth-file", writeUsers(directory), "--cluster-user", "node", "--auth-timeout", "3"];
    const common = (own: number) => [...["--bind", HOST, "--server-name", HOST, "--server-port", String(own)], ...access];
    index = startProgram("flarei", [...common(indexPort), "--data-dir", join(directory, "index")]);
    await index.waitFor("ready on");
    node = startProgram("flared", [
      ...[...common(port), "--data-dir", join(directory, "node"), "--index-servers", `${HOST}:${indexPort}`],
      ...["--memory-limit", "64", "--max-connection", String(MANY_CONNECTIONS + 1000)],
    ]);
    await node.waitFor("ready on");
    address = { host: HOST, port };
    const operator = new Client({ runtime, host: HOST, port: indexPort, ...BOSS });
    assertEquals(await operator.line(`node role ${HOST} ${port} master 1 0`), "OK");
    operator.close();
    bystander = new Client({ runtime, ...address, ...ALICE });
    await waitUntil(async () => (await bystander.set("key", "value").catch(() => "")) === "STORED", "the node is master");
  });

  afterEach(async () => {
    for (const stranger of strangers.splice(0)) stranger.close();
  });

  after(async () => {
    bystander.close();
    for (const program of [node, index]) program.kill("SIGTERM");
    const ends = await Promise.all([node.finished, index.finished]);
    removeTemporaryDirectory(directory);
    for (const { status, stderr } of ends) {
      assertEquals(status, 0, stderr);
      assert(!stderr.includes("unexpectedly"), stderr);
      for (const secret of ["secret", "chief", "of-the-cluster", "guess-"]) assert(!stderr.includes(secret), stderr);
    }
  });

  async function open(): Promise<TextClient> {
    const client = await TextClient.connect(runtime, address);
    strangers.push(client);
    return client;
  }

  /** Runs an attack while the bystander goes on, and checks what it does to the node. */
  async function during(what: string, attack: () => Promise<void>): Promise<void> {
    const beforeBytes = residentBytes(node.pid);
    let grownBytes = 0;
    let attacked = false;
    const latenciesMs: number[] = [];
    const probing = (async () => {
      for (let number = 0; !attacked || number < PROBES_MIN; number++) {
        const startMs = performance.now();
        assertEquals(await bystander.set("bystander", String(number)), "STORED");
        latenciesMs.push(performance.now() - startMs);
        grownBytes = Math.max(grownBytes, residentBytes(node.pid) - beforeBytes);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    try {
      await attack();
    } finally {
      attacked = true;
      await probing;
    }
    const sorted = latenciesMs.sort((left, right) => left - right);
    const [medianMs = 0, worstMs = 0] = [sorted[sorted.length >> 1], sorted.at(-1)];
    console.info(
      `${what}: + ${Math.round(grownBytes / MIB)} MiB, median ${medianMs.toFixed(1)} ms, worst ${worstMs.toFixed(0)} ms`,
    );
    assert(grownBytes <= GROWTH_BYTES_MAX, `the server has grown by ${grownBytes} bytes`);
    assert(medianMs <= MEDIAN_MS_MAX, `median ${medianMs} ms`);
    assert(worstMs <= WORST_MS_MAX, `worst ${worstMs} ms`);
  }

  it(`ends ${MANY_CONNECTIONS} connections that send a byte and no more`, {
    skip: skipUnless(openFilesMax() > MANY_CONNECTIONS + 1000, `a limit of ${MANY_CONNECTIONS + 1000} open files`),
  }, async () => {
    await during("a byte each", async () => {
      while (strangers.length < MANY_CONNECTIONS) {
        const some = await Promise.all(Array.from({ length: CONNECTIONS_AT_ONCE }, open));
        await Promise.all(some.map((client) => client.send("s")));
      }
      await waitUntil(() => strangers.every(({ closed }) => closed), "all of them are closed");
    });
  });

  it("keeps nothing of what is announced or sent without end", async () => {
    await during("bombs", async () => {
      const sasl = packet({ opcode: 0x21, key: "PLAIN", value: "x" });
      const bombs = [
        `set x 0 0 2147483645\r\n${"x".repeat(MIB)}`,
        `set x 0 0 16000\r\n${"x".repeat(MIB)}`,
        `get ${"x".repeat(4 * MIB)}`,
        `${sasl.slice(0, 8)}\x7f\xff\xff\xff${sasl.slice(12)}${"x".repeat(MIB)}`,
        `${packet({ opcode: 0x01, extras: "12345678", key: "k", value: "" }).slice(0, 8)}\x7f\xff\xff\xff${"x".repeat(MIB)}`,
        loginOf("alice", "x".repeat(1900)).repeat(50),
        "version\r\n".repeat(20000),
      ];
      const sent = Array.from({ length: 100 }, async (_, number) => {
        const client = await open();
        await client.send(bombs[number % bombs.length] as string);
      });
      await Promise.all(sent);
      await waitUntil(() => strangers.every(({ closed }) => closed), "all of them are closed");
    });
  });

  it("lets nobody guess quickly, and holds up nobody else meanwhile", async () => {
    await during("guessing", async () => {
      const startMs = performance.now();
      const guessers = await Promise.all(Array.from({ length: 200 }, open));
      await Promise.all(guessers.map((client, number) => client.send(loginOf("alice", `guess-${number}`).repeat(20))));
      const friend = await connectAs(runtime, address, "alice", "secret");
      friend.close();
      assert(performance.now() - startMs < 2000, "somebody who knows the password has to wait");
      await waitUntil(() => guessers.every(({ closed }) => closed), "the guessers are left");
      for (const client of guessers) {
        assertEquals(client.received.replaceAll("CLIENT_ERROR authentication failure\r\n", "*").length <= 10, true);
      }
      assert(performance.now() - startMs > 2000, "ten guesses in less than two seconds");
    });
  });

  it("applies changed users at SIGHUP", async () => {
    writeUsers(directory, USERS.replace("chief", "new-chief"));
    node.kill("SIGHUP");
    await node.waitFor("settings reloaded");
    (await connectAs(runtime, address, "boss", "new-chief")).close();
    writeUsers(directory, "nonsense\n");
    node.kill("SIGHUP");
    await node.waitFor("the users stay as they were");
    (await connectAs(runtime, address, "boss", "new-chief")).close();
  });
});

/** How many files this process may open; the runtimes raise the soft limit to the hard one. */
function openFilesMax(): number {
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
}
