/**
 * The task `sim:power`: cuts a node's power at every change of its disk, with several outcomes each.
 * `npm run sim:power -- [--seed N] [--runs M] [--outcomes K] [--at CHANGES]`
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { everyCut, liveWithCut } from "./power_cuts.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "1" },
    outcomes: { type: "string", default: "3" },
    at: { type: "string" },
  },
});

const first = Number(values.seed);
const outcomes = Number(values.outcomes);
for (let seed = first; seed < first + Number(values.runs); seed++) {
  const startedMs = performance.now();
  if (values.at === undefined) {
    const { cuts, failures } = await everyCut(String(seed), outcomes);
    for (const failure of failures) console.log(`FAILED ${failure}`);
    if (failures.length > 0) process.exitCode = 1;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    console.log(`seed ${seed}: ${cuts} power cuts, ${failures.length} failed (${seconds} s)`);
    continue;
  }
  for (let outcome = 0; outcome < outcomes; outcome++) {
    const life = await liveWithCut(String(seed), { changes: Number(values.at), outcome });
    const where = life.cutAt === undefined ? "never failed" : `failed before "${life.cutAt}"`;
    console.log(`seed ${seed}, outcome ${outcome}: the power ${where}, nothing was lost`);
  }
}
