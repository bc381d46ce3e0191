/**
 * From the figures of `stats` to data, and from those to rates, sources, progress.
 *
 * Covers lib/admin/cluster_summary.ts, lib/admin/dump_sources.ts, lib/admin/index_file.ts, lib/admin/progress_text.ts,
 * lib/admin/request_rates.ts and lib/cluster/node_map_stats.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { summarize } from "../../../lib/admin/cluster_summary.ts";
import { dumpSources } from "../../../lib/admin/dump_sources.ts";
import { rebuildIndexFile } from "../../../lib/admin/index_file.ts";
import { byPartition, type NodeReport, parseFigures, parseThreads } from "../../../lib/admin/node_report.ts";
import { copyProgressText, secondsLeft, streamProgressText } from "../../../lib/admin/progress_text.ts";
import { requestRates } from "../../../lib/admin/request_rates.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { decodeFlareXml } from "../../../lib/cluster/flare_xml.ts";
import { type ClusterNode, createNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { createNodeMap } from "../../../lib/cluster/node_map.ts";
import { parseNodeMap } from "../../../lib/cluster/node_map_stats.ts";

function figures(text: string): Map<string, string> {
  return new Map(
    text
      .trim()
      .split("\n")
      .map((line) => line.trim().split("=") as [string, string]),
  );
}

function node(port: number, role: NodeRole, partition: number, state: NodeState = NodeState.active): ClusterNode {
  return createNode({ host: "n", port, role, state, partition, balance: 1, threadType: 16 + port });
}

const { master, slave, proxy } = NodeRole;

describe("node reports", () => {
  it("read a node map", () => {
    const nodes = figures(`
      ::1:12121:role=master
      ::1:12121:state=ready
      ::1:12121:partition=1
      ::1:12121:balance=2
      ::1:12121:thread_type=20
      a:1:role=proxy
      a:1:state=down
      a:1:partition=-1
      a:1:balance=0
      a:1:thread_type=16`);
    const map = parseNodeMap(nodes, figures("node_map_version=18446744073709551615"));
    assertEquals([map.version, map.nextThreadType], [18446744073709551615n, 21]);
    assertEquals(map.nodes, [
      createNode({ host: "::1", port: 12121, role: master, state: NodeState.ready, partition: 1, balance: 2, threadType: 20 }),
      createNode({ host: "a", port: 1, role: proxy, state: NodeState.down, partition: -1, balance: 0, threadType: 16 }),
    ]);
    assertEquals(parseNodeMap(new Map(), new Map()).version, 0);
    nodes.set("a:1:state", "asleep");
    assertThrows(() => parseNodeMap(nodes, new Map()), FlareError, 'malformed "stats nodes" for node "a:1"');
  });

  it("read a node's figures", () => {
    const threads = figures("1:type=1\n1:peer=c:9\n1:op=get\n1:behind=2\n1:queue=4\n12:type=17\n12:op=\n12:behind=30");
    const general = figures(`curr_items=5\ncurr_connections=3\nget_hits=1\ncmd_get=3\ncmd_set=8\nbytes=99\nuptime=7
      version=flare-1.3.4`);
    assertEquals(parseFigures(general, threads), {
      items: 5,
      connections: 3,
      behindSeconds: 30,
      hitRate: 1 / 3,
      bytes: 99,
      memoryBytes: undefined,
      uptimeSeconds: 7,
      version: "1.3.4",
      cmdGet: 3,
      getHits: 1,
      cmdSet: 8,
    });
    assertEquals(
      parseThreads(threads).map(({ id, type, peer, operation, queue }) => [id, type, peer, operation, queue]),
      [
        [1, 1, "c:9", "get", 4],
        [12, 17, "", "", 0],
      ],
    );
    assertEquals(parseFigures(new Map(), new Map()).hitRate, undefined);
    assertEquals(parseFigures(figures("mem_requested=4096"), new Map()).memoryBytes, 4096);
  });

  it("put proxies first, then partitions, each with its master first", () => {
    const nodes = [node(5, slave, 0), node(4, master, 1), node(3, slave, 0), node(2, master, 0), node(1, proxy, -1)];
    assertEquals(
      nodes.sort(byPartition).map(({ port }) => port),
      [1, 2, 3, 5, 4],
    );
  });

  it("give rates and sums", () => {
    const report = (port: number, role: NodeRole, cmdGet: number, cmdSet: number, getHits = 0): NodeReport => ({
      node: node(port, role, port),
      figures: { ...parseFigures(new Map(), new Map()), cmdGet, getHits, cmdSet, items: 10 * port, bytes: port },
    });
    const before = [report(1, master, 100, 50), report(2, master, 500, 0), report(3, slave, 0, 0)];
    const after = [report(1, master, 300, 51, 50), report(2, master, 4, 0), { ...report(3, slave, 0, 0), figures: undefined }];
    assertEquals([...requestRates(before, after, 2000)], [["n:1", { reads: 100, writes: 1, hitRate: 0.25 }]]);
    assertEquals(summarize("i:1", after), {
      cluster: "i:1",
      partitions: 2,
      nodes: 3,
      masters: 2,
      slaves: 1,
      bytes: 3,
      items: 30,
    });
  });

  it("become a flare.xml again", () => {
    const map = createNodeMap(7, [node(1, master, 0), node(2, proxy, -1)], 30);
    assertEquals(decodeFlareXml(rebuildIndexFile(map, 100)), createNodeMap(107, map.nodes, 30));
  });
});

describe("dump sources", () => {
  const nodes = [node(1, master, 0), node(2, slave, 0), node(3, master, 1), node(4, proxy, -1)];
  const map = createNodeMap(7, nodes, 30);
  const sources = (selection: Parameters<typeof dumpSources>[2]) => dumpSources(map, 1023, selection);

  it("are the masters, each with what it owns", () => {
    assertEquals(sources({ nodes: [], bytesPerSecond: 4096 }), [
      { node: "n:1", range: { bytesPerSecond: 4096, partition: 0, partitionSize: 2 } },
      { node: "n:3", range: { bytesPerSecond: 4096, partition: 1, partitionSize: 2 } },
    ]);
  });

  it("are the nodes named, or the partition", () => {
    assertEquals(sources({ nodes: ["n:2", "n:4", "n:9"] }), [
      { node: "n:2", range: { partition: 0, partitionSize: 2 } },
      { node: "n:4", range: {} },
      { node: "n:9", range: {} },
    ]);
    assertEquals(sources({ nodes: ["n:2"], raw: true }), [{ node: "n:2", range: {} }]);
    assertEquals(sources({ nodes: [], partition: 1 }), [{ node: "n:3", range: { partition: 1, partitionSize: 2 } }]);
    assertEquals(
      sources({ nodes: [], partition: 2, partitionSize: 3 }).map(({ node: key }) => key),
      ["n:1", "n:3"],
    );
  });

  it("are refused where they would be incomplete", () => {
    assertThrows(() => sources({ nodes: [], partition: 2 }), FlareError, "there is no partition 2 out of 2");
    assertThrows(() => sources({ nodes: [], partitionSize: 2 }), FlareError, '"partition-size" needs a "partition"');
    const broken = createNodeMap(1, [node(1, master, 0, NodeState.down)], 30);
    assertThrows(() => dumpSources(broken, 1023, { nodes: [] }), FlareError, "partition 0 has no master that is up");
    const empty = createNodeMap(1, [node(1, proxy, -1)], 30);
    assertThrows(() => dumpSources(empty, 1023, { nodes: [] }), FlareError, "the cluster has no partition yet");
  });
});

describe("progress", () => {
  it("is shown with the time left", () => {
    const copying = createNode({ ...node(1, slave, 0), state: NodeState.prepare });
    assertEquals(
      copyProgressText({ node: copying, items: 251, itemsTotal: 500, elapsedMs: 1000 }),
      "251/500 (role = slave, state = prepare) [ETA: 1 sec (elapsed = 1 sec)]",
    );
    assertEquals(
      copyProgressText({ node: copying, items: 0, itemsTotal: 500, elapsedMs: 1000 }),
      "0/500 (role = slave, state = prepare) [ETA: n/a (elapsed = 1 sec)]",
    );
    assertEquals(streamProgressText("items", 500, 1000, 2000), "500/1000 items, 250 items/s [ETA: 2 sec]");
    assertEquals(streamProgressText("keys", 500, undefined, 0), "500 keys, 0 keys/s");
    assertEquals([secondsLeft(10, 5, 1000), secondsLeft(0, 0, 1000), secondsLeft(1, 61, 1000)], [0, undefined, 60]);
  });
});
