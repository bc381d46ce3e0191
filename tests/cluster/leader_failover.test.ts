/**
 * Three index servers on a real etcd, and nodes that serve clients, all in processes of their own: the leading index server is
 * killed, stands still, and a master dies while nobody has led for long. No acknowledged write is lost, and no healthy node is
 * taken down.
 */

import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { formatHostPort, type HostPort } from "../../lib/base/host_port.ts";
import { ClusterAdmin, NodeRole, NodeState } from "../../mod.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { Etcd, withoutEtcd } from "../support/etcd_server.ts";
import { freePorts } from "../support/free_ports.ts";
import { type SpawnedProgram, startProgram } from "../support/spawn.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

const INDEX_SERVERS = 3;
const NODES = 3;
const LEASE_S = 2;
/** With two failed pings in a row, one a second, a node is down. */
const MONITORING = ["--monitor-interval", "1", "--monitor-threshold", "2"];
/** In this time a new leader that counted old failures would have taken nodes down. */
const QUIET_MS = 4000;
/** Between two writes. */
const PAUSE_MS = 10;
/** Of the acknowledged writes between two faults. */
const WRITES_MIN = 20;

/** Sets one key after the other through a node, and remembers which of them were acknowledged. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly failures: string[] = [];
  #isStopped = false;
  readonly #client: TextClient;
  #count = 0;

  constructor(client: TextClient) {
    this.#client = client;
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      const key = `key${this.#count++}`;
      const answer = await this.#client.ask(`set ${key} 0 0 ${key.length}\r\n${key}\r\n`, /\r\n$/);
      if (answer === "STORED\r\n") this.acknowledged.push(key);
      else this.failures.push(answer);
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
}

class Scene {
  readonly runtime = clientRuntime();
  readonly etcd: Etcd;
  readonly indexServers: readonly HostPort[];
  readonly nodes: readonly HostPort[];
  readonly admin: ClusterAdmin;
  readonly #directory = makeTemporaryDirectory();
  readonly #programs = new Map<number, SpawnedProgram>();

  private constructor(etcd: Etcd, firstPort: number) {
    this.etcd = etcd;
    const addresses = Array.from({ length: INDEX_SERVERS + NODES }, (_, i) => ({ host: HOST, port: firstPort + i }));
    this.indexServers = addresses.slice(0, INDEX_SERVERS);
    this.nodes = addresses.slice(INDEX_SERVERS);
    const timeouts = { connectTimeoutMs: 1000, replyTimeoutMs: 1000 };
    this.admin = new ClusterAdmin({ runtime: this.runtime, indexServers: this.indexServers, ...timeouts });
  }

  /** A master, its slave and a proxy. */
  static async start(): Promise<Scene> {
    const scene = new Scene(await Etcd.start(), await freePorts(INDEX_SERVERS + NODES));
    for (const { port } of scene.indexServers) await scene.startIndex(port);
    const list = scene.indexServers.map(({ host, port }) => formatHostPort(host, port)).join(",");
    for (const { port } of scene.nodes) {
      await scene.#startProgram("flared", port, ["--index-servers", list, "--replication-timeout", "2", "--fsync", "os"]);
    }
    const [master, slave] = scene.nodes as [HostPort, HostPort];
    const change = async (command: string) => assertEquals(await scene.admin.changeMap(command), "OK", command);
    await change(`node role ${HOST} ${master.port} master 1 0`);
    await change(`node role ${HOST} ${slave.port} slave 1 0`);
    await waitUntil(
      async () => (await scene.placeOf(slave)) === `${NodeRole.slave} ${NodeState.active}`,
      "the slave is active",
    );
    return scene;
  }

  startIndex(port: number): Promise<void> {
    const members = this.etcd.members.map((member) => formatHostPort(member.host, member.port)).join(",");
    const database = ["--index-db", `etcd://${members}/flare/test`, "--leader-lease", String(LEASE_S)];
    return this.#startProgram("flarei", port, [...database, ...MONITORING]);
  }

  async #startProgram(name: "flarei" | "flared", port: number, args: readonly string[]): Promise<void> {
    const where = ["--data-dir", join(this.#directory, String(port)), "--bind", HOST, "--server-name", HOST];
    const program = startProgram(name, [...where, "--server-port", String(port), ...args]);
    this.#programs.set(port, program);
    await program.waitFor("ready on");
  }

  signal(port: number, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#programs.get(port)?.kill(signal);
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

  async placeOf({ port }: HostPort): Promise<string> {
    const node = (await this.admin.nodeMap()).nodes.find((each) => each.port === port);
    return `${node?.role} ${node?.state}`;
  }

  async version(): Promise<string> {
    return String((await this.admin.nodeMap()).version);
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
    await this.etcd.stop();
    removeTemporaryDirectory(this.#directory);
  }
}

describe("three index servers on etcd", { skip: withoutEtcd, timeout: 300_000 }, () => {
  it("go on without the one that led, lose no acknowledged write, and take no healthy node down", async () => {
    const scene = await Scene.start();
    try {
      const [master, slave, proxy] = scene.nodes as [HostPort, HostPort, HostPort];
      const writer = new Writer(await TextClient.connect(scene.runtime, proxy));
      const writing = writer.run();
      await writer.progress();
      const before = await scene.version();

      // The leader is killed.
      const first = (await scene.leaderPort()) as number;
      scene.signal(first, "SIGKILL");
      const tookMs = await scene.untilLed(first);
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      await writer.progress();
      assertEquals([await scene.version(), writer.failures], [before, []], "nobody noticed");

      // The next leader stands still for longer than its lease, and goes on.
      const second = (await scene.leaderPort()) as number;
      scene.signal(second, "SIGSTOP");
      await scene.untilLed(second);
      const third = (await scene.leaderPort(second)) as number;
      scene.signal(second, "SIGCONT");
      await waitUntil(async () => (await scene.leaderPort()) === third, "the former leader follows");
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      assertEquals([await scene.version(), writer.failures], [before, []], "nobody noticed");

      // The last leader and the master die at the same time: the slave takes over.
      await scene.startIndex(first);
      await writer.progress();
      scene.signal(third, "SIGKILL");
      scene.signal(master.port, "SIGKILL");
      await scene.untilLed(third);
      await waitUntil(
        async () => (await scene.placeOf(slave)) === `${NodeRole.master} ${NodeState.active}`,
        "a slave takes over",
      );
      await writer.progress();
      writer.stop();
      await writing;

      const client = await TextClient.connect(scene.runtime, proxy);
      const lost: string[] = [];
      for (const key of writer.acknowledged) {
        const answer = await client.ask(`get ${key}\r\n`, /END\r\n$|ERROR/);
        if (!answer.includes(`\r\n${key}\r\n`)) lost.push(`${key}: ${answer}`);
      }
      client.close();
      assertEquals(lost, []);
      assertGreater(writer.acknowledged.length, 5 * WRITES_MIN);
      // A lease of two seconds, and a campaign every 0.4 s; the rest is a busy machine.
      assert(tookMs < 5 * LEASE_S * 1000, `another one led after ${Math.round(tookMs)} ms`);

      const reports = await scene.admin.indexReports();
      const leader = await scene.leaderPort();
      assertEquals(
        reports.filter(({ silence }) => silence === undefined).map((report) => report.leader),
        [formatHostPort(HOST, leader as number), formatHostPort(HOST, leader as number)],
      );
      assertGreater(reports.find(({ leads }) => leads)?.term ?? 0, 3);
      assertStringIncludes(String(reports.find(({ silence }) => silence !== undefined)?.silence), "cannot connect");
    } finally {
      await scene.stop();
    }
  });
});
