/**
 * The task `bench`: runs the micro benchmarks one after another on the runtime that executes this, then the load
 * measurements of the whole server. Arguments: the beginnings of the names to run (`load` for the load measurements), all
 * unless given; what follows `--` goes to the load measurements.
 */

import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import { filesUnder, root, runtimeName, runtimeProgram, setUpDevelopment } from "./setup.mjs";

setUpDevelopment();
const runtimeArgs = { node: ["--import", "tsx"], deno: ["run", "--allow-all"], bun: [] }[runtimeName];
const args = process.argv.slice(2);
const dashes = args.indexOf("--");
const wanted = dashes < 0 ? args : args.slice(0, dashes);
const loadArgs = dashes < 0 ? [] : args.slice(dashes + 1);

const runs = [...filesUnder("bench/micro", ".ts").map((file) => [file]), ["bench/load/load.ts", ...loadArgs]];
for (const [file, ...more] of runs) {
  if (wanted.length > 0 && !wanted.some((name) => basename(file).startsWith(name))) continue;
  console.log(`\n== ${file} (${runtimeName})`);
  const { status } = spawnSync(runtimeProgram, [...runtimeArgs, file, ...more], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(1);
}
