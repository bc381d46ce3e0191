/**
 * How a change is carried out when things go as planned and when they do not; time and cluster are simulated.
 *
 * Covers lib/admin/unreachable.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { type Change, type ClusterView, describeStep, nodeText } from "../../../lib/admin/change.ts";
import { type ChangeEvent, type ChangeHost, type Copying, runChange } from "../../../lib/admin/change_runner.ts";
import {
  activateChange,
  masterChange,
  partChange,
  promoteChange,
  reconstructChange,
  removeChange,
  slaveChange,
} from "../../../lib/admin/change_verbs.ts";
import { copyProgressText } from "../../../lib/admin/progress_text.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { createNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import {
  createNodeMap,
  type NodeMap,
  nodeDown,
  removeNode,
  setRole,
  setState,
  type Transition,
} from "../../../lib/cluster/node_map.ts";

/** An index server and its nodes in a few lines: what happens next is a list of times and deeds. */
class FakeCluster implements ChangeHost {
  map: NodeMap;
  readonly silent = new Set<string>();
  /** Nodes that check themselves what they copy. */
  readonly ours = new Set<string>();
  readonly items = new Map<string, number>();
  readonly told: string[] = [];
  /** What `tellIndex` answers instead of doing it. */
  refusals: string[] = [];
  indexAway = false;
  readonly cannotHold = new Set<string>();
  /** What nodes have queued, each time it is asked. */
  queues: number[] = [];
  #nowMs = 0;
  #deeds: { atMs: number; do: () => void }[] = [];

  constructor(...nodes: readonly (readonly [port: number, role: NodeRole, state: NodeState, partition: number])[]) {
    const made = nodes.map(([port, role, state, partition]) =>
      createNode({ host: "n", port, role, state, partition, balance: partition < 0 ? 0 : 1, threadType: 16 + port }),
    );
    this.map = createNodeMap(1, made, 99);
  }

  at(atMs: number, deed: () => void): this {
    this.#deeds.push({ atMs, do: deed });
    return this;
  }

  apply(outcome: Transition): void {
    if (!outcome.ok) throw new FlareError("REFUSED", outcome.error);
    this.map = outcome.map;
  }

  async view(): Promise<ClusterView> {
    return { map: await this.nodeMap(), partitionCountMax: 1023 };
  }

  async nodeMap(): Promise<NodeMap> {
    if (this.indexAway) throw new FlareError("CONNECTION_FAILED", "index server is away", { retriable: true });
    return this.map;
  }

  async ping(key: string): Promise<void> {
    if (this.silent.has(key)) throw new FlareError("CONNECTION_FAILED", `"${key}" is silent`);
  }

  async answers(key: string): Promise<boolean> {
    return !this.silent.has(key);
  }

  async checksCopies(key: string): Promise<boolean> {
    return this.ours.has(key);
  }

  async clean(key: string): Promise<void> {
    this.told.push(`flush_all ${key}`);
  }

  async distrust(key: string): Promise<void> {
    if (this.ours.has(key)) this.told.push(`recopy ${key}`);
  }

  async itemsOf(key: string): Promise<number> {
    return this.items.get(key) ?? 0;
  }

  /** Nodes that copy; the others do nothing. */
  readonly copiers = new Set<string>();

  async copying(key: string): Promise<Copying> {
    await this.ping(key);
    return { isUnderWay: this.copiers.has(key), mapVersion: "0" };
  }

  async tellIndex(command: string): Promise<void> {
    this.told.push(command);
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw new FlareError("REFUSED", refusal);
    const [, verb, host, port, word, balance, partition] = command.split(" ");
    const key = `${host}:${port}`;
    const role = NodeRole[word as keyof typeof NodeRole];
    if (verb === "role") {
      this.apply(setRole(this.map, key, { role, balance: Number(balance), partition: Number(partition) }, 1023));
    } else if (verb === "state") this.apply(setState(this.map, key, NodeState[word as keyof typeof NodeState]));
    else this.apply(removeNode(this.map, key));
  }

  async hold(key: string, limitMs: number): Promise<void> {
    if (this.cannotHold.has(key)) throw new FlareError("REFUSED", `"${key}" cannot hold`);
    if (limitMs > 0) this.told.push(`hold ${key}`);
  }

  async queueOf(): Promise<number> {
    return this.queues.shift() ?? 0;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  async sleep(delayMs: number): Promise<void> {
    this.#nowMs += delayMs;
    const due = this.#deeds.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#deeds = this.#deeds.filter(({ atMs }) => atMs > this.#nowMs);
    for (const deed of due) deed.do();
  }
}

async function carryOut(cluster: FakeCluster, change: Change, options = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const event of runChange(cluster, change, options)) lines.push(eventText(event));
  return lines;
}

function eventText(event: ChangeEvent): string {
  switch (event.kind) {
    case "step":
      return describeStep(event.step);
    case "progress":
      return copyProgressText(event.progress);
    case "reached":
      return `reached ${nodeText(event.node)}`;
    case "retry":
      return `retry ${event.node}: ${event.error.message}`;
    case "done":
      return `done ${event.key}: ${nodeText(event.node)}`;
  }
}

const { master, slave, proxy } = NodeRole;
const { active, down } = NodeState;
const pair = (): FakeCluster => new FakeCluster([1, master, active, 0], [2, proxy, active, -1]);
const toSlave = slaveChange([{ node: "n:2", balance: 3, partition: 0 }]);

describe("a change that is carried out", () => {
  it("waits for the copy and tells how far it is", async () => {
    const cluster = pair();
    cluster.items.set("n:1", 400);
    cluster.at(500, () => cluster.items.set("n:2", 100)).at(1500, () => cluster.items.set("n:2", 300));
    cluster.at(2100, () => cluster.apply(setState(cluster.map, "n:2", active)));
    assertEquals(await carryOut(cluster, toSlave), [
      "flush_all on n:2, unless its copy does that",
      "node role n 2 slave 0 0",
      "wait until n:2 is slave, active",
      "100/400 (role = slave, state = prepare) [ETA: 3 sec (elapsed = 1 sec)]",
      "300/400 (role = slave, state = prepare) [ETA: 1 sec (elapsed = 2 sec)]",
      "reached slave active, partition 0, balance 0",
      "node role n 2 slave 3 0",
      "done n:2: slave active, partition 0, balance 3",
    ]);
    assertEquals(cluster.told, ["flush_all n:2", "node role n 2 slave 0 0", "node role n 2 slave 3 0"]);
  });

  it("ends with the reason when the node does not begin to copy within a minute, and waits for any copy", async () => {
    const idle = pair();
    const error = await assertRejects(() => carryOut(idle, toSlave), FlareError);
    assertEquals(
      error.message,
      '"n:2" is slave prepare, partition 0, balance 0 after 60 s: it is not copying, and has node map 0 where the ' +
        "index server has 2; see its log",
    );
    assertEquals([error.code, Math.round(idle.nowMs() / 1000)], ["TIMED_OUT", 60]);
    const silent = pair().at(500, () => silent.silent.add("n:2"));
    const unanswered = await assertRejects(() => carryOut(silent, toSlave, { idleMs: 10_000 }), FlareError);
    assertEquals(unanswered.message.includes('after 10 s: it does not answer ("n:2" is silent)'), true, unanswered.message);
    const slow = pair();
    slow.copiers.add("n:2");
    slow.at(3_600_000, () => slow.apply(setState(slow.map, "n:2", active)));
    assertEquals((await carryOut(slow, toSlave, { pollMs: 5000 })).at(-1), "done n:2: slave active, partition 0, balance 3");
  });

  it("expects its share of everybody's keys in a new partition", async () => {
    const cluster = new FakeCluster([1, master, active, 0], [2, master, active, 1], [3, proxy, active, -1]);
    cluster.items.set("n:1", 300).set("n:2", 300).set("n:3", 50);
    cluster.at(1100, () => cluster.apply(setState(cluster.map, "n:3", NodeState.ready)));
    const lines = await carryOut(cluster, masterChange([{ node: "n:3", balance: 1, partition: 2 }]));
    assertEquals(lines.slice(3), [
      "50/200 (role = master, state = prepare) [ETA: 3 sec (elapsed = 1 sec)]",
      "reached master ready, partition 2, balance 1",
      "done n:3: master ready, partition 2, balance 1",
    ]);
  });

  it("touches nothing when a node it has to empty does not answer", async () => {
    const cluster = pair();
    cluster.silent.add("n:2");
    await assertRejects(() => carryOut(cluster, toSlave), FlareError, '"n:2" is silent');
    assertEquals(cluster.told, []);
  });

  it("fails when the node gives up", async () => {
    const cluster = pair();
    cluster.at(600, () => cluster.apply(setRole(cluster.map, "n:2", { role: proxy, balance: 0, partition: -1 }, 9)));
    await assertRejects(
      () => carryOut(cluster, toSlave),
      FlareError,
      '"n:2" is proxy active instead of slave, active: see its log',
    );
  });

  it("fails when the node goes down or is removed", async () => {
    const cluster = pair();
    cluster.at(600, () => cluster.apply(nodeDown(cluster.map, "n:2")));
    await assertRejects(() => carryOut(cluster, toSlave), FlareError, '"n:2" is proxy down instead of slave, active');
    const other = pair();
    other.at(600, () => {
      other.apply(nodeDown(other.map, "n:2"));
      other.apply(removeNode(other.map, "n:2"));
    });
    await assertRejects(() => carryOut(other, toSlave), FlareError, '"n:2" was removed from the node map in the meantime');
  });

  it("outlives an index server that is away for a while, not for ever", async () => {
    const cluster = pair();
    const away = (is: boolean) => () => {
      cluster.indexAway = is;
    };
    cluster.at(500, away(true)).at(5000, away(false));
    cluster.at(3000, () => cluster.apply(setState(cluster.map, "n:2", active)));
    assertEquals((await carryOut(cluster, toSlave)).at(-1), "done n:2: slave active, partition 0, balance 3");
    assertEquals(cluster.nowMs(), 5000);
    const lost = pair();
    lost.at(500, () => {
      lost.indexAway = true;
    });
    await assertRejects(() => carryOut(lost, toSlave, { patienceMs: 2000 }), FlareError, "index server is away");
    assertEquals(lost.nowMs(), 2500);
  });

  it("tries a node again as often as it may", async () => {
    const cluster = new FakeCluster([1, proxy, active, -1]);
    const change = (retries: number) => partChange([{ node: "n:1", balance: 1, partition: 0 }], { retries });
    cluster.refusals = ["busy", "still busy"];
    const lines = await carryOut(cluster, change(2));
    assertEquals(
      lines.filter((line) => line.startsWith("retry")),
      ["retry n:1: busy", "retry n:1: still busy"],
    );
    assertEquals(lines.at(-1), "done n:1: master active, partition 0, balance 1");
    const other = new FakeCluster([1, proxy, active, -1]);
    other.refusals = ["busy", "busy"];
    await assertRejects(() => carryOut(other, change(1)), FlareError, "busy");
  });

  it("makes a node a slave again whose copy failed, though it has lost its place meanwhile", async () => {
    const cluster = new FakeCluster([1, master, active, 0], [2, slave, active, 0]);
    cluster.at(300, () => cluster.apply(setState(cluster.map, "n:2", active)));
    cluster.at(600, () => cluster.apply(setRole(cluster.map, "n:2", { role: proxy, balance: 0, partition: -1 }, 9)));
    cluster.at(3000, () => cluster.apply(setState(cluster.map, "n:2", active)));
    const lines = await carryOut(cluster, reconstructChange(["n:2"], { retries: 1 }));
    assertEquals(lines.filter((line) => line.startsWith("retry")).length, 1);
    assertEquals(lines.at(-1), "done n:2: slave active, partition 0, balance 1");
    assertEquals(
      cluster.told.filter((line) => line.startsWith("node state")),
      ["node state n 2 down"],
    );
  });

  it("switches over while the master holds its requests, and not at all where it cannot", async () => {
    const cluster = new FakeCluster([1, master, active, 0], [2, slave, active, 0]);
    cluster.at(300, () => cluster.apply(setState(cluster.map, "n:1", active)));
    await carryOut(cluster, promoteChange(["n:2"]));
    assertEquals(cluster.told.slice(0, 3), ["hold n:1", "node state n 1 down", "node state n 1 active"]);
    assertEquals(cluster.map.nodes.map(nodeText), [
      "slave active, partition 0, balance 1",
      "master active, partition 0, balance 1",
    ]);

    const old = new FakeCluster([1, master, active, 0], [2, slave, active, 0]);
    old.cannotHold.add("n:1");
    await assertRejects(() => carryOut(old, promoteChange(["n:2"])), FlareError, '"n:1" cannot hold');
    assertEquals(old.told, []);
    old.queues = [5, 1];
    await carryOut(old, promoteChange(["n:2"], { unsafe: true, keepFormer: false }));
    assertEquals([old.told, old.nowMs()], [["node state n 1 down", "node state n 1 active"], 500]);
    old.queues = Array(100).fill(1);
    old.apply(setRole(old.map, "n:1", { role: slave, balance: 0, partition: 0 }, 9));
    old.apply(setState(old.map, "n:1", active));
    const back = () => carryOut(old, promoteChange(["n:1"], { unsafe: true }));
    await assertRejects(back, FlareError, '"n:2" still has 1 requests queued');
  });

  it("empties a node only if its master has what it has, and leaves that to a node that checks itself", async () => {
    const cluster = pair();
    cluster.items.set("n:2", 10).set("n:1", 4);
    await assertRejects(() => carryOut(cluster, toSlave), FlareError, '"n:1" has 4 items, "n:2" has 10: a copy would destroy');
    assertEquals(cluster.told, []);
    cluster.ours.add("n:2");
    cluster.at(300, () => cluster.apply(setState(cluster.map, "n:2", active)));
    await carryOut(cluster, toSlave);
    assertEquals(
      cluster.told.filter((command) => command.startsWith("flush_all")),
      [],
    );
    const told = pair();
    told.items.set("n:2", 10);
    told.at(300, () => told.apply(setState(told.map, "n:2", active)));
    await carryOut(told, slaveChange([{ node: "n:2", balance: 0, partition: 0 }], { unsafe: true }));
    assertEquals(told.told[0], "flush_all n:2");
  });

  it("does not take a node out of service for a copy from one that has less", async () => {
    const cluster = new FakeCluster([1, master, active, 0], [2, slave, active, 0]);
    cluster.items.set("n:2", 10);
    cluster.ours.add("n:2");
    await assertRejects(() => carryOut(cluster, reconstructChange(["n:2"])), FlareError, "to discard it: --unsafe");
    assertEquals([cluster.told, cluster.map.nodes.map(nodeText)[1]], [[], "slave active, partition 0, balance 1"]);
  });

  it("removes only what does not run", async () => {
    const cluster = new FakeCluster([1, proxy, down, -1]);
    await assertRejects(() => carryOut(cluster, removeChange(["n:1"])), FlareError, '"n:1" is still running: stop it first');
    assertEquals(cluster.map.nodes.length, 1);
    cluster.silent.add("n:1");
    assertEquals(await carryOut(cluster, removeChange(["n:1"])), [
      "check that n:1 is stopped",
      "node remove n 1",
      "done n:1: -",
    ]);
    assertEquals(cluster.map.nodes.length, 0);
  });

  it("puts into service only what runs, or what may come back with any data", async () => {
    const cluster = new FakeCluster([1, proxy, down, -1]);
    cluster.silent.add("n:1");
    const text = '"n:1" does not answer: start it first';
    await assertRejects(() => carryOut(cluster, activateChange(["n:1"])), FlareError, text);
    assertEquals(cluster.told, []);
    await carryOut(cluster, activateChange(["n:1"], { unsafe: true }));
    cluster.silent.clear();
    await carryOut(cluster, activateChange(["n:1"]));
    assertEquals(cluster.told, ["node state n 1 active unsafe", "node state n 1 active"]);
  });

  it("plans each node when the one before is done", async () => {
    const cluster = new FakeCluster([1, proxy, active, -1], [2, proxy, active, -1]);
    const change = partChange([1, 2].map((port) => ({ node: `n:${port}`, balance: port, partition: 0 })));
    cluster.at(300, () => cluster.apply(setState(cluster.map, "n:2", active)));
    await carryOut(cluster, change);
    assertEquals(cluster.map.nodes.map(nodeText), [
      "master active, partition 0, balance 1",
      "slave active, partition 0, balance 2",
    ]);
    assertEquals(
      cluster.map.nodes.map(({ role }) => role),
      [master, slave],
    );
  });
});
