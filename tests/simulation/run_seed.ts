/**
 * Runs a scenario with a seed, twice, and reports the outcome: the counts, or the failure with everything needed to reproduce
 * it.
 */

import type { Finding } from "../../lib/testing/judge.ts";
import { SimWorld } from "../../lib/testing/sim_world.ts";
import { CANARIES, RUN_MS_MAX, type Run, type RunFigures, SCENARIOS } from "./scenarios.ts";

/** The task `sim` under this runtime: under another one a seed may take another course. */
const SIM_TASK =
  "Bun" in globalThis ? "bun tests/simulation/sim.ts" : "Deno" in globalThis ? "deno task sim" : "npm run sim --";

/** How one run ended. */
export interface Outcome {
  readonly hash: string;
  readonly figures: RunFigures;
  readonly findings: readonly Finding[];
  readonly error: Error | undefined;
  /** The newest lines of the trace. */
  readonly tail: readonly string[];
}

/** Runs a scenario once. `prepare` may change the world before anything happens. */
export async function runOnce(
  scenario: string,
  seed: string,
  prepare: (world: SimWorld) => void = () => undefined,
): Promise<Outcome> {
  const start = SCENARIOS[scenario] ?? CANARIES[scenario];
  if (start === undefined) throw new Error(`no scenario "${scenario}"`);
  const world = new SimWorld(`${scenario} ${seed}`);
  prepare(world);
  let run: Run | undefined;
  let error: Error | undefined;
  try {
    run = await world.drive(start(world), RUN_MS_MAX);
  } catch (fault) {
    error = fault as Error;
  }
  const figures = { ...run?.figures, virtualSeconds: Math.round(world.nowMs / 1000), events: world.trace.count };
  return { hash: world.trace.hash, figures, findings: run?.findings ?? [], error, tail: world.trace.tail };
}

/**
 * Runs a scenario twice. @throws Error that tells how to run it again, if it fails or the two runs differ
 */
export async function runTwice(scenario: string, seed: string, prepare?: (world: SimWorld) => void): Promise<Outcome> {
  const first = await runOnce(scenario, seed, prepare);
  if (first.error !== undefined) throw failed(scenario, seed, first, first.error.message);
  const second = await runOnce(scenario, seed, prepare);
  if (second.hash !== first.hash) throw failed(scenario, seed, second, `two runs differ: ${first.hash} and ${second.hash}`);
  return first;
}

/** Tells how to run a failed seed again, and what it went through. */
export function failed(scenario: string, seed: string, outcome: Outcome, message: string): Error {
  const faults = outcome.tail.filter((line) => line.includes(" fault: "));
  const again = `${SIM_TASK} --scenario ${scenario} --seed ${seed}`;
  return new Error(
    `${scenario}, seed ${seed}: ${message}\n${faults.map((line) => `  ${line}`).join("\n")}\nto run it again: ${again}`,
  );
}
