/** Which replicated writes ask for a reply. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { NoreplyWindow } from "../../../lib/replication/noreply_window.ts";

describe("noreply window", () => {
  it("lets as many writes pass as its limit, asks once, and restarts", () => {
    const window = new NoreplyWindow();
    const connection = {};
    const passed = Array.from({ length: 9 }, () => window.passes(connection, 3));
    assertEquals(passed, [true, true, true, false, true, true, true, false, true]);
  });

  it("counts each connection by itself", () => {
    const window = new NoreplyWindow();
    const [left, right] = [{}, {}];
    assertEquals([window.passes(left, 1), window.passes(right, 1)], [true, true]);
    assertEquals([window.passes(left, 1), window.passes(right, 1)], [false, false]);
  });

  it("always asks without a limit", () => {
    const window = new NoreplyWindow();
    assertEquals([window.passes(window, 0), window.passes(window, 0)], [false, false]);
  });
});
