/**
 * Real processes in a network that loses packets or resolves names slowly: an index server that detects nothing by itself, and
 * nodes whose clients use UNIX sockets. Nobody may wait longer than `peer-read-timeout`, and no key may seem to be missing.
 *
 * Runs alone: it measures times.
 */

import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { hasNamespaces, type NameRecord, NetworkNamespace } from "../support/network_namespace.ts";
import { skipWhere } from "../support/skip.ts";
import type { SpawnedProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

/** Whether a machine gives such networks is not ours to say: where it does not, these are left out, and say so. */
const skip = skipWhere(!hasNamespaces(), "a network namespace (root, iproute2 and iptables) is needed");
/** `peer-read-timeout`. */
const SILENCE_S = 4;
/** Within this time a node that is gone is found out, on a machine that does much else. */
const FOUND_OUT_S = SILENCE_S + 3;
/** Nothing has to be waited for, or only the pauses between a few attempts. */
const AT_ONCE_S = 3;
const INDEX = 1;
const PORT = 2000;
/** Long enough that only the operator says who is down. */
const MONITOR_INTERVAL_S = 3600;
const KEYS = Array.from({ length: 24 }, (_, number) => `key${number}`);

/** Answers to the same request for each key, how often each came, and the slowest, in seconds. */
interface Round {
  readonly answers: Readonly<Record<string, number>>;
  readonly slowest: number;
}

class Cluster {
  readonly network: NetworkNamespace;
  readonly #runtime: Runtime;
  readonly #directory: string;
  /** The name of a server by its number. */
  readonly #host: (number: number) => string;
  readonly #programs = new Map<number, SpawnedProgram>();

  constructor(runtime: Runtime, directory: string, host: (number: number) => string) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.#host = host;
    this.network = new NetworkNamespace(directory);
  }

  async startIndex(): Promise<void> {
    const args = ["--index-db", "memory://", "--monitor-interval", String(MONITOR_INTERVAL_S)];
    await this.#start("flarei", INDEX, "127.0.0.1", args);
  }

  /** @param address where it listens */
  startNode(number: number, address = `127.0.0.${number}`): Promise<void> {
    return this.#start("flared", number, address, [
      ...["--index-servers", `127.0.0.1:${PORT}`, "--peer-read-timeout", String(SILENCE_S), "--memory-limit", "16"],
    ]);
  }

  async kill(number: number): Promise<void> {
    const program = this.#programs.get(number) as SpawnedProgram;
    program.kill("SIGKILL");
    await program.finished;
  }

  /** Tells the index server, and waits until the map is as expected. */
  async operate(command: string, number: number, expected: string): Promise<void> {
    const [answer] = await this.ask(INDEX, `node ${command.replace("@", `${this.#host(number)} ${PORT}`)}\r\n`);
    assertEquals(answer, "OK\r\n", command);
    await this.untilNode(number, expected);
  }

  /** Waits until the map says something of a node. */
  untilNode(number: number, expected: string): Promise<void> {
    const line = `${this.#host(number)}:${PORT}:${expected}\r\n`;
    return waitUntil(async () => (await this.#nodes()).includes(line), line);
  }

  /** Asks a server; gives the answer and how long it took, in seconds. */
  async ask(number: number, request: string, end = /\r\n$/): Promise<[answer: string, seconds: number]> {
    const client = await TextClient.connect(this.#runtime, { path: this.#socket(number) });
    const startMs = performance.now();
    await client.send(request);
    const answer = await client.until((received) => end.test(received), 30000);
    client.close();
    return [answer, (performance.now() - startMs) / 1000];
  }

  /** Asks the same for every key, all at once. */
  async round(number: number, request: (key: string) => string, keys: readonly string[] = KEYS): Promise<Round> {
    const replies = await Promise.all(keys.map((key) => this.ask(number, request(key), /(END|STORED|ERROR.*)\r\n$/)));
    const answers: Record<string, number> = {};
    for (const [answer] of replies) {
      const what = answer.replace(/^VALUE \S+ \d+ \d+\r\n(\S+)\r\nEND\r\n$/, "$1").trim() || "nothing";
      answers[what] = (answers[what] ?? 0) + 1;
    }
    return { answers, slowest: Math.max(...replies.map(([, seconds]) => seconds)) };
  }

  /** Whether the map of node `number` says something of a node, and that none is copying. */
  async knows(number: number, expected: string): Promise<boolean> {
    const [nodes] = await this.ask(number, "stats nodes\r\n", /END\r\n$/);
    return nodes.includes(`:${PORT}:${expected}\r\n`) && !nodes.includes("state prepare");
  }

  async #nodes(): Promise<string> {
    return (await this.ask(INDEX, "stats nodes\r\n", /END\r\n$/))[0];
  }

  async #start(name: "flared" | "flarei", number: number, address: string, args: readonly string[]): Promise<void> {
    const program = this.network.start(`cli/${name}.ts`, [
      ...["--data-dir", join(this.#directory, String(number)), "--server-socket", this.#socket(number)],
      ...["--bind", address, "--server-name", this.#host(number), "--server-port", String(PORT), ...args],
    ]);
    this.#programs.set(number, program);
    await program.waitFor("ready on");
  }

  #socket(number: number): string {
    return join(this.#directory, `${number}.sock`);
  }
}

async function withCluster(host: (number: number) => string, test: (cluster: Cluster) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const cluster = new Cluster(clientRuntime(), directory, host);
    try {
      await test(cluster);
    } finally {
      await cluster.network.clear();
    }
  });
}

function get(key: string): string {
  return `get ${key}\r\n`;
}

function setTo(value: string): (key: string) => string {
  return (key) => `set ${key} 0 0 ${value.length}\r\n${value}\r\n`;
}

/** All answers were `expected`, and the last came within `seconds`. */
function assertRound({ answers, slowest }: Round, expected: string, count: number, seconds: number): void {
  assertEquals(answers, { [expected]: count });
  assert(slowest <= seconds, `it took ${slowest} s`);
}

describe("a network that drops packets", { skip }, () => {
  const [master, slave, proxy] = [2, 3, 4];

  it("costs some seconds once, no read, and no copy", { timeout: 240_000 }, () =>
    withCluster(
      (number) => `127.0.0.${number}`,
      async (cluster) => {
        await cluster.startIndex();
        await Promise.all([master, slave, proxy].map((number) => cluster.startNode(number)));
        await cluster.operate("role @ master 1 0", master, "role master");
        await cluster.operate("role @ slave 0 0", slave, "role slave");
        await cluster.untilNode(slave, "state active");
        await cluster.operate("role @ slave 1 0", slave, "balance 1");
        await waitUntil(() => cluster.knows(proxy, "balance 1"), "the proxy knows both readers");
        const all = KEYS.length;
        assertRound(await cluster.round(proxy, setTo("one")), "STORED", all, 10);
        assertRound(await cluster.round(proxy, get), "one", all, 10);

        cluster.network.drop(`127.0.0.${slave}`);
        assertRound(await cluster.round(proxy, get), "one", all, FOUND_OUT_S);
        assertRound(await cluster.round(proxy, get), "one", all, AT_ONCE_S);
        const sync = (key: string): string => `set ${key} 0 0 3 sync\r\ntwo\r\n`;
        assertRound(await cluster.round(proxy, sync), "STORED", all, FOUND_OUT_S);
        assertRound(await cluster.round(proxy, sync), "STORED", all, AT_ONCE_S);
        cluster.network.mend();
        await cluster.untilNode(slave, "state active");
        await waitUntil(() => cluster.knows(proxy, "state active"), "the proxy knows that the slave has what it missed");

        cluster.network.drop(`127.0.0.${master}`);
        assertRound(await cluster.round(proxy, get), "two", all, FOUND_OUT_S);
        // What reaches it before it is known to be gone is in doubt, and what does not has not happened.
        const { answers, slowest } = await cluster.round(proxy, setTo("three"));
        assert(slowest <= FOUND_OUT_S, `it took ${slowest} s`);
        const doubt = answers["SERVER_ERROR proxy error"] ?? 0;
        assertEquals(doubt + (answers["SERVER_ERROR proxy failure"] ?? 0), all, JSON.stringify(answers));
        assertRound(await cluster.round(proxy, setTo("three")), "SERVER_ERROR proxy failure", all, AT_ONCE_S);
        await cluster.operate("state @ down", master, "state down");
        await waitUntil(async () => (await cluster.round(proxy, setTo("four"))).answers.STORED === all, "the slave is master");
        assertRound(await cluster.round(proxy, get), "four", all, AT_ONCE_S);
      },
    ),
  );
});

describe("names that nobody answers for", { skip }, () => {
  const [living, dead, proxy] = [2, 3, 4];
  const host = (number: number): string => `n${number}.test`;

  it("delay nobody but those who want them", { timeout: 240_000 }, () =>
    withCluster(host, async (cluster) => {
      const names: Record<string, NameRecord> = {};
      for (const number of [living, dead, proxy]) names[host(number)] = { address: `127.0.0.${number}` };
      await cluster.network.setNames(names);
      await cluster.startIndex();
      await Promise.all([living, dead, proxy].map((number) => cluster.startNode(number)));
      await cluster.operate("role @ master 1 0", living, "role master");
      await cluster.operate("role @ master 1 1", dead, "state ready");
      await cluster.operate("state @ active", dead, "state active");
      await waitUntil(async () => (await cluster.round(proxy, setTo("one"))).answers.STORED === KEYS.length, "all is written");
      const [listing] = await cluster.ask(living, "dump_key\r\n", /END\r\n$/);
      await cluster.network.setNames({ ...names, [host(dead)]: { delayMs: 20_000 } });
      await cluster.kill(dead);
      const lost = KEYS.filter((key) => !listing.includes(`KEY ${key}\r\n`));
      assert(lost.length > 3 && lost.length < KEYS.length - 3, `${lost.length} keys`);
      const kept = KEYS.filter((key) => !lost.includes(key));
      let isOver = false;
      const asking = (async () => {
        while (!isOver) await cluster.round(proxy, get, lost);
      })();
      // Awaited at the end; an earlier failure is the one to report.
      asking.catch(() => undefined);

      // The other master starts again: everybody reconnects.
      await cluster.kill(living);
      await cluster.startNode(living);
      assertRound(await cluster.round(proxy, setTo("two"), kept), "STORED", kept.length, AT_ONCE_S);
      assertRound(await cluster.round(proxy, get, kept), "two", kept.length, AT_ONCE_S);

      // And again, at another address.
      await cluster.kill(living);
      await cluster.network.setNames({
        ...names,
        [host(living)]: { address: "127.0.0.12" },
        [host(dead)]: { delayMs: 20_000 },
      });
      await cluster.startNode(living, "127.0.0.12");
      const movedMs = performance.now();
      await waitUntil(
        async () => (await cluster.round(proxy, setTo("three"), kept)).answers.STORED === kept.length,
        "the new address is found",
      );
      assert(performance.now() - movedMs < 10_000, `it took ${performance.now() - movedMs} ms`);
      isOver = true;
      await asking;
    }),
  );
});
