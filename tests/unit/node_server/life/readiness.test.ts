/** When a node is ready, and what it says when it is not. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import type { ClusterNode } from "../../../../lib/cluster/node.ts";
import { NodeRole, NodeState, PARTITION_NONE } from "../../../../lib/cluster/node.ts";
import { nodeReadiness } from "../../../../lib/node_server/life/readiness.ts";

interface Given {
  readonly self?: Partial<ClusterNode> | undefined;
  readonly lease?: "held" | "lost" | "not_needed";
  readonly failure?: FlareError;
  readonly partitions?: number;
  readonly isStopping?: boolean;
}

const MASTER = { role: NodeRole.master, state: NodeState.active, partition: 3 };
const SLAVE = { ...MASTER, role: NodeRole.slave };
const PROXY = { ...MASTER, role: NodeRole.proxy, partition: PARTITION_NONE };

function of({ self, lease = "held", failure, partitions = 1, isStopping = false }: Given): string {
  const node =
    self === undefined ? undefined : { host: "a", port: 1, key: "a:1", balance: 1, threadType: 16, ...MASTER, ...self };
  const routing = {
    self: node,
    nodeMap: { version: 7, nodes: [] } as never,
    partitionMap: { active: new Array(partitions) } as never,
  };
  const { isReady, reason } = nodeReadiness({ routing, lease: { state: lease }, storage: { failure } }, isStopping);
  return `${isReady ? "yes" : "no"}: ${reason}`;
}

describe("a node is ready", () => {
  it("while it serves its role", () => {
    assertEquals(of({ self: MASTER }), "yes: active master of partition 3");
    assertEquals(of({ self: MASTER, lease: "not_needed" }), "yes: active master of partition 3");
    assertEquals(of({ self: SLAVE }), "yes: active slave of partition 3");
    assertEquals(of({ self: PROXY, partitions: 2 }), "yes: active proxy for 2 partitions, node map 7");
  });

  it("not before it has joined, and not while it stops or is down", () => {
    assertEquals(of({}), "no: it is not in node map 7: it has not joined yet");
    assertEquals(of({ self: MASTER, isStopping: true }), "no: it is stopping");
    for (const self of [MASTER, SLAVE, PROXY]) {
      assertEquals(
        of({ self: { ...self, state: NodeState.down } }),
        "no: it is down in the node map: the index server could not reach it",
      );
    }
  });

  it("not as a proxy of a cluster without an active partition", () => {
    assertEquals(of({ self: PROXY, partitions: 0 }), "no: it is a proxy, and no partition is active yet");
  });

  it("not while it copies, or waits to be activated", () => {
    const copying = { state: NodeState.prepare };
    const copied = { state: NodeState.ready };
    assertEquals(of({ self: { ...SLAVE, ...copying } }), "no: it is the slave of partition 3, and still copies its data");
    assertEquals(of({ self: { ...MASTER, ...copying } }), "no: it is the master of partition 3, and still copies its data");
    assertEquals(
      of({ self: { ...MASTER, ...copied } }),
      "no: it is the master of partition 3, has copied its data, and is not active yet",
    );
  });

  it("not without its lease", () => {
    assertEquals(
      of({ self: MASTER, lease: "lost" }),
      "no: it is the master of partition 3, but its lease has ended: not every slave confirms that it is still the master",
    );
    assertEquals(
      of({ self: SLAVE, lease: "lost" }),
      "no: it is the slave of partition 3, but its lease has ended: its master does not renew it",
    );
  });

  it("not while its storage fails", () => {
    const failure = new FlareError("IO_ERROR", "change log sync failed");
    for (const self of [MASTER, SLAVE, PROXY]) {
      assertEquals(of({ self, failure }), "no: writes fail until a restart: change log sync failed");
    }
  });
});
