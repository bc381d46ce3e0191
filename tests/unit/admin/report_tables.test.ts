/**
 * The operator's tables, byte for byte as Flare's tools print them.
 *
 * Covers lib/admin/text_table.ts.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { indexReport } from "../../../lib/admin/index_report.ts";
import type { NodeFigures, NodeReport } from "../../../lib/admin/node_report.ts";
import {
  differenceTable,
  historyRecord,
  historyTable,
  indexTable,
  nodeRecord,
  nodeTable,
  reportRecord,
  statsTable,
  summaryTable,
  threadTable,
  uptimeText,
} from "../../../lib/admin/report_tables.ts";
import type { MapRecord } from "../../../lib/cluster/map_record.ts";
import { createNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";

function node(port: number, role: NodeRole, partition: number, balance: number) {
  return createNode({ host: "127.0.0.1", port, role, state: NodeState.active, partition, balance, threadType: port });
}

const figures: NodeFigures = {
  items: 0,
  connections: 2,
  behindSeconds: 0,
  hitRate: undefined,
  bytes: 552736,
  memoryBytes: undefined,
  uptimeSeconds: 8,
  version: "1.3.4",
  cmdGet: 0,
  getHits: 0,
  cmdSet: 0,
};
const reports: readonly NodeReport[] = [
  { node: node(13005, NodeRole.proxy, -1, 0), figures },
  { node: node(13001, NodeRole.master, 0, 1), figures: { ...figures, items: 500 } },
];

describe("tables", () => {
  it("list nodes", () => {
    assertEquals(nodeTable([node(12122, NodeRole.master, 0, 1), node(12125, NodeRole.proxy, -1, 0)]), [
      "node                             partition   role  state balance",
      "127.0.0.1:12122                          0 master active       1",
      "127.0.0.1:12125                          -  proxy active       0",
    ]);
  });

  it("show the history, one line for each node that a map changed", () => {
    const record = { version: 24, term: 7, atMs: 1_790_000_000_999, server: "b:1", cause: '"shutdown a 1" from c:5' };
    const records = [
      { ...record, version: 23, cause: "it has taken the lead", events: [] },
      { ...record, events: ['promoted "s:1": slave -> master', 'lost "a:1": master -> proxy'] },
    ];
    assertEquals(
      historyTable(records, (seconds) => `${seconds}s`),
      [
        "time        map term index server change                          cause",
        "1790000000s  23    7 b:1          -                               it has taken the lead",
        `1790000000s  24    7 b:1          promoted "s:1": slave -> master "shutdown a 1" from c:5`,
        `1790000000s  24    7 b:1          lost "a:1": master -> proxy     "shutdown a 1" from c:5`,
      ],
    );
    assertEquals(
      historyRecord(records[1] as MapRecord, (seconds) => `${seconds}s`),
      {
        ...{ time: "1790000000s", map: "24", term: 7, indexServer: "b:1", cause: '"shutdown a 1" from c:5' },
        changes: ['promoted "s:1": slave -> master', 'lost "a:1": master -> proxy'],
      },
    );
  });

  it("show the index servers: of ours who leads, of the original's that they are there", () => {
    const says = (text: string) => new Map(text.split(",").map((each) => each.split(" ") as [string, string]));
    const common = "index_leader b:1,index_leader_since 90,index_term 7,node_map_version 24,index_db etcd://e:2379/flare/main";
    const reports = [
      indexReport("a:1", new Map(), "refused"),
      indexReport("b:1", says(`index_leads 1,${common}`)),
      indexReport("c:1", says(`index_leads 0,${common}`)),
      indexReport("d:1", says("index_leads 0,index_leader none,index_leader_since 0,index_term 7,node_map_version 24")),
      indexReport("e:1", says("node_map_version 3")),
      indexReport("f:1", new Map([...says(`index_leads 0,${common}`), ["index_moved", "gone to file:///d"]])),
      indexReport("g:1", new Map([...says(`index_leads 0,${common}`), ["index_moved", "no"]])),
    ];
    assertEquals(
      indexTable(reports, (seconds) => `${seconds} s`, { delimiter: "|" }),
      [
        "index server|state|leader|since|term|map|stored in",
        "a:1|silent|-|-|-|-|-",
        "b:1|leads|b:1|90 s|7|24|etcd://e:2379/flare/main",
        "c:1|follows|b:1|90 s|7|24|etcd://e:2379/flare/main",
        "d:1|follows|none|-|7|24|-",
        "e:1|-|-|-|-|3|-",
        "f:1|moved|b:1|90 s|7|24|gone to file:///d",
        "g:1|follows|b:1|90 s|7|24|etcd://e:2379/flare/main",
      ],
    );
  });

  it("show statistics", () => {
    assertEquals(statsTable(reports), [
      "hostname:port   state  role   partition balance items conn behind hit size uptime version",
      "127.0.0.1:13005 active proxy         -1       0     0    2      0   -    0     8s   1.3.4",
      "127.0.0.1:13001 active master         0       1   500    2      0   -    0     8s   1.3.4",
    ]);
  });

  it("show statistics with rates, hits, large sizes and silent nodes", () => {
    const busy = { ...figures, hitRate: 0.999, bytes: 5 * 1073741824, behindSeconds: 12, uptimeSeconds: 90000 };
    const rows = statsTable(
      [
        { node: node(1, NodeRole.slave, 0, 1), figures: busy },
        { node: node(2, NodeRole.slave, 1, 1), figures: undefined },
      ],
      new Map([["127.0.0.1:1", { reads: 1200, writes: 34, hitRate: undefined }]]),
    );
    assertEquals(rows, [
      "hostname:port state  role  partition balance items conn behind hit size uptime version  qps qps-r qps-w",
      "127.0.0.1:1   active slave         0       1     0    2     12  99    5     1d   1.3.4 1234  1200    34",
      "127.0.0.1:2   active slave         1       1     -    -      -   -    -      -       -    -     -     -",
    ]);
  });

  it("join columns by a delimiter", () => {
    assertEquals(statsTable(reports.slice(0, 1), undefined, { delimiter: "," }), [
      "hostname:port,state,role,partition,balance,items,conn,behind,hit,size,uptime,version",
      "127.0.0.1:13005,active,proxy,-1,0,0,2,0,-,0,8s,1.3.4",
    ]);
  });

  it("sum up a cluster", () => {
    const summary = { cluster: "127.0.0.1:13000", partitions: 2, nodes: 6, masters: 2, slaves: 2, bytes: 1105472, items: 751 };
    assertEquals(summaryTable([summary]), [
      "#cluster                        part  node master slave            size        items",
      "127.0.0.1:13000                    2     6      2     2         1105472          751",
    ]);
  });

  it("list threads", () => {
    const thread = { id: 2, type: 1, peer: "127.0.0.1:38766", operation: "", state: "wait" };
    assertEquals(threadTable([{ ...thread, uptimeSeconds: 1, queue: 0, behindSeconds: 0 }]), [
      "   id peer                             operation     type    queue",
      "    2 127.0.0.1:38766                  -                1        0",
    ]);
  });

  it("compare nodes before and after", () => {
    const before = node(1, NodeRole.proxy, -1, 0);
    const after = node(1, NodeRole.slave, 0, 2);
    assertEquals(
      differenceTable([
        { key: "127.0.0.1:1", before, after },
        { key: "127.0.0.1:20", before, after: undefined },
      ]),
      [
        "node         before          after",
        "127.0.0.1:1  proxy active -> slave active, partition 0, balance 2",
        "127.0.0.1:20 proxy active -> -",
      ],
    );
  });

  it("grow with their widest cell", () => {
    const long = createNode({ ...node(1, NodeRole.master, 0, 2147483647), host: "a-node-with-a-rather-long-name.example.org" });
    assertEquals(nodeTable([long]), [
      "node                                         partition   role  state    balance",
      "a-node-with-a-rather-long-name.example.org:1         0 master active 2147483647",
    ]);
  });

  it("show what a state deserves, without a place for it", () => {
    const down = createNode({ ...node(1, NodeRole.proxy, -1, 0), state: NodeState.down });
    const prepare = createNode({ ...node(2, NodeRole.slave, 0, 0), state: NodeState.prepare });
    const paint = (text: string, tone: string): string => (tone === "title" ? text : `<${tone} ${text}>`);
    const rows = nodeTable([down, prepare, node(3, NodeRole.master, 0, 1)], { paint });
    assertEquals(
      rows.map((row) => row.replace(/<\w+ (\w+)>/, "$1")),
      nodeTable([down, prepare, node(3, NodeRole.master, 0, 1)]),
    );
    assertEquals(
      rows.flatMap((row) => row.match(/<\w+ \w+>/) ?? []),
      ["<bad down>", "<warning prepare>"],
    );
  });

  it("have their data as records, too", () => {
    assertEquals(nodeRecord(node(5, NodeRole.proxy, -1, 0)), {
      node: "127.0.0.1:5",
      partition: null,
      role: "proxy",
      state: "active",
      balance: 0,
    });
    assertEquals(reportRecord({ node: node(5, NodeRole.proxy, -1, 0), figures: undefined }).items, null);
    assertEquals(reportRecord(reports[1] as NodeReport, { reads: 1, writes: 2, hitRate: 0.5 }), {
      node: "127.0.0.1:13001",
      partition: 0,
      role: "master",
      state: "active",
      balance: 1,
      items: 500,
      connections: 2,
      behindSeconds: 0,
      hitRate: null,
      bytes: 552736,
      uptimeSeconds: 8,
      version: "1.3.4",
      readsPerSecond: 1,
      writesPerSecond: 2,
    });
  });

  it("show durations in their largest unit", () => {
    assertEquals([59, 60, 3599, 3600, 86399, 86400, 900000].map(uptimeText), ["59s", "1m", "59m", "1h", "23h", "1d", "10d"]);
  });
});
