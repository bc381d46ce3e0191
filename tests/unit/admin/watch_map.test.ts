/**
 * What a watcher of a cluster learns from its node map, its index servers and the logs of its nodes, gaps included.
 *
 * Covers lib/admin/watch_logs.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { ClusterAdmin } from "../../../lib/admin/cluster_admin.ts";
import { type IndexReport, indexReport } from "../../../lib/admin/index_report.ts";
import type { WatchEvent } from "../../../lib/admin/watch_event.ts";
import { LogWatch } from "../../../lib/admin/watch_logs.ts";
import { watchIndexServers, watchMap } from "../../../lib/admin/watch_map.ts";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import type { HostPort } from "../../../lib/base/host_port.ts";
import type { MapRecord } from "../../../lib/cluster/map_record.ts";
import { createNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { createNodeMap, type NodeMap } from "../../../lib/cluster/node_map.ts";
import type { Connection } from "../../../lib/runtime/runtime.ts";
import { clientRuntime, HOST, waitUntil } from "../../support/daemon.ts";

type Event = Omit<WatchEvent, "atMs">;

const away = new FlareError("CONNECTION_FAILED", "it is away");

function map(version: number, state: NodeState = NodeState.active): NodeMap {
  const place = { role: NodeRole.proxy, partition: -1, balance: 0, threadType: 16 };
  return createNodeMap(version, [createNode({ host: "n", port: 1, state, ...place })], 17);
}

/** An operator to whom one answer after the other is given; after the last one the watch ends. */
function answering<T>(answers: readonly (T | FlareError)[], stop: AbortController): () => Promise<T> {
  let next = 0;
  return async () => {
    const answer = answers[next++] as T | FlareError;
    if (next === answers.length) stop.abort();
    if (answer instanceof FlareError) throw answer;
    return answer;
  };
}

const runtime = clientRuntime();

/** @param records of the index server's history; undefined = it has none, as a C++ one */
async function mapEventsOf(maps: readonly (NodeMap | FlareError)[], records?: readonly MapRecord[]): Promise<Event[]> {
  const stop = new AbortController();
  const events: Event[] = [];
  const mapHistory = async (count: number): Promise<readonly MapRecord[]> => {
    if (records === undefined) throw new FlareError("REFUSED", "ERROR");
    return records.slice(-count);
  };
  const admin = { runtime, index: { server: "i:1" }, nodeMap: answering(maps, stop), mapHistory } as unknown as ClusterAdmin;
  const emit = async (event: Event) => void events.push(event);
  await watchMap(admin, { emit, signal: stop.signal, intervalMs: 1 });
  return events;
}

describe("the watch of a node map", () => {
  it("says each change as the servers' logs do", async () => {
    assertEquals(await mapEventsOf([map(7), map(7), map(8, NodeState.down), map(9), map(10)]), [
      { kind: "lost", server: "n:1", text: 'node map 8: lost "n:1": proxy, active, balance 0 -> proxy, down, balance 0' },
      {
        kind: "returned",
        server: "n:1",
        text: 'node map 9: returned "n:1": proxy, down, balance 0 -> proxy, active, balance 0',
      },
      { kind: "map", server: undefined, text: "node map 10: no node has changed" },
    ]);
  });

  it("says who made a change, where the index server's history has it", async () => {
    const record = (version: number, cause: string, events = ["lost"]): MapRecord => {
      return { version, term: 1, atMs: 0, server: "i:1", cause, events };
    };
    const records = [
      record(8, "earlier"),
      record(9, "one"),
      record(10, "another leader", []),
      record(11, '"two" from c:1'),
      record(12, "x"),
      record(13, "y"),
    ];
    const events = await mapEventsOf([map(8), map(9, NodeState.down), map(11), map(13), map(2)], records);
    assertEquals(
      events.map(({ kind, cause }) => [kind, cause]),
      [
        ["lost", "one"],
        ["gap", '"two" from c:1'],
        ["returned", undefined],
        // Nobody can say which of them is the reason for what.
        ["gap", "x; y"],
        ["map", undefined],
        ["gap", undefined],
        ["map", undefined],
      ],
    );
  });

  it("says what it has not seen", async () => {
    const events = await mapEventsOf([map(7), away, away, map(9, NodeState.down), map(3, NodeState.down)]);
    assertEquals(
      events.map(({ kind }) => kind),
      ["gap", "back", "gap", "lost", "gap", "map"],
    );
    assertEquals(events[0]?.text, "no index server answers: it is away; changes of the node map are not seen");
    assertMatch(events[1]?.text ?? "", /^index server "i:1" answers, after \d+\.\d s$/);
    assertEquals(events[2]?.text, "2 changes of the node map came between two looks: what follows is their result");
    assertEquals(events[4]?.text, "node map 3 is older than 9, which was seen before");
  });

  it("fails if there is no map to begin with", async () => {
    await assertRejects(() => mapEventsOf([away]), FlareError, "it is away");
  });
});

describe("the watch of index servers", () => {
  const said = (server: string, leader: string, term: number): IndexReport =>
    indexReport(server, new Map(Object.entries({ index_leader: leader, index_leads: "0", index_term: String(term) })));
  const eventsOf = async (answers: readonly (readonly IndexReport[])[]): Promise<string[]> => {
    const stop = new AbortController();
    const events: string[] = [];
    const admin = { runtime, indexReports: answering([...answers, []], stop) } as unknown as ClusterAdmin;
    const emit = async ({ kind, text }: Event) => void events.push(`${kind}: ${text}`);
    await watchIndexServers(admin, { emit, signal: stop.signal, intervalMs: 1 });
    return events;
  };

  it("says who leads when that changes, by the highest term", async () => {
    const both = (leader: string, term: number) => [said("a:1", leader, term), said("b:1", leader, term)];
    assertEquals(await eventsOf([both("a:1", 4), [said("a:1", "a:1", 4), said("b:1", "b:1", 5)], both("none", 5)]), [
      'leader: index server "b:1" leads, in term 5',
      "leader: no index server leads",
    ]);
  });

  it("says which of several is silent, once", async () => {
    const silent = indexReport("a:1", new Map(), "refused");
    const b = said("b:1", "b:1", 2);
    assertEquals(
      await eventsOf([
        [silent, b],
        [silent, b],
        [said("a:1", "b:1", 2), b],
      ]),
      ['gap: index server "a:1" does not answer: refused', 'back: index server "a:1" answers again'],
    );
    assertEquals(await eventsOf([[silent]]), []);
  });
});

/** A node whose log is what the test writes. */
class PlayedLog {
  readonly connections = new Set<Connection>();
  answer = "OK\r\n";
  asked = 0;
  close: () => Promise<void> = async () => undefined;
  key = "";

  async listen(): Promise<void> {
    const listener = await runtime.transport.listen({ host: HOST, port: 0 }, (connection) => ({
      onOpen: () => void this.connections.add(connection),
      onData: () => {
        this.asked++;
        connection.write(fromLatin1(this.answer));
      },
      onDrain() {},
      onEnd: () => connection.close(),
      onClose: () => void this.connections.delete(connection),
    }));
    const { host, port } = listener.address as HostPort;
    this.key = `${host}:${port}`;
    this.close = async () => {
      this.cut();
      await listener.close();
    };
  }

  say(line: string): void {
    for (const connection of this.connections) connection.write(fromLatin1(line));
  }

  cut(): void {
    for (const connection of this.connections) connection.destroy();
  }
}

describe("the watch of logs", () => {
  it("connects again, and says what is missing", async () => {
    const log = new PlayedLog();
    await log.listen();
    const events: Event[] = [];
    const stop = new AbortController();
    const emit = async (event: Event) => void events.push(event);
    const admin = { runtime, connection: {} } as unknown as ClusterAdmin;
    const watch = new LogWatch(admin, ["mutations"], { emit, signal: stop.signal });
    const seen = (kind: string): string[] => events.filter((event) => event.kind === kind).map(({ text }) => text);
    try {
      watch.follow([log.key]);
      watch.follow([log.key]);
      await waitUntil(() => log.asked === 1, "a stream");
      log.say("ts=1 type=a\r\nts=2 type=b\r\n");
      await waitUntil(() => seen("log").length === 2, "two lines");
      assertEquals(seen("log"), ["ts=1 type=a", "ts=2 type=b"]);
      log.answer = "ERROR\r\n";
      log.cut();
      // One reason, then another one; each is said once.
      await waitUntil(() => seen("gap").length === 2 && log.asked >= 3, "two gaps");
      log.answer = "OK\r\nts=9\r\n";
      await waitUntil(() => seen("log").length === 3, "the third line");
      assertEquals(
        events.slice(2).map(({ kind, server }) => [kind, server]),
        [..."gap gap back log".split(" ").map((kind) => [kind, log.key])],
      );
      assertMatch(seen("gap")[0] ?? "", /^the log of "[\d.:]+" is not followed: .*; what happens there now is not shown$/);
      assertMatch(seen("gap")[1] ?? "", /answered "ERROR" to "watch mutations"/);
      assertMatch(seen("back")[0] ?? "", /is followed again, after \d+\.\d s$/);
      watch.follow([]);
      await waitUntil(() => log.connections.size === 0, "the stream is closed");
    } finally {
      stop.abort();
      await log.close();
    }
    assertEquals(events.length, 6);
  });
});
