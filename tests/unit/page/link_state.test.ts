/** What the page knows: when its figures are live, when stale, and what it says aloud. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { Cluster, Happened } from "../../../lib/web/browser/model/cluster.ts";
import {
  HAPPENED_MAX,
  isLive,
  type LinkEvent,
  type LinkState,
  noLink,
  SILENT_MS,
  staleSinceMs,
  step,
} from "../../../lib/web/browser/model/link_state.ts";
import { playedCluster, playedNode } from "../../support/page_cluster.ts";

const master = playedNode("h:1", { role: "master", partition: 0 });
const slave = playedNode("h:2", { role: "slave", partition: 0 });
const two = playedCluster([master, slave]);

function after(events: readonly LinkEvent[], from: LinkState = noLink(0)): LinkState {
  return events.reduce(step, from);
}

function shows(cluster: Cluster, nowMs: number): LinkEvent {
  return { type: "cluster", nowMs, cluster };
}

function said({ announcements }: LinkState): string[] {
  return announcements.map(({ kind, node, partition }) => `${kind} ${node} ${partition}`);
}

function happened(id: number, atMs = id): Happened {
  return { id, atMs, text: `event ${id}`, kind: "state", node: null };
}

describe("the figures of the page", () => {
  it("are neither live nor stale before there are any", () => {
    const state = after([
      { type: "opened", nowMs: 10 },
      { type: "tick", nowMs: 100_000 },
    ]);
    assertEquals([isLive(state), staleSinceMs(state), state.hasFailed], [false, undefined, false]);
    const refused = after([{ type: "lost", nowMs: 100_001 }], state);
    assertEquals([isLive(refused), staleSinceMs(refused), refused.hasFailed], [false, undefined, true]);
    assertEquals(after([shows(two, 100_002)], refused).hasFailed, false);
  });

  it("are live while snapshots come", () => {
    const state = after([{ type: "opened", nowMs: 10 }, shows(two, 20), { type: "tick", nowMs: 20 + SILENT_MS }]);
    assertEquals([isLive(state), staleSinceMs(state)], [true, undefined]);
    assertEquals(step(state, { type: "tick", nowMs: 21 }) === state, true);
  });

  it("are stale since the last snapshot when the stream is lost, until the next snapshot", () => {
    const lost = after([shows(two, 20), { type: "lost", nowMs: 3000 }]);
    assertEquals([isLive(lost), staleSinceMs(lost), lost.cluster], [false, 20, two]);
    // An open connection alone makes old figures no newer, once they are too old.
    const opened = after([{ type: "opened", nowMs: 20 + SILENT_MS + 1 }], lost);
    assertEquals([isLive(opened), staleSinceMs(opened)], [false, 20]);
    const again = after([shows(two, 9000)], opened);
    assertEquals([isLive(again), staleSinceMs(again)], [true, undefined]);
    assertEquals(said(again), ["streamLost  -1", "streamBack  -1"]);
  });

  it("are stale when an open stream is silent", () => {
    const state = after([shows(two, 20), { type: "tick", nowMs: 21 + SILENT_MS }]);
    assertEquals([isLive(state), staleSinceMs(state), said(state)], [false, 20, ["streamLost  -1"]]);
    assertEquals(said(after([{ type: "tick", nowMs: 90_000 }], state)), ["streamLost  -1"]);
  });
});

describe("what the page says aloud", () => {
  it("is nothing for the first snapshot, and nothing when nothing changes", () => {
    assertEquals(said(after([shows(two, 1), shows(two, 2)])), []);
  });

  it("is who goes down, who becomes master, who serves, who comes and who goes", () => {
    const down = playedCluster([playedNode("h:1", { state: "down" }), { ...slave, role: "master" }, playedNode("h:3", {})]);
    const back = playedCluster([playedNode("h:1", { role: "slave", partition: 0 }), { ...slave, role: "master" }]);
    assertEquals(said(after([shows(two, 1), shows(down, 2)])), ["nodeDown h:1 -1", "nodeMaster h:2 0", "nodeAppears h:3 -1"]);
    assertEquals(said(after([shows(down, 1), shows(down, 2), shows(back, 3)])), ["nodeServes h:1 0", "nodeGone h:3 -1"]);
  });
});

describe("the seats of nodes", () => {
  it("are remembered for a node that goes down, until it serves elsewhere or is removed", () => {
    const down = playedCluster([playedNode("h:1", { state: "down" }), { ...slave, role: "master" }]);
    const state = after([shows(two, 1), shows(down, 2), shows(down, 3)]);
    assertEquals(state.seats.get("h:1"), { role: "master", partition: 0 });
    assertEquals(state.seats.get("h:2"), { role: "master", partition: 0 });
    const proxy = after([shows(playedCluster([playedNode("h:1", {})]), 4)], state);
    assertEquals(proxy.seats.get("h:1"), undefined);
    assertEquals(after([shows(playedCluster([slave]), 4)], state).seats.get("h:1"), undefined);
  });

  it("are unknown for a node that nobody has seen serving", () => {
    assertEquals(after([shows(playedCluster([playedNode("h:1", { state: "down" })]), 1)]).seats.size, 0);
  });
});

describe("what happened", () => {
  it("is there once, oldest first, however often it is sent", () => {
    const state = after([
      { type: "happened", nowMs: 1, events: [happened(2), happened(1)] },
      { type: "happened", nowMs: 2, events: [happened(3), happened(2)] },
    ]);
    assertEquals(
      state.happened.map(({ id }) => id),
      [1, 2, 3],
    );
  });

  it("is bounded", () => {
    const events = Array.from({ length: HAPPENED_MAX + 10 }, (_, i) => happened(i));
    const state = after([{ type: "happened", nowMs: 1, events }]);
    assertEquals([state.happened.length, state.happened[0]?.id], [HAPPENED_MAX, 10]);
  });
});
