/**
 * What a node hears, and what its clients hear, between `node add` and its answer; and how it finds out that its node map
 * is not the index server's. One played C++ index server, a clock that is moved by hand.
 *
 * Covers lib/net/connection/waiting_connection.ts and lib/protocol/stat_lines.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { MemoryLevel } from "memory-level";
import { RunningNode } from "../../../lib/node_server/node_server.ts";
import type { NodeServerOptions } from "../../../lib/node_server/node_server_options.ts";
import { PlayedIndexServer } from "../../support/played_index_server.ts";
import { type FarEnd, PlayedNetwork } from "../../support/played_network.ts";

const INDEX_PORT = 2000;
const KEY = "127.0.0.1:2001";
const NO_PARTITION = "SERVER_ERROR no partition available\r\n";
const NOT_JOINED = "SERVER_ERROR this node has not joined its cluster yet\r\n";

class World {
  readonly network = new PlayedNetwork();
  readonly index: PlayedIndexServer;
  node: RunningNode | undefined;
  failure: Error | undefined;

  private constructor(network: PlayedNetwork, index: PlayedIndexServer) {
    this.network = network;
    this.index = index;
  }

  static async create(): Promise<World> {
    const network = new PlayedNetwork();
    return new World(network, await PlayedIndexServer.start(network.runtime, INDEX_PORT));
  }

  /** Lets a node start, without waiting for it. */
  begin(options: Partial<NodeServerOptions> = {}): void {
    // An engine that is there already: loading one would take real time.
    const engine = new MemoryLevel<Uint8Array, Uint8Array>({
      keyEncoding: "view",
      valueEncoding: "view",
      storeEncoding: "view",
    });
    const given: Partial<NodeServerOptions> = {
      ...{ serverName: "127.0.0.1", bind: "127.0.0.1", serverPort: 2001, storageType: "memory" },
      indexServers: [{ host: "127.0.0.1", port: INDEX_PORT }],
      ...options,
    };
    RunningNode.start(this.network.runtime, given, { engine }).then(
      (node) => {
        this.node = node;
      },
      (error: Error) => {
        this.failure = error;
      },
    );
  }

  async join(): Promise<RunningNode> {
    this.begin();
    await this.network.passUntil(() => this.node !== undefined, 500);
    assert(this.node !== undefined);
    return this.node;
  }

  get version(): unknown {
    return this.node?.nodeMap.version;
  }

  dial(text: string): FarEnd {
    const far = this.network.dial(KEY, "127.0.0.1:50000");
    if (text !== "") far.send(text);
    return far;
  }

  async stop(): Promise<void> {
    let stopped = false;
    const stopping = this.node?.stop({ announce: false }).then(() => {
      stopped = true;
    });
    await this.network.passUntil(() => stopped, 10000);
    await stopping;
    await this.index.stop();
  }

  logged(text: string): string[] {
    return this.network.logged.filter((line) => line.includes(text));
  }
}

describe("a node that has said node add", () => {
  for (const answerDelayMs of [0, 1, 300]) {
    it(`takes a push that comes back at once, the answer ${answerDelayMs} ms behind it`, async () => {
      const world = await World.create();
      world.index.answerDelayMs = answerDelayMs;
      await world.join();
      await world.network.settle();
      assertEquals([world.version, world.index.answers.get(KEY), world.index.lostConnections], [1, "OK\r\n", 0]);
      await world.stop();
    });
  }

  it("answers a ping at once, as a node that cannot serve, and everything else behind it later in order", async () => {
    const world = await World.create();
    world.index.answerDelayMs = 2000;
    world.begin();
    await world.network.settle();
    const monitor = world.dial("ping\r\n");
    const client = world.dial("ping\r\nget a\r\nping\r\n");
    await world.network.settle();
    assertEquals([monitor.received, client.received], [NOT_JOINED, ""]);
    monitor.send("ping\r\n");
    await world.network.settle();
    assertEquals(monitor.received, NOT_JOINED + NOT_JOINED);
    await world.network.passUntil(() => world.node !== undefined, 3000);
    monitor.send("ping\r\n");
    await world.network.settle();
    assertEquals([monitor.received, client.received], [`${NOT_JOINED}${NOT_JOINED}OK\r\n`, `OK\r\n${NO_PARTITION}OK\r\n`]);
    await world.stop();
  });

  it("says at once who it is to a server that means another node, and answers pings behind that", async () => {
    const world = await World.create();
    world.index.answerDelayMs = 2000;
    world.begin();
    await world.network.settle();
    const meant = world.dial(`<i:1>lane open 7 ${KEY}\r\nping\r\n`);
    const mistaken = world.dial("<i:1>lane open 8 10.0.0.1:2001\r\n");
    const watching = world.dial(`lane meet ${KEY}\r\nping\r\n`);
    const misled = world.dial("lane meet 10.0.0.1:2001\r\n");
    await world.network.settle();
    mistaken.send("ping\r\n");
    await world.network.settle();
    assertEquals([meant.received, watching.received], [NOT_JOINED + NOT_JOINED, NOT_JOINED + NOT_JOINED]);
    assertEquals(misled.received, `SERVER_ERROR this is node ${KEY}\r\n`);
    assertEquals(mistaken.received, `SERVER_ERROR this is node ${KEY}\r\n${NOT_JOINED}`);
    await world.network.passUntil(() => world.node !== undefined, 3000);
    await world.stop();
  });

  it("keeps a long request, and the end of a connection behind it, without reading on for ever", async () => {
    const world = await World.create();
    world.index.answerDelayMs = 2000;
    world.begin();
    await world.network.settle();
    const long = world.dial(`set a 0 0 40000\r\n${"x".repeat(40000)}\r\n`);
    long.send("version\r\nquit\r\n");
    await world.network.passUntil(() => world.node !== undefined, 3000);
    await world.network.settle();
    assertEquals(
      [/^SERVER_ERROR no partition available\r\nVERSION \S+\r\n$/.test(long.received), long.closed],
      [true, true],
      long.received,
    );
    await world.stop();
  });

  it("tells a client after five seconds that it will not serve it, and one that asks for nothing nothing", async () => {
    const world = await World.create();
    world.index.answerDelayMs = 8000;
    world.begin();
    await world.network.settle();
    const silent = world.dial("");
    const text = world.dial("get a\r\n");
    const binary = world.dial("\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    await world.network.pass(4900);
    assertEquals([text.received, text.closed, binary.closed], ["", false, false]);
    await world.network.pass(2000);
    assertEquals([text.received, text.closed, binary.received, binary.closed], [NOT_JOINED, true, "", true]);
    assertEquals(silent.closed, false);
    await world.network.passUntil(() => world.node !== undefined, 10_000);
    silent.send("get a\r\n");
    await world.network.settle();
    assertEquals(silent.received, NO_PARTITION);
    await world.stop();
  });

  it("counts waiting clients as connections", async () => {
    const world = await World.create();
    world.index.answerDelayMs = 2000;
    world.begin({ maxConnection: 2 });
    await world.network.settle();
    // The index server's is one of the two.
    const [waiting, oneTooMany] = [world.dial("version\r\n"), world.dial("version\r\n")];
    await world.network.settle();
    assertEquals([oneTooMany.received, oneTooMany.closed], ["ERROR Too many open connections\r\n", true]);
    assertEquals([waiting.received, waiting.closed], ["", false]);
    await world.network.passUntil(() => world.node !== undefined, 3000);
    await world.network.settle();
    assertEquals(/^VERSION /.test(waiting.received), true);
    await world.stop();
  });
});

describe("a node whose index server's pushes get lost", () => {
  it("has the map of its joining with its version, and takes no older push that was on its way for news", async () => {
    const world = await World.create();
    world.index.pushes = false;
    world.index.map = { ...world.index.map, version: 4 };
    const node = await world.join();
    assertEquals(world.version, 5);
    const push = world.dial("node sync 4\r\nNODE 127.0.0.1 2001 0 0 0 1 16\r\nEND\r\n");
    await world.network.settle();
    assertEquals(push.received, "SERVER_ERROR node sync error\r\n");
    assertEquals([world.version, node.role], [5, 2]);
    await world.stop();
  });

  it("has the map of its joining within a second and a half if the index server does not say its version then", async () => {
    const world = await World.create();
    world.index.pushes = false;
    world.index.saysVersion = false;
    await world.join();
    world.index.saysVersion = true;
    assertEquals(world.version, 0);
    await world.network.pass(1600);
    assertEquals(world.version, 1);
    await world.stop();
  });

  it("has every later map within five seconds, and acts on it", async () => {
    const world = await World.create();
    const node = await world.join();
    await world.network.settle();
    world.index.pushes = false;
    assertEquals(world.index.order(`node role 127.0.0.1 2001 master 1 0`), "OK\r\n");
    await world.network.pass(5100);
    assertEquals([world.version, node.role], [2, 0]);
    assertEquals(world.logged("node map 2 was not received, ours is 1").length, 1);
    const client = world.dial("set a 0 0 1\r\nx\r\n");
    await world.network.settle();
    assertEquals(client.received, "STORED\r\n");
    const before = world.index.requests.length;
    await world.network.pass(20_000);
    // As new as ours: only the version is asked for.
    assertEquals(new Set(world.index.requests.slice(before)), new Set(["stats\r\n"]));
    assertEquals(world.index.requests.length - before, 5);
    await world.stop();
  });

  it("logs what changes for itself at level notice, and for other nodes at level info", async () => {
    const world = await World.create();
    await world.join();
    await world.network.settle();
    world.dial(`node sync 5\r\nNODE 127.0.0.1 2001 0 0 0 1 16\r\nNODE 127.0.0.1 2002 2 0 -1 0 17\r\nEND\r\n`);
    await world.network.settle();
    assertEquals(world.logged("node map 5: "), [
      'notice node map 5: role "127.0.0.1:2001": proxy, active, balance 0 -> master of partition 0, active, balance 1',
      'info node map 5: added "127.0.0.1:2002": proxy, active, balance 0',
    ]);
    await world.stop();
  });

  it("says that it is down in the node map though it runs", async () => {
    const world = await World.create();
    await world.join();
    await world.network.settle();
    world.dial("node sync 5\r\nNODE 127.0.0.1 2001 2 2 -1 0 16\r\nEND\r\n");
    await world.network.settle();
    assertEquals(world.logged("this node is down in the node map: ").length, 1);
    world.network.logged.length = 0;
    await world.stop();
    assertEquals(world.logged("this node is down").length, 0);
  });

  it("waits for a late push: other nodes must have the map first", async () => {
    const world = await World.create();
    await world.join();
    const joined = world.index.requests.length;
    await world.network.pass(3000);
    const version = 5;
    world.index.map = { ...world.index.map, version };
    await world.network.pass(1500);
    assertEquals([world.version, world.index.requests.at(-1)], [1, "stats\r\n"]);
    world.dial(`node sync ${version}\r\nNODE 127.0.0.1 2001 2 0 -1 0 16\r\nEND\r\n`);
    await world.network.pass(10_000);
    assertEquals([world.version, world.logged("did not arrive")], [version, []]);
    assert(!world.index.requests.slice(joined).includes("stats nodes\r\n"));
    await world.stop();
  });

  it("keeps its own map where the index server's is older, and says so once", async () => {
    const world = await World.create();
    await world.join();
    world.index.order(`node role 127.0.0.1 2001 master 1 0`);
    await world.network.pass(1100);
    assertEquals(world.version, 2);
    world.index.map = { ...world.index.map, version: 1, nodes: [] };
    await world.network.pass(20_000);
    assertEquals([world.version, world.logged("it has lost changes").length], [2, 1]);
    await world.stop();
  });

  it("logs once that no index server answers, and once that one answers again", async () => {
    const world = await World.create();
    await world.join();
    await world.network.settle();
    world.network.unreachable.add(`127.0.0.1:${INDEX_PORT}`);
    await world.network.pass(30_000);
    world.network.unreachable.clear();
    world.index.pushes = false;
    world.index.order(`node role 127.0.0.1 2001 master 1 0`);
    await world.network.pass(6000);
    assertEquals(world.version, 2);
    assertEquals([world.logged("cannot be compared").length, world.logged("the index server answers").length], [1, 1]);
    await world.stop();
  });
});
