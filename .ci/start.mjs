/**
 * The task `start`: sets a fresh clone up and runs `flare up` on the runtime that was asked: Node runs the build, Deno
 * and Bun run the sources.
 */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { root, runtimeName, setUp } from "./setup.mjs";

setUp();
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
  const script = join(root, runtimeName === "node" ? "dist/cli/flare.js" : "cli/flare.ts");
  process.argv = [process.argv[0], script, ...args];
  await import(script);
}
