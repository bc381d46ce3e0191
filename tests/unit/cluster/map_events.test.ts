/** What happened between two node maps, in values and in words: every kind of event, from the transitions that cause it. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ANY_DATA } from "../../../lib/cluster/data_identity.ts";
import { removeFromSet } from "../../../lib/cluster/in_sync_set.ts";
import { MAP_EVENTS, mapEvents, mapEventText } from "../../../lib/cluster/map_events.ts";
import { type ClusterNode, createNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { acceptAnyData, joinNode } from "../../../lib/cluster/node_join.ts";
import {
  createNodeMap,
  type NodeMap,
  nodeDown,
  nodeUp,
  removeNode,
  setRole,
  setState,
  type Transition,
} from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";

function mapOf(...lines: string[]): NodeMap {
  const nodes = lines.map((line, i) => parseNodeLine(`NODE ${line} ${16 + i}`) as ClusterNode);
  return createNodeMap(6, nodes, 16 + lines.length);
}

/** The lines of what a transition changes. */
function linesOf(map: NodeMap, outcome: Transition): string[] {
  assert(outcome.ok);
  return mapEvents(map, outcome.map).map((event) => mapEventText(outcome.map.version, event));
}

const MAP = mapOf("a 1 0 0 0 1", "b 1 1 0 0 2", "p 1 2 0 -1 0");
const REPORTED = createNodeMap(
  MAP.version,
  MAP.nodes.map((node) => createNode({ ...node, data: ANY_DATA })),
  MAP.nextThreadType,
);
const ROLE = { role: NodeRole.slave, balance: 1, partition: 0 };

describe("events of the node map", () => {
  const cases: readonly [kind: keyof typeof MAP_EVENTS, map: NodeMap, outcome: Transition, lines: readonly string[]][] = [
    ["added", MAP, joinNode(MAP, { host: "c", port: 2, silent: false }), ['node map 7: added "c:2": proxy, active, balance 0']],
    [
      "promoted",
      MAP,
      nodeDown(MAP, "a:1"),
      [
        'node map 7: promoted "b:1": slave of partition 0, active, balance 2 -> master of partition 0, active, balance 2',
        'node map 7: lost "a:1": master of partition 0, active, balance 1 -> proxy, down, balance 0',
      ],
    ],
    [
      "lost",
      MAP,
      nodeDown(MAP, "b:1"),
      ['node map 7: lost "b:1": slave of partition 0, active, balance 2 -> proxy, down, balance 0'],
    ],
    [
      "role",
      MAP,
      setRole(MAP, "p:1", ROLE, 64),
      ['node map 7: role "p:1": proxy, active, balance 0 -> slave of partition 0, prepare, balance 0'],
    ],
    [
      "balance",
      MAP,
      setRole(MAP, "b:1", { ...ROLE, balance: 5 }, 64),
      ['node map 7: balance "b:1": slave of partition 0, active, balance 2 -> slave of partition 0, active, balance 5'],
    ],
    ...[mapOf("a 1 0 2 0 1", "p 1 2 2 -1 0")].flatMap((map): typeof cases => [
      [
        "returned",
        map,
        nodeUp(map, "a:1"),
        ['node map 7: returned "a:1": master of partition 0, down, balance 1 -> master of partition 0, active, balance 1'],
      ],
      ["removed", map, removeNode(map, "p:1"), ['node map 7: removed "p:1": proxy, down, balance 0']],
    ]),
    ...[mapOf("a 1 0 0 0 1", "b 1 0 1 1 1")].map((map): (typeof cases)[number] => [
      "state",
      map,
      setState(map, "b:1", NodeState.ready),
      ['node map 7: state "b:1": master of partition 1, prepare, balance 1 -> master of partition 1, ready, balance 1'],
    ]),
    [
      "behind",
      REPORTED,
      removeFromSet(REPORTED, "b:1", 6),
      ['node map 7: behind "b:1": slave of partition 0, active, balance 2 -> slave of partition 0, prepare, balance 2'],
    ],
    ["accepted", MAP, acceptAnyData(MAP, "a:1"), ['node map 7: accepted "a:1": master of partition 0, active, balance 1']],
  ];

  for (const [kind, map, outcome, lines] of cases) {
    it(`tell of a node that was ${kind}`, () => {
      assertEquals(linesOf(map, outcome), lines);
      assert(lines.some((line) => line.includes(`: ${kind} `)));
    });
  }

  it("are all seen here, but for a join that changes nothing, which no map shows", () => {
    const seen = new Set<string>([...cases.map(([kind]) => kind), "joined"]);
    assertEquals(
      Object.keys(MAP_EVENTS).filter((kind) => !seen.has(kind)),
      [],
    );
  });

  it("are none between equal maps", () => {
    assertEquals(mapEvents(MAP, createNodeMap(9, MAP.nodes, 20)), []);
  });
});
