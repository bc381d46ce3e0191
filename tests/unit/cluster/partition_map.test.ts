/** The node map seen by partition: which partitions there are, who belongs to them and who answers reads. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { ClusterNode } from "../../../lib/cluster/node.ts";
import { createNodeMap, EMPTY_NODE_MAP } from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import { buildPartitionMap, type Partition, type PartitionMap } from "../../../lib/cluster/partition_map.ts";

/** Each line: `host port role state partition balance`, numbers as on the wire. */
function partitionsOf(...lines: string[]): PartitionMap {
  const nodes = lines.map((line, i) => parseNodeLine(`NODE ${line} ${16 + i}`) as ClusterNode);
  return buildPartitionMap(createNodeMap(1, nodes, 99), 4);
}

function textOf(partition: Partition | undefined): string | undefined {
  if (partition === undefined) return undefined;
  const names = (nodes: readonly ClusterNode[]) => nodes.map((node) => node.host).join(",");
  return `${partition.index} ${partition.master?.host ?? "-"} [${names(partition.slaves)}] [${names(partition.readers)}]`;
}

describe("partition map", () => {
  it("is empty without a master", () => {
    assertEquals(buildPartitionMap(EMPTY_NODE_MAP, 4), { active: [], preparing: undefined });
    assertEquals(partitionsOf("p 1 2 0 -1 0").active, []);
  });

  it("has the slaves in any state but down, and as readers the active ones with a balance", () => {
    const map = partitionsOf("a 1 1 0 0 2", "b 1 1 1 0 2", "c 1 1 3 0 2", "d 1 1 0 0 0", "e 1 1 2 0 2", "m 1 0 0 0 1");
    assertEquals(map.active.map(textOf), ["0 m [a,b,c,d] [a,m]"]);
  });

  it("has the master as the only reader when nobody has a balance", () => {
    assertEquals(partitionsOf("a 1 1 0 0 0", "b 1 1 1 0 2", "m 1 0 0 0 0").active.map(textOf), ["0 m [a,b] [m]"]);
  });

  it("keeps the number of a partition whose master is down", () => {
    const map = partitionsOf("a 1 0 2 0 1", "b 1 0 0 1 1", "c 1 0 2 2 1");
    assertEquals(map.active.map(textOf), ["0 - [] []", "1 b [] [b]", "2 - [] []"]);
  });

  it("has the live master where an old one is still listed", () => {
    assertEquals(partitionsOf("a 1 0 2 0 1", "b 1 0 0 0 1").active.map(textOf), ["0 b [] [b]"]);
  });

  it("knows the partition being created, in prepare and ready", () => {
    for (const state of [1, 3]) {
      const map = partitionsOf("a 1 0 0 0 1", `b 1 0 ${state} 1 1`, "c 1 1 0 1 1");
      assertEquals([map.active.length, textOf(map.preparing)], [1, "1 b [c] [b,c]"]);
    }
  });

  it("ignores partitions beyond the limit", () => {
    const map = partitionsOf("a 1 0 0 0 1", "b 1 0 0 1 1", "c 1 0 0 2 1", "d 1 0 0 3 1", "e 1 0 1 4 1", "f 1 0 0 2147483647 1");
    assertEquals([map.active.length, map.preparing], [4, undefined]);
  });

  it("is frozen", () => {
    const { active } = partitionsOf("a 1 1 0 0 2", "m 1 0 0 0 1");
    const [partition] = active;
    assert(partition !== undefined && Object.isFrozen(active) && Object.isFrozen(partition));
    assert(Object.isFrozen(partition.slaves) && Object.isFrozen(partition.readers));
  });
});
