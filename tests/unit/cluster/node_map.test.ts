/**
 * The state machine of the cluster, row by row, and its invariants over random command sequences.
 *
 * Covers lib/cluster/node.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ClusterNode } from "../../../lib/cluster/node.ts";
import { NodeRole, NodeState, parseRole, parseState, roleName, stateName } from "../../../lib/cluster/node.ts";
import { joinNode } from "../../../lib/cluster/node_join.ts";
import type { NodeMap, Transition } from "../../../lib/cluster/node_map.ts";
import {
  acceptsVersion,
  createNodeMap,
  EMPTY_NODE_MAP,
  findNode,
  nodeDown,
  nodeUp,
  removeNode,
  setRole,
  setState,
  shutdown,
} from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import { buildPartitionMap } from "../../../lib/cluster/partition_map.ts";

const PARTITIONS_MAX = 1023;

/** Nodes as `name role state partition balance`, in words: `a master active 0 1`. */
function mapOf(...texts: string[]): NodeMap {
  const nodes = texts.map((text, i) => {
    const [name, role, state, partition, balance] = text.split(" ") as [string, string, string, string, string];
    return parseNodeLine(
      `NODE ${name} 1 ${parseRole(role)} ${parseState(state)} ${partition} ${balance} ${16 + i}`,
    ) as ClusterNode;
  });
  return createNodeMap(5, nodes, 16 + texts.length);
}

function textsOf(map: NodeMap): string[] {
  return map.nodes.map(
    (node) => `${node.host} ${roleName(node.role)} ${stateName(node.state)} ${node.partition} ${node.balance}`,
  );
}

function role(map: NodeMap, name: string, words: string): Transition {
  const [to, balance = "0", partition = "-1"] = words.split(" ") as [string, string?, string?];
  const request = { role: parseRole(to) as NodeRole, balance: Number(balance), partition: Number(partition) };
  return setRole(map, `${name}:1`, request, PARTITIONS_MAX);
}

function addNode(map: NodeMap, host: string, port: number): Transition {
  return joinNode(map, { host, port, silent: false });
}

/** Nothing is refused without a reason for people. */
function expectRefusal(outcome: Transition, error: string, row?: string): void {
  assert(!outcome.ok, row);
  assertEquals(outcome.error, error, row);
  assert(outcome.reason.length > 10, row);
}

function state(map: NodeMap, name: string, to: string): Transition {
  return setState(map, `${name}:1`, parseState(to) as NodeState);
}

/** `after` lists the nodes that differ from `before`; undefined = refused with `error`. */
function expectNodes(outcome: Transition, before: NodeMap, after: string[] | undefined, error: string, row: string): void {
  if (after === undefined) {
    expectRefusal(outcome, error, row);
    return;
  }
  assert(outcome.ok, `${row}: refused`);
  const names = new Set(after.map((text) => text.split(" ")[0]));
  const expected = [...textsOf(before).filter((text) => !names.has(text.split(" ")[0])), ...after].sort();
  assertEquals(textsOf(outcome.map), expected, row);
  assertEquals(outcome.map.version, outcome.changes.stored ? 6 : 5, row);
}

const ONE = ["m master active 0 1", "p proxy active -1 0", "s slave active 0 2", "t slave prepare 0 0", "u slave ready 0 0"];
const PRESERVED = ["m master down 0 1", "p proxy active -1 0", "x master active 1 1"];
const GROWING = [
  "m master active 0 1",
  "n master prepare 1 2",
  "o slave prepare 1 3",
  "p proxy active -1 0",
  "q slave active 1 0",
];
const READY = ["m master active 0 1", "n master ready 1 2", "o slave prepare 1 3", "p proxy active -1 0", "q slave active 1 0"];

describe("node role", () => {
  const rows: [before: string[], name: string, words: string, after: string[] | undefined][] = [
    // From proxy.
    [["p proxy active -1 0"], "p", "master 1 0", ["p master active 0 1"]],
    [["p proxy active -1 0"], "p", "master 0 0", undefined],
    [["p proxy active -1 0"], "p", "master -1 0", undefined],
    [["p proxy active -1 0"], "p", "master 1 1", undefined],
    [["p proxy active -1 0"], "p", "master 1 -1", undefined],
    [["p proxy active -1 0"], "p", "master 1", undefined],
    [["p proxy active -1 0"], "p", "proxy", []],
    [["p proxy active -1 0"], "p", "slave 1 0", undefined],
    [["p proxy active -1 0"], "p", "slave", undefined],
    [["p proxy down -1 0"], "p", "proxy", undefined],
    [ONE, "p", "master 3 1", ["p master prepare 1 3"]],
    [ONE, "p", "master 3 0", undefined],
    [ONE, "p", "master 3 2", undefined],
    [ONE, "p", "slave 4 0", ["p slave prepare 0 0"]],
    [ONE, "p", "slave -4 0", ["p slave prepare 0 0"]],
    [ONE, "p", "slave 4 1", undefined],
    [PRESERVED, "p", "master 3 0", ["p master active 0 3"]],
    [PRESERVED, "p", "master 0 0", undefined],
    [PRESERVED, "p", "slave 1 0", undefined],
    [PRESERVED, "p", "slave 1 1", ["p slave prepare 1 0"]],
    [PRESERVED, "p", "master 1 2", ["p master prepare 2 1"]],
    [GROWING, "p", "master 1 1", undefined],
    [GROWING, "p", "master 1 2", undefined],
    [GROWING, "p", "slave 4 1", ["p slave prepare 1 4"]],
    [GROWING, "p", "slave -4 1", ["p slave prepare 1 0"]],
    [READY, "p", "slave 4 1", ["p slave prepare 1 4"]],
    // Active slave.
    [ONE, "s", "master 1 0", undefined],
    [ONE, "s", "slave 7", ["s slave active 0 7"]],
    [ONE, "s", "slave 0 5", ["s slave active 0 0"]],
    [ONE, "s", "slave -1 0", undefined],
    [ONE, "s", "proxy", ["s proxy active -1 0"]],
    [["m master active 0 0", "s slave active 0 2"], "s", "slave 0", undefined],
    [["m master active 0 0", "s slave active 0 2"], "s", "proxy", undefined],
    // Slave in preparation.
    [ONE, "t", "master 1 0", undefined],
    [ONE, "t", "slave 1 0", undefined],
    [ONE, "u", "slave 1 0", undefined],
    [ONE, "t", "proxy 0 -1", ["t proxy active -1 0"]],
    [ONE, "u", "proxy 0 -1", ["u proxy active -1 0"]],
    [GROWING, "o", "slave 9", ["o slave prepare 1 9"]],
    [GROWING, "o", "slave -9", undefined],
    [["m master active 0 0", "t slave prepare 0 3"], "t", "proxy", ["m master active 0 1", "t proxy active -1 0"]],
    [["m master down 0 1", "t slave prepare 0 0"], "t", "slave 3", undefined],
    // Active master.
    [ONE, "m", "master 0", ["m master active 0 0"]],
    [ONE, "m", "master 9 7", ["m master active 0 9"]],
    [ONE, "m", "master -1", undefined],
    [ONE, "m", "slave 1 0", undefined],
    [ONE, "m", "proxy 0 -1", undefined],
    [["m master active 0 1"], "m", "master 0", undefined],
    // Preparing master.
    [GROWING, "n", "master 9", ["n master prepare 1 9"]],
    [GROWING, "n", "slave 1 0", undefined],
    [GROWING, "n", "proxy 0 -1", ["n proxy active -1 0", "o proxy active -1 0", "q proxy active -1 0"]],
    [READY, "n", "proxy 0 -1", ["n proxy active -1 0", "o proxy active -1 0", "q proxy active -1 0"]],
    [READY, "n", "master 9", ["n master ready 1 9"]],
    // Nobody, and nobody there.
    [PRESERVED, "m", "proxy 0 -1", undefined],
    [ONE, "z", "proxy", undefined],
  ];
  for (const [before, name, words, after] of rows) {
    const row = `${name} -> ${words} with ${before.join(", ")}`;
    it(row, () =>
      expectNodes(role(mapOf(...before), name, words), mapOf(...before), after, "failed to set role (and balance)", row),
    );
  }

  it("counts the balance of nodes that are down", () => {
    const before = mapOf("a master down 0 4", "b master active 0 1");
    expectNodes(role(before, "b", "master 0"), before, ["b master active 0 0"], "", "sum 4");
  });

  it("makes no more partitions than the tables have", () => {
    const before = mapOf("m master active 0 1", "p proxy active -1 0");
    const request = { role: NodeRole.master, balance: 1, partition: 1 };
    expectRefusal(setRole(before, "p:1", request, 1), "failed to set role (and balance)");
    assert(setRole(before, "p:1", request, 2).ok);
  });

  it("tells a master of a new slave, and all masters of a new partition, before the node that copies from them", () => {
    for (const words of ["slave 1 0", "master 1 1"]) {
      const outcome = role(mapOf(...ONE), "p", words);
      assert(outcome.ok);
      assertEquals(outcome.changes, { stored: true, first: [["m:1"]], skip: undefined });
    }
  });

  it("tells everybody at once when nobody copies", () => {
    for (const [node, words] of [
      ["s", "slave 5 0"],
      ["t", "proxy 0 -1"],
    ] as const) {
      const outcome = role(mapOf(...ONE), node, words);
      assert(outcome.ok);
      assertEquals(outcome.changes, { stored: true, first: [], skip: undefined });
    }
  });
});

describe("node state", () => {
  const rows: [before: string[], name: string, to: string, after: string[] | undefined][] = [
    [ONE, "t", "prepare", undefined],
    [ONE, "m", "prepare", undefined],
    [ONE, "t", "ready", ["t slave ready 0 0"]],
    [GROWING, "n", "ready", ["n master ready 1 2"]],
    [ONE, "s", "ready", undefined],
    [ONE, "u", "ready", undefined],
    [ONE, "m", "ready", undefined],
    [ONE, "z", "ready", undefined],
    [["p proxy prepare -1 0"], "p", "active", undefined],
    // Up.
    [ONE, "m", "active", []],
    [ONE, "p", "active", []],
    [ONE, "t", "active", ["t slave active 0 0"]],
    [ONE, "u", "active", ["u slave active 0 0"]],
    [READY, "n", "active", ["n master active 1 2"]],
    [GROWING, "n", "active", undefined],
    [PRESERVED, "m", "active", ["m master active 0 1"]],
    [["m master down 0 1", "r master active 0 1"], "m", "active", ["m proxy active -1 0"]],
    [["m master down 0 1", "t slave prepare 0 0"], "m", "active", ["m master active 0 1"]],
    [["m master down 0 1", "t slave active 0 1"], "m", "active", ["m master active 0 1"]],
    [["p proxy down -1 0"], "p", "active", ["p proxy active -1 0"]],
    [ONE, "z", "active", undefined],
    // Down.
    [ONE, "m", "down", ["m proxy down -1 0", "s master active 0 2"]],
    [["m master active 0 1", "s slave active 0 0"], "m", "down", ["m proxy down -1 0", "s master active 0 1"]],
    [
      ["a slave active 0 1", "b slave active 0 3", "c slave active 0 3", "m master active 0 9"],
      "m",
      "down",
      ["b master active 0 3", "m proxy down -1 0"],
    ],
    [
      ["a slave prepare 0 5", "b slave active 0 0", "m master active 0 9"],
      "m",
      "down",
      ["b master active 0 1", "m proxy down -1 0"],
    ],
    [["m master active 0 1", "t slave prepare 0 0"], "m", "down", ["m master down 0 1"]],
    [["m master active 0 1"], "m", "down", ["m master down 0 1"]],
    [["m master down 0 1"], "m", "down", []],
    [GROWING, "n", "down", ["n proxy down -1 0", "o proxy active -1 0", "q proxy active -1 0"]],
    [READY, "n", "down", ["n proxy down -1 0", "o proxy active -1 0", "q proxy active -1 0"]],
    [ONE, "s", "down", ["s proxy down -1 0"]],
    [ONE, "t", "down", ["t proxy down -1 0"]],
    [ONE, "p", "down", ["p proxy down -1 0"]],
    [["m master active 0 0", "s slave active 0 5"], "s", "down", ["m master active 0 1", "s proxy down -1 0"]],
    [ONE, "z", "down", undefined],
  ];
  for (const [before, name, to, after] of rows) {
    const row = `${name} -> ${to} with ${before.join(", ")}`;
    it(row, () => expectNodes(state(mapOf(...before), name, to), mapOf(...before), after, "failed to set state", row));
  }

  it("tells a promoted slave first", () => {
    const outcome = nodeDown(mapOf(...ONE), "m:1");
    assert(outcome.ok);
    assertEquals(outcome.changes, { stored: true, first: [["s:1"]], skip: undefined });
  });

  it("tells of a new partition those first that have its keys, the ones that only read them before their masters", () => {
    for (const [more, first] of [
      [[], [["m:1"]]],
      [
        ["a slave active 0 1", "b slave prepare 0 0"],
        [["a:1", "b:1"], ["m:1"]],
      ],
    ] as const) {
      const outcome = nodeUp(mapOf(...READY, ...more), "n:1");
      assert(outcome.ok);
      assertEquals(outcome.changes, { stored: true, first, skip: undefined });
    }
  });

  it("tells a node first that is ready", () => {
    const outcome = setState(mapOf(...GROWING), "n:1", NodeState.ready);
    assert(outcome.ok);
    assertEquals(outcome.changes.first, [["n:1"]]);
  });

  it("has nothing to tell when nothing changed", () => {
    const before = mapOf(...PRESERVED);
    for (const outcome of [nodeDown(before, "m:1"), nodeUp(before, "p:1")]) {
      assert(outcome.ok);
      assertEquals(outcome.map, before);
      assertEquals(outcome.changes.stored, false);
    }
  });
});

describe("shutdown", () => {
  it("is the same as down, and does not tell the node itself unless it was a master", () => {
    const before = mapOf(...ONE);
    for (const [name, skip] of [
      ["m", undefined],
      ["s", "s:1"],
      ["t", "t:1"],
      ["p", "p:1"],
    ] as const) {
      const outcome = shutdown(before, `${name}:1`);
      const down = nodeDown(before, `${name}:1`);
      assert(outcome.ok && down.ok);
      assertEquals(outcome.map, down.map);
      assertEquals(outcome.changes.skip, skip);
      assertEquals(outcome.changes.first, down.changes.first);
    }
  });

  it("accepts a node that is down and refuses an unknown one", () => {
    const before = mapOf("p proxy down -1 0");
    const outcome = shutdown(before, "p:1");
    assert(outcome.ok);
    assertEquals(outcome.changes.stored, false);
    expectRefusal(shutdown(before, "z:1"), "failed to shutdown");
  });
});

describe("node add and remove", () => {
  it("adds proxies with growing thread types, in the order of their keys", () => {
    let map = EMPTY_NODE_MAP;
    for (const [host, port] of [
      ["10.0.0.9", 1],
      ["10.0.0.10", 1],
      ["h", 9],
      ["h", 7],
      ["h", 10],
    ] as const) {
      const outcome = addNode(map, host, port);
      assert(outcome.ok);
      map = outcome.map;
    }
    assertEquals(
      map.nodes.map((node) => `${node.key} ${node.threadType}`),
      ["10.0.0.10:1 17", "10.0.0.9:1 16", "h:10 20", "h:7 19", "h:9 18"],
    );
    assertEquals([map.version, map.nextThreadType], [5, 21]);
  });

  it("accepts a known node only when it is down, and leaves it as it is", () => {
    const before = mapOf("m master down 0 1", "p proxy active -1 0");
    expectNodes(addNode(before, "m", 1), before, [], "", "down");
    expectRefusal(addNode(before, "p", 1), "failed to add node");
  });

  it("removes what is down", () => {
    const rows: [before: string[], name: string, left: string[] | undefined][] = [
      [["p proxy down -1 0"], "p", []],
      [["p proxy active -1 0"], "p", undefined],
      [["m master active 0 1"], "m", undefined],
      [["m master down 0 1"], "m", undefined],
      [["m master down 0 1", "r master active 0 1"], "m", ["r master active 0 1"]],
      [["m master down 0 1", "s slave active 0 1"], "m", undefined],
      [["m master down 0 1", "n master down 0 1"], "m", undefined],
      [["m master active 0 0", "n master down 0 1"], "n", ["m master active 0 0"]],
      [[], "z", undefined],
    ];
    for (const [before, name, left] of rows) {
      const outcome = removeNode(mapOf(...before), `${name}:1`);
      if (left === undefined) expectRefusal(outcome, "failed to remove node", before.join());
      else {
        assert(outcome.ok, before.join());
        assertEquals([textsOf(outcome.map), outcome.map.version], [left, 6]);
      }
    }
  });
});

describe("node map", () => {
  it("is frozen", () => {
    const map = mapOf(...ONE);
    assert(Object.isFrozen(map) && Object.isFrozen(map.nodes) && map.nodes.every((node) => Object.isFrozen(node)));
    const outcome = nodeDown(map, "m:1");
    assert(outcome.ok && Object.isFrozen(outcome.map.nodes) && outcome.map.nodes.every((node) => Object.isFrozen(node)));
    assertEquals(textsOf(map), ONE);
  });

  it("is never replaced by an older one", () => {
    for (const [own, received, accepted] of [
      [0, 0, true],
      [5, 5, true],
      [5, 6, true],
      [5, 4, false],
      [0, 1, true],
      [2n ** 64n - 1n, 7, false],
    ] as const) {
      assertEquals(acceptsVersion(own, received), accepted, `${own} ${received}`);
    }
  });
});

// ------------------------------------------------------------------------------------------------- invariants

type Operation = (map: NodeMap) => Transition;

const nameArbitrary = fc.constantFrom("a", "b", "c", "d", "e");
const operationArbitrary: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 1,
    arbitrary: nameArbitrary.map(
      (name): Operation =>
        (map) =>
          addNode(map, name, 1),
    ),
  },
  {
    weight: 1,
    arbitrary: nameArbitrary.map(
      (name): Operation =>
        (map) =>
          removeNode(map, `${name}:1`),
    ),
  },
  {
    weight: 1,
    arbitrary: nameArbitrary.map(
      (name): Operation =>
        (map) =>
          shutdown(map, `${name}:1`),
    ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(nameArbitrary, fc.constantFrom(0, 0, 1, 2, 3, 3)).map(
      ([name, to]): Operation =>
        (map) =>
          setState(map, `${name}:1`, to as NodeState),
    ),
  },
  {
    weight: 12,
    arbitrary: fc
      .tuple(nameArbitrary, fc.constantFrom(0, 0, 1, 1, 2), fc.integer({ min: -1, max: 3 }), fc.integer({ min: -1, max: 3 }))
      .map(
        ([name, to, balance, partition]): Operation =>
          (map) =>
            setRole(map, `${name}:1`, { role: to as NodeRole, balance, partition }, 3),
      ),
  },
);

const FIVE_PROXIES = createNodeMap(
  5,
  ["a", "b", "c", "d", "e"].map((name, i) => parseNodeLine(`NODE ${name} 1 2 0 -1 0 ${16 + i}`) as ClusterNode),
  21,
);

const LEGAL = new Set([
  "proxy active",
  "proxy down",
  "slave prepare",
  "slave ready",
  "slave active",
  "master active",
  "master prepare",
  "master ready",
  "master down",
]);

function checkInvariants(map: NodeMap): void {
  const partitions = new Set(map.nodes.map((node) => node.partition).filter((partition) => partition >= 0));
  for (const node of map.nodes) {
    assert(LEGAL.has(`${roleName(node.role)} ${stateName(node.state)}`), `illegal: ${textsOf(map).join(", ")}`);
    assertEquals(node.role === NodeRole.proxy, node.partition === -1);
    assert(node.balance >= 0 && (node.role !== NodeRole.proxy || node.balance === 0));
    assert(node.threadType >= 16 && node.threadType < map.nextThreadType);
  }
  for (const partition of partitions) {
    const masters = map.nodes.filter((node) => node.role === NodeRole.master && node.partition === partition);
    const live = masters.filter((node) => node.state !== NodeState.down);
    assert(masters.length > 0, `partition ${partition} has no master: ${textsOf(map).join(", ")}`);
    assert(live.length <= 1, `partition ${partition} has two masters: ${textsOf(map).join(", ")}`);
    const sum = map.nodes.reduce((total, node) => (node.partition === partition ? total + node.balance : total), 0);
    assert(live.length === 0 || sum > 0, `partition ${partition} has no balance: ${textsOf(map).join(", ")}`);
  }
  const preparing = map.nodes.filter(
    (node) => node.role === NodeRole.master && (node.state === NodeState.prepare || node.state === NodeState.ready),
  );
  assert(preparing.length <= 1, `two preparing partitions: ${textsOf(map).join(", ")}`);
  assertEquals(
    [...partitions].sort(),
    Array.from({ length: partitions.size }, (_, partition) => partition),
    "gap between partitions",
  );
  const partitionMap = buildPartitionMap(map, 3);
  assertEquals(partitionMap.active.length + preparing.length, partitions.size);
  assertEquals(partitionMap.preparing?.master?.key, preparing[0]?.key);
  assertEquals(new Set(map.nodes.map((node) => node.threadType)).size, map.nodes.length);
}

describe("random commands", () => {
  it("keep the map sound, and the version grows with every stored change", () => {
    fc.assert(
      fc.property(fc.array(operationArbitrary, { minLength: 1, maxLength: 60 }), (operations) => {
        let map = FIVE_PROXIES;
        for (const operation of operations) {
          const outcome = operation(map);
          if (!outcome.ok) continue;
          if (outcome.changes.stored) assertEquals(outcome.map.version, Number(map.version) + 1);
          else assertEquals(outcome.map, map);
          for (const key of outcome.changes.first.flat()) assert(findNode(outcome.map, key) !== undefined);
          map = outcome.map;
          checkInvariants(map);
        }
      }),
      { numRuns: 1500, seed: 20 },
    );
  });

  it("reach a preparing partition, a preserved master and a promotion", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(operationArbitrary, { minLength: 20, maxLength: 80 }), (operations) => {
        let map = FIVE_PROXIES;
        for (const operation of operations) {
          const outcome = operation(map);
          if (!outcome.ok) continue;
          if (outcome.changes.first.length > 0) seen.add("first");
          map = outcome.map;
          for (const node of map.nodes) seen.add(`${roleName(node.role)} ${stateName(node.state)}`);
        }
      }),
      { numRuns: 400, seed: 20 },
    );
    assertEquals([...seen].sort(), [...LEGAL, "first"].sort());
  });
});
