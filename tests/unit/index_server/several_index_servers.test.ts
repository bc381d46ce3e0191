/**
 * Several index servers that share a map: who leads, what the others do, and what happens when the leader is gone, is cut off
 * from the coordinator, or stands still.
 *
 * Covers lib/index_server/candidacy.ts and lib/index_server/leader_relay.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { type ClusterNode, NodeRole } from "../../../lib/cluster/node.ts";
import { createNodeMap, type NodeMap } from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import type { Election } from "../../../lib/index_server/coordinator.ts";
import { indexServerOptions } from "../../../lib/index_server/index_options.ts";
import { type RunningIndex, startIndexServer } from "../../../lib/index_server/index_server.ts";
import { MemoryCoordinator } from "../../../lib/index_server/memory_coordinator.ts";
import { SharedMap } from "../../../lib/index_server/shared_map.ts";
import type { Connection, ConnectionHandler, Runtime } from "../../../lib/runtime/runtime.ts";
import { IndexWorld } from "../../support/index_world.ts";

const LEASE_MS = 5000;
const NEVER = () => new Promise<never>(() => undefined);
const AWAY = () => Promise.reject(new FlareError("CONNECTION_FAILED", "the coordinator is away", { retriable: true }));
const NO_LEADER = "no index server leads now";

/** A master, its slave and a proxy. */
const THREE: NodeMap = createNodeMap(
  11,
  ["NODE m 1 0 0 0 1 16", "NODE s 1 1 0 0 1 17", "NODE p 1 2 0 -1 0 18"].map((line) => parseNodeLine(line) as ClusterNode),
  19,
);

/** One process in the world, which can be killed. */
class Process implements Runtime {
  readonly name = "simulated";
  readonly clock: Runtime["clock"];
  readonly transport: Runtime["transport"];
  readonly files: Runtime["files"];
  readonly random: Runtime["random"];
  readonly log: Runtime["log"];
  readonly process: Runtime["process"];
  readonly #connections: Connection[] = [];
  #isAlive = true;

  constructor({ clock, transport, files, random, log, process }: IndexWorld) {
    const live = (work: () => void) => void (this.#isAlive && work());
    const mortal = (handler: ConnectionHandler): ConnectionHandler => ({
      onOpen: () => live(() => handler.onOpen()),
      onData: (chunk) => live(() => handler.onData(chunk)),
      onDrain: () => live(() => handler.onDrain()),
      onEnd: () => live(() => handler.onEnd()),
      onClose: (error) => live(() => handler.onClose(error)),
    });
    const owned = <T extends Connection>(connection: T): T => {
      this.#connections.push(connection);
      return connection;
    };
    this.clock = {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (callback, delayMs) => clock.setTimer(() => live(callback), delayMs),
      clearTimer: (timer) => clock.clearTimer(timer),
      defer: (callback) => clock.defer(() => live(callback)),
    };
    this.transport = {
      listen: (address, accept) => transport.listen(address, (connection) => mortal(accept(owned(connection)))),
      connect: (address, timeoutMs, handler) => owned(transport.connect(address, timeoutMs, mortal(handler))),
    };
    this.files = files;
    this.random = random;
    this.log = log;
    this.process = process;
  }

  kill(): void {
    this.#isAlive = false;
    for (const connection of this.#connections) connection.destroy();
  }
}

class Scene {
  readonly world = new IndexWorld();
  readonly shared = new SharedMap(this.world.clock, THREE);
  readonly servers = new Map<string, RunningIndex>();
  readonly coordinators = new Map<string, MemoryCoordinator>();
  readonly processes = new Map<string, Process>();
  #starts = 0;

  async start(name: string, coordinator = new MemoryCoordinator(this.shared)): Promise<RunningIndex> {
    const runtime = new Process(this.world);
    this.coordinators.set(name, coordinator);
    this.processes.set(name, runtime);
    const options = indexServerOptions({
      // The lock of a process that was killed stays in these files.
      dataDir: `/${name}${this.#starts++}`,
      bind: name,
      serverName: name,
      serverPort: 1,
      leaderLeaseMs: LEASE_MS,
      monitorIntervalMs: 1000,
      monitorThreshold: 3,
      monitorReadTimeoutMs: 500,
    });
    const server = await this.world.network.during(startIndexServer(runtime, options, coordinator));
    this.servers.set(name, server);
    return server;
  }

  kill(name: string): void {
    this.#disconnect(name, NEVER);
    this.processes.get(name)?.kill();
    this.world.network.unreachable.add(`${name}:1`);
  }

  /** Nothing gets from a server to the coordinator any more, until the result is called. */
  cutOff(name: string): () => void {
    return this.#disconnect(name, AWAY);
  }

  #disconnect(name: string, outcome: () => Promise<never>): () => void {
    const coordinator = this.coordinators.get(name) as MemoryCoordinator;
    const election = coordinator.election as { -readonly [K in keyof Election]: Election[K] };
    const { restore, store } = coordinator;
    const { campaign, resign } = election;
    Object.assign(coordinator, { restore: outcome, store: outcome });
    Object.assign(election, { campaign: outcome, resign: outcome });
    return () => {
      Object.assign(coordinator, { restore, store });
      Object.assign(election, { campaign, resign });
    };
  }

  async ask(name: string, text: string): Promise<string> {
    const far = this.world.network.dial(`${name}:1`, "10.0.0.7:50000");
    far.send(text);
    const isComplete = () => /(OK|END|ERROR[^\r]*)\r\n$/.test(far.received);
    await this.world.network.passUntil(isComplete, 10_000);
    const { received } = far;
    far.close();
    return received;
  }

  leads(): string[] {
    return [...this.servers].filter(([name, server]) => this.isUp(name) && server.leadership.isLeading).map(([name]) => name);
  }

  isUp(name: string): boolean {
    return !this.world.network.unreachable.has(`${name}:1`);
  }

  server(name: string): RunningIndex {
    return this.servers.get(name) as RunningIndex;
  }

  logOf(text: string): string[] {
    return this.world.logged.filter((line) => line.includes(text));
  }
}

/** Three index servers, which have started in this order. */
async function startThree(): Promise<Scene> {
  const scene = new Scene();
  for (const name of ["a", "b", "c"]) await scene.start(name);
  return scene;
}

describe("several index servers", () => {
  it("have one leader, which alone monitors the nodes; the others say who it is, and show the map", async () => {
    const scene = await startThree();
    assertEquals(scene.leads(), ["a"]);
    await scene.world.advance(3500);
    assertEquals(scene.world.node("m:1").received.filter((command) => command === "ping").length, 3);
    for (const name of ["a", "b", "c"]) {
      const stats = await scene.ask(name, "stats\r\n");
      assertStringIncludes(stats, "STAT index_leader a:1\r\n");
      assertStringIncludes(stats, `STAT index_leads ${name === "a" ? 1 : 0}\r\n`);
      assertStringIncludes(stats, "STAT index_term 1\r\nSTAT index_replaced_by 0\r\n");
      const since = /STAT index_leader_since (\d+)\r\n/.exec(stats)?.[1];
      assert(Number(since) > 1_800_000_000 - 2 && Number(since) < 1_800_000_002, since);
      assertStringIncludes(await scene.ask(name, "stats nodes\r\n"), "STAT m:1:role master\r\n");
    }
    assertEquals(scene.logOf('index server "a:1" leads, this one follows').length, 2);
  });

  it("make a change through any of them, and show it at once to whom it was asked of", async () => {
    const scene = await startThree();
    assertEquals(await scene.ask("b", "node role s 1 slave 5\r\n"), "OK\r\n");
    const balance = (name: string) => scene.server(name).nodeMap.nodes.find(({ key }) => key === "s:1")?.balance;
    assertEquals([balance("a"), balance("b")], [5, 5]);
    assertStringIncludes(
      scene.logOf('"node role s 1 slave 5" from 10.0.0.7:50000 through 127.0.0.1:1')[0] ?? "",
      "node map 12",
    );
    const added = await scene.ask("c", "node add x 1\r\n");
    assertStringIncludes(added, "NODE m 1 0 0 0 1 16\r\n");
    assertStringIncludes(added, "NODE x 1 2 0 -1 0 19\r\nEND\r\n");
    assertEquals(await scene.ask("c", "node role s 1 master 1 5\r\n"), "SERVER_ERROR failed to set role (and balance)\r\n");
    assertEquals(await scene.ask("c", "shutdown s 1\r\n"), "OK\r\n");
    assertEquals(await scene.ask("c", "node\r\n"), "ERROR\r\n");
    // What is passed on is not passed on again.
    assertEquals(
      await scene.ask("b", "relay 10.0.0.7:1 shutdown p 1\r\n"),
      `SERVER_ERROR failed to shutdown: ${NO_LEADER}\r\n`,
    );
    for (const wrong of ["relay", "relay 10.0.0.7:1", "relay 10.0.0.7:1 ping", "relay 10.0.0.7:1 node toString p 1"]) {
      assertEquals(await scene.ask("a", `${wrong}\r\n`), "ERROR\r\n");
    }
  });

  it("have another leader within the lease when it dies, which takes no healthy node down", async () => {
    const scene = await startThree();
    // The leader is about to take a node down that others reach.
    scene.world.node("p:1").answer = () => undefined;
    await scene.world.advance(3600);
    assertEquals(scene.shared.restore().map.version, 11);
    scene.kill("a");
    scene.world.node("p:1").answer = () => "OK\r\n";
    assertEquals(
      await scene.ask("b", "node role s 1 slave 5\r\n"),
      `SERVER_ERROR failed to set role (and balance): ${NO_LEADER}\r\n`,
    );
    await scene.world.advance(LEASE_MS + 1000);
    const [leader = ""] = scene.leads();
    assertEquals([scene.leads().length, scene.server(leader).leadership.term], [1, 2]);
    assertEquals(scene.logOf("this index server leads: node map 11 with 3 nodes in use, term 2").length, 1);
    for (const name of ["b", "c"])
      assertStringIncludes(await scene.ask(name, "stats\r\n"), `STAT index_leader ${leader}:1\r\n`);
    await scene.world.advance(10_000);
    assertEquals(scene.shared.restore().map.version, 11, "nobody was taken down");
    assertEquals(await scene.ask("b", "node role s 1 slave 5\r\n"), "OK\r\n");
    assertEquals(await scene.ask("c", "node role s 1 slave 6\r\n"), "OK\r\n");
    // It does its work.
    scene.world.node("m:1").answer = () => undefined;
    await scene.world.advance(8000);
    const roleOf = (name: string) => scene.server(leader).nodeMap.nodes.find(({ key }) => key === name)?.role;
    assertEquals([roleOf("m:1"), roleOf("s:1")], [NodeRole.proxy, NodeRole.master]);
  });

  it("give the new leader's failures a count of their own", async () => {
    const scene = await startThree();
    scene.world.node("p:1").answer = () => undefined;
    await scene.world.advance(2600);
    scene.kill("a");
    while (scene.leads().length === 0) await scene.world.advance(50);
    const ledMs = scene.world.clock.monotonicMs();
    while (scene.shared.restore().map.version === 11) await scene.world.advance(50);
    // Three pings, each 500 ms after an interval of 1000 ms.
    assert(scene.world.clock.monotonicMs() - ledMs >= 4400, String(scene.world.clock.monotonicMs() - ledMs));
  });

  it("are led at once by another one when the leader stops, and by the same one when it only restarts", async () => {
    const scene = await startThree();
    await scene.world.network.during(scene.server("a").stop());
    scene.world.network.unreachable.add("a:1");
    await scene.world.advance(LEASE_MS / 5);
    assertEquals(scene.leads().length, 1);
    const [leader = ""] = scene.leads();
    scene.kill(leader);
    scene.world.network.unreachable.delete(`${leader}:1`);
    assertEquals((await scene.start(leader)).leadership.isLeading, true, "its former process is gone");
    assertEquals(scene.leads(), [leader]);
  });

  it("are led by no one that cannot renew its lease: it stops before another one begins, and may lead again", async () => {
    const scene = await startThree();
    await scene.world.advance(1100);
    const mend = scene.cutOff("a");
    scene.world.trace.length = 0;
    for (let passedMs = 0; passedMs < 2 * LEASE_MS; passedMs += 100) {
      await scene.world.advance(100);
      assert(scene.leads().length <= 1, "two lead");
    }
    const [leader = ""] = scene.leads();
    assert(leader === "b" || leader === "c");
    assertEquals(
      scene.logOf("warning this index server leads no more, its term was 1: its lease could not be renewed").length,
      1,
    );
    const role = "node role s 1 slave 5\r\n";
    const refused = `SERVER_ERROR failed to set role (and balance): ${NO_LEADER}\r\n`;
    assertEquals(await scene.ask("a", role), refused, "the last leader that it knows is itself");
    assertEquals(scene.shared.restore().map.version, 11);
    mend();
    await scene.world.advance(LEASE_MS / 5);
    assertEquals(await scene.ask("a", role), "OK\r\n", "it follows the new one");
    scene.kill("b");
    scene.kill("c");
    await scene.world.advance(LEASE_MS + 1000);
    assertEquals([scene.leads(), scene.server("a").leadership.term], [["a"], 3], "it leads again without a restart");
    assertEquals(await scene.ask("a", "node role s 1 slave 7\r\n"), "OK\r\n");
  });

  it("fence a leader that stood still while another one took over: it stores nothing, and follows", async () => {
    const scene = await startThree();
    const { store } = MemoryCoordinator.prototype;
    const coordinator = scene.coordinators.get("a") as MemoryCoordinator;
    // The change is decided, and its store is on its way for longer than the lease.
    coordinator.store = async (stored, token) => {
      scene.cutOff("a");
      await new Promise<void>((resolve) => scene.world.clock.setTimer(resolve, 2 * LEASE_MS));
      return store.call(coordinator, stored, token);
    };
    const far = scene.world.network.dial("a:1", "10.0.0.7:50000");
    far.send("node role s 1 slave 5\r\n");
    await scene.world.advance(1.5 * LEASE_MS);
    assertEquals(await scene.ask("b", "node role s 1 slave 8\r\n"), "OK\r\n");
    await scene.world.advance(LEASE_MS);
    assertEquals(far.received, `SERVER_ERROR failed to set role (and balance): ${NO_LEADER}\r\n`);
    const { map } = scene.shared.restore();
    assertEquals([map.version, map.nodes.find(({ key }) => key === "s:1")?.balance], [12, 8]);
  });

  it("show the stored map at each of them, and pass an imported one on to the leader", async () => {
    const scene = await startThree();
    const text = (await scene.ask("b", "index map\r\n")).replace(/\r\nEND\r\n$/, "").replaceAll("\r\n", "\n");
    const { map } = scene.shared.restore();
    assertEquals(await scene.ask("b", `index import ${map.version} ${btoa(text)}\r\n`), "OK\r\n");
    const next = scene.shared.restore();
    assertEquals([next.map.version, next.map.nodes], [Number(map.version) + 1, map.nodes]);
    assertStringIncludes(await scene.ask("c", "index history 1\r\n"), '\\"index import 11 \\u2026\\" from ');
  });

  it("do not say that nothing was changed when the leader got a change and does not answer", async () => {
    const scene = await startThree();
    (scene.coordinators.get("a") as MemoryCoordinator).store = NEVER;
    const answer = await scene.ask("b", "node role s 1 slave 5\r\n");
    assertEquals(answer, "SERVER_ERROR failed to set role (and balance): the leading index server has not answered\r\n");
  });
});

describe("an index server", () => {
  it("does not start without the coordinator, nor if the map is lost", async () => {
    const scene = new Scene();
    const coordinator = new MemoryCoordinator(scene.shared);
    scene.coordinators.set("a", coordinator);
    const mend = scene.cutOff("a");
    const error = (await assertRejects(() => scene.start("a", coordinator), FlareError)) as FlareError;
    assertEquals(error.message, "the coordinator is away");
    mend();
    const { restore } = coordinator;
    coordinator.restore = async () => ({ ...(await restore.call(coordinator)), lost: "the map is gone" });
    const lost = (await assertRejects(() => scene.start("a", coordinator), FlareError)) as FlareError;
    assertEquals([lost.code, lost.message], ["CORRUPT", "the map is gone"]);
  });
});
