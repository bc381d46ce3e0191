/**
 * The task `test`: runs the tests under Node, Deno and Bun, each as far as it is installed, and says what was left out.
 * Arguments: runtimes (`node`, `deno`, `bun`) and test files or directories; all of both unless given.
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { filesUnder, root, setUp } from "./setup.mjs";

setUp();

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

const outcomes = [];
let failed = false;
for (const name of names.length > 0 ? names : Object.keys(runtimes)) {
  const { program, args } = runtimes[name];
  const { error: missing } = spawnSync(program, ["--version"]);
  if (missing !== undefined) {
    const wanted = names.length > 0 || process.env.CI === "true";
    failed ||= wanted;
    outcomes.push(`${name}: ${wanted ? "FAILED" : "skipped"}, the program "${program}" cannot be run (${missing.code})`);
    continue;
  }
  console.log(`\n== ${name}: ${files.length} test files`);
  const paths = files.map((file) => `./${file}`);
  const { status } = spawnSync(program, [...args, ...paths], { cwd: root, stdio: "inherit" });
  failed ||= status !== 0;
  outcomes.push(`${name}: ${status === 0 ? "passed" : "FAILED"}, ${files.length} test files`);
}
console.log(`\n${outcomes.join("\n")}`);
process.exit(failed ? 1 : 0);
