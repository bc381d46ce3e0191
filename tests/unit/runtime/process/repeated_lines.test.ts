/** A fault that repeats: once in ten seconds, with a count, and nothing else is left out. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { RepeatedLines } from "../../../../lib/runtime/process/repeated_lines.ts";

describe("repeated lines", () => {
  it("are written once in ten seconds, the next time with their number", () => {
    const lines = new RepeatedLines();
    const written = Array.from({ length: 26 }, (_, second) => lines.take("disk full", second * 1000)).filter(
      (line) => line !== undefined,
    );
    const again = "disk full (and 9 more since the last such line)";
    assertEquals(written, ["disk full", again, again]);
  });

  it("leave other lines alone", () => {
    const lines = new RepeatedLines();
    const said = Array.from({ length: 50 }, (_, i) => lines.take(`node ${i % 25}`, i));
    assertEquals(said.filter((line) => line !== undefined).length, 25);
  });

  it("are written when the clock was set back", () => {
    const lines = new RepeatedLines();
    assertEquals([lines.take("x", 5000), lines.take("x", 1000)], ["x", "x"]);
  });

  it("do not fill the memory", () => {
    const lines = new RepeatedLines();
    assertEquals(lines.take("first", 0), "first");
    for (let i = 0; i < 100; i++) lines.take(`other ${i}`, 1);
    assertEquals(lines.take("first", 2), "first", "forgotten");
  });
});
