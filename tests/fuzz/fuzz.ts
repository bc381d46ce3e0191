/**
 * The task `fuzz`: tries the parsers and whole sessions with made-up and damaged bytes. Arguments: `--seconds S` in all
 * (default 60), `--target NAME` (default all, which share the time), `--seed N` (default a fresh one, which is printed).
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { fuzz, runCorpus } from "./fuzz_runner.ts";
import { TARGETS } from "./targets.ts";

const MIB = 1048576;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    target: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1000000) },
  },
});

const targets = TARGETS.filter(({ name }) => values.target === undefined || name === values.target);
if (targets.length === 0 || !(Number(values.seconds) > 0)) {
  console.error(`targets are ${TARGETS.map(({ name }) => name).join(", ")}; seconds are a number above 0`);
  process.exit(2);
}

console.log(`seed ${values.seed}, ${values.seconds} s for ${targets.length} target(s)`);
for (const target of targets) {
  const kept = await runCorpus(target);
  const report = await fuzz(target, values.seed, { seconds: Number(values.seconds) / targets.length });
  const { executions, seconds, met, settledBytes, finalBytes, failure } = report;
  const mebibytes = (bytes: number | undefined): string => (bytes === undefined ? "?" : (bytes / MIB).toFixed(1));
  console.log(
    `${target.name}: ${kept} kept inputs, ${executions} executions in ${seconds.toFixed(1)} s, ${met} different things met, ` +
      `memory ${mebibytes(settledBytes)} to ${mebibytes(finalBytes)} MiB`,
  );
  if (failure !== undefined) {
    console.log(`FAILED ${failure}`);
    process.exitCode = 1;
  }
}
process.exit();
