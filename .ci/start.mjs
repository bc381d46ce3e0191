/**
 * The task `start`: sets a fresh clone up and runs `flare up` on the runtime that was asked: from the sources, or from the
 * build where Node is too old to run these.
 */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { root, runsSources, runtimeName, setUpPrograms } from "./setup.mjs";

setUpPrograms();
const args = ["up", ...process.argv.slice(2)];
const askedByBun = process.env.npm_config_user_agent?.startsWith("bun") ?? false;

if (runtimeName === "node" && askedByBun) {
  const child = spawn(process.env.npm_execpath ?? "bun", [join(root, "cli/flare.ts"), ...args], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`bun cannot be started: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (status) => process.exit(status ?? 1));
} else {
  const script = join(root, runsSources ? "cli/flare.ts" : "dist/cli/flare.js");
  process.argv = [process.argv[0], script, ...args];
  await import(script);
}
