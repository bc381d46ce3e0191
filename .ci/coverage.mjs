/**
 * Which files of `lib` a test runs, as V8 counts calls of functions, under Node. Arguments: test files or directories,
 * all tests unless given. Checks that every test file runs what it says it covers: the file it mirrors
 * (`tests/unit/a/b.test.ts` mirrors `lib/a/b.ts`) and those its head names after "Covers". With `--files` it prints, for
 * each test, every file of `lib` of which it runs something.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { filesUnder, root, setUpDevelopment } from "./setup.mjs";

setUpDevelopment();

/** The part of a file's functions that a test has to call to cover it. */
const FUNCTIONS_MIN = 0.5;
/** Runs under another runtime alone. */
const elsewhere = /^lib\/runtime\/(bun|deno|sockets\/bun_net)\.ts$/;

const places = process.argv.slice(2).filter((arg) => arg !== "--files");
const printsFiles = process.argv.includes("--files");
const tests = filesUnder("tests", ".test.ts").filter(
  (file) => places.length === 0 || places.some((place) => file.startsWith(place)),
);

/** Whether there is more in a file than types and constants. */
function hasCode(file) {
  const text = existsSync(join(root, file)) ? readFileSync(join(root, file), "utf8") : "";
  return /=>.*[{(]|\bfunction\b|^ +(static |async |get |set )*#?\w+\(.*\{$/m.test(text);
}

/** What a test says it covers. */
function claimsOf(test) {
  const head = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(join(root, test), "utf8"))?.[1].replace(/\n \* ?/g, " ") ?? "";
  const claims = head.slice(head.search(/\bCovers\b/)).match(/\blib\/[\w/]+\.ts/g) ?? [];
  const mirrored = test.replace(/^tests\/unit\//, "lib/").replace(/\.test\.ts$/, ".ts");
  return [...new Set([...(existsSync(join(root, mirrored)) ? [mirrored] : []), ...(/\bCovers\b/.test(head) ? claims : [])])];
}

/** Runs a test; the files of `lib` it loads, each with how many functions it has and how many were called. */
async function coverageOf(test) {
  const directory = mkdtempSync(join(tmpdir(), "flare-coverage-"));
  try {
    const env = { ...process.env, NODE_V8_COVERAGE: directory };
    const child = spawn("node", ["--import", "tsx", `./${test}`], { cwd: root, env, stdio: "ignore" });
    const [status] = await once(child, "close");
    if (status !== 0) throw new Error(`${test} failed`);
    const functions = new Map();
    for (const name of readdirSync(directory)) {
      const { result } = JSON.parse(readFileSync(join(directory, name), "utf8"));
      for (const { url, functions: found } of result) {
        const file = url.startsWith("file://") ? decodeURI(url.slice("file://".length)).slice(root.length + 1) : "";
        if (!/^lib\/.*\.ts$/.test(file)) continue;
        const counts = functions.get(file) ?? new Map();
        functions.set(file, counts);
        // The first is the module itself.
        for (const { functionName, ranges } of found.slice(1)) {
          if (functionName === "__name") continue;
          const key = `${functionName} ${ranges[0].startOffset}`;
          counts.set(key, (counts.get(key) ?? 0) + ranges[0].count);
        }
      }
    }
    const summed = [...functions].map(([file, counts]) => {
      const called = [...counts.values()].filter((count) => count > 0).length;
      return [file, { called, of: counts.size }];
    });
    return new Map(summed.sort(([left], [right]) => (left < right ? -1 : 1)));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const waiting = [...tests];
let failed = false;
async function work() {
  for (let test = waiting.shift(); test !== undefined; test = waiting.shift()) {
    const lines = [];
    try {
      const coverage = await coverageOf(test);
      for (const file of claimsOf(test)) {
        if (elsewhere.test(file) || !hasCode(file)) continue;
        const { called, of } = coverage.get(file) ?? { called: 0, of: 1 };
        const covers = coverage.has(file) && called >= of * FUNCTIONS_MIN;
        failed ||= !covers;
        lines.push(`  ${covers ? "covers" : "DOES NOT COVER"} ${file}: ${called} of ${of} functions`);
      }
      if (printsFiles) for (const [file, { called, of }] of coverage) if (called > 0) lines.push(`  ${called}/${of} ${file}`);
    } catch (error) {
      failed = true;
      lines.push(`  ${error.message}`);
    }
    console.log([test, ...lines].join("\n"));
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, work));
process.exit(failed ? 1 : 0);
