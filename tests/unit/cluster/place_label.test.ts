/** What the labels of a log's stamps say of a node. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { decodePlace, placeLabel } from "../../../lib/cluster/place_label.ts";

type Given = Parameters<typeof placeLabel>[0];

function label(self: object | undefined, partitions = 2): string {
  const active = Array.from({ length: partitions }, () => ({}));
  return placeLabel({ self, partitionMap: { active }, nodeMap: { version: 18446744073709551615n } } as unknown as Given);
}

describe("the label of a place", () => {
  it("says which active replica of which partition a node is", () => {
    const state = NodeState.active;
    assertEquals(label({ role: NodeRole.master, state, partition: 1 }), "master 1/2 18446744073709551615");
    assertEquals(label({ role: NodeRole.slave, state, partition: 0 }), "slave 0/2 18446744073709551615");
    assertEquals(decodePlace("slave 0/2 18446744073709551615"), {
      isMaster: false,
      partition: 0,
      partitions: 2,
      mapVersion: 18446744073709551615n,
    });
  });

  it("is empty where a node is none", () => {
    assertEquals(label(undefined), "");
    assertEquals(label({ role: NodeRole.proxy, state: NodeState.active, partition: -1 }), "");
    for (const state of [NodeState.prepare, NodeState.ready, NodeState.down])
      assertEquals(label({ role: NodeRole.slave, state, partition: 0 }), "");
    assertEquals(label({ role: NodeRole.master, state: NodeState.active, partition: 2 }), "", "a partition in preparation");
    for (const text of ["", "master", "proxy 0/1 5", "master 0/1 5 6"]) assertEquals(decodePlace(text), undefined);
  });
});
