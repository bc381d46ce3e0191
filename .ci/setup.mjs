/**
 * Sets up a fresh clone for one task, and fetches no more than that task needs: packages and a build to run
 * the programs, what tests and checks use besides, and the programs under `.ci/tools` (Deno, Bun, Biome, publint). Packages come
 * by npm, which follows the lock file; on a machine without npm, Deno or Bun fetches them. Does nothing when all is there.
 */

import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The top directory of the repository. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Which runtime executes this: `node`, `deno` or `bun`. */
export const runtimeName = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";

/** The program of the runtime that executes this. Bun poses as `node` where there is none, and then names its own. */
export const runtimeProgram = runtimeName === "bun" ? (process.env.npm_execpath ?? process.execPath) : process.execPath;

/** Tells an npm started here that the package needs no preparing. */
const skipVariable = "FLARE_SKIP_PREPARE";
/** What builds `dist/`. */
const builder = "node_modules/tsup";
/** Where Deno or Bun notes which packages it has installed, as npm does in `.package-lock.json`. */
const noteOfPackages = "node_modules/.flare-packages";
/** Where the tools live: beside the packages, in a place npm does not look at. */
const toolsDirectory = "node_modules/.tools";

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

/** Whether this runtime runs TypeScript as it is: Deno, Bun, and Node since 22.18. */
export const runsSources = runtimeName !== "node" || Boolean(process.features.typescript);

/** What `flare up` needs: what the sources import, or the build and what makes it. */
export function setUpPrograms() {
  const builds = !runsSources && isStale("dist/cli/flare.js");
  installPackages(builds ? "development" : "production");
  if (!builds) return;
  console.log("building the programs");
  runBuilder("--no-dts", "--silent");
}

/** What tests, checks and measurements need: all packages, the whole build, and the tools where npm can fetch them. */
export function setUpDevelopment() {
  installPackages("development");
  if (hasNpm()) installTools();
  if (isStale("dist/mod.d.ts")) {
    console.log("building");
    runBuilder("--silent");
  }
}

/** Builds `dist/`; `args` are tsup's. */
export function runBuilder(...args) {
  const runtimeArgs = runtimeName === "deno" ? ["run", "--allow-all"] : [];
  run(runtimeProgram, [...runtimeArgs, join(root, builder, "dist/cli-default.js"), ...args]);
}

/** Whether what builds is installed. */
export function hasBuilder() {
  return existsSync(join(root, builder));
}

/** Whether npm can be run. */
export function hasNpm() {
  return spawnSync("npm", ["--version"]).status === 0;
}

/**
 * Runs a program in the repository, or in a directory of it. Ends the process if that fails.
 * @param options `prepare`: whether a nested npm should prepare this package, too; default true
 */
export function run(program, args, { directory = "", prepare = true } = {}) {
  const env = prepare ? process.env : { ...process.env, [skipVariable]: "1" };
  const { status, error } = spawnSync(program, args, { cwd: join(root, directory), stdio: "inherit", env });
  if (status === 0) return;
  const reason = error === undefined ? "" : `: ${error.message}`;
  console.error(`${[program, ...args].join(" ")} failed${reason}`);
  process.exit(1);
}

/** Whether this runs inside an installation that wants nothing prepared. */
export function skipPrepare() {
  return process.env[skipVariable] !== undefined;
}

function installPackages(wanted) {
  const isInstalled =
    changedMs("node_modules/.package-lock.json") >= changedMs("package-lock.json")
      ? wanted === "production" || hasBuilder()
      : changedMs(noteOfPackages) >= changedMs("package-lock.json") &&
        [wanted, "development"].includes(readFileSync(join(root, noteOfPackages), "utf8"));
  if (isInstalled) return;
  if (hasNpm()) {
    const args = ["ci", wanted === "production" ? "--omit=dev" : "--include=dev"];
    console.log(`installing packages: npm ${args.join(" ")}`);
    // What is built afterwards is for the caller to say.
    run("npm", args, { prepare: false });
    return;
  }
  const installers = {
    deno: { production: ["install", "--quiet", "--entrypoint", "cli/flare.ts"], development: ["install", "--quiet"] },
    bun: {
      production: ["install", "--no-save", "--ignore-scripts", "--production"],
      development: ["install", "--no-save", "--ignore-scripts"],
    },
  };
  const args = installers[runtimeName]?.[wanted];
  if (args === undefined) {
    console.error("npm cannot be run: install it, or start this by Deno or Bun");
    process.exit(1);
  }
  console.log(`installing packages: ${runtimeName} ${args.join(" ")}`);
  run(runtimeProgram, args);
  writeFileSync(join(root, noteOfPackages), wanted);
}

/** Installs what `.ci/tools` lists and makes its programs appear among those of the packages. */
function installTools() {
  if (changedMs(`${toolsDirectory}/node_modules/.package-lock.json`) < changedMs(".ci/tools/package-lock.json")) {
    console.log("installing Deno, Bun and Biome for tests and checks: npm ci");
    mkdirSync(join(root, toolsDirectory), { recursive: true });
    for (const name of readdirSync(join(root, ".ci/tools"))) {
      copyFileSync(join(root, ".ci/tools", name), join(root, toolsDirectory, name));
    }
    run("npm", ["ci"], { directory: toolsDirectory });
  }
  for (const name of readdirSync(join(root, toolsDirectory, "node_modules/.bin"))) {
    const link = join(root, "node_modules/.bin", name);
    if (existsSync(link)) continue;
    rmSync(link, { force: true });
    symlinkSync(`../.tools/node_modules/.bin/${name}`, link);
  }
}

function isStale(product) {
  const sources = [
    "mod.ts",
    "testing.ts",
    "package.json",
    "tsup.config.ts",
    ...filesUnder("lib", ".ts"),
    ...filesUnder("cli", ".ts"),
  ];
  const builtMs = changedMs(product);
  return sources.some((source) => changedMs(source) > builtMs);
}

function changedMs(path) {
  const file = join(root, path);
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}
