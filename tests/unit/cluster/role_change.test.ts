/** When a new map makes a node copy a partition, and from whom. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { ClusterNode } from "../../../lib/cluster/node.ts";
import type { NodeMap } from "../../../lib/cluster/node_map.ts";
import { createNodeMap } from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import { reconstructionFor } from "../../../lib/cluster/role_change.ts";

/** Each line: `host port role state partition balance`, numbers as on the wire. */
function mapOf(...lines: string[]): NodeMap {
  return createNodeMap(
    1,
    lines.map((line, i) => parseNodeLine(`NODE ${line} ${16 + i}`) as ClusterNode),
    99,
  );
}

function copyOf(before: NodeMap | undefined, after: NodeMap, self = "s:1"): unknown {
  const copy = reconstructionFor(before, after, self, 1023);
  return copy && { ...copy, sources: copy.sources.map((node) => node.key) };
}

const MASTER = 0;
const SLAVE = 1;

describe("role change", () => {
  const proxy = mapOf("a 1 0 0 0 1", "b 1 0 0 1 1", "s 1 2 0 -1 0");

  it("makes a new slave copy from the master of its partition", () => {
    assertEquals(copyOf(proxy, mapOf("a 1 0 0 0 1", "b 1 0 0 1 1", "s 1 1 1 1 0")), {
      role: SLAVE,
      partition: 1,
      partitionSize: 2,
      sources: ["b:1"],
      missing: [],
      isReturn: false,
    });
  });

  it("makes a slave of a preparing partition copy from the preparing master", () => {
    assertEquals(copyOf(mapOf("a 1 0 0 0 1", "s 1 2 0 -1 0"), mapOf("a 1 0 0 0 1", "n 1 0 3 1 1", "s 1 1 1 1 1")), {
      role: SLAVE,
      partition: 1,
      partitionSize: 2,
      sources: ["n:1"],
      missing: [],
      isReturn: false,
    });
  });

  it("counts only active partitions for a slave of one of them", () => {
    assertEquals(copyOf(mapOf("a 1 0 0 0 1", "s 1 2 0 -1 0"), mapOf("a 1 0 0 0 1", "n 1 0 1 1 1", "s 1 1 1 0 0")), {
      role: SLAVE,
      partition: 0,
      partitionSize: 1,
      sources: ["a:1"],
      missing: [],
      isReturn: false,
    });
  });

  it("makes a new master copy from every active master", () => {
    assertEquals(copyOf(proxy, mapOf("a 1 0 0 0 1", "b 1 0 0 1 1", "s 1 0 1 2 1")), {
      role: MASTER,
      partition: 2,
      partitionSize: 3,
      sources: ["a:1", "b:1"],
      missing: [],
      isReturn: false,
    });
  });

  it("makes the replacement of a master that is down copy from the other masters", () => {
    assertEquals(copyOf(proxy, mapOf("a 1 0 0 0 1", "b 1 0 2 1 1", "s 1 0 0 1 1")), {
      role: MASTER,
      partition: 1,
      partitionSize: 2,
      sources: ["a:1"],
      missing: [],
      isReturn: false,
    });
  });

  it("tells which partitions have nobody to copy from now", () => {
    assertEquals(copyOf(proxy, mapOf("a 1 0 0 0 1", "b 1 0 2 1 1", "s 1 0 1 2 1")), {
      role: MASTER,
      partition: 2,
      partitionSize: 3,
      sources: ["a:1"],
      missing: [1],
      isReturn: false,
    });
  });

  it("has nobody to copy from for the first partition", () => {
    assertEquals(copyOf(mapOf("s 1 2 0 -1 0"), mapOf("s 1 0 0 0 1")), {
      role: MASTER,
      partition: 0,
      partitionSize: 1,
      sources: [],
      missing: [],
      isReturn: false,
    });
  });

  it("makes a slave copy again when it is put back into prepare, even if it missed being a proxy", () => {
    assertEquals(copyOf(mapOf("a 1 0 0 0 1", "s 1 1 0 0 1"), mapOf("a 1 0 0 0 1", "s 1 1 1 0 0")), {
      role: SLAVE,
      partition: 0,
      partitionSize: 1,
      sources: ["a:1"],
      missing: [],
      isReturn: true,
    });
  });

  it("asks for nothing otherwise", () => {
    const slave = mapOf("a 1 0 0 0 1", "s 1 1 1 0 0");
    assertEquals(copyOf(undefined, slave), undefined, "first map");
    assertEquals(copyOf(mapOf("a 1 0 0 0 1"), slave), undefined, "unknown before");
    assertEquals(copyOf(slave, mapOf("a 1 0 0 0 1")), undefined, "removed");
    assertEquals(copyOf(slave, slave), undefined, "same");
    assertEquals(copyOf(slave, mapOf("a 1 0 0 0 1", "s 1 1 0 0 0")), undefined, "active");
    assertEquals(copyOf(slave, mapOf("a 1 0 0 0 1", "s 1 2 0 -1 0")), undefined, "proxy");
    assertEquals(copyOf(mapOf("a 1 0 0 0 1", "s 1 1 0 0 1"), mapOf("a 1 2 2 -1 0", "s 1 0 0 0 1")), undefined, "promoted");
    assertEquals(copyOf(mapOf("s 1 0 2 0 1"), mapOf("s 1 0 0 0 1")), undefined, "preserved and back");
    assertEquals(copyOf(mapOf("a 1 0 0 0 1", "s 1 0 1 1 1"), mapOf("a 1 0 0 0 1", "s 1 0 3 1 1")), undefined, "ready");
  });
});
