/** What `flare list --replication` makes of the nodes' statistics. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { replicationReports } from "../../../lib/admin/replication_report.ts";
import { replicationRecord, replicationTable } from "../../../lib/admin/report_tables.ts";
import { createNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";

function node(port: number, role: NodeRole, partition: number, state: NodeState = NodeState.active) {
  return createNode({ host: "127.0.0.1", port, role, state, partition, balance: 1, threadType: 16 });
}

const NODES = [
  node(1, NodeRole.master, 0),
  node(2, NodeRole.slave, 0, NodeState.prepare),
  node(3, NodeRole.proxy, -1),
  node(4, NodeRole.slave, 1),
];
const REPORTS = replicationReports(
  NODES,
  new Map([
    [
      "127.0.0.1:1",
      new Map([
        ["replication_guarantees", "sync"],
        ["replication_fsync", "always"],
        ["replication_epoch", "7"],
        ["replication_sequence", "120"],
        ["replication_lease_age_seconds", "0.020"],
        ["127.0.0.1:2:in_sync", "no"],
        ["127.0.0.1:2:why_not", "its%20disk%20is%20full"],
        ["127.0.0.1:2:sequence", "100"],
        ["127.0.0.1:2:lag_entries", "20"],
        ["127.0.0.1:2:lag_bytes", "2000"],
        ["127.0.0.1:2:lag_seconds", "1.500"],
      ]),
    ],
    [
      "127.0.0.1:2",
      new Map([
        ["replication_in_sync", "yes"],
        ["replication_lag_entries", "0"],
      ]),
    ],
    ["127.0.0.1:3", new Map([["replication_guarantees", "sync"]])],
    [
      "127.0.0.1:4",
      new Map([
        ["replication_in_sync", "yes"],
        ["replication_lag_entries", "3"],
      ]),
    ],
  ]),
);

describe("a report of the replication", () => {
  it("believes the master of a slave, and the slave where there is no master", () => {
    assertEquals(
      REPORTS.map(({ inSync, lagEntries }) => [inSync, lagEntries]),
      [
        [undefined, undefined],
        [false, 20],
        [undefined, undefined],
        [true, 3],
      ],
    );
  });

  it("is a table, and data", () => {
    assertEquals(replicationTable(REPORTS.slice(0, 3), { delimiter: "," }), [
      "node,partition,role,state,in-sync,epoch,sequence,lag,bytes,seconds,lease,guarantees,fsync,why not",
      "127.0.0.1:1,0,master,active,-,7,120,-,-,-,0.02,sync,always,",
      "127.0.0.1:2,0,slave,prepare,no,-,100,20,2000,1.5,-,-,-,its disk is full",
      "127.0.0.1:3,-,proxy,active,-,-,-,-,-,-,-,sync,-,",
    ]);
    assertEquals(replicationRecord(REPORTS[1] as (typeof REPORTS)[number]), {
      node: "127.0.0.1:2",
      partition: 0,
      role: "slave",
      state: "prepare",
      balance: 1,
      guarantees: null,
      fsync: null,
      inSync: false,
      whyNot: "its disk is full",
      epoch: null,
      sequence: 100,
      lagEntries: 20,
      lagBytes: 2000,
      lagSeconds: 1.5,
      leaseAgeSeconds: null,
    });
  });
});
