/**
 * A seed of every simulated scenario, some twice to see that runs can be repeated; and that what replication owes nobody is
 * found. The task `sim` runs any number.
 *
 * Covers lib/testing/checks.ts, lib/testing/fault_kinds.ts, lib/testing/faults.ts, lib/testing/operator.ts,
 * lib/testing/sim_client.ts, lib/testing/sim_cluster.ts, lib/testing/sim_coordinator.ts, lib/testing/sim_engine.ts,
 * lib/testing/sim_host.ts, lib/testing/sim_process.ts, lib/testing/sim_random.ts, lib/testing/sim_trace.ts,
 * lib/testing/sim_world.ts and lib/testing/workload.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertGreater, assertMatch, assertNotEquals, fail } from "@std/assert";
import { FindingKind } from "../../lib/testing/judge.ts";
import { type Outcome, runOnce, runTwice } from "./run_seed.ts";
import { CANARIES, MIXTURES, ONE_FAULT } from "./scenarios.ts";

const SEED = "1";
const REPEATED = ["growth", "chaos"];
/** A late read of asynchronous replication must be found within this number of seeds. */
const SEEDS_MAX = 60;

describe("simulated cluster", () => {
  for (const scenario of Object.keys(MIXTURES)) {
    it(`keeps its promises: ${scenario}`, { timeout: 120_000 }, async () => {
      const run = REPEATED.includes(scenario) ? runTwice : runOnce;
      assertWorked(await run(scenario, SEED));
    });
  }

  for (const scenario of Object.keys(ONE_FAULT)) {
    it(`is clean: ${scenario}`, { timeout: 120_000 }, async () => assertWorked(await runOnce(scenario, SEED)));
  }

  it("finds late reads where replication is asynchronous", { timeout: 240_000 }, async () => {
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      const { findings } = await runOnce("lateSlaves", String(seed));
      if (findings.some(({ kind }) => kind === FindingKind.staleRead)) return;
    }
    fail(`none in ${SEEDS_MAX} seeds`);
  });

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
    assertMatch(
      faults.pop() ?? "",
      /^to run it again: (npm run sim --|deno task sim|bun \S+sim\.ts) --scenario failover --seed 1$/,
    );
    assert(faults.length > 0 && faults.every((line) => /^ {2}\d+ fault: /.test(line)), message);
  });

  it("takes another course with another seed", { timeout: 60_000 }, async () => {
    assertNotEquals((await runOnce("growth", "1")).hash, (await runOnce("growth", "2")).hash);
  });
});

/** A run that fails, does no work or has histories that could not be checked proves nothing. */
function assertWorked({ error, figures }: Outcome): void {
  if (error !== undefined) throw error;
  assertGreater(figures.operations, 200);
  assertEquals(figures.undecided, 0);
}
