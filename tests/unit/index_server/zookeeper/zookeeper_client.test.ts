/**
 * A session with ZooKeeper over played servers: which server it goes to, what happens to requests when a connection ends or
 * brings nothing, and when a session is another one.
 *
 * Covers lib/index_server/zookeeper/zookeeper_link.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { EMPTY_BYTES } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { ANYBODY, create, exists, remove, sync } from "../../../../lib/index_server/zookeeper/requests.ts";
import { ZooKeeperClient } from "../../../../lib/index_server/zookeeper/zookeeper_client.ts";
import { PlayedNetwork } from "../../../support/played_network.ts";
import { PlayedZooKeeper } from "../../../support/played_zookeeper.ts";

const SYNC = sync("/a");
const REMOVE = remove("/a");

class World {
  readonly network = new PlayedNetwork();
  readonly servers = new PlayedZooKeeper(this.network);
  readonly events: string[] = [];
  readonly client: ZooKeeperClient;

  constructor(hosts = ["a"], credentials?: { readonly user: string; readonly password: string }) {
    const members = hosts.map((host) => ({ host, port: 1 }));
    this.client = new ZooKeeperClient(
      this.network.runtime,
      { members, credentials },
      {
        onConnect: () => this.events.push("connect"),
        onDisconnect: () => this.events.push("disconnect"),
        onWatch: (path) => this.events.push(`watch ${path}`),
      },
    );
  }

  async ask(request = SYNC): Promise<string> {
    const { ok } = await this.network.during(this.client.ask(request));
    return ok ? "ok" : "refused";
  }

  /** Why a request fails, and after how long. */
  async failure(request = SYNC, limitMs = 20_000): Promise<string> {
    const startMs = this.network.clock.monotonicMs();
    let failedMs = 0;
    const failing = assertRejects(() => this.client.ask(request), FlareError).finally(() => {
      failedMs = this.network.clock.monotonicMs();
    }) as Promise<FlareError>;
    await this.network.passUntil(() => failedMs > 0, limitMs);
    const { code, message } = await failing;
    return `${code} ${message} after ${failedMs - startMs} ms`;
  }

  get paths(): string[] {
    return this.servers.requests.map(({ path }) => path);
  }
}

describe("a session with ZooKeeper", () => {
  it("is opened by the first request, logs in, and ends with a word", async () => {
    const world = new World(["a"], { user: "u", password: "p:\xe4" });
    assertEquals(world.servers.logins, []);
    assertEquals(await world.ask(), "ok");
    assertEquals(world.client.session.id, 1n);
    assertEquals(world.servers.users, ["u:p:\xe4"]);
    assertEquals(world.events, ["connect"]);
    await world.network.during(world.client.close());
    assertEquals(world.servers.requests.at(-1)?.type, -11);
    assertEquals(world.servers.open.size, 0);
    assertEquals((await world.failure()).split(" after ")[0], "CLOSED the connection to ZooKeeper was closed");
  });

  it("gives refusals as answers, and everything else as errors", async () => {
    const world = new World();
    for (const [code, answer] of [
      [-101, "no node"],
      [-103, "other version"],
      [-110, "exists"],
      [-111, "not empty"],
    ] as const) {
      world.servers.answer = () => ({ code });
      assertEquals(await world.network.during(world.client.ask(SYNC)), { ok: false, refusal: answer, path: "/a" });
    }
    for (const [code, message] of [
      [-102, 'REFUSED ZooKeeper refused "/a": no permission'],
      [-7, 'IN_DOUBT ZooKeeper refused "/a": a server took too long'],
      [-112, 'CONNECTION_FAILED ZooKeeper refused "/a": the session has expired'],
      [-125, 'DISK_FULL ZooKeeper refused "/a": a quota is reached'],
      [-999, 'REFUSED ZooKeeper refused "/a": code -999'],
    ] as const) {
      world.servers.answer = () => ({ code });
      assertEquals((await world.failure()).split(" after ")[0], message);
    }
  });

  it("waits for an answer two seconds, whenever its pings are due", async () => {
    for (let phaseMs = 0; phaseMs < 1700; phaseMs += 100) {
      const world = new World();
      await world.ask();
      await world.network.pass(phaseMs);
      world.servers.answer = () => undefined;
      const failure = await world.failure(REMOVE);
      assertEquals(failure, 'IN_DOUBT ZooKeeper: no answer, "a:1": no answer in 2000 ms after 2000 ms', `after ${phaseMs} ms`);
    }
  });

  it("pings while there is nothing to ask, and leaves a server that is silent", async () => {
    const world = new World(["a", "b"]);
    await world.ask();
    await world.network.pass(10_000);
    assert(world.servers.pings >= 4, `${world.servers.pings} pings`);
    assertEquals(world.events, ["connect"]);
    world.network.silent.add("a:1");
    for (const far of world.servers.open) far.onReceived = () => undefined;
    await world.network.pass(6000);
    assertEquals(world.events, ["connect", "disconnect", "connect"]);
    assertEquals(world.servers.logins, [
      { server: "a:1", session: 0n, lastZxid: 0n },
      { server: "b:1", session: 1n, lastZxid: 100n },
    ]);
    assertEquals(world.client.session.id, 1n);
  });

  it("sends a read once more when its connection ends, and says of a change that it may have been executed", async () => {
    const world = new World();
    await world.ask();
    let ends = 1;
    world.servers.answer = () => (ends-- > 0 ? "end" : {});
    const reading = world.client.ask(SYNC);
    await world.network.pass(300);
    assertEquals((await world.network.during(reading)).ok, true);
    ends = 1;
    const failure = await world.failure(REMOVE);
    assertEquals(failure, 'IN_DOUBT ZooKeeper: no answer, "a:1": it ended the connection after 0 ms');
    assertEquals(world.paths, ["/a", "/a", "/a", "/a"]);
  });

  it("keeps requests that were not sent until there is a connection, in their order", async () => {
    const world = new World(["a", "b"]);
    world.network.unreachable.add("a:1");
    world.network.unreachable.add("b:1");
    const asked = ["/1", "/2", "/3"].map((path) => world.client.ask(create(path, EMPTY_BYTES, ANYBODY)));
    world.servers.answer = ({ path }) => ({ rest: (writer) => writer.text(path) });
    await world.network.pass(1000);
    world.network.unreachable.clear();
    await world.network.pass(500);
    assertEquals(
      (await Promise.all(asked)).map((answer) => answer.ok && answer.value),
      ["/1", "/2", "/3"],
    );
    assertEquals(world.paths, ["/1", "/2", "/3"]);
  });

  it("gives up after two seconds if no server takes connections, and after eight in any case", async () => {
    const world = new World(["a", "b"]);
    world.network.unreachable.add("a:1");
    world.network.unreachable.add("b:1");
    const text = 'CONNECTION_FAILED ZooKeeper: no server answers, "a:1": "a:1" refused, "b:1": "b:1" refused after ';
    const refused = await world.failure(REMOVE);
    assert(refused.startsWith(text), refused);
    const afterMs = Number(refused.slice(text.length, -3));
    assert(afterMs >= 2000 && afterMs < 2500, refused);
    const silent = new World();
    silent.network.silent.add("a:1");
    assertEquals(
      await silent.failure(),
      'CONNECTION_FAILED ZooKeeper: no server answers, "a:1": no answer from "a:1" in 2000 ms after 2000 ms',
    );
    const slow = new World(["a", "b", "c", "d", "e"]);
    for (const key of ["a:1", "b:1", "c:1", "d:1", "e:1"]) slow.network.silent.add(key);
    assert((await slow.failure()).endsWith(" after 8000 ms"));
  });

  it("begins another session when the former one has expired", async () => {
    const world = new World();
    await world.ask();
    world.servers.grant = (asked) => (asked === 1n ? 0n : 2n);
    world.servers.disconnect();
    await world.network.pass(1000);
    assertEquals(world.events, ["connect", "disconnect", "connect"]);
    assertEquals(world.client.session.id, 2n);
    assertEquals(
      world.servers.logins.map(({ session, lastZxid }) => [session, lastZxid]),
      [
        [0n, 0n],
        [1n, 100n],
        [0n, 0n],
      ],
    );
  });

  it("forgets a session that must have expired, and what it has seen", async () => {
    const world = new World();
    await world.ask();
    world.servers.grant = (asked) => (asked === 0n ? 5n : "end");
    world.servers.disconnect();
    await world.network.pass(19_000);
    assertEquals(world.events, ["connect", "disconnect"]);
    await world.network.pass(2000);
    assertEquals(world.events, ["connect", "disconnect", "connect"]);
    assertEquals(world.servers.logins.at(-1), { server: "a:1", session: 0n, lastZxid: 0n });
  });

  it("hears of watches", async () => {
    const world = new World();
    world.servers.answer = () => ({ code: -101 });
    await world.ask(exists("/w", true) as never);
    world.servers.notice("/w");
    await world.network.settle();
    assertEquals(world.events, ["connect", "watch /w"]);
  });

  it("leaves a server that answers nonsense", async () => {
    const world = new World(["a", "b"]);
    world.servers.grant = (_, server) => (server === "a:1" ? undefined : 1n);
    const asked = world.client.ask(SYNC);
    await world.network.settle();
    for (const far of world.servers.open) far.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    await world.network.pass(10);
    assertEquals((await asked).ok, true);
    assertEquals(
      world.servers.logins.map(({ server }) => server),
      ["a:1", "b:1"],
    );
  });
});
