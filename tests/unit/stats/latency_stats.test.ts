/** `stats latency`, written and read again. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { TIME_BOUNDS } from "../../../lib/base/histogram.ts";
import { RequestTimes } from "../../../lib/net/connection/request_times.ts";
import { Command } from "../../../lib/protocol/command.ts";
import { latencyCounts, statsLatency } from "../../../lib/stats/latency_stats.ts";

function linesOf(times: RequestTimes): Map<string, string> {
  const lines = new Map<string, string>();
  statsLatency(times, { stat: (name, value) => void lines.set(name, String(value)) });
  return lines;
}

describe("stats latency", () => {
  it("has the sizes that there were, by command", () => {
    const times = new RequestTimes();
    for (const ms of [0.05, 0.06, 3, 20_000]) times.observe(Command.get, ms);
    times.observe(Command.set, 0.2);
    assertEquals(
      [...linesOf(times)],
      [
        ["get:0.0001", "2"],
        ["get:0.005", "1"],
        ["get:inf", "1"],
        ["get:sum", "20.00311"],
        ["set:0.00025", "1"],
        ["set:sum", "0.0002"],
      ],
    );
  });

  it("is read as the counts of all commands together", () => {
    const times = new RequestTimes();
    for (const ms of [0.05, 3, 20_000]) times.observe(Command.get, ms);
    times.observe(Command.set, 0.05);
    const counts = latencyCounts(linesOf(times));
    assert(counts !== undefined);
    assertEquals([counts[0], counts[5], counts[TIME_BOUNDS.length]], [2, 1, 1]);
    assertEquals(
      counts.reduce((sum, count) => sum + count, 0),
      4,
    );
  });

  it("is not guessed from the lines of others", () => {
    assertEquals(latencyCounts(new Map()), undefined);
    assertEquals(latencyCounts(new Map([["get:0.3", "1"]])), undefined);
    assertEquals(latencyCounts(new Map([["get:0.1", "-1"]])), undefined);
    assertEquals(latencyCounts(new Map([["pid", "77"]])), undefined);
  });
});
