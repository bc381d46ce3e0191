/**
 * The recorded conversations of the C++ daemons and of memcached, played against our own servers over real sockets: an
 * index server, a master, a slave, a proxy, and the rarer roles. Waiting is done by moving the clock.
 *
 * Covers lib/node_server/commands/admin_commands.ts, lib/node_server/node_storage.ts and lib/stats/stats_commands.ts.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import type { IndexServer, NodeServer, NodeServerOptions } from "../../mod.ts";
import { detectRuntime, startIndexServer, startNodeServer, VERSION } from "../../mod.ts";
import { readRepositoryFile } from "../support/repository.ts";
import { TextClient } from "../support/text_client.ts";
import { FinishedConversations } from "./finished_conversations.ts";
import { DECISIONS, LOOSE } from "./golden_decisions.ts";
import { newestAnswers } from "./newest_memcached.ts";

interface Step {
  readonly role?: string;
  readonly send?: string;
  readonly expect?: string;
  readonly sleep_ms?: number;
}

interface GoldenCase {
  readonly name: string;
  readonly role: string;
  readonly send?: string;
  readonly send_parts?: readonly (readonly ["lit", string] | readonly ["repeat", string, number])[];
  readonly expect: string;
  readonly closed: boolean;
  readonly target: "both" | "flare" | "memcached" | "decide";
  readonly setup?: readonly Step[];
  readonly template?: boolean;
  readonly memcached?: { readonly expect: string; readonly closed: boolean };
}

const NEWEST = newestAnswers("text");
const CASES: readonly GoldenCase[] = JSON.parse(readRepositoryFile("tests/data/golden_text.json"));
/** Longest wait for an answer that does not come, and how long silence is listened to at the end. */
const ANSWER_MS = 5000;

/** The servers of all roles. */
class GoldenServers {
  readonly #addresses = new Map<string, Address & { host: string; port: number }>();
  /** Recorded port → ours. */
  readonly #ports = new Map<string, string>();
  readonly #stops: (() => Promise<unknown>)[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), "flare-golden-"));
  /** In growing order, because lists of nodes are ordered by their names. */
  #freePorts: number[] = [];
  #skewMs = 0;
  readonly runtime: Runtime;

  constructor(real: Runtime) {
    const clock = Object.create(real.clock) as Runtime["clock"];
    clock.nowMs = () => real.clock.nowMs() + this.#skewMs;
    clock.setTimer = (callback, delayMs) => real.clock.setTimer(callback, delayMs);
    clock.monotonicMs = () => real.clock.monotonicMs();
    clock.clearTimer = (timer) => real.clock.clearTimer(timer);
    clock.defer = (callback) => real.clock.defer(callback);
    this.runtime = { ...real, clock };
  }

  passTime(ms: number): void {
    this.#skewMs += ms;
  }

  address(role: string): Address {
    const address = this.#addresses.get(role);
    assert(address !== undefined, `no server for role "${role}"`);
    return address;
  }

  /** Writes our ports where the recording has the recorded ones. */
  translate(text: string): string {
    return text.replace(/\b22\d\d\d\b/g, (port) => this.#ports.get(port) ?? port);
  }

  async start(): Promise<void> {
    this.#freePorts = await freePorts(this.runtime, 6);
    const index = await this.#index("index", "22120", 1);
    const master = await this.#node("master", "22121", index, {
      storageType: "tch",
      maxConnection: 128,
      backLog: 30,
      // The original's default.
      replicationType: "async",
    });
    const slave = await this.#node("slave", "22122", index, { storageType: "tch" });
    await this.#node("proxy", "22123", index, { storageType: "memory" });
    await this.#say(index, `node role 127.0.0.1 ${master.address.port} master 1 0`);
    await this.#say(index, `node role 127.0.0.1 ${slave.address.port} slave 1 0`);
    await this.#until(() => slave.nodeMap.nodes.some((node) => node.key === slave.key && node.role === 1 && node.state === 0));
    await this.#say(index, `node role 127.0.0.1 ${slave.address.port} slave 1 0`);

    const alone = await this.#index("index-tcb", "22130", 1);
    const tcb = await this.#node("master-tcb", "22131", alone, { storageType: "tcb" });
    await this.#say(alone, `node role 127.0.0.1 ${tcb.address.port} master 1 0`);

    const empty = await this.#index("index-empty", "22140", 1);
    await this.#node("proxy-nopartition", "22141", empty, { storageType: "memory" });

    const broken = await this.#index("index-masterdown", "22150", 600);
    const lost = await this.#node("lost", "22151", broken, { storageType: "memory" });
    const proxy = await this.#node("proxy-masterdown", "22152", broken, { storageType: "memory" });
    await this.#say(broken, `node role 127.0.0.1 ${lost.address.port} master 1 0`);
    await lost.stop({ announce: false });
    await this.#say(broken, `node state 127.0.0.1 ${lost.address.port} down`);
    await this.#until(() => proxy.nodeMap.nodes.some((node) => node.key === lost.key && node.state === 2));

    await this.#index("index-lifecycle", "22160", 600);
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop();
    rmSync(this.#directory, { recursive: true });
  }

  async #index(role: string, recordedPort: string, intervalSeconds: number): Promise<IndexServer> {
    const server = await startIndexServer({
      runtime: this.runtime,
      indexDb: "memory://",
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
      monitorIntervalMs: intervalSeconds * 1000,
      maxConnection: 128,
      netReadTimeoutMs: 600000000,
    });
    this.#stops.push(() => server.stop());
    const [address] = server.addresses;
    assert(address !== undefined && "port" in address);
    this.#addresses.set(role, address);
    this.#ports.set(recordedPort, String(address.port));
    return server;
  }

  async #node(
    role: string,
    recordedPort: string,
    index: IndexServer,
    options: Partial<NodeServerOptions>,
  ): Promise<NodeServer> {
    const [indexAddress] = index.addresses;
    assert(indexAddress !== undefined && "port" in indexAddress);
    const node = await startNodeServer({
      runtime: this.runtime,
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: this.#freePorts.shift() ?? 0,
      indexServers: [indexAddress],
      dataDir: join(this.#directory, role),
      ...options,
    });
    this.#stops.push(() => node.stop({ announce: false }));
    this.#addresses.set(role, { host: "127.0.0.1", port: node.address.port });
    this.#ports.set(recordedPort, String(node.address.port));
    await this.#until(() => node.nodeMap.nodes.length > 0);
    return node;
  }

  async #say(index: IndexServer, command: string): Promise<void> {
    const [address] = index.addresses;
    assert(address !== undefined);
    const client = await TextClient.connect(this.runtime, address);
    assertEquals(await client.ask(`${command}\r\n`), "OK\r\n", command);
    client.close();
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function freePorts(runtime: Runtime, count: number): Promise<number[]> {
  const unused = () => new Error("nobody connects here");
  const listeners = await Promise.all(
    Array.from({ length: count }, () =>
      runtime.transport.listen({ host: "127.0.0.1", port: 0 }, () => {
        throw unused();
      }),
    ),
  );
  const ports = listeners.map(({ address }) => ("port" in address ? address.port : 0));
  for (const listener of listeners) await listener.close();
  return ports.sort((left, right) => left - right);
}

/** What we have to answer, and whether we close then. */
function expectation(golden: GoldenCase): { text: string; closed: boolean } {
  const decision = DECISIONS[golden.name];
  if (decision !== undefined) return { text: decision.expect, closed: decision.closed ?? false };
  if (LOOSE[golden.name] !== undefined) return { text: "", closed: false };
  const { memcached } = golden;
  const newest = NEWEST.get(golden.name);
  if (newest !== undefined && golden.target !== "flare") return { text: newest.reply, closed: newest.closed };
  assert(golden.target !== "decide", `"${golden.name}" waits for a decision`);
  if (golden.target === "memcached" && memcached !== undefined) return { text: memcached.expect, closed: memcached.closed };
  return { text: golden.expect, closed: golden.closed };
}

/** The original's version where it stands in a recording, and ours. */
function withOurVersion(text: string): string {
  return text
    .replaceAll("VERSION flare-1.3.4", `VERSION flare-${VERSION}`)
    .replaceAll("STAT version 1.3.4", `STAT version ${VERSION}`);
}

function templatePattern(text: string): RegExp {
  const source = text
    .replace(/[.*+?^$()|[\]\\]/g, "\\$&")
    .replaceAll("{INT}", "\\d+")
    .replaceAll("{FLOAT}", "\\d+\\.\\d+")
    .replaceAll("{DATADIR}", "[^\\r]*")
    .replaceAll("{ANY}", "[^]*");
  return new RegExp(`^${source}$`);
}

function requestOf(golden: GoldenCase): string {
  if (golden.send !== undefined) return golden.send;
  return (golden.send_parts ?? []).map((part) => (part[0] === "lit" ? part[1] : part[1].repeat(part[2]))).join("");
}

describe("recorded text conversations", () => {
  let servers: GoldenServers;
  /** Connections of finished cases, which must stay as silent as the recorded ones. */
  const finished = new FinishedConversations();

  before(async () => {
    servers = new GoldenServers(detectRuntime({ logLevel: "error" }));
    await servers.start();
  });

  after(async () => {
    await servers.stop();
  });

  for (const golden of CASES) {
    it(`${golden.role}: ${golden.name}`, async () => {
      const client = await TextClient.connect(servers.runtime, servers.address(golden.role));
      for (const step of golden.setup ?? []) {
        if (step.sleep_ms !== undefined) servers.passTime(step.sleep_ms);
        if (step.send === undefined) continue;
        const other = step.role === undefined ? client : await TextClient.connect(servers.runtime, servers.address(step.role));
        await exchange(other, servers.translate(step.send), servers.translate(step.expect ?? ""), false);
        if (other !== client) other.close();
      }
      const { text, closed } = expectation(golden);
      const wanted = withOurVersion(servers.translate(text));
      const loose = LOOSE[golden.name];
      await client.send(servers.translate(requestOf(golden)));
      if (loose !== undefined || golden.template === true) {
        const pattern = loose ?? templatePattern(wanted);
        await client.until((received) => pattern.test(received), ANSWER_MS);
        assertMatch(client.received, pattern);
      } else {
        await client.until((received) => received.length >= wanted.length && !closed, ANSWER_MS);
        assertEquals(client.received, wanted);
        assertEquals(client.closed, closed, "connection closed");
      }
      finished.add(golden.name, client);
    });
  }

  it("nothing comes after an answer that was not recorded", () => finished.staySilent());

  async function exchange(client: TextClient, send: string, expect: string, closed: boolean): Promise<void> {
    await client.send(send);
    const received = await client.until((text) => text.length >= expect.length && !closed, ANSWER_MS);
    assertEquals(received, expect);
    client.received = "";
  }
});

describe("the recordings", () => {
  it("are all there, and every exception names one of them", () => {
    assertEquals(CASES.length, 464);
    const names = new Set(CASES.map(({ name }) => name));
    for (const name of [...Object.keys(DECISIONS), ...Object.keys(LOOSE), ...NEWEST.keys()]) assert(names.has(name), name);
  });
});
