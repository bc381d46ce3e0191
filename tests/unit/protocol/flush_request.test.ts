/** When a flush_all happens, and how nodes tell each other. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import {
  encodeFlush,
  type FlushScope,
  type FlushTime,
  flushPlanLine,
  parseFlush,
  parseFlushPlan,
  parseFlushTime,
} from "../../../lib/protocol/flush_request.ts";

const NOW = 2_000_000_000;
const STARTED = NOW - 1000;

describe("the time of a flush", () => {
  const cases: readonly [string, FlushTime | undefined][] = [
    ["0", "now"],
    ["-0", "now"],
    ["00", "now"],
    ["-1", "now"],
    ["-9223372036854775808", "now"],
    ["1", NOW + 1],
    ["+7", NOW + 7],
    ["2592000", NOW + 2592000],
    // Absolute from here on: before the start nothing can have been stored, and nothing is dropped.
    ["2592001", "none"],
    [String(STARTED), "none"],
    [String(STARTED + 1), "now"],
    [String(NOW), "now"],
    [String(NOW + 1), NOW + 1],
    ["4294967295", 4294967295],
    ["4294967296", undefined],
    ["99999999999999999999", undefined],
    ["", undefined],
    ["x", undefined],
    ["1x", undefined],
    ["1.5", undefined],
    ["0x10", undefined],
    ["1e3", undefined],
    ["+", undefined],
    ["--1", undefined],
  ];
  for (const [word, time] of cases) {
    it(`"${word}" is ${time ?? "none"}`, () => assertEquals(parseFlushTime(word, NOW, STARTED), time));
  }
});

describe("a flush between nodes", () => {
  it("is read as it is said", () => {
    for (const time of ["now", "none", 1, NOW, 4294967295] as FlushTime[]) {
      for (const scope of ["node", "partition", "cluster"] as FlushScope[]) {
        const words = encodeFlush(time, scope).trimEnd().split(" ");
        assertEquals(words.splice(0, 2), ["node", "flush"]);
        assertEquals(parseFlush(words), { time, scope });
      }
    }
    assertEquals(parseFlush([]), "query");
    for (const seconds of [0, 1, NOW]) assertEquals(parseFlushPlan(flushPlanLine(seconds)), seconds);
  });

  it("is nothing else", () => {
    for (const line of ["now", "0 node", "-1 node", "4294967296 node", "now node x", "now everywhere", "x node", "1.5 node"]) {
      assertEquals(parseFlush(line.split(" ")), undefined, line);
    }
    for (const line of ["ERROR", "OK", "FLUSH", "FLUSH x", "FLUSH -1", "FLUSH 1 2", "flush 1"]) {
      assertEquals(parseFlushPlan(line), undefined, line);
    }
  });
});
