/** Who is removed from the in-sync set and added to it, on which maps, what it changes, and how the answers are read. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { DataIdentity } from "../../../lib/cluster/data_identity.ts";
import { addToSet, becomeReady, parseSetAnswer, removeFromSet } from "../../../lib/cluster/in_sync_set.ts";
import { createNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { createNodeMap, findNode, type NodeMap, nodeDown, setRole, type Transition } from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import { buildPartitionMap } from "../../../lib/cluster/partition_map.ts";
import { reconstructionFor } from "../../../lib/cluster/role_change.ts";

const VERSION = 7;
const DATA: DataIdentity = { id: "1", kind: "kept", openings: ["2"] };

/** Nodes as `host role state partition balance`, in numbers as on the wire; port 1. Those in capitals reported no data. */
function mapOf(...lines: string[]): NodeMap {
  const nodes = lines.map((line, i) => {
    const node = parseNodeLine(`NODE ${line.replace(" ", " 1 ")} ${16 + i}`);
    assert(node !== undefined);
    return node.host === node.host.toLowerCase() ? createNode({ ...node, data: DATA }) : node;
  });
  return createNodeMap(VERSION, nodes, 16 + lines.length);
}

function mapAfter(outcome: Transition): NodeMap {
  assert(outcome.ok && outcome.changes.stored);
  return outcome.map;
}

function refusalOf(outcome: Transition): string {
  assert(!outcome.ok && outcome.reason !== "");
  return outcome.error;
}

const PAIR = mapOf("a 0 0 0 1", "b 1 0 0 3", "p 2 0 -1 0");

describe("a slave removed from the in-sync set", () => {
  const map = mapAfter(removeFromSet(PAIR, "b:1", VERSION));
  const node = findNode(map, "b:1");

  it("prepares, keeps its balance, and gets the map first", () => {
    const outcome = removeFromSet(PAIR, "b:1", VERSION);
    assert(outcome.ok);
    assertEquals([outcome.map.version, outcome.changes.first], [VERSION + 1, [["b:1"]]]);
    assertEquals([node?.role, node?.state, node?.balance, node?.data], [NodeRole.slave, NodeState.prepare, 3, DATA]);
  });

  it("copies the partition again", () => {
    const plan = reconstructionFor(PAIR, map, "b:1", 16);
    assertEquals(
      plan?.sources.map(({ key }) => key),
      ["a:1"],
    );
  });

  it("is not read from, whoever has a balance", () => {
    for (const balance of [0, 1]) {
      const before = mapOf(`a 0 0 0 ${balance}`, "b 1 0 0 3");
      const after = mapAfter(removeFromSet(before, "b:1", VERSION));
      assertEquals(
        buildPartitionMap(after, 16).active[0]?.readers.map(({ key }) => key),
        ["a:1"],
      );
      assertEquals(findNode(after, "a:1")?.balance, 1, "C++ proxies know no other reader");
    }
  });

  it("is not promoted: the partition waits for its master", () => {
    const after = mapAfter(nodeDown(map, "a:1"));
    assertEquals([findNode(after, "a:1")?.role, findNode(after, "a:1")?.state], [NodeRole.master, NodeState.down]);
    assertEquals([findNode(after, "b:1")?.role, findNode(after, "b:1")?.state], [NodeRole.slave, NodeState.prepare]);
  });

  it("is not promoted before another one, whatever their balances", () => {
    const three = mapOf("a 0 0 0 1", "b 1 0 0 9", "c 1 0 0 0");
    const after = mapAfter(nodeDown(mapAfter(removeFromSet(three, "b:1", VERSION)), "a:1"));
    assertEquals(findNode(after, "c:1")?.role, NodeRole.master);
  });

  it("comes back with its balance, by the map it was removed in", () => {
    const back = mapAfter(addToSet(map, "b:1", VERSION + 1));
    assertEquals([findNode(back, "b:1")?.state, findNode(back, "b:1")?.balance], [NodeState.active, 3]);
    assertEquals(refusalOf(addToSet(map, "b:1", VERSION)), `node map version is ${VERSION + 1}, not ${VERSION}`);
  });

  it("leaves nobody unreadable: its balance does not count for others", () => {
    const outcome = setRole(map, "a:1", { role: NodeRole.master, balance: 0, partition: 0 }, 16);
    assertEquals(findNode(mapAfter(outcome), "a:1")?.balance, 1);
  });
});

describe("the master of a new partition", () => {
  const COPYING = mapOf("a 0 0 0 1", "b 0 1 1 1");
  const READY = mapOf("a 0 0 0 1", "b 0 3 1 1");
  const ACTIVE = mapOf("a 0 0 0 1", "b 0 0 1 1");
  const stateIn = (map: NodeMap) => findNode(map, "b:1")?.state;

  it("is ready by the map by which everybody agreed", () => {
    assertEquals(stateIn(mapAfter(becomeReady(COPYING, "b:1", VERSION))), NodeState.ready);
    assertEquals(refusalOf(becomeReady(COPYING, "b:1", VERSION - 1)), `node map version is ${VERSION}, not ${VERSION - 1}`);
    const again = becomeReady(READY, "b:1", VERSION);
    assert(again.ok && !again.changes.stored);
  });

  it("is not ready any more when a write has not reached it, and copies again", () => {
    const map = mapAfter(removeFromSet(READY, "b:1", VERSION));
    assertEquals(stateIn(map), NodeState.prepare);
    assertEquals(
      reconstructionFor(READY, map, "b:1", 16)?.sources.map(({ key }) => key),
      ["a:1"],
    );
  });

  it("cannot become ready by the former map if a write has not reached it while it copies", () => {
    const map = mapAfter(removeFromSet(COPYING, "b:1", VERSION));
    assertEquals([stateIn(map), map.version], [NodeState.prepare, VERSION + 1]);
    assertEquals(refusalOf(becomeReady(map, "b:1", VERSION)), `node map version is ${VERSION + 1}, not ${VERSION}`);
    assertEquals(reconstructionFor(COPYING, map, "b:1", 16), undefined, "its copy is under way");
  });

  it("is no member once its partition is active, and a C++ one never is", () => {
    assertEquals(refusalOf(removeFromSet(ACTIVE, "b:1", VERSION)), '"b:1" is not a slave');
    assertEquals(refusalOf(removeFromSet(mapOf("a 0 0 0 1", "B 0 3 1 1"), "B:1", VERSION)), 'legacy slave "B:1"');
    assertEquals(refusalOf(becomeReady(PAIR, "b:1", VERSION)), '"b:1" is not the master of a new partition');
    assertEquals(refusalOf(addToSet(READY, "b:1", VERSION)), '"b:1" is not a slave');
  });
});

describe("the in-sync set", () => {
  it("is not changed by a master with another map, older or newer", () => {
    for (const version of [VERSION - 1, VERSION + 1, 0, 2n ** 60n]) {
      for (const transition of [removeFromSet, addToSet]) {
        const text = refusalOf(transition(PAIR, "b:1", version));
        assertEquals(text, `node map version is ${VERSION}, not ${version}`);
        assertEquals(parseSetAnswer(`SERVER_ERROR ${text}`), { kind: "outdated", version: VERSION });
      }
    }
  });

  it("has only slaves", () => {
    for (const key of ["a:1", "p:1", "x:1"]) {
      for (const transition of [removeFromSet, addToSet]) {
        const text = refusalOf(transition(PAIR, key, VERSION));
        assertEquals([text, parseSetAnswer(`SERVER_ERROR ${text}`)], [`"${key}" is not a slave`, { kind: "out" }]);
      }
    }
  });

  it("loses no slave that is not in it", () => {
    const map = mapOf("a 0 0 0 1", "b 1 1 0 0", "c 1 3 0 0");
    const text = refusalOf(removeFromSet(map, "b:1", VERSION));
    assertEquals([text, parseSetAnswer(`SERVER_ERROR ${text}`)], ['"b:1" is in state prepare', { kind: "out" }]);
    assertEquals(refusalOf(removeFromSet(map, "c:1", VERSION)), '"c:1" is in state ready');
  });

  it("loses no slave that would not copy again by itself", () => {
    const map = mapOf("a 0 0 0 1", "B 1 0 0 1");
    const text = refusalOf(removeFromSet(map, "B:1", VERSION));
    assertEquals(parseSetAnswer(`SERVER_ERROR ${text}`), { kind: "legacy" });
  });

  it("is not changed by adding what is in it", () => {
    const outcome = addToSet(PAIR, "b:1", VERSION);
    assert(outcome.ok && !outcome.changes.stored);
  });
});

describe("an answer about the in-sync set", () => {
  it("is read as what it says", () => {
    assertEquals(parseSetAnswer("OK"), { kind: "changed" });
    assertEquals(parseSetAnswer("ERROR"), { kind: "legacy" });
    for (const text of ["SERVER_ERROR failed to change the in-sync set", "SERVER_ERROR node map version is x, not 1", "END"]) {
      assertEquals(parseSetAnswer(text), { kind: "refused", text });
    }
  });
});
