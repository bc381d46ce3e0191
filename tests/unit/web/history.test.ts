/** The last hour of a cluster: sums, worst cases, gaps and bounds. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { ClusterPicture, PictureNode } from "../../../lib/web/cluster_picture.ts";
import { History, STEP_MS, STEPS_MAX } from "../../../lib/web/history.ts";

const START_MS = 1_800_000_000_000;
const NODE: PictureNode = {
  key: "h:1",
  role: "master",
  state: "active",
  partition: 0,
  balance: 1,
  inSync: null,
  whyNot: null,
  epoch: null,
  version: null,
  uptimeS: null,
  items: null,
  bytes: null,
  diskBytes: null,
  connections: null,
  lagEntries: null,
  lagBytes: null,
  lagS: null,
  copy: null,
  rates: { get: null, set: null, hits: null, misses: null },
  latencyMs: null,
  error: null,
};

function picture(atMs: number, nodes: readonly Partial<PictureNode>[]): ClusterPicture {
  return {
    self: { kind: "index", address: "h:1", version: "2" },
    atMs,
    mapVersion: 1,
    leader: null,
    changesAllowed: false,
    partitions: 1,
    unreachable: [],
    nodes: nodes.map((node) => ({ ...NODE, ...node })),
  };
}

function rates(get: number): PictureNode["rates"] {
  return { get, set: 2 * get, hits: get, misses: 0 };
}

describe("the history of a cluster", () => {
  it("sums what is known, and has the worst latency and lag", () => {
    const history = new History();
    history.add(
      picture(START_MS, [
        { items: 5, rates: rates(10), bytes: 100, diskBytes: 7, connections: 1, latencyMs: { p50: 1, p99: 2 } },
        { role: "slave", items: 5, rates: rates(1), bytes: 50, connections: 2, lagS: 3, lagEntries: 9 },
        { role: "slave", lagS: 0.5, lagEntries: 10, latencyMs: { p50: 0.5, p99: 8 } },
      ]),
    );
    assertEquals(history.points(START_MS), [
      {
        atMs: START_MS,
        get: 11,
        set: 22,
        hits: 11,
        misses: 0,
        p50: 1,
        p99: 8,
        lagS: 3,
        lagEntries: 10,
        items: 5,
        memory: 150,
        disk: 7,
        connections: 3,
      },
    ]);
  });

  it("has null for what nobody said, and for the steps that were missed", () => {
    const history = new History();
    assertEquals(history.points(START_MS), []);
    history.add(picture(START_MS, [{ items: 1 }]));
    history.add(picture(START_MS + 2000, [{ items: 2 }]));
    history.add(picture(START_MS + 3 * STEP_MS, [{ items: null }]));
    const points = history.points(START_MS + 4 * STEP_MS + 100);
    assertEquals(
      points.map(({ atMs, items, get }) => [(atMs - START_MS) / STEP_MS, items, get]),
      [
        [0, 2, null],
        [1, null, null],
        [2, null, null],
        [3, null, null],
      ],
    );
  });

  it("is an hour, whatever comes", () => {
    const history = new History();
    for (let i = 0; i < 3 * STEPS_MAX; i++) history.add(picture(START_MS + i * STEP_MS, [{ items: i }]));
    const points = history.points(START_MS + (3 * STEPS_MAX - 1) * STEP_MS);
    assertEquals([points.length, points[0]?.items, points.at(-1)?.items], [STEPS_MAX, 2 * STEPS_MAX, 3 * STEPS_MAX - 1]);
    // A clock that was set back, and one that was set far ahead.
    assertEquals(history.points(START_MS - 1000), []);
    assertEquals(history.points(START_MS * 2), []);
  });
});
