/**
 * The index server among its nodes: who gets which map and in which order, who is down and who is back, what survives.
 *
 * Covers lib/index_server/broadcaster.ts and lib/index_server/node_map_service.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { ANY_DATA } from "../../../lib/cluster/data_identity.ts";
import { encodeFlareXml } from "../../../lib/cluster/flare_xml.ts";
import { type ClusterNode, createNode } from "../../../lib/cluster/node.ts";
import { joinNode } from "../../../lib/cluster/node_join.ts";
import type { NodeMap } from "../../../lib/cluster/node_map.ts";
import { createNodeMap } from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import { decodeStoredMap } from "../../../lib/cluster/stored_map.ts";
import type { Coordinator } from "../../../lib/index_server/coordinator.ts";
import { indexServerOptions } from "../../../lib/index_server/index_options.ts";
import { type RunningIndex, startIndexServer } from "../../../lib/index_server/index_server.ts";
import { MemoryCoordinator } from "../../../lib/index_server/memory_coordinator.ts";
import { IndexWorld } from "../../support/index_world.ts";

/** Each line: `name role state partition balance`, numbers as on the wire; port 1. */
function mapOf(version: number, ...lines: string[]): NodeMap {
  const nodes = lines.map((line, i) => {
    const [name, ...rest] = line.split(" ");
    return parseNodeLine(`NODE ${name} 1 ${rest.join(" ")} ${16 + i}`) as ClusterNode;
  });
  return createNodeMap(version, nodes, 16 + lines.length);
}

const FOUR = mapOf(11, "a 0 0 0 1", "b 1 0 0 1", "d 1 0 0 3", "p 2 0 -1 0");

/** The same map when every node has reported its data. */
function withData(map: NodeMap): NodeMap {
  return createNodeMap(
    map.version,
    map.nodes.map((node) => createNode({ ...node, data: ANY_DATA })),
    map.nextThreadType,
  );
}

interface Scene {
  world: IndexWorld;
  server: RunningIndex;
}

async function start(
  map: NodeMap,
  coordinator: Coordinator = new MemoryCoordinator(map),
  world = new IndexWorld(),
): Promise<Scene> {
  const options = indexServerOptions({
    dataDir: "/data",
    monitorIntervalMs: 1000,
    monitorThreshold: 3,
    monitorReadTimeoutMs: 500,
  });
  const server = await startIndexServer(world, options, coordinator);
  return { world, server };
}

/** Somebody else adds a node. */
async function storeOther(coordinator: Coordinator, term: number): Promise<void> {
  const { map, token } = await coordinator.restore();
  const other = joinNode(map, { host: "other", port: 1, silent: false });
  assert(other.ok);
  assert((await coordinator.store({ map: other.map, term }, token)) !== undefined);
}

/** Started, every node pinged once and up to date, and the trace empty. */
async function startSettled(map: NodeMap): Promise<Scene> {
  const scene = await start(map);
  await scene.world.advance(1100);
  scene.world.trace.length = 0;
  return scene;
}

function rolesOf(server: RunningIndex): string[] {
  return server.nodeMap.nodes.map((node) => `${node.host} ${node.role} ${node.state} ${node.partition} ${node.balance}`);
}

/** The trace without what is sent to everybody all the time. */
function pushes(world: IndexWorld): string[] {
  return world.trace.filter((line) => !line.endsWith(" ping"));
}

function nodeSync(version: number, ...lines: string[]): string {
  return [`node sync ${version}`, ...lines].join("|");
}

describe("index server", () => {
  it("answers a new node with the map, and tells the others, not the new one", async () => {
    const { world } = await startSettled(mapOf(1, "a 2 0 -1 0"));
    const { reply } = await world.ask("node add b 1\r\n");
    assertEquals(reply, "NODE a 1 2 0 -1 0 16\r\nNODE b 1 2 0 -1 0 17\r\nEND\r\n");
    assertEquals(world.trace, [`a:1 ${nodeSync(2, "a 1 2 0 -1 0 16", "b 1 2 0 -1 0 17")}`]);
    await world.advance(999);
    assertEquals(world.node("b:1").received, []);
    await world.advance(10);
    assertEquals(world.node("b:1").received, ["ping", nodeSync(2, "a 1 2 0 -1 0 16", "b 1 2 0 -1 0 17")]);
  });

  it("pushes nothing at its own start before a node has answered a ping", async () => {
    const { world } = await start(FOUR);
    await world.advance(900);
    assertEquals(world.trace, []);
    await world.advance(200);
    assertEquals(
      world.trace.filter((line) => line.startsWith("b:1")).map((line) => line.slice(0, 20)),
      ["b:1 ping", "b:1 node sync 11|a 1"],
    );
    await world.advance(1000);
    assertEquals(pushes(world).length, 4, "each once");
  });

  it("promotes the slave with the largest balance when the master is gone, and tells it first", async () => {
    const { world, server } = await startSettled(FOUR);
    world.node("a:1").reachable = false;
    world.node("a:1").answer = () => "";
    world.node("d:1").answer = (command) => (command === "ping" ? "OK\r\n" : undefined);
    await world.advance(2800);
    assertEquals(server.nodeMap.version, 11);
    await world.advance(250);
    assertEquals(rolesOf(server), ["a 2 2 -1 0", "b 1 0 0 1", "d 0 0 0 3", "p 2 0 -1 0"]);
    assertEquals(server.nodeMap.version, 12);
    const sync = nodeSync(12, "a 1 2 2 -1 0 16", "b 1 1 0 0 1 17", "d 1 0 0 0 3 18", "p 1 2 0 -1 0 19");
    assertEquals(pushes(world), [`d:1 ${sync}`], "the others wait for its answer");
    await world.advance(600);
    assertEquals(pushes(world).slice(1).sort(), [`b:1 ${sync}`, `p:1 ${sync}`], "but not for ever");
    world.node("d:1").answer = () => "OK\r\n";
    await world.advance(1500);
    assertEquals(pushes(world).filter((line) => line === `d:1 ${sync}`).length, 2, "and it gets it again");
  });

  it("logs each change with what was asked and by whom, and a refusal with its rule", async () => {
    const { world } = await startSettled(mapOf(1, "a 0 0 0 1", "p 2 0 -1 0"));
    world.logged.length = 0;
    await world.ask("node role p 1 slave 1 0\r\n");
    await world.ask("node role p 1 master 1 5\r\n");
    world.node("p:1").reachable = false;
    world.node("p:1").answer = () => undefined;
    await world.advance(6000);
    await world.ask("node add p 1\r\n");
    const [notice, ...more] = world.logged.filter((line) => line.includes('node "p:1" is down'));
    assert(notice?.startsWith('notice node "p:1" is down: ') && more.length === 0, notice);
    const events = world.logged.filter((line) => /node map|failed to/.test(line) && !line.includes(" audit "));
    assertEquals(events, [
      'notice node map 2: role "p:1": proxy, active, balance 0 -> slave of partition 0, prepare, balance 0; ' +
        '"node role p 1 slave 1 0" from 127.0.0.1:50000',
      'warning failed to set role (and balance): "p:1" is a slave of partition 0: only a proxy can get another role; ' +
        '"node role p 1 master 1 5" from 127.0.0.1:50000',
      'notice node map 3: lost "p:1": slave of partition 0, prepare, balance 0 -> proxy, down, balance 0; ' +
        "the monitor: it does not answer",
      'notice node map 4: joined "p:1": proxy, down, balance 0; "node add p 1" from 127.0.0.1:50000',
    ]);
  });

  it("takes no other node for one whose address that has, and lets the right one join", async () => {
    const { world, server } = await startSettled(FOUR);
    const gone = world.node("p:1");
    gone.stranger = "q:1";
    for (const connection of gone.connections) connection.close();
    await world.advance(6000);
    assertEquals(rolesOf(server)[3], "p 2 2 -1 0");
    assert(world.logged.includes('notice node "p:1" is down: at the address of "p:1" is "q:1"'), world.logged.join("\n"));
  });

  it("lets a node join whose address another one has, which answers there", async () => {
    for (const [stranger, answer] of [
      ["q:1", "NODE"],
      [undefined, "SERVER_ERROR"],
    ] as const) {
      const { world } = await startSettled(FOUR);
      world.node("p:1").stranger = stranger;
      assertEquals((await world.ask("node add p 1\r\n")).reply.trimEnd().split(" ")[0], answer);
    }
  });

  it("takes a node back when it answers again", async () => {
    const { world, server } = await startSettled(FOUR);
    world.node("p:1").answer = (command) => (command === "ping" ? "SERVER_ERROR storage error\r\n" : "OK\r\n");
    await world.advance(3100);
    assertEquals(rolesOf(server)[3], "p 2 2 -1 0");
    world.node("p:1").answer = () => "OK\r\n";
    await world.advance(1100);
    assertEquals(rolesOf(server)[3], "p 2 0 -1 0");
    assertEquals(server.nodeMap.version, 13);
  });

  it("removes a slave from the in-sync set, which it tells first, and adds it, for a master with its map", async () => {
    const { world, server } = await startSettled(withData(mapOf(3, "a 0 0 0 1", "b 1 0 0 2")));
    world.node("b:1").answer = () => undefined;
    assertEquals((await world.ask("node state b 1 prepare 3\r\n")).reply, "", "the slave is asked first");
    const sync = nodeSync(4, "a 1 0 0 0 1 16", "b 1 1 1 0 2 17");
    assertEquals(pushes(world), [`b:1 ${sync}`]);
    await world.advance(600);
    assertEquals(pushes(world), [`b:1 ${sync}`, `a:1 ${sync}`], "but not for ever");
    for (const state of ["prepare", "active"]) {
      const outdated = (await world.ask(`node state b 1 ${state} 3\r\n`)).reply;
      assertEquals(outdated, "SERVER_ERROR node map version is 4, not 3\r\n");
      for (const word of ["x", "-1", "4 4", "99999999999999999999"]) {
        assertEquals((await world.ask(`node state b 1 ${state} ${word}\r\n`)).reply, "ERROR\r\n");
      }
    }
    assertEquals((await world.ask("node state b 1 prepare 4\r\n")).reply, 'SERVER_ERROR "b:1" is in state prepare\r\n');
    world.node("b:1").answer = () => "OK\r\n";
    assertEquals((await world.ask("node state b 1 active 4\r\n")).reply, "OK\r\n");
    assertEquals([server.nodeMap.version, rolesOf(server)[1]], [5, "b 1 0 0 2"]);
  });

  it("makes no slave active that is copying, because it answers again", async () => {
    const map = mapOf(3, "a 0 0 0 1", "b 1 1 0 0");
    const full = new MemoryCoordinator(map);
    const { world, server } = await start(map, full);
    full.store = () => Promise.reject(new FlareError("DISK_FULL", "no space left"));
    world.node("b:1").answer = () => undefined;
    await world.advance(8000);
    full.store = MemoryCoordinator.prototype.store.bind(full);
    world.node("b:1").answer = () => "OK\r\n";
    await world.advance(4000);
    assertEquals([server.nodeMap.version, rolesOf(server)[1]], [3, "b 1 1 0 0"]);
  });

  it("undoes a down somebody ordered for a healthy node", async () => {
    const { world, server } = await startSettled(mapOf(3, "a 0 0 0 1", "p 2 0 -1 0"));
    assertEquals((await world.ask("node state a 1 down\r\n")).reply, "OK\r\n");
    assertEquals(rolesOf(server)[0], "a 0 2 0 1");
    await world.advance(1100);
    assertEquals(rolesOf(server)[0], "a 0 0 0 1");
  });

  it("tells of a new partition those first that have its keys, and answers after them", async () => {
    const { world, server } = await startSettled(mapOf(13, "a 0 0 0 1", "b 0 3 1 1", "c 1 0 1 1", "p 2 0 -1 0"));
    const { reply } = await world.ask("node state b 1 active\r\n");
    const order = pushes(world).map((line) => line.slice(0, 3));
    assertEquals(order[0], "a:1");
    assertEquals(order.slice(1).sort(), ["b:1", "c:1", "p:1"]);
    assertEquals(reply, "OK\r\n");
    assertEquals(rolesOf(server)[1], "b 0 0 1 1");
  });

  it("does not wait for the nodes otherwise", async () => {
    const { world } = await startSettled(FOUR);
    for (const name of ["a", "b", "d", "p"]) world.node(`${name}:1`).answer = () => undefined;
    assertEquals((await world.ask("node role b 1 slave 5\r\n")).reply, "OK\r\n");
    assertEquals(pushes(world).length, 4);
  });

  it("answers a node that is stopping when all others have heard, or have had their time", async () => {
    const { world } = await startSettled(FOUR);
    world.node("p:1").answer = () => undefined;
    let reply = "";
    const asked = world.ask("shutdown b 1\r\n").then((outcome) => {
      reply = outcome.reply;
    });
    await asked;
    assertEquals(reply, "", "one has not answered yet");
    assertEquals((await world.ask("node role d 1 slave 5\r\n")).reply, "", "changes keep their order");
    world.node("p:1").answer = () => "OK\r\n";
    await world.advance(600);
    assertEquals((await world.ask("node role d 1 slave 4\r\n")).reply, "OK\r\n");
  });

  it("does not tell a slave that is stopping", async () => {
    const { world } = await startSettled(FOUR);
    assertEquals((await world.ask("shutdown b 1\r\n")).reply, "OK\r\n");
    assertEquals(
      pushes(world)
        .map((line) => line.slice(0, 3))
        .sort(),
      ["a:1", "d:1", "p:1"],
    );
  });

  it("pushes again what a node did not take, until it has it", async () => {
    const { world } = await startSettled(FOUR);
    world.node("b:1").answer = (command) => (command === "ping" ? "OK\r\n" : "");
    await world.ask("node role b 1 slave 5\r\n");
    await world.advance(2500);
    const attempts = world.node("b:1").received.filter((command) => command.startsWith("node sync 12")).length;
    assert(attempts >= 2, `${attempts} attempts`);
    world.node("b:1").answer = () => "OK\r\n";
    await world.advance(3000);
    const after = world.node("b:1").received.filter((command) => command.startsWith("node sync 12")).length;
    assertEquals(after, attempts + 1);
  });

  it("keeps a node up that refuses the map but answers pings", async () => {
    const { world, server } = await startSettled(FOUR);
    world.node("p:1").answer = (command) => (command === "ping" ? "OK\r\n" : "SERVER_ERROR node sync error\r\n");
    await world.ask("node role b 1 slave 5\r\n");
    await world.advance(10_000);
    assertEquals(rolesOf(server)[3], "p 2 0 -1 0");
  });

  it("takes one command at a time", async () => {
    const { world, server } = await startSettled(mapOf(1));
    const replies = await Promise.all(["a", "b", "c", "d"].map((name) => world.ask(`node add ${name} 1\r\n`)));
    assertEquals(
      replies.map(({ reply }) => reply.split("NODE").length - 1),
      [1, 2, 3, 4],
    );
    assertEquals([server.nodeMap.version, server.nodeMap.nextThreadType], [5, 20]);
  });

  it("answers pipelined commands in order", async () => {
    const { world } = await startSettled(mapOf(1));
    const { reply } = await world.ask(
      "node add a 1\r\nping\r\nnode role a 1 master 1 0\r\nnode role a 1 slave 1 0\r\nnode state a 1 active\r\n",
    );
    assertEquals(reply, "NODE a 1 2 0 -1 0 16\r\nEND\r\nOK\r\nOK\r\nSERVER_ERROR failed to set role (and balance)\r\nOK\r\n");
  });

  it("shows the stored map, and replaces it by an imported one, if it is the one that was seen", async () => {
    const { world, server } = await startSettled(FOUR);
    const stored = (await world.ask("index map\r\n")).reply;
    assert(stored.endsWith("</boost_serialization>\r\n\r\n\r\nEND\r\n"), stored);
    const text = stored.replace(/END\r\n$/, "").replaceAll("\r\n", "\n");
    assertEquals(decodeStoredMap(text.slice(0, -1)), { map: FOUR, term: 1 });
    const other = btoa(encodeFlareXml(mapOf(11, "a 1 0 0 1", "b 0 0 0 1", "d 1 0 0 3", "p 2 0 -1 0")));
    const failure = "SERVER_ERROR failed to import the node map: it has version 11";
    assertEquals((await world.ask(`index import 10 ${other}\r\n`)).reply, `${failure} now, and not 10\r\n`);
    const older = btoa(encodeFlareXml(mapOf(10, "a 0 0 0 1")));
    assertEquals((await world.ask(`index import 11 ${older}\r\n`)).reply, `${failure}, which is newer than version 10\r\n`);
    for (const words of [
      "11",
      "11 !",
      "11 AAAA",
      `x ${other}`,
      `11 ${other} newer`,
      `11 ${other} older older`,
      `11 ${other}=`,
    ]) {
      assertEquals((await world.ask(`index import ${words}\r\n`)).reply, "ERROR\r\n", words);
    }
    assertEquals(server.nodeMap, FOUR);
    assertEquals((await world.ask(`index import 11 ${other}\r\n`)).reply, "OK\r\n");
    assertEquals(rolesOf(server).slice(0, 2), ["a 1 0 0 1", "b 0 0 0 1"]);
    const sent = world.trace.filter((line) => line.includes("node sync 12")).map((line) => line.split(":")[0]);
    assertEquals([sent[0], sent.sort()], ["a", ["a", "b", "d", "p"]], "the former master first");
    const cause = '"index import 11 …" from 127.0.0.1:50000';
    assert((await world.ask("index history 1\r\n")).reply.includes(JSON.stringify(cause).replace("…", "\\u2026")));
    assert(
      world.logged.some((line) => line.startsWith('notice node map 12: promoted "b:1"') && line.endsWith(cause)),
      world.logged.join("\n"),
    );
    assertEquals((await world.ask(`index import 12 ${older} older\r\n`)).reply, "OK\r\n");
    assertEquals([server.nodeMap.version, server.nodeMap.nodes.length], [13, 1]);
  });

  it("recomputes a change when another index server was faster", async () => {
    const coordinator = new MemoryCoordinator(FOUR);
    const { world, server } = await start(FOUR, coordinator);
    coordinator.store = async (stored, token) => {
      coordinator.store = MemoryCoordinator.prototype.store.bind(coordinator);
      await storeOther(coordinator, 0);
      return coordinator.store(stored, token);
    };
    assertEquals((await world.ask("node role b 1 slave 5\r\n")).reply, "OK\r\n");
    assertEquals(server.nodeMap.version, 13);
    assertEquals(rolesOf(server)[1], "b 1 0 0 5");
    assert(server.nodeMap.nodes.some((node) => node.key === "other:1"));
  });

  it("learns what the original stored, and stays the one that leads", async () => {
    const coordinator = new MemoryCoordinator(FOUR);
    const { world, server } = await start(FOUR, coordinator);
    await storeOther(coordinator, 0);
    await world.advance(1100);
    assert(server.nodeMap.nodes.some((node) => node.key === "other:1"));
    assert(world.node("p:1").received.some((command) => command.startsWith("node sync 12")));
    assertEquals((await world.ask("node role b 1 slave 5\r\n")).reply, "OK\r\n");
    assertEquals((await coordinator.restore()).term, 1);
  });

  it("has a higher term with every start, and stores it with the map", async () => {
    const coordinator = new MemoryCoordinator(FOUR);
    for (const term of [1, 2, 3]) {
      const { world, server } = await start(FOUR, coordinator);
      const { map, term: stored } = await coordinator.restore();
      const leader = { address: { host: "index.example", port: 12120 }, sinceMs: world.clock.nowMs() };
      const leadership = { isLeading: true, leader, term, replacedBy: 0, failingSeconds: 0, mark: undefined };
      assertEquals([server.leadership, stored, map.version], [leadership, term, 11]);
      assert((await world.ask("stats\r\n")).reply.includes(`STAT index_term ${term}\r\nSTAT index_replaced_by 0\r\n`));
      await world.network.during(server.stop());
    }
  });

  it("changes nothing and pings nobody once another one has started on the same map, and says so", async () => {
    const coordinator = new MemoryCoordinator(FOUR);
    const first = await start(FOUR, coordinator);
    await first.world.advance(1100);
    const second = await start(FOUR, coordinator);
    assertEquals((await second.world.ask("node role b 1 slave 5\r\n")).reply, "OK\r\n");
    await first.world.network.settle();
    assertEquals(first.server.nodeMap, second.server.nodeMap, "it answers reads with what is stored");
    assertEquals(
      [first.server.leadership, second.server.leadership.replacedBy],
      [{ isLeading: false, leader: undefined, term: 2, replacedBy: 2, failingSeconds: 0, mark: undefined }, 0],
    );
    assert((await first.world.ask("stats\r\n")).reply.includes("STAT index_replaced_by 2\r\n"));
    first.world.trace.length = 0;
    for (const name of ["a", "b", "d", "p"]) first.world.node(`${name}:1`).answer = () => undefined;
    const refused = "SERVER_ERROR failed to set role (and balance)\r\n";
    assertEquals((await first.world.ask("node role b 1 slave 7\r\n")).reply, refused);
    await first.world.advance(10_000);
    assertEquals([first.world.trace, (await coordinator.restore()).map], [[], second.server.nodeMap]);
    const replacement = "an index server with term 2 has taken over the node map from this one with term 1";
    const errors = first.world.logged.filter((line) => line.startsWith("error "));
    assertEquals(errors.length, 2);
    assert(errors[0]?.startsWith(`error ${replacement}: this one changes nothing`), errors[0]);
    assert(errors[1]?.startsWith(`error failed to set role (and balance): ${replacement}; "node role b 1 slave 7"`), errors[1]);
  });

  it("lets the one that started last lead, however many start at the same time", async () => {
    const coordinator = new MemoryCoordinator(FOUR);
    const scenes = await Promise.all(Array.from({ length: 4 }, () => start(FOUR, coordinator)));
    for (const { world } of scenes) await world.network.settle();
    const leading = scenes.filter(({ server }) => server.leadership.replacedBy === 0);
    assertEquals(
      leading.map(({ server }) => server.leadership.term),
      [4],
    );
    assertEquals(
      scenes.map(({ server }) => server.leadership.term),
      [4, 4, 4, 4],
    );
    const terms = scenes.flatMap(({ world }) => world.logged.filter((line) => / in use, term \d$/.test(line)));
    assertEquals(new Set(terms).size, 4);
  });

  it("does not start if it cannot store its term", async () => {
    const coordinator = new MemoryCoordinator(FOUR);
    coordinator.store = () => Promise.reject(new FlareError("DISK_FULL", "no space left"));
    const error = (await assertRejects(() => start(FOUR, coordinator), FlareError)) as FlareError;
    assertEquals([error.code, error.message], ["DISK_FULL", "no space left"]);
    coordinator.store = () => Promise.resolve(undefined);
    const lost = (await assertRejects(() => start(FOUR, coordinator), FlareError)) as FlareError;
    assertEquals(lost.message, "others changed the node map 5 times while this index server took the lead");
  });

  it("refuses what it cannot store, and tells nobody", async () => {
    const world = new IndexWorld();
    const coordinator = new MemoryCoordinator(FOUR);
    const { server } = await start(FOUR, coordinator, world);
    coordinator.store = () => Promise.reject(new FlareError("DISK_FULL", "no space left"));
    assertEquals((await world.ask("node add x 1\r\n")).reply, "SERVER_ERROR failed to add node\r\n");
    assertEquals((await world.ask("shutdown b 1\r\n")).reply, "SERVER_ERROR failed to shutdown\r\n");
    assertEquals([server.nodeMap.version, world.trace], [11, []]);
    assert(world.logged.includes("error failed to add node: no space left"));
  });

  it("reads back what it does not know to be stored, and stores nothing twice", async () => {
    const coordinator = new MemoryCoordinator(FOUR);
    const world = new IndexWorld();
    const { server } = await start(FOUR, coordinator, world);
    let stores = 0;
    coordinator.store = async (map, token) => {
      stores++;
      await MemoryCoordinator.prototype.store.call(coordinator, map, token);
      throw new FlareError("CONNECTION_FAILED", "connection lost");
    };
    assertEquals((await world.ask("node role b 1 slave 5\r\n")).reply, "OK\r\n");
    assertEquals([stores, server.nodeMap.version, rolesOf(server)[1]], [1, 12, "b 1 0 0 5"]);
    assertEquals(pushes(world).length, 4);
    assert(world.logged.includes("warning storing node map 12 failed, the map is stored: connection lost"));
  });

  it("decides again when a failed store turns out to be a lost race", async () => {
    const coordinator = new MemoryCoordinator(FOUR);
    const world = new IndexWorld();
    const { server } = await start(FOUR, coordinator, world);
    coordinator.store = async () => {
      coordinator.store = MemoryCoordinator.prototype.store.bind(coordinator);
      await storeOther(coordinator, 0);
      throw new FlareError("CONNECTION_FAILED", "connection lost");
    };
    assertEquals((await world.ask("node role b 1 slave 5\r\n")).reply, "OK\r\n");
    assertEquals([server.nodeMap.version, rolesOf(server)[1]], [13, "b 1 0 0 5"]);
    assert(server.nodeMap.nodes.some(({ key }) => key === "other:1"));
    assert(world.logged.includes("warning storing node map 12 failed, another map is stored: connection lost"));
  });

  it("takes a node down later if the map cannot be stored at once", async () => {
    const { world, server } = await startSettled(FOUR);
    const refuse = new MemoryCoordinator(FOUR);
    const full = await start(FOUR, refuse);
    refuse.store = () => Promise.reject(new FlareError("DISK_FULL", "no space left"));
    for (const each of [world, full.world]) {
      each.node("a:1").reachable = false;
      each.node("a:1").answer = () => "";
      await each.advance(3500);
    }
    assertEquals([rolesOf(server)[0], rolesOf(full.server)[0]], ["a 2 2 -1 0", "a 0 0 0 1"]);
    refuse.store = MemoryCoordinator.prototype.store.bind(refuse);
    await full.world.advance(1500);
    assertEquals(rolesOf(full.server), rolesOf(server));
  });

  it("goes on with its map when the stored one is lost or older", async () => {
    const world = new IndexWorld();
    const options = indexServerOptions({ dataDir: "/data", monitorIntervalMs: 1000 });
    world.files.write("/data/flare.xml", fromLatin1(encodeFlareXml(FOUR)));
    const server = await startIndexServer(world, options);
    world.files.files.clear();
    assertEquals((await world.ask("node role b 1 slave 5\r\n")).reply, "OK\r\n");
    assertEquals([server.nodeMap.version, rolesOf(server)[1]], [12, "b 1 0 0 5"]);
    await world.network.during(server.stop());
    const again = await startIndexServer(world, options);
    assertEquals(again.nodeMap, server.nodeMap);
  });

  it("does not start with a damaged file", async () => {
    const world = new IndexWorld();
    world.files.write("/data/flare.xml", fromLatin1("garbage"));
    const error = (await assertRejects(
      () => startIndexServer(world, indexServerOptions({ dataDir: "/data" })),
      FlareError,
    )) as FlareError;
    assertEquals(error.code, "CORRUPT");
  });

  it("keeps its map where index-db says", async () => {
    const world = new IndexWorld();
    await startIndexServer(world, indexServerOptions({ dataDir: "/data", indexDb: "file:///elsewhere" }));
    await world.ask("node add a 1\r\n");
    const names = ["flare.xml", "flare.xml.1", "flare.xml.2", "flare.xml.history", "flare.xml.known"];
    assertEquals((await world.files.list("/elsewhere")).filter((name) => !name.endsWith(".previous")).sort(), names);
    assertEquals(await world.files.list("/data"), []);
    const error = (await assertRejects(
      () => startIndexServer(world, indexServerOptions({ dataDir: "/data", indexDb: "consul://h:1/c" })),
      FlareError,
    )) as FlareError;
    assertEquals(error.code, "INVALID_OPTION");
  });

  it("does not start as an empty cluster when its map is gone", async () => {
    const world = new IndexWorld();
    const options = indexServerOptions({ dataDir: "/data" });
    const first = await startIndexServer(world, options);
    await world.ask("node add a 1\r\n");
    await world.network.during(first.stop());
    world.files.files.delete("/data/flare.xml");
    const error = (await assertRejects(() => startIndexServer(world, options), FlareError)) as FlareError;
    assertEquals(error.code, "CORRUPT");
    assert(error.message.startsWith('"/data/flare.xml" with the cluster\'s node map is missing'), error.message);
    world.files.files.delete("/data/flare.xml.known");
    const last = await startIndexServer(world, options);
    await world.network.during(last.stop());
  });

  it("stops: answers nothing more, pings nobody", async () => {
    const { world, server } = await startSettled(FOUR);
    await world.network.during(server.stop());
    await world.advance(5000);
    assertEquals(world.trace, []);
    assertEquals(
      await server.lead({
        apply: () => ({ ok: false, error: "", reason: "" }),
        reply: () => "",
        failure: "stopped",
        cause: "a test",
      }),
      "SERVER_ERROR stopped\r\n",
    );
  });

  it("takes new intervals while it runs", async () => {
    const { world, server } = await startSettled(FOUR);
    server.reload(indexServerOptions({ dataDir: "/data", monitorIntervalMs: 5000, monitorReadTimeoutMs: 700 }));
    await world.advance(1000);
    world.trace.length = 0;
    await world.advance(4800);
    assertEquals(world.trace, []);
    await world.advance(300);
    assertEquals(world.trace.length, 4);
  });
});
