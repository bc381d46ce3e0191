/** A node alone that acknowledges only what is synced loses nothing when its power fails; the task `sim:power` tries more. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { everyCut, liveWithCut } from "./power_cuts.ts";

describe("power cuts of a node alone", () => {
  it("at every change of its disk lose no acknowledged write", { timeout: 180_000 }, async () => {
    const { cuts, failures } = await everyCut("1", 1);
    assertEquals(failures, []);
    assert(cuts > 200, `${cuts}`);
  });

  it("are the same for the same seed and place, and leave something else with another outcome", async () => {
    const hashOf = async (outcome: number) => (await liveWithCut("1", { changes: 100, outcome })).hash;
    const hash = await hashOf(0);
    assertEquals(await hashOf(0), hash);
    assertNotEquals(await hashOf(1), hash);
  });
});
