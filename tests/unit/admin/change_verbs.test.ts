/**
 * What the operator's verbs do to a node map, and what they refuse, without any server.
 *
 * Covers lib/admin/change.ts and lib/admin/only_copies.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { type Change, describeStep, differences, nodeText, previewChange } from "../../../lib/admin/change.ts";
import {
  activateChange,
  balanceChange,
  downChange,
  masterChange,
  partChange,
  promoteChange,
  reconstructChange,
  reconstructible,
  removeChange,
  slaveChange,
} from "../../../lib/admin/change_verbs.ts";
import { lostCopies } from "../../../lib/admin/only_copies.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { type ClusterNode, createNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { createNodeMap, type NodeMap } from "../../../lib/cluster/node_map.ts";

const { master, slave, proxy } = NodeRole;
const { active, prepare, ready, down } = NodeState;

/** A node `n:<port>` in a few words. */
function node(port: number, role: NodeRole, state: NodeState, partition = -1, balance = 0): ClusterNode {
  return createNode({ host: "n", port, role, state, partition, balance, threadType: port + 16 });
}

function view(...nodes: ClusterNode[]) {
  return { map: createNodeMap(9, nodes, 99), partitionCountMax: 1023 };
}

/** Partition 0 with a slave, partition 1 without, a proxy, and one that is down. */
const cluster = view(
  node(1, master, active, 0, 1),
  node(2, slave, active, 0, 2),
  node(3, master, active, 1, 1),
  node(4, proxy, active),
  node(5, proxy, down),
  node(6, proxy, active),
);

function steps(change: Change, from = cluster): string[] {
  return previewChange(from, change).steps.map(describeStep);
}

function changes(change: Change, from = cluster): string[] {
  const { before, after } = previewChange(from, change);
  return differences(before, after).map((each) => `${each.key}: ${nodeText(each.before)} -> ${nodeText(each.after)}`);
}

function refusal(change: Change, from = cluster): string {
  return assertThrows(() => previewChange(from, change), FlareError).message;
}

describe("slave", () => {
  it("cleans, copies without serving reads, then takes its balance", () => {
    const change = slaveChange([{ node: "n:4", balance: 3, partition: 1 }]);
    assertEquals(steps(change), [
      "flush_all on n:4, unless its copy does that",
      "node role n 4 slave 0 1",
      "wait until n:4 is slave, active",
      "node role n 4 slave 3 1",
    ]);
    assertEquals(changes(change), ["n:4: proxy active -> slave active, partition 1, balance 3"]);
  });

  it("stays without reads for balance 0, and keeps its data without clean", () => {
    assertEquals(steps(slaveChange([{ node: "n:4", balance: 0, partition: 0 }], { clean: false })), [
      "node role n 4 slave 0 0",
      "wait until n:4 is slave, active",
    ]);
  });

  it("is refused where it would destroy or do nothing", () => {
    const to = (key: string, partition: number) => slaveChange([{ node: key, balance: 1, partition }]);
    assertEquals(refusal(to("n:9", 0)), '"n:9" is not in the node map');
    assertEquals(
      refusal(to("n:1", 1)),
      '"n:1" is master active, partition 0, balance 1: only an active proxy can become slave',
    );
    assertEquals(
      refusal(to("n:5", 0)),
      '"n:5" is proxy down: only an active proxy can become slave; if it is running, the index server sees it within its ' +
        "monitor-interval: try again then",
    );
    assertEquals(refusal(to("n:4", 2)), '"node role n 4 slave 0 2" would be refused: partition 2 has no live master');
    assertEquals(
      refusal(slaveChange([4, 4].map((port) => ({ node: `n:${port}`, balance: 1, partition: 0 })))).includes("n:4"),
      true,
    );
  });
});

describe("master", () => {
  const target = { node: "n:4", balance: 1, partition: 2 };

  it("stops at ready, and goes on to active when told", () => {
    assertEquals(steps(masterChange([target])), [
      "flush_all on n:4",
      "node role n 4 master 1 2",
      "wait until n:4 is master, ready",
    ]);
    assertEquals(changes(masterChange([target])), ["n:4: proxy active -> master ready, partition 2, balance 1"]);
    assertEquals(changes(masterChange([target], { activate: true })), [
      "n:4: proxy active -> master active, partition 2, balance 1",
    ]);
  });

  it("is active at once in an empty cluster", () => {
    const empty = view(node(1, proxy, active));
    assertEquals(changes(masterChange([{ node: "n:1", balance: 1, partition: 0 }]), empty), [
      "n:1: proxy active -> master active, partition 0, balance 1",
    ]);
  });

  it("never puts an empty master in the place of one that is down, unless told to lose its data", () => {
    const broken = view(node(1, master, down, 0, 1), node(2, proxy, active));
    const change = (unsafe: boolean) => masterChange([{ node: "n:2", balance: 1, partition: 0 }], { unsafe });
    assertEquals(
      refusal(change(false), broken),
      'partition 0 is waiting for its master "n:1": a new one would be empty and lose the old one\'s data',
    );
    assertEquals(changes(change(true), broken), ["n:2: proxy active -> master active, partition 0, balance 1"]);
  });

  it("is refused for a partition that has one, and for one too far", () => {
    assertEquals(refusal(masterChange([{ ...target, partition: 1 }])), 'partition 1 has the master "n:3"');
    assertEquals(
      refusal(masterChange([{ ...target, partition: 3 }])),
      '"node role n 4 master 1 3" would be refused: the next new partition must be 2, not 3: ' +
        "partitions are numbered without gaps",
    );
  });
});

describe("part", () => {
  it("makes a master and its slaves", () => {
    const change = partChange([
      { node: "n:4", balance: 1, partition: 2 },
      { node: "n:6", balance: 2, partition: 2 },
    ]);
    assertEquals(changes(change), [
      "n:4: proxy active -> master active, partition 2, balance 1",
      "n:6: proxy active -> slave active, partition 2, balance 2",
    ]);
  });

  it("is for one partition", () => {
    assertThrows(
      () => partChange([4, 6].map((port) => ({ node: `n:${port}`, balance: 1, partition: port }))),
      FlareError,
      '"n:6" is for partition 6, not for the new partition 4',
    );
  });
});

describe("balance", () => {
  it("changes a weight", () => {
    assertEquals(changes(balanceChange([{ node: "n:2", balance: 5 }])), [
      "n:2: slave active, partition 0, balance 2 -> slave active, partition 0, balance 5",
    ]);
  });

  it("is refused for proxies and where nobody would answer reads", () => {
    assertEquals(refusal(balanceChange([{ node: "n:4", balance: 5 }])), '"n:4" is a proxy and has no balance');
    assertEquals(
      refusal(balanceChange([{ node: "n:3", balance: 0 }])),
      '"node role n 3 master 0 1" would be refused: partition 1 could not be read: the sum of its balances would be 0',
    );
  });
});

describe("down and activate", () => {
  it("fail a master over to its slave", () => {
    assertEquals(changes(downChange(["n:1"])), [
      "n:1: master active, partition 0, balance 1 -> proxy down",
      "n:2: slave active, partition 0, balance 2 -> master active, partition 0, balance 2",
    ]);
  });

  it("show that a partition would be without a master", () => {
    assertEquals(changes(downChange(["n:3"])), [
      "n:3: master active, partition 1, balance 1 -> master down, partition 1, balance 1",
    ]);
  });

  it("bring nodes back, and a ready master into service", () => {
    assertEquals(changes(activateChange(["n:5"])), ["n:5: proxy down -> proxy active"]);
    const waiting = view(node(1, master, active, 0, 1), node(2, master, ready, 1, 1));
    assertEquals(changes(activateChange(["n:2"]), waiting), [
      "n:2: master ready, partition 1, balance 1 -> master active, partition 1, balance 1",
    ]);
    assertEquals(changes(activateChange(["n:1"])), []);
    const copying = view(node(1, master, active, 0, 1), node(2, master, prepare, 1, 1));
    assertEquals(
      refusal(activateChange(["n:2"]), copying),
      '"node state n 2 active" would be refused: "n:2" is still copying the keys of its new partition',
    );
  });
});

describe("reconstruct", () => {
  it("rebuilds a slave and gives it its balance again", () => {
    assertEquals(steps(reconstructChange(["n:2"])), [
      "check that n:1 has the data of n:2",
      "node state n 2 down",
      "wait until n:2 is proxy, active",
      "node recopy on n:2",
      "flush_all on n:2, unless its copy does that",
      "node role n 2 slave 0 0",
      "wait until n:2 is slave, active",
      "node role n 2 slave 2 0",
    ]);
    assertEquals(changes(reconstructChange(["n:2"])), []);
  });

  it("empties the node first, whatever its master has, when told", () => {
    assertEquals(steps(reconstructChange(["n:2"], { unsafe: true })).slice(0, 3), [
      "node state n 2 down",
      "wait until n:2 is proxy, active",
      "flush_all on n:2",
    ]);
    assertEquals(steps(slaveChange([{ node: "n:4", balance: 0, partition: 1 }], { unsafe: true }))[0], "flush_all on n:4");
  });

  it("lets a master fail over first", () => {
    assertEquals(changes(reconstructChange(["n:1"])), [
      "n:1: master active, partition 0, balance 1 -> slave active, partition 0, balance 1",
      "n:2: slave active, partition 0, balance 2 -> master active, partition 0, balance 2",
    ]);
  });

  it("is refused where it would destroy the only copy, whatever is said", () => {
    assertEquals(refusal(reconstructChange(["n:3"])), '"n:3" has the only active copy of partition 1');
    assertEquals(
      refusal(reconstructChange(["n:3"], { unsafe: true })),
      '"wait until n:3 is proxy, active" would be refused: "n:3" would become master active, partition 1, balance 1',
    );
    assertEquals(refusal(reconstructChange(["n:4"])), '"n:4" is proxy active: there is nothing to rebuild');
    const copying = view(node(1, master, active, 0, 1), node(2, slave, prepare, 0, 0));
    assertEquals(refusal(reconstructChange(["n:1"]), copying), '"n:1" has the only active copy of partition 0');
  });

  it("does a slave of a partition still in the making when told", () => {
    const making = view(node(1, master, active, 0, 1), node(2, master, ready, 1, 1), node(3, slave, active, 1, 1));
    assertEquals(refusal(reconstructChange(["n:3"]), making), '"n:3" has the only active copy of partition 1');
    assertEquals(changes(reconstructChange(["n:3"], { unsafe: true }), making), []);
  });

  it("means slaves before masters by --all", () => {
    assertEquals(reconstructible(cluster.map), ["n:2", "n:1", "n:3"]);
    assertEquals(reconstructible(view(node(1, proxy, active)).map), []);
  });

  it("works out one node after the other", () => {
    assertEquals(changes(reconstructChange(["n:2", "n:1"])), [
      "n:1: master active, partition 0, balance 1 -> slave active, partition 0, balance 1",
      "n:2: slave active, partition 0, balance 2 -> master active, partition 0, balance 2",
    ]);
  });
});

describe("remove", () => {
  it("strikes a node that is down", () => {
    assertEquals(steps(removeChange(["n:5"])), ["check that n:5 is stopped", "node remove n 5"]);
    assertEquals(changes(removeChange(["n:5"])), ["n:5: proxy down -> -"]);
  });

  it("is refused for a node in service and for a master that has the only copy", () => {
    assertEquals(refusal(removeChange(["n:4"])), '"n:4" is proxy active: stop it and wait until it is down');
    const broken: { map: NodeMap; partitionCountMax: number } = view(node(1, master, down, 0, 1));
    assertEquals(
      refusal(removeChange(["n:1"]), broken),
      '"node remove n 1" would be refused: partition 0 is waiting for its master "n:1", which was not replaced',
    );
  });
});

describe("promote", () => {
  it("holds the master, lets the slave take its place, and makes the master a slave", () => {
    assertEquals(steps(promoteChange(["n:2"])), [
      "node handover 10000 on n:1",
      "node state n 1 down",
      "node state n 1 active",
      "flush_all on n:1, unless its copy does that",
      "node role n 1 slave 0 0",
      "wait until n:1 is slave, active",
      "node role n 1 slave 1 0",
    ]);
    assertEquals(changes(promoteChange(["n:2"])), [
      "n:1: master active, partition 0, balance 1 -> slave active, partition 0, balance 1",
      "n:2: slave active, partition 0, balance 2 -> master active, partition 0, balance 2",
    ]);
    assertEquals(steps(promoteChange(["n:2"], { keepFormer: false, unsafe: true })), [
      "wait until nothing is queued in n:1",
      "node state n 1 down",
      "node state n 1 active",
    ]);
  });

  it("makes sure that the index server chooses this slave", () => {
    const three = view(node(1, master, active, 0, 1), node(2, slave, active, 0, 2), node(3, slave, active, 0, 2));
    assertEquals(steps(promoteChange(["n:3"], { keepFormer: false }), three), [
      "node role n 3 slave 3 0",
      "node handover 10000 on n:1",
      "node state n 1 down",
      "node state n 1 active",
      "node role n 3 master 2 0",
    ]);
    assertEquals(changes(promoteChange(["n:3"], { keepFormer: false }), three), [
      "n:1: master active, partition 0, balance 1 -> proxy active",
      "n:3: slave active, partition 0, balance 2 -> master active, partition 0, balance 2",
    ]);
  });

  it("is refused for anything but an active slave of an active master", () => {
    const wanted = "only an active slave can be promoted";
    assertEquals(refusal(promoteChange(["n:1"])), `"n:1" is master active, partition 0, balance 1: ${wanted}`);
    assertEquals(refusal(promoteChange(["n:4"])), `"n:4" is proxy active: ${wanted}`);
    const copying = view(node(1, master, active, 0, 1), node(2, slave, prepare, 0, 0));
    assertEquals(refusal(promoteChange(["n:2"]), copying), `"n:2" is slave prepare, partition 0, balance 0: ${wanted}`);
    const orphan = view(node(1, master, down, 0, 1), node(2, slave, active, 0, 1));
    assertEquals(refusal(promoteChange(["n:2"]), orphan), 'partition 0 has no active master that "n:2" could replace');
  });
});

describe("an only copy", () => {
  it("is found where a change takes it out of service, for a moment too", () => {
    const lonely = { node: "n:3", partition: 1 };
    assertEquals(lostCopies(cluster, downChange(["n:3"])), [lonely]);
    assertEquals(lostCopies(cluster, downChange(["n:1"])), []);
    // Each of the two alone may leave; the second is the last.
    assertEquals(lostCopies(cluster, downChange(["n:1", "n:2"])), [{ node: "n:2", partition: 0 }]);
    assertEquals(lostCopies(cluster, downChange(["n:2", "n:1", "n:3"])), [{ node: "n:1", partition: 0 }, lonely]);
    const away = view(node(1, master, down, 0, 1), node(2, slave, active, 0, 1), node(3, proxy, active));
    assertEquals(lostCopies(away, downChange(["n:2"])), [{ node: "n:2", partition: 0 }]);
  });

  it("is not taken by changes that leave another one", () => {
    assertEquals(lostCopies(cluster, reconstructChange(["n:1"])), []);
    assertEquals(lostCopies(cluster, slaveChange([{ node: "n:4", balance: 1, partition: 1 }])), []);
    assertEquals(lostCopies(cluster, masterChange([{ node: "n:4", balance: 1, partition: 2 }], { activate: true })), []);
    assertEquals(lostCopies(cluster, balanceChange([{ node: "n:3", balance: 5 }])), []);
  });
});
