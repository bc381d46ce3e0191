/**
 * The task `sim`: runs many seeds of the simulated scenarios and stops at the first that fails.
 * `npm run sim -- [--scenario NAME] [--seed N] [--runs M] [--once] [--trace] [--keep-going]`
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { runOnce, runTwice } from "./run_seed.ts";
import { SCENARIOS } from "./scenarios.ts";

const { values } = parseArgs({
  options: {
    scenario: { type: "string" },
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "1" },
    once: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const scenarios = values.scenario === undefined ? Object.keys(SCENARIOS) : [values.scenario];
  const first = Number(values.seed);
  for (let seed = first; seed < first + Number(values.runs); seed++) {
    for (const scenario of scenarios) await report(scenario, String(seed));
  }
}

async function report(scenario: string, seed: string): Promise<void> {
  const startedMs = performance.now();
  try {
    const outcome =
      values.trace || values.once
        ? await runOnce(scenario, seed, (world) => {
            if (values.trace) world.trace.onLine = (line) => console.log(line);
          })
        : await runTwice(scenario, seed);
    if (outcome.error !== undefined) throw outcome.error;
    const figures = Object.entries(outcome.figures).map(([name, value]) => `${name} ${value}`);
    console.log(
      `${scenario} seed ${seed}: ${outcome.hash} ${figures.join(", ")} (${Math.round(performance.now() - startedMs)} ms)`,
    );
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAILED ${scenario} seed ${seed}: ${(error as Error).message}`);
    if (!values["keep-going"]) process.exit(1);
  }
}

await main();
