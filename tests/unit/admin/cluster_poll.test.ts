/**
 * What a poll knows of a cluster whose nodes answer, are silent, restart and come back, and what the table of it says.
 *
 * Covers lib/admin/cluster_poll.ts and lib/admin/top_table.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import type { ClusterAdmin } from "../../../lib/admin/cluster_admin.ts";
import { ClusterPoll, type ClusterSight } from "../../../lib/admin/cluster_poll.ts";
import { sortSights, topHeader, topRecord, topTable } from "../../../lib/admin/top_table.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { createNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { createNodeMap, type NodeMap } from "../../../lib/cluster/node_map.ts";
import { ManualClock } from "../../support/manual_clock.ts";

type Answer = Readonly<Record<string, string>> | FlareError | "never";

/** A cluster whose servers answer what the test says; nothing takes time unless it says so. */
class PlayedCluster {
  readonly clock = new ManualClock((callback) => queueMicrotask(callback));
  map: NodeMap | FlareError = createNodeMap(
    7,
    [
      createNode({
        host: "n",
        port: 1,
        role: NodeRole.master,
        state: NodeState.active,
        partition: 0,
        balance: 1,
        threadType: 16,
      }),
      createNode({
        host: "n",
        port: 2,
        role: NodeRole.slave,
        state: NodeState.active,
        partition: 0,
        balance: 1,
        threadType: 17,
      }),
    ],
    18,
  );
  /** `stats` of each node. */
  readonly general = new Map<string, Answer>([
    ["n:1", { curr_items: "5", cmd_get: "0", cmd_set: "0", get_hits: "0", mem_requested: "2048", bytes: "20480" }],
    ["n:2", { curr_items: "5" }],
  ]);
  readonly replication = new Map<string, Answer>([
    ["n:1", { "n:2:in_sync": "yes", "n:2:lag_entries": "3", "n:2:lag_seconds": "0.25" }],
    ["n:2", new FlareError("REFUSED", "ERROR")],
  ]);
  readonly latency = new Map<string, Answer>([
    ["n:1", { "get:0.001": "10" }],
    ["n:2", new FlareError("REFUSED", "ERROR")],
  ]);
  readonly poll: ClusterPoll;

  constructor() {
    const answer = (answer: Answer | undefined): Promise<Map<string, string>> => {
      if (answer === "never") return new Promise(() => undefined);
      return answer instanceof FlareError ? Promise.reject(answer) : Promise.resolve(new Map(Object.entries(answer ?? {})));
    };
    const client = (key: string) => ({
      ping: async () => undefined,
      stats: (form?: string) => (form === "threads" ? answer({}) : answer(this.#answers(form).get(key))),
    });
    this.poll = new ClusterPoll({
      runtime: { clock: this.clock },
      index: { server: "i:1" },
      client,
      nodeMap: async () => {
        if (this.map instanceof FlareError) throw this.map;
        return this.map;
      },
    } as unknown as ClusterAdmin);
  }

  #answers(form: string | undefined): ReadonlyMap<string, Answer> {
    return form === "replication" ? this.replication : form === "latency" ? this.latency : this.general;
  }

  pass(ms: number): void {
    const untilMs = this.clock.monotonicMs() + ms;
    while (this.clock.step(untilMs));
  }

  /** One look, for which a second passes if somebody does not answer. */
  async look(): Promise<ClusterSight> {
    let sight: ClusterSight | undefined;
    const looking = this.poll.look(1000).then((seen) => {
      sight = seen;
    });
    looking.catch(() => undefined);
    for (let turn = 0; turn < 50 && sight === undefined; turn++) await Promise.resolve();
    if (sight === undefined) this.pass(1000);
    await looking;
    return sight as unknown as ClusterSight;
  }
}

function row(sight: ClusterSight, key: string): string[] {
  return (topTable(sight.nodes, { delimiter: "|" }).find((line) => line.startsWith(`${key}|`)) ?? "").split("|");
}

describe("a poll", () => {
  it("knows rates from the second look on, and what the master says of its slave", async () => {
    const cluster = new PlayedCluster();
    const first = await cluster.look();
    assertEquals(row(first, "n:1"), [
      ...["n:1", "0", "master", "active", "1", "-", "-", "-", "-", "-", "-", "5", "2048", "20.0Ki", "0", "0s", ""],
    ]);
    assertEquals(row(first, "n:2").slice(9, 14), ["3", "0.3", "5", "-", "0"]);
    assertStringIncludes(topHeader(first, "10:00:00").join("\n"), "10:00:00  i:1  map 7  2 nodes  requests/s not known yet");
    cluster.pass(2000);
    cluster.general.set("n:1", { curr_items: "6", cmd_get: "400", get_hits: "300", cmd_set: "20" });
    cluster.latency.set("n:1", { "get:0.001": "10", "set:0.005": "100" });
    const second = await cluster.look();
    assertEquals(row(second, "n:1").slice(5, 9), ["200", "10", "75.0", "4.97"]);
    assertEquals(row(second, "n:2").slice(5, 9), ["0", "0", "-", "-"]);
    assertStringIncludes(topHeader(second, "").join("\n"), "200 get/s, 10 set/s");
  });

  it("shows nothing of a node that does not answer, and says so", async () => {
    const cluster = new PlayedCluster();
    await cluster.look();
    cluster.pass(2000);
    cluster.general.set("n:1", "never");
    cluster.general.set("n:2", new FlareError("CONNECTION_FAILED", "cannot connect"));
    const sight = await cluster.look();
    assertEquals(row(sight, "n:1").slice(5), [...Array(11).fill("-"), "no answer for 1.0 s"]);
    assertEquals(row(sight, "n:2").slice(5), [...Array(11).fill("-"), "cannot connect"]);
    const record = topRecord(sight, "now") as { nodes: Record<string, unknown>[] };
    const unknown = ["readsPerSecond", "items", "connections", "memoryBytes", "lagEntries", "latencyMs", "uptimeSeconds"];
    assertEquals(
      unknown.map((name) => record.nodes[0]?.[name]),
      unknown.map(() => null),
    );
    assertMatch(topHeader(sight, "").join("\n"), /2 with a problem {2}requests\/s not known yet/);
    // The first question is still open: there is no second one beside it.
    assertEquals(row(await cluster.look(), "n:1").at(-1), "no answer for 1.0 s");
  });

  it("has no rates over a restart", async () => {
    const cluster = new PlayedCluster();
    cluster.general.set("n:1", { cmd_get: "100" });
    await cluster.look();
    cluster.pass(1000);
    cluster.general.set("n:1", { cmd_get: "5" });
    assertEquals(row(await cluster.look(), "n:1")[5], "-");
  });

  it("keeps the map when the index server is silent, and needs one to begin with", async () => {
    const cluster = new PlayedCluster();
    const known = cluster.map;
    cluster.map = new FlareError("CONNECTION_FAILED", "it is away");
    await assertRejects(() => cluster.look(), FlareError, "it is away");
    cluster.map = known;
    await cluster.look();
    cluster.map = new FlareError("CONNECTION_FAILED", "it is away");
    const sight = await cluster.look();
    assertEquals([sight.nodes.length, sight.indexProblem], [2, "it is away"]);
    assertEquals(topHeader(sight, "")[1], "the index server does not answer: it is away");
    cluster.map = createNodeMap(8, [], 16);
    assertEquals(topRecord(await cluster.look(), "now"), {
      at: "now",
      indexServer: "i:1",
      indexProblem: null,
      mapVersion: "8",
      nodes: [],
    });
  });

  it("sorts what is unknown to the end", async () => {
    const cluster = new PlayedCluster();
    cluster.general.set("n:2", { curr_items: "9" });
    const order = (nodes: ClusterSight["nodes"]) => nodes.map(({ node }) => node.port);
    const sight = await cluster.look();
    assertEquals(order(sortSights(sight.nodes, "node")), [1, 2]);
    assertEquals(order(sortSights(sight.nodes, "items")), [2, 1]);
    assertEquals(order(sortSights(sight.nodes, "memory")), [1, 2]);
    assertEquals(order(sortSights(sight.nodes, "lag")), [2, 1]);
  });
});
