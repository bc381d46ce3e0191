/** Hot keys: which requests are looked at, what counts, how it is forgotten; and `stats hot`. Covers lib/stats/hot_stats.ts. */

import { describe, it } from "node:test";
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { Request } from "../../../lib/protocol/request.ts";
import { ParseStatus, TextParser } from "../../../lib/protocol/text/text_parser.ts";
import { COUNTERS, HALF_LIFE_MS, type HotKey, HotKeys, SAMPLE_INTERVAL, sumOf } from "../../../lib/stats/hot_keys.ts";
import { hotReportOf, statsHot } from "../../../lib/stats/hot_stats.ts";
import { SimRandom } from "../../../lib/testing/sim_random.ts";
import { ALL_COMMANDS, PARSER_LIMITS } from "../../support/parsed_requests.ts";

class World {
  nowMs = 5000;
  readonly hot: HotKeys;

  constructor(seed = 1) {
    this.hot = new HotKeys({ monotonicMs: () => this.nowMs }, seed);
  }

  /** Looks at a request. */
  sample(text: string, by: Partial<Pick<Request, "prefix" | "forwardedBy">> = {}): void {
    const request = requestOf(text);
    Object.assign(request, by);
    this.hot.sample(request);
  }

  /** `key: reads writes readsOfNodes writesOfNodes`. */
  get keys(): string[] {
    return this.hot.report().keys.map((key) => `${latin1(key.key)}: ${countsText(key)}`);
  }
}

function requestOf(text: string): Request {
  const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
  const request = new Request();
  const bytes = fromLatin1(text);
  assertEquals(parser.parse(request, bytes, 0, bytes.length, 0), ParseStatus.request, text);
  return request;
}

function countsText({ reads, writes, readsOfNodes, writesOfNodes }: Omit<HotKey, "key" | "keyBytes" | "error">): string {
  return [reads, writes, readsOfNodes, writesOfNodes].join(" ");
}

describe("hot keys", () => {
  it("are found in one request of a hundred, after gaps that differ", () => {
    for (const seed of [0, 1, 2 ** 31, 2 ** 32 - 1]) {
      const { hot } = new World(seed);
      const request = requestOf("get k\r\n");
      const gaps: number[] = [];
      for (let last = 0, now = 1; now <= 1_000_000; now++) {
        if (!hot.isDue()) continue;
        hot.sample(request);
        gaps.push(now - last);
        last = now;
      }
      assertAlmostEquals(gaps.length, 1_000_000 / SAMPLE_INTERVAL, 250, `seed ${seed}`);
      assertEquals([Math.min(...gaps), Math.max(...gaps)], [1, 2 * SAMPLE_INTERVAL - 1]);
      const counts = gaps.reduce((all, gap) => all.set(gap, (all.get(gap) ?? 0) + 1), new Map<number, number>());
      // Each gap about 50 times.
      for (const count of counts.values()) assert(count > 15 && count < 100, `seed ${seed}: one gap ${count} times`);
    }
  });

  it("do not depend on patterns in the order of requests", () => {
    for (const period of [2, 3, 10, 50, 99, 100, 101, 200]) {
      const { hot } = new World(period);
      const requests = Array.from({ length: period }, (_, place) => requestOf(`get ${place === 0 ? "first" : "other"}\r\n`));
      for (let at = 0; at < 400_000; at++) if (hot.isDue()) hot.sample(requests[at % period] as Request);
      const { keys, total } = hot.report();
      const first = keys.find(({ key }) => latin1(key) === "first");
      const share = (first === undefined ? 0 : sumOf(first)) / sumOf(total);
      // Four standard deviations of 4000 samples.
      assertAlmostEquals(share, 1 / period, 4 * Math.sqrt(1 / period / 4000), `period ${period}`);
    }
  });

  it("are read or written, by clients or other nodes", () => {
    const world = new World();
    world.sample("get a\r\n");
    world.sample("gats 0 a\r\n");
    world.sample("mg a v\r\n");
    world.sample("set a 0 0 1\r\nx\r\n");
    world.sample("md a\r\n");
    world.sample("get a\r\n", { forwardedBy: { nodeKey: "n:1", mapVersion: 1 } });
    world.sample("incr a 1\r\n", { prefix: "n:1" });
    world.sample("stats\r\n");
    world.sample("ping\r\n");
    assertEquals(world.keys, ["a: 3 2 1 1"]);
    assertEquals([world.hot.sampled, countsText(world.hot.report().total)], [7, "3 2 1 1"]);
  });

  it("are all keys of a request", () => {
    const world = new World();
    world.sample("get a b  a c\r\n");
    assertEquals(world.keys, ["a: 2 0 0 0", "b: 1 0 0 0", "c: 1 0 0 0"]);
  });

  it("are forgotten by half in a minute, and rates stay right meanwhile", () => {
    const world = new World();
    world.sample("get a\r\n");
    world.sample("get a\r\n");
    world.nowMs += HALF_LIFE_MS;
    world.sample("get b\r\n");
    assertEquals(world.keys, ["a: 1 0 0 0", "b: 1 0 0 0"]);
    world.nowMs += 1;
    assertEquals(world.keys, []);
    assertAlmostEquals(sumOf(world.hot.report().total), 2, 1e-3);

    // A steady stream, for longer than new samples can become heavier.
    const steady = new World();
    for (let second = 1; second <= 3000; second++) {
      steady.nowMs += 1000;
      for (let i = 0; i < 5; i++) steady.sample("get a\r\n");
      if (![3, 30, 300, 1500, 3000].includes(second)) continue;
      const { seconds, interval, total } = steady.hot.report();
      assertAlmostEquals((sumOf(total) * interval) / seconds, 500, 5, `after ${second} s`);
    }
  });

  it("with more keys than counters say what may be missing", () => {
    const world = new World();
    const random = new SimRandom("hot");
    for (let i = 0; i < 20_000; i++) world.sample(random.chance(0.1) ? "get hot\r\n" : `get ${random.between(1, 100_000)}\r\n`);
    const { keys, total, unlistedMax } = world.hot.report();
    const [first] = keys;
    assertEquals(latin1(first?.key ?? new Uint8Array()), "hot");
    assertAlmostEquals(sumOf(first as HotKey) / sumOf(total), 0.1, 0.01);
    assert(unlistedMax > 0 && unlistedMax <= sumOf(total) / COUNTERS);
  });

  it("start over with stats reset", () => {
    const world = new World();
    world.sample("get a\r\n");
    world.nowMs += 10_000;
    world.hot.clear();
    const { keys, sampled, seconds, total } = world.hot.report();
    assertEquals([keys, sampled, seconds, sumOf(total)], [[], 0, 0, 0]);
  });
});

describe("stats hot", () => {
  function linesOf(world: World): Map<string, string> {
    const lines = new Map<string, string>();
    statsHot(world.hot.report(), { stat: (name, value) => void lines.set(name, String(value)) });
    return lines;
  }

  it("has the keys by their share", () => {
    const world = new World();
    for (const text of ["get b%\r\n", "get a\r\n", "delete a\r\n"]) world.sample(text);
    world.nowMs += 1;
    world.sample("get a\r\n", { prefix: "n:1" });
    world.nowMs -= 1;
    const lines = linesOf(world);
    assertEquals(
      [...lines].filter(([name]) => name.startsWith("1:") || name.startsWith("2:key")),
      [
        ["1:key", "a"],
        ["1:key_bytes", "1"],
        ["1:share", "0.75"],
        ["1:share_max", "0.75"],
        ["1:per_second", "0"],
        ["1:error", "0"],
        ["1:reads", "1"],
        ["1:writes", "1"],
        ["1:reads_of_nodes", "1"],
        ["1:writes_of_nodes", "0"],
        ["2:key", "b%25"],
        ["2:key_bytes", "2"],
      ],
    );
    assertEquals(
      ["sample_interval", "sampled", "unlisted_max"].map((name) => lines.get(name)),
      ["100", "4", "0"],
    );
  });

  it("is read again as it was", () => {
    const world = new World();
    const random = new SimRandom("lines");
    for (let i = 0; i < 3000; i++) {
      world.nowMs += random.between(0, 100);
      world.sample(`get key${Math.floor(300 * (random.uint32() / 2 ** 32) ** 3)}\r\n`);
    }
    const report = world.hot.report();
    const read = hotReportOf(linesOf(world));
    assert(read !== undefined);
    assertEquals([read.interval, read.sampled, read.keys.length], [report.interval, report.sampled, report.keys.length]);
    assertAlmostEquals(read.seconds, report.seconds, 0.001);
    assertAlmostEquals(read.unlistedMax, report.unlistedMax, 0.001);
    report.keys.forEach((key, index) => {
      assertEquals(read.keys[index]?.key, key.key);
      assertAlmostEquals(read.keys[index]?.reads ?? 0, key.reads, 0.001);
      assertAlmostEquals(read.keys[index]?.error ?? 0, key.error, 0.001);
    });
  });

  it("is not guessed from the lines of others", () => {
    const world = new World();
    world.sample("get a\r\n");
    const good = linesOf(world);
    assert(hotReportOf(good) !== undefined);
    assertEquals(hotReportOf(new Map()), undefined);
    for (const name of ["sample_interval", "total:reads", "1:reads", "1:error"]) {
      for (const value of ["-1", "x"]) assertEquals(hotReportOf(new Map([...good, [name, value]])), undefined, name);
      assertEquals(hotReportOf(new Map([...good].filter(([each]) => each !== name))), undefined, name);
    }
    assertEquals(hotReportOf(new Map([...good, ["1:key", "a b"]])), undefined);
  });
});
