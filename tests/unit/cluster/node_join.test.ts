/**
 * What happens to a joining node, by its data identity: a master that returns without its data never beats a slave that has it,
 * and never silently serves an empty partition.
 *
 * Covers lib/cluster/data_identity.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import {
  ANY_DATA,
  type DataIdentity,
  encodeDataIdentity,
  judgeData,
  parseDataIdentity,
  rememberedData,
} from "../../../lib/cluster/data_identity.ts";
import { createNode, NodeRole, NodeState, roleName, stateName } from "../../../lib/cluster/node.ts";
import { acceptAnyData, joinNode } from "../../../lib/cluster/node_join.ts";
import { createNodeMap, findNode, type NodeMap, nodeUp, type Transition } from "../../../lib/cluster/node_map.ts";

/** What was remembered of the fifth opening, and what the next start says; a start between them never joined. */
const FIFTH: DataIdentity = { id: "a1", kind: "kept", openings: ["05"] };
const SIXTH: DataIdentity = { id: "a1", kind: "kept", openings: ["05", "0b", "06"] };
const OLDER: DataIdentity = { id: "a1", kind: "kept", openings: ["04", "0c"] };
const NEW: DataIdentity = { id: "b2", kind: "new", openings: ["07"] };
const OTHER: DataIdentity = { id: "b2", kind: "kept", openings: ["05", "08"] };
const PASSING: DataIdentity = { id: "c3", kind: "passing", openings: ["09"] };
const PASSING_AGAIN: DataIdentity = { id: "d4", kind: "passing", openings: ["0a"] };

/** The master `m`, which is `state` and said `data`, and with it its slave `s`, and the proxy `p`. */
function mapOf(state: NodeState, data: DataIdentity | undefined, slave: NodeState | undefined): NodeMap {
  const { master, slave: slaveRole, proxy } = NodeRole;
  const nodes = [
    createNode({ host: "m", port: 1, role: master, state, partition: 0, balance: 1, threadType: 16, data }),
    createNode({ host: "p", port: 1, role: proxy, state: NodeState.active, partition: -1, balance: 0, threadType: 17 }),
  ];
  if (slave !== undefined) {
    nodes.push(createNode({ host: "s", port: 1, role: slaveRole, state: slave, partition: 0, balance: 1, threadType: 18 }));
  }
  return createNodeMap(7, nodes, 19);
}

function join(map: NodeMap, data: DataIdentity | undefined, host = "m"): Transition {
  return joinNode(map, { host, port: 1, data, silent: true });
}

function places(outcome: Transition): string {
  if (!outcome.ok) return "refused";
  return outcome.map.nodes.map(({ host, role, state }) => `${host} ${roleName(role)} ${stateName(state)}`).join(", ");
}

const STAYS = "m master active, p proxy active, s slave active";
const SUCCEEDED = "m proxy active, p proxy active, s master active";
const ALONE = "m master active, p proxy active";
const PRESERVED = "m master down, p proxy active";
const REFUSED = "refused";

describe("a master that has restarted before anybody noticed", () => {
  const rows: [before: DataIdentity | undefined, said: DataIdentity | undefined, withSlave: string, alone: string][] = [
    // With its data.
    [FIFTH, SIXTH, STAYS, ALONE],
    [FIFTH, FIFTH, STAYS, ALONE],
    [ANY_DATA, NEW, STAYS, ALONE],
    // Nobody knows: the C++ Flare and 2.0.0 say nothing; an index server may have lost what it knew.
    [undefined, undefined, SUCCEEDED, ALONE],
    [FIFTH, undefined, SUCCEEDED, ALONE],
    [undefined, SIXTH, SUCCEEDED, ALONE],
    // Without.
    [FIFTH, NEW, SUCCEEDED, REFUSED],
    [FIFTH, OTHER, SUCCEEDED, REFUSED],
    [FIFTH, OLDER, SUCCEEDED, REFUSED],
    [FIFTH, PASSING, SUCCEEDED, REFUSED],
    [undefined, NEW, SUCCEEDED, REFUSED],
    // Without, as ever.
    [PASSING, PASSING_AGAIN, SUCCEEDED, ALONE],
    [undefined, PASSING, SUCCEEDED, ALONE],
    [PASSING, NEW, SUCCEEDED, ALONE],
  ];
  rows.forEach(([before, said, withSlave, alone], row) => {
    it(`stays, is succeeded or refused: row ${row + 1}`, () => {
      assertEquals(places(join(mapOf(NodeState.active, before, NodeState.active), said)), withSlave);
      assertEquals(places(join(mapOf(NodeState.active, before, undefined), said)), alone);
      // A slave that still copies has nothing to take over with.
      const copying = join(mapOf(NodeState.active, before, NodeState.prepare), said);
      assertEquals(places(copying), alone === REFUSED ? REFUSED : `${ALONE}, s slave prepare`);
    });
  });

  it("is succeeded by a slave that gets the map first, with a warning that says why", () => {
    const outcome = join(mapOf(NodeState.active, FIFTH, NodeState.active), NEW);
    assert(outcome.ok);
    assertEquals(outcome.changes.first, [["s:1"]]);
    assertEquals(
      outcome.warning,
      '"m:1" returned without the data of partition 0: its data directory is new; a slave takes over',
    );
    assertEquals(findNode(outcome.map, "m:1")?.data, rememberedData(NEW));
  });

  it("hears what to do when it is refused", () => {
    const outcome = join(mapOf(NodeState.active, FIFTH, undefined), OLDER);
    assert(!outcome.ok);
    assertEquals(
      outcome.error,
      'failed to add node: "m:1" returned without the data of partition 0: its data is an older copy, ' +
        "and no other node has it; start it with its data, or accept the loss: flare activate --unsafe m:1",
    );
  });

  it("leads to a warning when its in-memory data is gone", () => {
    const outcome = join(mapOf(NodeState.active, PASSING, undefined), PASSING_AGAIN);
    assert(outcome.ok);
    assertEquals(
      outcome.warning,
      '"m:1" returned without the data of partition 0: it has no persistent data now, and no other node has it; ' +
        "partition 0 is empty",
    );
  });
});

describe("a preserved master", () => {
  it("comes back with its data, or when nobody knows", () => {
    for (const [before, said] of [
      [FIFTH, SIXTH],
      [FIFTH, undefined],
      [undefined, undefined],
      [undefined, SIXTH],
      [PASSING, PASSING_AGAIN],
      [ANY_DATA, NEW],
    ] as const) {
      const outcome = join(mapOf(NodeState.down, before, undefined), said);
      assertEquals(places(outcome), PRESERVED);
      assert(outcome.ok);
      assertEquals(findNode(outcome.map, "m:1")?.data, rememberedData(said));
      assertEquals(places(nodeUp(outcome.map, "m:1")), ALONE);
    }
  });

  it("is refused without them, again and again", () => {
    const map = mapOf(NodeState.down, FIFTH, undefined);
    for (const said of [NEW, { ...NEW, openings: ["07", "0d"] }, { ...OLDER, openings: ["04", "0c", "0e"] }, OTHER, PASSING]) {
      assertEquals(places(join(map, said)), REFUSED);
    }
  });

  it("becomes a proxy without them if there is an active slave or another master", () => {
    assertEquals(places(join(mapOf(NodeState.down, FIFTH, NodeState.active), NEW)), SUCCEEDED);
    const { nodes } = mapOf(NodeState.down, FIFTH, undefined);
    const master = { role: NodeRole.master, state: NodeState.active, partition: 0, balance: 1, threadType: 18 };
    const replaced = createNodeMap(7, [...nodes, createNode({ host: "r", port: 1, ...master })], 19);
    const outcome = join(replaced, NEW);
    assert(outcome.ok);
    assertEquals(places(nodeUp(outcome.map, "m:1")), "m proxy active, p proxy active, r master active");
  });
});

describe("an operator's word", () => {
  it("lets a master in whatever it has, once", () => {
    for (const state of [NodeState.active, NodeState.down]) {
      const map = mapOf(state, FIFTH, undefined);
      assertEquals(places(join(map, NEW)), REFUSED);
      const said = acceptAnyData(map, "m:1");
      assert(said.ok && said.changes.stored);
      const outcome = join(said.map, NEW);
      assertEquals(places(outcome), ALONE);
      assert(outcome.ok);
      assertEquals(places(join(outcome.map, { ...NEW, openings: ["07", "0f"] })), ALONE);
      assertEquals(places(join(outcome.map, SIXTH)), REFUSED);
    }
  });

  it("is refused about a node nobody knows", () => {
    const outcome = acceptAnyData(mapOf(NodeState.active, FIFTH, undefined), "x:1");
    assertEquals(outcome, { ok: false, error: "failed to set state", reason: '"x:1" is not in the node map' });
  });
});

describe("any other node", () => {
  it("is remembered with what it says, whatever it said before", () => {
    const added = join(mapOf(NodeState.active, FIFTH, NodeState.active), OTHER, "n");
    assert(added.ok);
    assertEquals(findNode(added.map, "n:1")?.data, rememberedData(OTHER));
    const proxy = join(added.map, NEW, "p");
    assert(proxy.ok);
    assertEquals(
      [places(proxy), findNode(proxy.map, "p:1")?.data],
      [`m master active, n proxy active, p proxy active, s slave active`, rememberedData(NEW)],
    );
    const slave = join(proxy.map, SIXTH, "s");
    assertEquals(places(slave), "m master active, n proxy active, p proxy active, s proxy active");
  });

  it("is refused while a node answers in its name", () => {
    const reason = '"m:1" is already in the node map, and a node answers there';
    for (const [data, error] of [
      [undefined, "failed to add node"],
      [SIXTH, 'failed to add node: a running node has its server-name and server-port, "m:1"'],
    ] as const) {
      const outcome = joinNode(mapOf(NodeState.active, FIFTH, undefined), { host: "m", port: 1, data, silent: false });
      assertEquals(outcome, { ok: false, error, reason });
    }
  });
});

describe("what a node says of its data", () => {
  it("is read as it is written, and nothing else is", () => {
    for (const data of [FIFTH, SIXTH, NEW, PASSING, ANY_DATA]) {
      assertEquals(parseDataIdentity(encodeDataIdentity(data).split(" ")), data);
    }
    for (const text of [
      "",
      "a1",
      "a1 kept",
      "a1 kept ",
      "a1 kept 05,",
      "a1 kept 05 06",
      "a1 lost 05",
      "A1 kept 05",
      " kept 05",
      "any kept 05",
      "any new any",
      "a1 kept any",
      `${"f".repeat(65)} kept 05`,
      `a1 kept ${"05,".repeat(64)}05`,
    ]) {
      assertEquals(parseDataIdentity(text.split(" ")), undefined, text);
    }
  });

  it("is the same only if it names the opening that joined last, however often it was opened since", () => {
    assertEquals(judgeData(FIFTH, SIXTH), "same");
    // The answer to its first attempt was lost.
    assertEquals(judgeData(rememberedData(SIXTH), SIXTH), "same");
    assertEquals(judgeData(rememberedData(SIXTH), { ...FIFTH, openings: ["05", "0b"] }), "lost");
    assertEquals(judgeData(PASSING, PASSING), "same");
    assertEquals(judgeData(FIFTH, OTHER), "lost");
  });
});
