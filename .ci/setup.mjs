/**
 * Makes a fresh clone ready to run: installs the packages when they are missing or older than the lock file, and
 * builds `dist/` when a source is newer. Needs nothing but npm; does nothing when all is in place.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The top directory of the repository. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Which runtime executes this: `node`, `deno` or `bun`. */
export const runtimeName = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";

/** All files under a directory that end as asked, sorted. */
export function filesUnder(directory, ending) {
  const found = [];
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) found.push(...filesUnder(path, ending));
    else if (entry.name.endsWith(ending)) found.push(path);
  }
  return found.sort();
}

/** Installs and builds what is missing or stale. Ends the process if that fails. */
export function setUp() {
  if (changedMs("node_modules/.package-lock.json") < changedMs("package-lock.json")) {
    console.log("installing packages: npm ci");
    npm("ci", "--no-audit", "--no-fund");
  }
  const sources = ["mod.ts", "package.json", "tsup.config.ts", ...filesUnder("lib", ".ts"), ...filesUnder("cli", ".ts")];
  const builtMs = changedMs("dist/mod.d.ts");
  if (sources.some((source) => changedMs(source) > builtMs)) {
    console.log("building: npm run build");
    npm("run", "build");
  }
}

function changedMs(path) {
  const file = join(root, path);
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}

function npm(...args) {
  const { status, error } = spawnSync("npm", args, { cwd: root, stdio: "inherit" });
  if (status === 0) return;
  console.error(error === undefined ? `npm ${args.join(" ")} failed` : `npm ${args.join(" ")} failed: ${error.message}`);
  process.exit(1);
}
