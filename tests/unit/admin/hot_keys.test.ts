/**
 * Slow requests and hot keys of several nodes, joined, as tables and as data.
 *
 * Covers lib/admin/gather.ts and lib/admin/slow_requests.ts.
 */

import { describe, it } from "node:test";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { ClusterAdmin } from "../../../lib/admin/cluster_admin.ts";
import { keyWord } from "../../../lib/admin/dump_format.ts";
import { gather } from "../../../lib/admin/gather.ts";
import { clusterHot, hotRecord, hotTable } from "../../../lib/admin/hot_keys.ts";
import { clusterSlow, slowRecord, slowTable } from "../../../lib/admin/slow_requests.ts";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import type { SlowRequest } from "../../../lib/net/connection/slow_requests.ts";
import type { HotReport, SampleCounts } from "../../../lib/stats/hot_keys.ts";
import type { SlowReport } from "../../../lib/stats/slow_stats.ts";

const NOBODY = { unreachable: [] };
const NONE: SampleCounts = { reads: 0, writes: 0, readsOfNodes: 0, writesOfNodes: 0 };

/** A report in which a sample is one request per second. */
function hot(
  total: Partial<SampleCounts>,
  keys: Readonly<Record<string, Partial<SampleCounts> & { error?: number }>>,
  unlistedMax = 0,
): HotReport {
  return {
    ...{ interval: 100, seconds: 100, sampled: 1000, unlistedMax, total: { ...NONE, ...total } },
    keys: Object.entries(keys).map(([key, counts]) => {
      return { key: fromLatin1(key), keyBytes: key.length, error: 0, ...NONE, ...counts };
    }),
  };
}

function slow(id: number, fields: Partial<SlowRequest> = {}): SlowRequest {
  return {
    ...{ id, atMs: 1_790_000_000_000 + id, ms: 123.45, client: "c:1", isOfNode: false, command: "get", requests: 1 },
    ...{ key: fromLatin1("k"), keyBytes: 1, bytes: undefined, waitedFor: undefined, ...fields },
  };
}

describe("hot keys of a cluster", () => {
  it("have each request of a client once, at the node that it was sent to", () => {
    const { keys, perSecond, sampled } = clusterHot(
      {
        ...NOBODY,
        reports: [
          { node: "a:1", report: hot({ reads: 500, writes: 100 }, { k: { reads: 200, writes: 100 }, l: { reads: 40 } }) },
          { node: "b:1", report: hot({ reads: 400, readsOfNodes: 300 }, { k: { reads: 100, readsOfNodes: 200 } }) },
        ],
      },
      "clients",
      10,
    );
    assertEquals([perSecond, sampled], [1000, 2000]);
    assertEquals(
      keys.map(({ key, share, perSecond: rate, readsPerSecond, writesPerSecond, nodes }) => {
        return [latin1(key), share, rate, readsPerSecond, writesPerSecond, nodes];
      }),
      [
        [
          "k",
          0.4,
          400,
          300,
          100,
          [
            { node: "a:1", perSecond: 300 },
            { node: "b:1", perSecond: 100 },
          ],
        ],
        ["l", 0.04, 40, 40, 0, [{ node: "a:1", perSecond: 40 }]],
      ],
    );
  });

  it("of one node have what other nodes have passed on, too", () => {
    const report = hot({ reads: 400, readsOfNodes: 600 }, { k: { readsOfNodes: 500 }, l: { reads: 100 } });
    const reports = [{ node: "b:1", report }];
    const shares = (counted: "all" | "clients") =>
      clusterHot({ ...NOBODY, reports }, counted, 10).keys.map(({ key, share }) => `${latin1(key)} ${share}`);
    assertEquals(shares("all"), ["k 0.5", "l 0.1"]);
    assertEquals(shares("clients"), ["l 0.25"]);
  });

  it("have bounds: chance, the errors of counters, and nodes that do not list them", () => {
    const reports = [
      { node: "a:1", report: hot({ reads: 9900 }, { k: { reads: 1000, error: 50 } }, 30) },
      { node: "b:1", report: hot({ reads: 100 }, {}, 20) },
    ];
    const [key] = clusterHot({ ...NOBODY, reports }, "clients", 10).keys;
    assert(key !== undefined);
    const chance = (2 * Math.sqrt(1000 * 0.9)) / 10_000;
    assertEquals(key.share, 0.1);
    assertAlmostEquals(key.shareMin, 0.1 - chance, 1e-9);
    assertAlmostEquals(key.shareMax, 0.1 + chance + 70 / 10_000, 1e-9);
  });

  it("are none where keys are seen by chance only, and none at all without requests", () => {
    const keys = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, { reads: 1 + (i % 3) }]));
    const found = (report: HotReport) => clusterHot({ ...NOBODY, reports: [{ node: "a:1", report }] }, "all", 10).keys;
    assertEquals(found(hot({ reads: 10_000 }, keys)), []);
    assertEquals(found(hot({}, {})), []);
    // Everything is one key: there is no doubt.
    assertEquals(
      found(hot({ reads: 2 }, { k: { reads: 2 } })).map(({ shareMin, shareMax }) => [shareMin, shareMax]),
      [[1, 1]],
    );
    assertEquals(clusterHot({ ...NOBODY, reports: [] }, "all", 10).perSecond, 0);
  });

  it("are a table and data", () => {
    const counts = { reads: 4000, writes: 1 };
    const reports = ["a:1", "b:1", "c:1", "d:1"].map((node, i) => {
      return { node, report: hot({ reads: 5000 }, { "a b\x1b": { ...counts, reads: 4000 - i } }) };
    });
    const { keys } = clusterHot({ ...NOBODY, reports }, "clients", 10);
    assertEquals(hotTable(keys), [
      "key         share       between per s reads/s writes/s nodes",
      "a\\x20b\\x1b  80.0% 79.4% … 80.6% 15998   15994      4.0 a:1 b:1 c:1 and 1 more",
    ]);
    const record = hotRecord(keys[0] as (typeof keys)[0], keyWord);
    assertEquals([record.key, record.keyBytes, record.nodes.length], ["a\\x20b\\x1b", 4, 4]);
  });
});

describe("slow requests of a cluster", () => {
  const report = (thresholdMs: number, ...requests: SlowRequest[]): SlowReport => ({ thresholdMs, count: 7, requests });

  it("are in the order of time, the newest first", () => {
    const reports = [
      { node: "a:1", report: report(100, slow(5), slow(1)) },
      { node: "b:1", report: report(100, slow(7), slow(3)) },
    ];
    const all = clusterSlow({ reports, unreachable: [{ server: "c:1", error: "away" }] }, 3);
    assertEquals(
      all.entries.map(({ node, id }) => `${node} ${id}`),
      ["b:1 7", "a:1 5", "b:1 3"],
    );
    assertEquals([all.thresholdMs, all.count, all.nodes], [100, 14, ["a:1", "b:1"]]);
    assertEquals(all.unreachable, [{ server: "c:1", error: "away" }]);
  });

  it("have no common threshold where nodes differ", () => {
    const reports = [100, 50].map((thresholdMs) => ({ node: "a:1", report: report(thresholdMs) }));
    assertEquals(clusterSlow({ ...NOBODY, reports }, 3).thresholdMs, undefined);
    assertEquals(clusterSlow({ ...NOBODY, reports: [] }, 3).thresholdMs, undefined);
  });

  it("are a table and data", () => {
    const requests = [
      slow(2, { command: "set", bytes: 100, waitedFor: "b:1", key: fromLatin1("a\n"), keyBytes: 300 }),
      slow(1, { requests: 4, key: undefined, keyBytes: 0, ms: 9.96 }),
    ];
    const { entries } = clusterSlow({ ...NOBODY, reports: [{ node: "a:1", report: report(100, ...requests) }] }, 9);
    assertEquals(slowTable(entries), [
      "time                 node   ms command key  bytes waited for client",
      "2026-09-21T14:13:20Z a:1   123 set     a\\n…   100 b:1        c:1",
      "2026-09-21T14:13:20Z a:1  10.0 get +3  -        - -          c:1",
    ]);
    assertEquals(
      entries.map((entry) => slowRecord(entry, latin1)),
      [
        {
          ...{ atMs: 1_790_000_000_002, node: "a:1", ms: 123.45, command: "set", key: "a\n", keyBytes: 300, bytes: 100 },
          ...{ requests: 1, waitedFor: "b:1", client: "c:1", ofNode: false },
        },
        {
          ...{ atMs: 1_790_000_000_001, node: "a:1", ms: 9.96, command: "get", key: null, keyBytes: null, bytes: null },
          ...{ requests: 4, waitedFor: null, client: "c:1", ofNode: false },
        },
      ],
    );
  });
});

describe("reports of nodes", () => {
  const admin = (answer: (node: string) => Map<string, string>): Pick<ClusterAdmin, "client"> => ({
    client: (node: string) => ({ stats: async () => answer(node) }) as never,
  });

  it("are those that come; who has none is named", async () => {
    const answer = (node: string): Map<string, string> => {
      if (node === "b:1") throw new FlareError("CONNECTION_FAILED", "refused");
      return new Map(node === "c:1" ? [] : [["of", node]]);
    };
    const gathered = await gather(admin(answer), ["a:1", "b:1", "c:1"], "hot", (figures) => figures.get("of"));
    assertEquals(gathered, {
      reports: [{ node: "a:1", report: "a:1" }],
      unreachable: [
        { server: "b:1", error: "refused" },
        { server: "c:1", error: 'it does not know "stats hot": it runs an older release, or the original' },
      ],
    });
  });

  it("do not hide errors of this program", async () => {
    const broken = admin(() => {
      throw new TypeError("a bug");
    });
    await assertRejects(() => gather(broken, ["a:1"], "hot", () => 1));
  });
});
