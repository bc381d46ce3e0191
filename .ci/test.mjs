/**
 * The task `test`: runs the tests under Node, Deno and Bun, each as far as it is installed, and says what was left out.
 * Arguments: runtimes (`node`, `deno`, `bun`) and test files or directories; all of both unless given.
 * Where the output goes to a log, what failed is told again at its end.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { failuresIn } from "./failures.mjs";
import { filesUnder, root, runtimeName, setUpDevelopment } from "./setup.mjs";

setUpDevelopment();

const local = (name) => join(root, "node_modules/.bin", name);
const runtimes = {
  node: { program: "node", args: ["--import", "tsx", "--test"] },
  deno: { program: existsSync(local("deno")) ? local("deno") : "deno", args: ["test", "--allow-all", "--no-check"] },
  bun: { program: existsSync(local("bun")) ? local("bun") : "bun", args: ["test", "--timeout", "60000"] },
};

const names = process.argv.slice(2).filter((arg) => Object.hasOwn(runtimes, arg));
const places = process.argv.slice(2).filter((arg) => !Object.hasOwn(runtimes, arg));
const files = filesUnder("tests", ".test.ts").filter(
  (file) => places.length === 0 || places.some((place) => file.startsWith(place)),
);
if (files.length === 0) {
  console.error(`no test file in ${places.join(", ") || "tests"}`);
  process.exit(1);
}

/** Runs a program with its output passed on; `output` is what it said, empty where it writes to the terminal itself. */
async function run(program, args) {
  if (process.stdout.isTTY) return { status: spawnSync(program, args, { cwd: root, stdio: "inherit" }).status, output: "" };
  const env = { ...process.env, NO_COLOR: "1" };
  const child = spawn(program, args, { cwd: root, env, stdio: ["inherit", "pipe", "pipe"] });
  const chunks = [];
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ]) {
    from.pipe(to, { end: false });
    from.on("data", (chunk) => chunks.push(chunk));
  }
  const [status] = await once(child, "close");
  return { status, output: Buffer.concat(chunks).toString() };
}

/** Why a runtime cannot be used; undefined if it can. Deno and Bun pose as `node` where there is none. */
function whyMissing(name) {
  const { program } = runtimes[name];
  const { error } = spawnSync(program, ["--version"]);
  if (error !== undefined) return `cannot be run (${error.code})`;
  if (name !== "node" || runtimeName === "node") return undefined;
  const { stdout } = spawnSync(program, ["-p", "typeof Bun + typeof Deno"], { encoding: "utf8" });
  return stdout.trim() === "undefinedundefined" ? undefined : `is ${runtimeName} in disguise`;
}

const outcomes = [];
const failures = [];
let failed = false;
for (const name of names.length > 0 ? names : Object.keys(runtimes)) {
  const { program, args } = runtimes[name];
  const missing = whyMissing(name);
  if (missing !== undefined) {
    const wanted = names.length > 0 || process.env.CI === "true";
    failed ||= wanted;
    outcomes.push(`${name}: ${wanted ? "FAILED" : "skipped"}, the program "${program}" ${missing}`);
    continue;
  }
  console.log(`\n== ${name}: ${files.length} test files`);
  const paths = files.map((file) => `./${file}`);
  const { status, output } = await run(program, [...args, ...paths]);
  if (status !== 0) {
    failed = true;
    failures.push(...failuresIn(name, output).map((failure) => `== ${name}: what failed\n${failure}`));
  }
  outcomes.push(`${name}: ${status === 0 ? "passed" : "FAILED"}, ${files.length} test files`);
}
if (failures.length > 0) console.log(`\n${failures.join("\n\n")}`);
console.log(`\n${outcomes.join("\n")}`);
process.exit(failed ? 1 : 0);
