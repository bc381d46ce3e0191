/**
 * What is found about a cluster, from what its servers say; and how it is asked.
 *
 * Covers lib/admin/cluster_look.ts and lib/admin/index_report.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { checkCluster, type Finding, overallState, type SeenCluster, type SeenNode } from "../../../lib/admin/cluster_check.ts";
import { inspectCluster } from "../../../lib/admin/cluster_look.ts";
import { indexReport } from "../../../lib/admin/index_report.ts";
import { type ClusterNode, createNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { createNodeMap } from "../../../lib/cluster/node_map.ts";
import { ClusterAdmin, detectRuntime, startCluster } from "../../../mod.ts";
import { freePorts } from "../../support/free_ports.ts";

type Change = Partial<ClusterNode> & Partial<Omit<SeenNode, "node">>;

const figures = { version: "2.0.0", node_map_version: "7", curr_items: "1000", curr_connections: "5", max_connections: "1000" };

function figuresWith(changed: Record<string, string>): ReadonlyMap<string, string> {
  return new Map(Object.entries({ ...figures, ...changed }));
}

/** One partition with a master, a slave and a proxy, all well, with changes of each. */
function seenWith(master: Change = {}, slave: Change = {}, proxy: Change = {}): SeenCluster {
  const nodes = [
    seenNode(1, { role: NodeRole.master, partition: 0, balance: 1, ...master }),
    seenNode(2, { role: NodeRole.slave, partition: 0, balance: 1, ...slave }),
    seenNode(3, proxy),
  ];
  return {
    index: "i:1",
    indexServers: [indexReport("i:1", new Map())],
    map: createNodeMap(
      7,
      nodes.map(({ node }) => node),
      20,
    ),
    nodes,
  };
}

function seenNode(port: number, changed: Change): SeenNode {
  const { general, threads, replication, silence, illness, ...place } = changed;
  const node = createNode({
    host: "n",
    port,
    role: NodeRole.proxy,
    state: NodeState.active,
    partition: -1,
    balance: 0,
    threadType: 15 + port,
    ...place,
  });
  return {
    node,
    general: general ?? figuresWith({}),
    threads: threads ?? new Map(),
    replication: replication ?? new Map(),
    ...(silence === undefined ? {} : { silence }),
    ...(illness === undefined ? {} : { illness }),
  };
}

/** Index servers that say this of themselves; undefined: it does not answer. */
function indexServersWith(...all: readonly (Record<string, string> | undefined)[]): SeenCluster {
  const reports = all.map((figures, i) =>
    indexReport(`i:${i + 1}`, new Map(Object.entries(figures ?? {})), figures === undefined ? "refused" : undefined),
  );
  return { ...seenWith(), indexServers: reports };
}

function texts(findings: readonly Finding[]): string[] {
  return findings.map(({ severity, about, problem }) => `${severity} ${about}: ${problem}`);
}

describe("checkCluster", () => {
  it("finds nothing wrong with a cluster that is well", () => {
    assertEquals([checkCluster(seenWith()), overallState([])], [[], "healthy"]);
  });

  const { down, prepare, ready } = NodeState;
  const asProxy = { role: NodeRole.proxy, partition: -1, balance: 0 };
  const cases: readonly (readonly [string, SeenCluster, readonly string[]])[] = [
    [
      "a master that is down",
      seenWith({ state: down }),
      ["broken partition 0: its master n:1 is down: its keys are out of reach"],
    ],
    [
      "an index server that was replaced",
      indexServersWith({ index_replaced_by: "4" }),
      ["broken i:1: another index server has taken over its node map, with term 4: this one changes nothing"],
    ],
    [
      "an index server whose map is moved",
      indexServersWith({ index_moved: "gone to etcd://e:2379/k", index_leader: "none", index_leads: "0" }),
      ["broken i:1: its node map is gone to etcd://e:2379/k: it changes nothing"],
    ],
    [
      "an index server that cannot reach its map",
      indexServersWith({ index_db_failing_seconds: "7", index_leader: "none", index_leads: "0" }),
      ["broken i:1: its stored node map has been out of reach for 7 s: there is no failover"],
    ],
    [
      "index servers of which one leads",
      indexServersWith({ index_leader: "i:1", index_leads: "1" }, { index_leader: "i:1", index_leads: "0" }),
      [],
    ],
    [
      "index servers of which some are away",
      indexServersWith(
        undefined,
        { index_leader: "i:3", index_leads: "0", index_db_failing_seconds: "4" },
        { index_leader: "i:3", index_leads: "1" },
      ),
      [
        "degraded i:1: the index server does not answer: refused",
        "degraded i:2: its stored node map has been out of reach for 4 s: it cannot lead",
      ],
    ],
    [
      "index servers of which none leads",
      indexServersWith({ index_leader: "none", index_leads: "0" }, undefined, { index_leader: "none", index_leads: "0" }),
      [
        "broken i:1, i:3: no index server leads: there is no failover",
        "degraded i:2: the index server does not answer: refused",
      ],
    ],
    [
      "index servers of two clusters",
      indexServersWith({ index_leader: "i:1", index_leads: "1" }, { index_leader: "i:2", index_leads: "1" }),
      ["degraded i:1, i:2: the index servers name several leaders: i:1, i:2"],
    ],
    ["a partition without a master", seenWith(asProxy), ["broken partition 0: it has no master: its keys are out of reach"]],
    ["a master that does not answer", seenWith({ silence: "refused" }), ["broken n:1: it does not answer: refused"]],
    ["a slave that does not answer", seenWith({}, { silence: "refused" }), ["degraded n:2: it does not answer: refused"]],
    ["a failing disk at a master", seenWith({ illness: "storage error" }), ["broken n:1: it is not healthy: storage error"]],
    [
      "a failing disk at a slave",
      seenWith({}, { illness: "storage error" }),
      ["degraded n:2: it is not healthy: storage error"],
    ],
    ["an only copy", seenWith({}, asProxy), ["degraded partition 0: n:1 has the only copy of its keys"]],
    [
      "a copy under way",
      seenWith({}, { state: prepare, balance: 0 }),
      ["degraded partition 0: n:1 has the only copy of its keys", "degraded n:2: it is still copying its partition"],
    ],
    ["a slave without reads", seenWith({}, { balance: 0 }), ["note n:2: it serves no reads"]],
    ["a proxy that is down", seenWith({}, {}, { state: down, silence: "refused" }), ["degraded n:3: it is down"]],
    [
      "a partition being made",
      seenWith({}, {}, { role: NodeRole.master, state: ready, partition: 1, balance: 1 }),
      ["degraded partition 1: it is being created: its master n:3 is in state ready"],
    ],
    [
      "another node map",
      seenWith({}, {}, { general: figuresWith({ node_map_version: "6" }) }),
      ["degraded n:3: it has node map 6, the index server has 7"],
    ],
    [
      "a queue that does not keep up",
      seenWith({ threads: new Map([["1:behind", "12"]]) }),
      ["degraded n:1: its queue has entries 12 s old"],
    ],
    [
      "damage on a disk",
      seenWith({}, { general: figuresWith({ corrupt_records: "3", damaged_tables: "1" }) }),
      ["degraded n:2: data on its disk is damaged: 3 records, 1 tables"],
    ],
    [
      "too many connections",
      seenWith({}, {}, { general: figuresWith({ curr_connections: "900" }) }),
      ["degraded n:3: it has 900 connections of 1000"],
    ],
    [
      "copies that differ",
      seenWith({}, { general: figuresWith({ curr_items: "800" }) }),
      ["degraded n:2: it has 800 items, its master n:1 has 1000"],
    ],
    ["copies that differ by a little", seenWith({}, { general: figuresWith({ curr_items: "960" }) }), []],
    [
      "writes a slave did not get",
      seenWith({
        replication: new Map([
          ["replication_failures", "2"],
          ["replication_dropped", "1"],
        ]),
      }),
      ["note n:1: 3 copies of writes did not reach a slave since it started"],
    ],
    [
      "slaves that were taken out of the in-sync set",
      seenWith({
        replication: new Map([
          ["replication_failures", "2"],
          ["replication_guarantees", "async"],
          ["replication_removals", "1"],
        ]),
      }),
      ["note n:1: slaves that missed a write were taken out of the in-sync set since it started: 1"],
    ],
    [
      "keys that differed on slaves, and were not repaired",
      seenWith({
        replication: new Map([
          ["anti_entropy_differences", "5"],
          ["anti_entropy_repairs", "3"],
        ]),
      }),
      ["note n:1: keys that differed on its slaves since it started: 2"],
    ],
    [
      "several versions",
      seenWith({}, {}, { general: figuresWith({ version: "1.3.4" }) }),
      ["note i:1: the versions differ: 2.0.0 on n:1, n:2; 1.3.4 on n:3"],
    ],
    ["nodes without our figures", seenWith({ general: new Map() }, { general: new Map() }, { general: new Map() }), []],
  ];
  for (const [name, seen, expected] of cases) {
    it(`finds ${name}`, () => {
      const findings = checkCluster(seen);
      assertEquals(texts(findings), [...expected]);
      const severities = expected.map((text) => text.slice(0, text.indexOf(" ")));
      const state = severities.includes("broken") ? "broken" : severities.includes("degraded") ? "degraded" : "healthy";
      assertEquals(overallState(findings), state);
      for (const { advice } of findings) assert(advice.length > 0);
    });
  }

  it("finds a cluster without nodes, and one without partitions", () => {
    const empty = { index: "i:1", indexServers: [], map: createNodeMap(0, [], 16), nodes: [] };
    assertEquals(texts(checkCluster(empty)), ["broken i:1: the index server has no nodes"]);
    assertEquals(texts(checkCluster(seenWith(asProxy, asProxy))), ["broken i:1: the cluster has no partition"]);
  });
});

describe("inspectCluster", () => {
  it("asks a cluster that is well, one with a lost slave, and one without its index server", async () => {
    const runtime = detectRuntime({ programName: "test", logLevel: "error" });
    const cluster = await startCluster({ runtime, partitions: 1, slaves: 1, monitorIntervalMs: 50 });
    const admin = new ClusterAdmin({ runtime, indexServer: cluster.indexAddress, connectTimeoutMs: 1000 });
    try {
      assertEquals(await inspectCluster(admin), []);
      await cluster.nodes[1]?.stop();
      const key = cluster.nodes[1]?.key as string;
      const [lonely, lost] = await inspectCluster(admin);
      assertEquals([lonely?.about, lonely?.severity], ["partition 0", "degraded"]);
      assertEquals([lost?.about, lost?.problem], [key, "it is down"]);
      assertMatch(lost?.advice ?? "", /^start it, and make it a slave again/);
    } finally {
      admin.close();
      await cluster.stop();
    }
    const nobody = new ClusterAdmin({ runtime, indexServer: { host: "127.0.0.1", port: await freePorts(1) } });
    const [finding] = await inspectCluster(nobody);
    assertEquals([finding?.severity, overallState([finding as Finding])], ["broken", "broken"]);
    assertMatch(finding?.problem ?? "", /^the index server does not answer: cannot connect/);
    nobody.close();
  });
});
