/**
 * The task `bench`: runs the micro benchmarks one after another on the runtime that executes this. Arguments: the
 * beginnings of the names to run, all unless given.
 */

import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import { filesUnder, root, runtimeName, setUp } from "./setup.mjs";

setUp();
const runtimeArgs = { node: ["--import", "tsx"], deno: ["run", "--allow-all"], bun: [] }[runtimeName];
const wanted = process.argv.slice(2);
for (const file of filesUnder("bench/micro", ".ts")) {
  if (wanted.length > 0 && !wanted.some((name) => basename(file).startsWith(name))) continue;
  console.log(`\n== ${file} (${runtimeName})`);
  const { status } = spawnSync(process.execPath, [...runtimeArgs, file], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(1);
}
