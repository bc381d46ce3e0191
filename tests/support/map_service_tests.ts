/** What index servers do on a map in etcd and in ZooKeeper alike. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { HostPort } from "../../lib/base/host_port.ts";
import { decodeMapRecord } from "../../lib/cluster/map_record.ts";
import type { RunningIndex } from "../../lib/index_server/index_server.ts";
import { ask, type IndexScene, keysOf, type MapService, node, REFUSED, until } from "./index_scene.ts";
import { TcpRelay } from "./tcp_relay.ts";

/** One leads after the other, a restarted one and one that followed; any of them knows what all have stored. */
export async function leadInTurn(scene: IndexScene): Promise<void> {
  const directory = scene.newDirectory();
  const first = await scene.start(directory);
  assertStringIncludes(await ask(first, node(1)), "NODE 127.0.0.1 1 2 0 -1 0 16\r\n");
  await first.stop();
  const again = await scene.start(directory);
  assertEquals([keysOf(again), again.leadership.term], [[1], 2]);
  const second = await scene.start(scene.newDirectory());
  assertEquals([second.leadership.isLeading, second.leadership.leader?.address], [false, again.address]);
  assertStringIncludes(await ask(second, node(2)), "NODE 127.0.0.1 2 2 0 -1 0 17\r\n");
  assertEquals([...keysOf(again), ...keysOf(second)], [1, 2, 1, 2]);
  const seen = await historyOf(again);
  assertEquals(await historyOf(second), seen);
  await again.stop();
  await until("the other one leads", () => second.leadership.isLeading);
  assertEquals(second.leadership.term, 3);
  assertStringIncludes(await ask(second, node(3)), "NODE 127.0.0.1 3 2 0 -1 0 18\r\n");
  const history = await historyOf(second);
  assertEquals(history.slice(0, seen.length), seen);
  assertEquals(
    history.map(({ term, version, events: [event = "a new term"] }) => `${term} ${version} ${event.split(":")[0]}`),
    ["1 0 a new term", `1 1 ${added}`, "2 1 a new term", `2 2 ${added}`, "3 2 a new term", `3 3 ${added}`],
  );
  assertMatch(history[3]?.cause ?? "", /^"node add 127\.0\.0\.1 2" from 127\.0\.0\.1:\d+ through 127\.0\.0\.1:\d+$/);
  const text = await ask(second, "stats\r\n");
  assertStringIncludes(text, `STAT index_db ${scene.url()}\r\n`);
}

const added = 'added "127.0.0.1';

/** What an index server says of the last maps. */
async function historyOf(server: RunningIndex) {
  const lines = (await ask(server, "index history\r\n")).split("\r\n");
  return lines.flatMap((line) => decodeMapRecord(line.replace(/^MAP /, "")) ?? []);
}

/** A slow service makes everything slow; from two seconds on it is away. */
export async function workSlowly(scene: IndexScene, { members }: MapService): Promise<void> {
  const relay = await TcpRelay.start(members[0] as HostPort);
  try {
    const indexDb = scene.url([relay.address]);
    const server = await scene.start(scene.newDirectory(), { indexDb, leaderLeaseMs: 20_000 });
    relay.delayMs = 1000;
    assertStringIncludes(await ask(server, node(1), 30_000), "NODE 127.0.0.1 1 ");
    assertEquals(server.leadership.failingSeconds, 0);
    relay.delayMs = 2500;
    assertMatch(await ask(server, node(2), 60_000), REFUSED);
    await until("the fault is seen", () => server.leadership.failingSeconds > 0);
    assertStringIncludes(await ask(server, "stats nodes\r\n"), "STAT 127.0.0.1:1:role proxy");
    relay.delayMs = 0;
    await until("it is over", () => server.leadership.failingSeconds === 0 && server.leadership.isLeading);
    assertStringIncludes(await ask(server, node(3)), "NODE 127.0.0.1 3 ");
    assertEquals(keysOf(server), [1, 3]);
  } finally {
    relay.close();
  }
}
