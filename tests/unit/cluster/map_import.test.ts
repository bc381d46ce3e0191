/** What an imported map becomes, and what it may destroy. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { importMap, importWarnings } from "../../../lib/cluster/map_import.ts";
import { type ClusterNode, createNode } from "../../../lib/cluster/node.ts";
import { createNodeMap, type NodeMap } from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";

/** Each line: `name role state partition balance`, numbers as on the wire; port 1. */
function mapOf(version: number, ...lines: string[]): NodeMap {
  const nodes = lines.map((line, i) => {
    const [name, ...rest] = line.split(" ");
    return parseNodeLine(`NODE ${name} 1 ${rest.join(" ")} ${16 + i}`) as ClusterNode;
  });
  return createNodeMap(version, nodes, 16 + lines.length);
}

const CURRENT = mapOf(7, "a 0 0 0 1", "b 1 0 0 1", "c 2 0 -1 0");
/** Where `b` is the master. */
const OTHER = mapOf(9, "a 1 0 0 1", "b 0 0 0 1", "c 2 0 -1 0");
const TERMS = { seen: 7, allowsOlder: false };

describe("an imported map", () => {
  it("is newer than both, and is sent first to who is no longer a master", () => {
    for (const [imported, version] of [
      [OTHER, 10],
      [createNodeMap(7, OTHER.nodes, 16), 8],
    ] as const) {
      const outcome = importMap(CURRENT, imported, TERMS);
      assert(outcome.ok);
      assertEquals([outcome.map.version, outcome.map.nextThreadType], [version, 19]);
      assertEquals(outcome.map.nodes, OTHER.nodes);
      assertEquals(outcome.changes, { stored: true, first: [["a:1"]], skip: undefined });
    }
    const same = importMap(CURRENT, CURRENT, TERMS);
    assert(same.ok);
    assertEquals(same.changes.first, []);
  });

  it("is refused if it is older, unless that is allowed, and if it is not the one that was seen that it replaces", () => {
    const older = createNodeMap(6, OTHER.nodes, 16);
    assertEquals(importMap(CURRENT, older, TERMS), {
      ok: false,
      error: "failed to import the node map: it has version 7, which is newer than version 6",
      reason: "nothing is changed",
    });
    const outcome = importMap(CURRENT, older, { ...TERMS, allowsOlder: true });
    assertEquals(outcome.ok && outcome.map.version, 8);
    const missed = importMap(CURRENT, OTHER, { seen: 6, allowsOlder: true });
    assertEquals(!missed.ok && missed.error, "failed to import the node map: it has version 7 now, and not 6");
  });

  it("does not replace what is known of a node's data by what the file says", () => {
    const withData = (map: NodeMap, opening: string) => {
      const data = { id: "ab12", kind: "kept", openings: [opening] } as const;
      return createNodeMap(
        map.version,
        map.nodes.map((node) => createNode({ ...node, data })),
        map.nextThreadType,
      );
    };
    const dataOf = (current: NodeMap, imported: NodeMap) => {
      const outcome = importMap(current, imported, TERMS);
      const data = outcome.ok ? outcome.map.nodes[0]?.data : undefined;
      return typeof data === "object" ? data.openings : data;
    };
    assertEquals(dataOf(withData(CURRENT, "2"), withData(OTHER, "1")), ["2"]);
    assertEquals(dataOf(withData(CURRENT, "2"), OTHER), ["2"]);
    assertEquals(dataOf(CURRENT, withData(OTHER, "1")), ["1"]);
  });
});

describe("the warnings before an import", () => {
  it("name lost masters, slaves without a copy, nodes that are not there, and an older map", () => {
    assertEquals(importWarnings(CURRENT, CURRENT), []);
    assertEquals(importWarnings(CURRENT, OTHER), ["partition 0 loses its master a:1: what b:1 does not have of it is lost"]);
    assertEquals(importWarnings(CURRENT, mapOf(6, "a 0 2 0 1", "c 1 0 0 1", "d 1 1 0 1")), [
      "the map in the file is older: it has version 6, the cluster's 7",
      "partition 0 loses its master a:1: its keys are out of reach",
      "c:1 becomes an active slave without a copy: it may lack writes until its master takes it out",
      "b:1 is not in the file: it is out of the cluster until it is restarted",
    ]);
  });
});
