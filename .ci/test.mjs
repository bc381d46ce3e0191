/**
 * The task `test`: runs the tests under Node, Deno and Bun, each as far as it is installed, every test file in a process of
 * its own. Arguments: runtimes (`node`, `deno`, `bun`) and test files or directories, all of both unless given; and
 * `--jobs=N`, how many files run at a time (one more than there are cores, because they wait a lot, at most four). Of those
 * that run whole clusters as programs, two at a time run; a file whose head says "Runs alone" has the machine for itself.
 * A file that passes is one line; of one that fails, everything is printed. A file with whole clusters that failed while
 * others ran beside it runs a second time, alone: what it finds then counts. The end lists, for each runtime, what was skipped
 * and why, the slowest files, what passed only the second time, and what failed.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { filesUnder, root, runtimeName, setUpDevelopment } from "./setup.mjs";
import { failuresIn, skipsIn, testsIn } from "./test_output.mjs";

setUpDevelopment();

const JOBS_MAX = 4;
/** Files with whole clusters of programs that run at a time. */
const HEAVY_MAX = 2;
const SLOWEST = 10;
const FAILURES_MAX = 20;
/** A file that takes longer hangs. */
const FILE_MS_MAX = 600_000;

const local = (name) => join(root, "node_modules/.bin", name);
const runtimes = {
  node: { program: "node", args: ["--import", "tsx", "--test-reporter=tap"] },
  deno: { program: existsSync(local("deno")) ? local("deno") : "deno", args: ["test", "--allow-all", "--no-check"] },
  bun: { program: existsSync(local("bun")) ? local("bun") : "bun", args: ["test", "--timeout", "60000"] },
};

const args = process.argv.slice(2);
const names = args.filter((arg) => Object.hasOwn(runtimes, arg));
const jobsGiven = args.find((arg) => arg.startsWith("--jobs="));
const jobs = Number(jobsGiven?.slice("--jobs=".length) ?? Math.min(availableParallelism() + 1, JOBS_MAX));
const places = args.filter((arg) => !Object.hasOwn(runtimes, arg) && arg !== jobsGiven);
const files = filesUnder("tests", ".test.ts").filter(
  (file) => places.length === 0 || places.some((place) => file.startsWith(place)),
);
if (files.length === 0 || !(jobs >= 1)) {
  console.error(jobs >= 1 ? `no test file in ${places.join(", ") || "tests"}` : `${jobsGiven}: a number from 1 is needed`);
  process.exit(1);
}

/** Files that measure how long something takes: nothing may run beside them. */
const alone = files.filter((file) => /^\/\*\*(?:(?!\*\/)[\s\S])*\bRuns alone\b/.test(readFileSync(join(root, file), "utf8")));
const together = files.filter((file) => !alone.includes(file));
const isHeavy = (file) => /^tests\/(cli|clients|cluster)\//.test(file);

/** Why a runtime cannot be used; undefined if it can. Deno and Bun pose as `node` where there is none. */
function whyMissing(name) {
  const { program } = runtimes[name];
  const { error } = spawnSync(program, ["--version"]);
  if (error !== undefined) return `cannot be run (${error.code})`;
  if (name !== "node" || runtimeName === "node") return undefined;
  const { stdout } = spawnSync(program, ["-p", "typeof Bun + typeof Deno"], { encoding: "utf8" });
  return stdout.trim() === "undefinedundefined" ? undefined : `is ${runtimeName} in disguise`;
}

/** Runs one file and says how it went. */
async function runFile(name, file) {
  const startMs = performance.now();
  const { program, args } = runtimes[name];
  const env = { ...process.env, NO_COLOR: "1" };
  const child = spawn(program, [...args, `./${file}`], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      chunks.push(chunk);
      if (files.length === 1) process.stdout.write(chunk);
    });
  }
  let hangs = false;
  const timer = setTimeout(() => {
    hangs = true;
    child.kill("SIGKILL");
  }, FILE_MS_MAX);
  const [status] = await once(child, "close");
  clearTimeout(timer);
  const output = Buffer.concat(chunks).toString();
  const skips = skipsIn(name, output);
  const problem = hangs
    ? `it did not end in ${FILE_MS_MAX / 1000} s`
    : status !== 0
      ? "a test failed"
      : skips.names.length > 0 && skips.reasons.length === 0
        ? `it leaves out "${skips.names[0]}" without saying why`
        : undefined;
  const seconds = (performance.now() - startMs) / 1000;
  const tests = testsIn(name, output);
  console.log(`${problem === undefined ? "ok" : "FAILED"} ${file}: ${tests} tests, ${seconds.toFixed(1)} s`);
  if (problem !== undefined && files.length > 1) console.log(output);
  return { file, problem, output, skips, seconds, tests };
}

/** Runs all files under a runtime: some at a time, then those that want to be alone. */
async function runFiles(name) {
  const results = [];
  const waiting = [...together];
  let heavy = 0;
  const work = async () => {
    for (;;) {
      const at = waiting.findIndex((file) => heavy < HEAVY_MAX || !isHeavy(file));
      if (at < 0) return;
      const [file] = waiting.splice(at, 1);
      if (isHeavy(file)) heavy++;
      results.push(await runFile(name, file));
      if (isHeavy(file)) heavy--;
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  for (const file of alone) results.push(await runFile(name, file));
  for (const [i, first] of results.entries()) {
    if (first.problem === undefined || !isHeavy(first.file) || files.length === 1) continue;
    const second = await runFile(name, first.file);
    if (second.problem === undefined) results[i] = { ...second, first };
  }
  return results;
}

/** What the end says of a runtime besides failures. */
function summary(name, results) {
  const lines = [`== ${name}: left out`];
  for (const { file, skips } of results) {
    if (skips.reasons.length === 0 && skips.names.length === 0) continue;
    lines.push(`${file}: ${skips.reasons.join("; ") || "no reason given"}`, ...skips.names.map((test) => `    ${test}`));
  }
  if (lines.length === 1) lines.push("nothing");
  lines.push(`== ${name}: the slowest files`);
  const slowest = [...results].sort((left, right) => right.seconds - left.seconds).slice(0, SLOWEST);
  for (const { file, seconds } of slowest) lines.push(`${seconds.toFixed(1).padStart(6)} s  ${file}`);
  return lines.join("\n");
}

const outcomes = [];
const summaries = [];
const failures = [];
const unsteady = [];
let failed = false;
let filesPassed = 0;
let filesFailed = 0;
for (const name of names.length > 0 ? names : Object.keys(runtimes)) {
  const missing = whyMissing(name);
  if (missing !== undefined) {
    const wanted = names.length > 0 || process.env.CI === "true";
    failed ||= wanted;
    outcomes.push(`${name}: ${wanted ? "FAILED" : "skipped"}, the program "${runtimes[name].program}" ${missing}`);
    continue;
  }
  console.log(`\n== ${name}: ${files.length} test files, ${jobs} at a time, ${alone.length} of them alone`);
  const startMs = performance.now();
  const results = await runFiles(name);
  const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
  const bad = results.filter(({ problem }) => problem !== undefined);
  failed ||= bad.length > 0;
  filesPassed += results.length - bad.length;
  filesFailed += bad.length;
  const report = ({ file, problem, output }) => `== ${name}: ${file}: ${problem}\n${failuresIn(name, output).join("\n\n")}`;
  failures.push(...bad.map(report));
  for (const { first } of results) if (first !== undefined) unsteady.push(`${report(first)}\n    (passed when it ran alone)`);
  summaries.push(summary(name, results));
  const tests = results.reduce((sum, each) => sum + each.tests, 0);
  const how = bad.length === 0 ? "passed" : `FAILED in ${bad.length} files`;
  outcomes.push(`${name}: ${how}, ${files.length} test files, ${tests} tests, ${minutes} minutes`);
}
console.log(`\n${summaries.join("\n")}`);
if (unsteady.length > 0) console.log(`\nTO BE LOOKED INTO: passed only the second time\n${unsteady.join("\n\n")}`);
if (failures.length > 0) console.log(`\n${failures.slice(0, FAILURES_MAX).join("\n\n")}`);
console.log(`\n${outcomes.join("\n")}\nfiles: ${filesPassed} passed, ${filesFailed} failed`);
process.exit(failed ? 1 : 0);
