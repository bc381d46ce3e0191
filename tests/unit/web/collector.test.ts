/**
 * What is collected of a cluster whose servers are played: what is known, what is not, and that nobody waits for anybody.
 *
 * Covers lib/web/node_sight.ts, lib/web/cluster_picture.ts and lib/web/happenings.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import type { NodeMap } from "../../../lib/cluster/node_map.ts";
import type { ClusterPicture, PictureNode } from "../../../lib/web/cluster_picture.ts";
import { ASKED_AT_ONCE, BETWEEN_MS, Collector, UNWATCHED_MS, WATCHED_MS } from "../../../lib/web/collector.ts";
import { HAPPENINGS_MAX, Happenings } from "../../../lib/web/happenings.ts";
import { PlayedCluster, playedMap } from "../../support/played_cluster.ts";
import { PlayedNetwork } from "../../support/played_network.ts";

const INDEX = "127.0.0.1:1";
const MASTER = "127.0.0.1:11";
const SLAVE = "127.0.0.1:12";
const PROXY = "127.0.0.1:13";
const MAP = playedMap(7, [
  [11, NodeRole.master, 0],
  [12, NodeRole.slave, 0, NodeState.prepare],
  [13, NodeRole.proxy, -1],
]);

function general(get: number, uptime = 100): Record<string, string | number> {
  return {
    uptime,
    version: "flare-2.0.0",
    curr_items: 5,
    total_malloced: 4096,
    bytes: 9000,
    curr_connections: 3,
    cmd_get: get,
    cmd_set: 2 * get,
    get_hits: get,
    get_misses: 0,
  };
}

class World {
  readonly network = new PlayedNetwork();
  readonly cluster = new PlayedCluster(this.network);
  readonly pictures: ClusterPicture[] = [];
  readonly collector: Collector;
  watchers = 0;
  map: NodeMap = MAP;

  constructor(keepsHistory = true) {
    const world = this;
    this.cluster.figures.set(INDEX, { "": { index_leads: 1, index_leader: INDEX, index_leader_since: 5 } });
    this.cluster.figures.set(MASTER, {
      "": general(0),
      replication: { replication_epoch: 6, [`${SLAVE}:in_sync`]: "no", [`${SLAVE}:why_not`]: "it%20copies" },
    });
    this.cluster.figures.set(SLAVE, {
      "": general(0),
      replication: { replication_epoch: 6 },
      threads: { "4:type": 3, "4:op": "dump", "4:info": "items=40/100,bytes=5,items/s=9,eta=7s" },
    });
    this.cluster.figures.set(PROXY, { "": general(0) });
    this.collector = new Collector(
      {
        runtime: this.network.runtime,
        kind: "index",
        address: { host: "127.0.0.1", port: 1 },
        indexServers: [{ host: "127.0.0.1", port: 1 }],
        changesAllowed: false,
        tlsClient: undefined,
        get nodeMap() {
          return world.map;
        },
      },
      keepsHistory,
    );
    this.collector.watchers = () => this.watchers;
    this.collector.onRound = (picture) => void this.pictures.push(picture);
  }

  get kinds(): string[] {
    return this.collector.happenings.all.map(({ kind, node }) => `${kind} ${node}`);
  }

  node(key: string): PictureNode {
    const found = this.collector.picture.nodes.find((node) => node.key === key);
    assert(found !== undefined);
    return found;
  }
}

describe("the picture of a cluster", () => {
  it("has what each node says, and null for what it does not say", async () => {
    const world = new World();
    world.collector.start();
    await world.network.settle();
    const { self, mapVersion, leader, partitions, unreachable, nodes, changesAllowed } = world.collector.picture;
    assertEquals([self.kind, self.address, mapVersion, leader, partitions], ["index", INDEX, 7, INDEX, 1]);
    assertEquals([unreachable, changesAllowed], [[], false]);
    assertEquals(
      nodes.map(({ key, role, state, partition, balance }) => [key, role, state, partition, balance]),
      [
        [MASTER, "master", "active", 0, 1],
        [SLAVE, "slave", "prepare", 0, 1],
        [PROXY, "proxy", "active", null, 1],
      ],
    );
    const slave = world.node(SLAVE);
    assertEquals([slave.inSync, slave.whyNot, slave.epoch, slave.lagEntries], [false, "it copies", 6, null]);
    assertEquals(slave.copy, { phase: "dump", done: 40, total: 100, etaS: 7 });
    const master = world.node(MASTER);
    assertEquals([master.version, master.uptimeS, master.items, master.connections], ["2.0.0", 100, 5, 3]);
    assertEquals([master.bytes, master.diskBytes, master.copy, master.inSync], [4096, 9000, null, null]);
    assertEquals(master.rates, { get: null, set: null, hits: null, misses: null });
    world.collector.stop();
  });

  it("has rates from the second round on, and none over a restart, which it notes", async () => {
    const world = new World();
    world.collector.start();
    await world.network.settle();
    world.cluster.figures.set(MASTER, { "": general(50, 105), latency: { "get:0.005": 90, "set:0.01": 20, "get:sum": 1 } });
    await world.network.pass(UNWATCHED_MS);
    // What was before the first round does not count.
    assertEquals(world.node(MASTER).latencyMs, null);
    world.cluster.figures.set(MASTER, { "": general(100, 110), latency: { "get:0.005": 100, "set:0.01": 20, "get:sum": 1 } });
    await world.network.pass(UNWATCHED_MS);
    assertEquals(world.node(MASTER).latencyMs, { p50: 3.75, p99: 4.975 });
    assertEquals(world.node(MASTER).rates, { get: 10, set: 20, hits: 10, misses: 0 });
    world.cluster.figures.set(MASTER, { "": general(3, 1) });
    await world.network.pass(UNWATCHED_MS);
    assertEquals(world.node(MASTER).rates.get, null);
    assertEquals(world.kinds, [`restarted ${MASTER}`]);
    world.collector.stop();
  });

  it("is shown without those who are slow or gone, and says why their figures are missing", async () => {
    const world = new World();
    world.cluster.figures.set(SLAVE, undefined);
    world.network.unreachable.add(PROXY);
    world.collector.start();
    await world.network.pass(2000);
    assertEquals(world.pictures.length, 1);
    assertEquals([world.node(MASTER).items, world.node(SLAVE).items, world.node(PROXY).items], [5, null, null]);
    assertEquals(world.node(SLAVE).error, "it has not been asked yet");
    assertEquals(world.node(PROXY).error, `"${PROXY}" refused`);
    await world.network.pass(4000);
    assert(world.node(SLAVE).error?.includes(SLAVE), `${world.node(SLAVE).error}`);
    assertEquals(
      world.collector.picture.unreachable.map(({ server }) => server),
      [SLAVE, PROXY],
    );
    assertEquals(world.kinds, [`silent ${PROXY}`, `silent ${SLAVE}`]);
    // Figures of then are not shown as those of now.
    world.network.unreachable.delete(PROXY);
    world.network.unreachable.add(MASTER);
    await world.network.pass(2 * UNWATCHED_MS);
    assertEquals(world.kinds.slice(2), [`answers ${PROXY}`]);
    world.collector.stop();
  });

  it("does not ask a node again that has not answered", async () => {
    const world = new World();
    world.cluster.figures.set(PROXY, undefined);
    world.watchers = 1;
    world.collector.start();
    await world.network.pass(2 * WATCHED_MS - 100);
    assertEquals(world.cluster.asked(MASTER, "stats"), 2);
    assertEquals(world.cluster.asked(PROXY, "stats"), 1);
    world.collector.stop();
  });

  it("notes what changes in the node map at once, and forgets nodes that have left", async () => {
    const world = new World();
    world.collector.start();
    await world.network.settle();
    world.map = playedMap(8, [
      [11, NodeRole.master, 0, NodeState.down],
      [12, NodeRole.slave, 0],
    ]);
    world.collector.mapChanged();
    world.collector.mapChanged();
    assertEquals(world.kinds, [`lost ${MASTER}`, `state ${SLAVE}`, `removed ${PROXY}`]);
    assertEquals(world.collector.picture.nodes.length, 2);
    world.collector.stop();
  });

  it("notes another leader", async () => {
    const world = new World();
    world.collector.start();
    await world.network.settle();
    world.cluster.figures.set(INDEX, { "": { index_leads: 0, index_leader: "none" } });
    await world.network.pass(UNWATCHED_MS);
    assertEquals(world.collector.picture.leader, INDEX);
    world.cluster.figures.set(INDEX, { "": { index_leads: 0, index_leader: "127.0.0.1:2" } });
    await world.network.pass(UNWATCHED_MS);
    assertEquals(world.kinds, ["leader null"]);
    assertEquals(world.collector.picture.leader, "127.0.0.1:2");
    world.collector.stop();
  });
});

describe("rounds", () => {
  it("are one per interval, however many look", async () => {
    const world = new World();
    world.collector.start();
    await world.network.settle();
    for (let i = 0; i < 19; i++) {
      for (let j = 0; j < 5; j++) void world.collector.look();
      await world.network.pass(WATCHED_MS / 10);
    }
    assertEquals(world.cluster.asked(MASTER, "stats"), 2);
    world.watchers = 3;
    await world.network.pass(10 * WATCHED_MS);
    const asked = world.cluster.asked(MASTER, "stats");
    assert(asked >= 11 && asked <= 13, `${asked} rounds`);
    world.collector.stop();
  });

  it("are made only for those who look where there is no history, and for a while after", async () => {
    const world = new World(false);
    world.collector.start();
    await world.network.pass(60_000);
    assertEquals(world.cluster.requests, []);
    const looking = world.collector.look();
    await world.network.during(looking);
    assertEquals(world.collector.picture.nodes[0]?.items, 5);
    await world.network.pass(120_000);
    const rounds = world.pictures.length;
    assert(rounds >= 12 && rounds <= 14, `${rounds} rounds`);
    await world.network.pass(120_000);
    assertEquals(world.pictures.length, rounds);
    world.collector.stop();
  });

  it("ask the nodes of a large cluster a few at a time, the next ones whether those have answered or not", async () => {
    const world = new World();
    const count = 2 * ASKED_AT_ONCE + 1;
    const ports = Array.from({ length: count }, (_, i) => 11 + i);
    for (const port of ports) world.cluster.figures.set(`127.0.0.1:${port}`, port % 2 === 0 ? undefined : { "": general(0) });
    const members = ports.map((port) => [port, NodeRole.proxy, -1] as const);
    world.map = playedMap(8, members);
    world.collector.mapChanged();
    const asked = (): number =>
      world.cluster.requests.filter((line) => line.endsWith("> stats") && !line.startsWith(`${INDEX} `)).length;
    world.collector.start();
    await world.network.settle();
    assertEquals(asked(), ASKED_AT_ONCE);
    await world.network.pass(BETWEEN_MS);
    assertEquals(asked(), 2 * ASKED_AT_ONCE);
    // The last one leaves, and is not asked any more.
    world.map = playedMap(9, members.slice(0, -1));
    world.collector.mapChanged();
    await world.network.pass(BETWEEN_MS);
    assertEquals(asked(), 2 * ASKED_AT_ONCE);
    assertEquals(world.pictures.length, 0);
    await world.network.pass(UNWATCHED_MS / 2);
    assertEquals([world.pictures.length, world.pictures[0]?.nodes.length], [1, count - 1]);
    world.collector.stop();
  });

  it("end with their server", async () => {
    const world = new World();
    world.collector.start();
    await world.network.settle();
    world.collector.stop();
    await world.network.pass(60_000);
    assertEquals(world.pictures.length, 1);
    assertEquals(world.network.clock.delaysMs, []);
  });
});

describe("what happened", () => {
  it("is bounded in number and length, and goes on behind a number", () => {
    const happenings = new Happenings({ nowMs: () => 5 });
    for (let i = 1; i <= HAPPENINGS_MAX + 10; i++) happenings.add("change", null, `${i} ${"x".repeat(1000)}`);
    assertEquals(happenings.all.length, HAPPENINGS_MAX);
    assertEquals([happenings.all[0]?.id, happenings.lastId], [11, HAPPENINGS_MAX + 10]);
    assert((happenings.all[0]?.text.length ?? 0) <= 500);
    assertEquals(
      happenings.after(HAPPENINGS_MAX + 8).map(({ id }) => id),
      [HAPPENINGS_MAX + 9, HAPPENINGS_MAX + 10],
    );
    // A number of the time before a restart.
    assertEquals(happenings.after(100_000).length, HAPPENINGS_MAX);
  });
});
