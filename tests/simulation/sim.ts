/**
 * The task `sim`: runs many seeds of the simulated scenarios and stops at the first that fails. One run prints what it found,
 * several end with a summary. `--scenario sync` runs all that begin with `sync-`. `--minutes M` runs seeds that nobody has
 * tried before, each once, for as long as that, and prints only the summary.
 * `npm run sim -- [--scenario NAME] [--seed N] [--runs M | --minutes M] [--once] [--trace] [--keep-going]`
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { FindingKind } from "../../lib/testing/judge.ts";
import type { SimWorld } from "../../lib/testing/sim_world.ts";
import { failed, type Outcome, runOnce, runTwice } from "./run_seed.ts";
import { SCENARIOS } from "./scenarios.ts";

const { values } = parseArgs({
  options: {
    scenario: { type: "string" },
    seed: { type: "string" },
    runs: { type: "string" },
    minutes: { type: "string" },
    once: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
  },
});

/** What the runs of a scenario had in common. */
interface Summary {
  runs: number;
  operations: number;
  keys: number;
  undecided: number;
  /** Seeds that showed it. */
  readonly findings: Map<string, string[]>;
}

const summaries = new Map<string, Summary>();
const isTimed = values.minutes !== undefined;

async function main(): Promise<void> {
  const { scenario: wanted } = values;
  const all = Object.keys(SCENARIOS);
  const scenarios = all.filter((name) => wanted === undefined || name === wanted || name.startsWith(`${wanted}-`));
  if (scenarios.length === 0) throw new Error(`no scenario "${wanted}"; there are ${all.join(", ")}`);
  const first = Number(values.seed ?? (isTimed ? crypto.getRandomValues(new Uint32Array(1))[0] : 1));
  const endMs = isTimed ? performance.now() + Number(values.minutes) * 60_000 : Number.POSITIVE_INFINITY;
  const runs = isTimed ? Number.POSITIVE_INFINITY : Number(values.runs ?? 1);
  for (let seed = first; seed < first + runs; seed++) {
    for (const scenario of scenarios) {
      if (performance.now() >= endMs) return printAll(seed - first);
      await report(scenario, String(seed));
    }
  }
  if (runs > 1) printAll(runs);
}

/** The world of the run under way. */
let current: SimWorld | undefined;

function prepare(world: SimWorld): void {
  current = world;
  if (values.trace) world.trace.onLine = (line) => console.log(line);
}

process.on("unhandledRejection", (error) => {
  current?.fail(`an error that nobody handles: ${(error as Error).stack}`);
});

async function report(scenario: string, seed: string): Promise<void> {
  const startedMs = performance.now();
  try {
    const outcome =
      values.trace || values.once || isTimed ? await runOnce(scenario, seed, prepare) : await runTwice(scenario, seed, prepare);
    if (outcome.error !== undefined) throw failed(scenario, seed, outcome, outcome.error.message);
    add(scenario, seed, outcome);
    if (isTimed) return;
    const figures = Object.entries(outcome.figures).filter(([name, value]) => value !== 0 || !Object.hasOwn(FindingKind, name));
    const shown = figures.map(([name, value]) => `${name} ${value}`).join(", ");
    console.log(`${scenario} seed ${seed}: ${outcome.hash} ${shown} (${Math.round(performance.now() - startedMs)} ms)`);
    if (values.runs === undefined)
      for (const { kind, explanation } of outcome.findings) console.log(`found ${kind}: ${explanation}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAILED ${scenario} seed ${seed}: ${(error as Error).message}`);
    if (!values["keep-going"]) process.exit(1);
  }
}

function add(scenario: string, seed: string, { figures, findings }: Outcome): void {
  const summary = summaries.get(scenario) ?? { runs: 0, operations: 0, keys: 0, undecided: 0, findings: new Map() };
  summaries.set(scenario, summary);
  summary.runs++;
  summary.operations += figures.operations ?? 0;
  summary.keys += figures.keys ?? 0;
  summary.undecided += figures.undecided ?? 0;
  for (const kind of new Set(findings.map((finding) => finding.kind))) {
    summary.findings.set(kind, [...(summary.findings.get(kind) ?? []), seed]);
  }
}

/** @param rounds of all scenarios that are complete */
function printAll(rounds: number): void {
  for (const [scenario, summary] of summaries) print(scenario, summary);
  const runs = [...summaries.values()].reduce((sum, each) => sum + each.runs, 0);
  console.log(`${runs} runs, at least ${rounds} of each scenario`);
}

function print(scenario: string, { runs, operations, keys, undecided, findings }: Summary): void {
  const found = [...findings].map(([kind, seeds]) => `${kind} in ${seeds.length} (first seed ${seeds[0]})`).sort();
  const work = `${runs} runs, ${operations} operations, ${keys} keys, ${undecided} undecided`;
  console.log(`${scenario}: ${work}: ${found.join(", ") || "nothing found"}`);
}

await main();
