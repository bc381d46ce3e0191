/** A few seeds of every simulated scenario, each run twice; the task `sim` runs any number. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { runOnce, runTwice } from "./run_seed.ts";
import { CANARIES, SCENARIOS } from "./scenarios.ts";

const SEEDS = ["1"];

describe("simulated cluster", () => {
  for (const scenario of Object.keys(SCENARIOS)) {
    it(`keeps its promises: ${scenario}`, { timeout: 60_000 }, async () => {
      for (const seed of SEEDS) {
        const { figures } = await runTwice(scenario, seed);
        assert((figures.right ?? 0) > 500, JSON.stringify(figures));
      }
    });
  }

  for (const canary of Object.keys(CANARIES)) {
    it(`finds a planted bug: ${canary}`, { timeout: 60_000 }, async () => {
      const { error } = await runOnce(canary, "1");
      assert(/^replicas differ: "canary"/i.test(error?.message ?? ""), `${error}`);
    });
  }

  it("tells how to run a failed seed again, and what it went through", { timeout: 60_000 }, async () => {
    let message = "";
    await runTwice("failover", "1", (world) => void world.sleep(6000).then(() => world.fail("a failure"))).catch(
      (error: Error) => {
        message = error.message;
      },
    );
    const [first, ...faults] = message.split("\n");
    assertEquals(first, "failover, seed 1: a failure (at 6000 ms)");
    assertEquals(faults.pop(), "to run it again: npm run sim -- --scenario failover --seed 1");
    assert(faults.length > 0 && faults.every((line) => /^ {2}\d+ fault: /.test(line)), message);
  });

  it("takes another course with another seed", { timeout: 60_000 }, async () => {
    assertNotEquals((await runOnce("growth", "1")).hash, (await runOnce("growth", "2")).hash);
  });
});
