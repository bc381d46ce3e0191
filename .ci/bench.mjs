/**
 * The task `bench`: runs the micro benchmarks one after another on the runtime that executes this, then the load
 * measurements of the whole server. Arguments: the beginnings of the names to run (`load` for the load measurements), all
 * unless given; the first option and what follows it go to the load measurements, with or without a `--` before it, which npm
 * takes away.
 */

import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import { filesUnder, root, runtimeName, runtimeProgram, setUpDevelopment } from "./setup.mjs";

setUpDevelopment();
const runtimeArgs = { node: ["--import", "tsx"], deno: ["run", "--allow-all"], bun: [] }[runtimeName];
const args = process.argv.slice(2);
const options = args.findIndex((arg) => arg.startsWith("--"));
const wanted = options < 0 ? args : args.slice(0, options);
const loadArgs = options < 0 ? [] : args.slice(options).filter((arg) => arg !== "--");

const runs = [...filesUnder("bench/micro", ".ts").map((file) => [file]), ["bench/load/load.ts", ...loadArgs]];
for (const [file, ...more] of runs) {
  if (wanted.length > 0 && !wanted.some((name) => basename(file).startsWith(name))) continue;
  console.log(`\n== ${file} (${runtimeName})`);
  const { status } = spawnSync(runtimeProgram, [...runtimeArgs, file, ...more], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(1);
}
