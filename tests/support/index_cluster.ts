/**
 * Three index servers on a map that an etcd or a ZooKeeper has, and a master, its slave and a proxy, all in processes of their
 * own that are killed, stand still and are started again; and clients whose acknowledged writes are remembered.
 */

import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { formatHostPort, type HostPort } from "../../lib/base/host_port.ts";
import { placeText } from "../../lib/index_server/place_text.ts";
import { ClusterAdmin, type ClusterNode, NodeRole, NodeState } from "../../mod.ts";
import { clientRuntime, HOST, waitUntil } from "./daemon.ts";
import { freePorts } from "./free_ports.ts";
import type { MapService } from "./index_scene.ts";
import { type SpawnedProgram, startProgram } from "./spawn.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "./temporary_directory.ts";
import { TextClient } from "./text_client.ts";

const INDEX_SERVERS = 3;
const NODES = 3;
export const LEASE_S = 2;
/** After three failed pings, one a second, a node is down: at once if it refuses, after nine seconds if it is slow. */
const MONITORING = ["--monitor-interval", "1", "--monitor-threshold", "3", "--monitor-read-timeout", "3000"];
/** Between two writes. */
const PAUSE_MS = 10;
/** How long a write waits for its answer: the outcome of the next one must not be taken for its own. */
const ANSWER_MS = 60_000;
/** Of the acknowledged writes between two faults. */
export const WRITES_MIN = 20;
/** Keys of one read. */
const READ_KEYS = 50;

/** Sets one key after the other through a node, and remembers which of them were acknowledged. */
export class Writer {
  readonly acknowledged: string[] = [];
  readonly failures: string[] = [];
  #isStopped = false;
  readonly #client: TextClient;
  readonly #name: string;
  #count = 0;
  #askedMs = 0;
  /** When the last acknowledged write was asked for. */
  #doneMs = 0;

  constructor(client: TextClient, name = "key") {
    this.#client = client;
    this.#name = name;
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      const key = `${this.#name}${this.#count++}`;
      this.#askedMs = performance.now();
      await this.#client.send(`set ${key} 0 0 ${key.length}\r\n${key}\r\n`);
      const answer = await this.#client.until((received) => received.endsWith("\r\n"), ANSWER_MS);
      if (answer === "") throw new Error(`"${key}" has no answer in ${ANSWER_MS} ms`);
      this.#client.received = "";
      if (answer === "STORED\r\n") {
        this.acknowledged.push(key);
        this.#doneMs = this.#askedMs;
      } else this.failures.push(answer);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    this.#client.close();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Resolves when enough further writes are acknowledged. */
  async progress(): Promise<void> {
    const wanted = this.acknowledged.length + WRITES_MIN;
    await waitUntil(() => this.acknowledged.length >= wanted, "writes are acknowledged");
  }

  /** Resolves when a write is acknowledged that was asked for after this call. */
  async oneMore(): Promise<void> {
    const fromMs = performance.now();
    await waitUntil(() => this.#doneMs > fromMs, "a write is acknowledged");
  }

  /** The acknowledged writes that a node does not show. */
  async lost(client: TextClient): Promise<string[]> {
    const lost: string[] = [];
    for (let at = 0; at < this.acknowledged.length; at += READ_KEYS) {
      const keys = this.acknowledged.slice(at, at + READ_KEYS);
      client.received = "";
      await client.send(`get ${keys.join(" ")}\r\n`);
      const answer = await client.until((received) => /(?:^|\r\n)(?:END|SERVER_ERROR[^\r]*)\r\n$/.test(received), ANSWER_MS);
      for (const key of keys) if (!answer.includes(`VALUE ${key} 0 ${key.length}\r\n${key}\r\n`)) lost.push(key);
    }
    client.received = "";
    return lost;
  }
}

export class IndexCluster {
  readonly runtime = clientRuntime();
  readonly indexServers: readonly HostPort[];
  readonly nodes: readonly HostPort[];
  readonly admin: ClusterAdmin;
  readonly #indexDb: string;
  readonly #directory = makeTemporaryDirectory();
  readonly #programs = new Map<number, SpawnedProgram>();

  private constructor(scheme: "etcd" | "zookeeper", service: MapService, firstPort: number) {
    this.#indexDb = placeText(scheme, service, "/flare/test");
    const addresses = Array.from({ length: INDEX_SERVERS + NODES }, (_, i) => ({ host: HOST, port: firstPort + i }));
    this.indexServers = addresses.slice(0, INDEX_SERVERS);
    this.nodes = addresses.slice(INDEX_SERVERS);
    const timeouts = { connectTimeoutMs: 1000, replyTimeoutMs: 1000 };
    this.admin = new ClusterAdmin({ runtime: this.runtime, indexServers: this.indexServers, ...timeouts });
  }

  /** A master, its slave and a proxy. */
  static async start(scheme: "etcd" | "zookeeper", service: MapService): Promise<IndexCluster> {
    const cluster = new IndexCluster(scheme, service, await freePorts(INDEX_SERVERS + NODES));
    for (const { port } of cluster.indexServers) await cluster.startIndex(port);
    for (const { port } of cluster.nodes) await cluster.startNode(port);
    const [master, slave] = cluster.nodes as [HostPort, HostPort];
    assertEquals(await cluster.admin.changeMap(`node role ${HOST} ${master.port} master 1 0`), "OK");
    await cluster.makeSlave(slave.port);
    return cluster;
  }

  startIndex(port: number): Promise<void> {
    const database = ["--index-db", this.#indexDb, "--leader-lease", String(LEASE_S)];
    return this.#startProgram("flarei", port, [...database, ...MONITORING]);
  }

  startNode(port: number): Promise<void> {
    const list = this.indexServers.map(({ host, port }) => formatHostPort(host, port)).join(",");
    return this.#startProgram("flared", port, ["--index-servers", list, "--replication-timeout", "5", "--fsync", "os"]);
  }

  async #startProgram(name: "flarei" | "flared", port: number, args: readonly string[]): Promise<void> {
    const where = ["--data-dir", join(this.#directory, String(port)), "--bind", HOST, "--server-name", HOST];
    const program = startProgram(name, [...where, "--server-port", String(port), ...args]);
    this.#programs.set(port, program);
    await program.waitFor("ready on");
  }

  /** Makes a proxy a slave, and waits until that is active. */
  async makeSlave(port: number): Promise<void> {
    let asked = false;
    await waitUntil(async () => {
      const { role, state } = (await this.nodeAt(port)) ?? {};
      if (role === NodeRole.slave) return state === NodeState.active;
      if (!asked && role === NodeRole.proxy && state === NodeState.active) {
        asked = (await this.admin.changeMap(`node role ${HOST} ${port} slave 1 0`)) === "OK";
      }
      return false;
    }, "the slave is active");
  }

  signal(port: number, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#programs.get(port)?.kill(signal);
  }

  /** Resolves when a killed server is gone. */
  async gone(port: number): Promise<void> {
    await this.#programs.get(port)?.finished;
  }

  /** The port of the index server that says that it leads, of those that answer; undefined if none or several do. */
  async leaderPort(except?: number): Promise<number | undefined> {
    const reports = await this.admin.indexReports();
    const [leader, ...others] = this.indexServers.filter(({ port }, i) => port !== except && reports[i]?.leads === true);
    return others.length > 0 ? undefined : leader?.port;
  }

  /** Waits until another one leads; in milliseconds. */
  async untilLed(except: number): Promise<number> {
    const startMs = performance.now();
    await waitUntil(async () => (await this.leaderPort(except)) !== undefined, "another index server leads");
    return performance.now() - startMs;
  }

  async nodeAt(port: number): Promise<ClusterNode | undefined> {
    return (await this.admin.nodeMap()).nodes.find((each) => each.port === port);
  }

  async version(): Promise<string> {
    return String((await this.admin.nodeMap()).version);
  }

  /** A client of the proxy. */
  client(): Promise<TextClient> {
    return TextClient.connect(this.runtime, this.nodes.at(-1) as HostPort);
  }

  async stop(): Promise<void> {
    this.admin.close();
    for (const program of this.#programs.values()) {
      try {
        program.kill("SIGKILL");
      } catch {
        // It was killed before.
      }
      await program.finished;
    }
    removeTemporaryDirectory(this.#directory);
  }
}
