/**
 * What the output of a test file says, under each runtime in its own form: what failed, and what was left out.
 * Why a test is left out is known under all three by a line `left out: …`, which `tests/support/skip.ts` prints.
 */

const LINES_MAX = 60;
const FAILURES_MAX = 10;

/** @returns what each failed test said, at most ten of them; the end of the output where none is recognized */
export function failuresIn(runtime, output) {
  const lines = output.split("\n");
  const found = { node: nodeFailures, deno: denoFailures, bun: bunFailures }[runtime](lines);
  if (found.length === 0 && output !== "") found.push(lines.slice(-LINES_MAX).join("\n"));
  return found.slice(0, FAILURES_MAX);
}

/** TAP: `not ok` and what is indented below it. Suites only repeat what their tests said. */
function nodeFailures(lines) {
  const failures = [];
  lines.forEach((line, at) => {
    if (!/^\s*not ok /.test(line)) return;
    const end = lines.indexOf(`${/^\s*/.exec(line)[0]}  ...`, at);
    const block = lines.slice(at, Math.min(end < 0 ? lines.length : end, at + LINES_MAX));
    if (!block.some((text) => text.includes("failureType: 'subtestsFailed'"))) failures.push(block.join("\n"));
  });
  return failures;
}

/** All failures are listed at the end, under the heading ERRORS. */
function denoFailures(lines) {
  const start = lines.findIndex((line) => line.trim() === "ERRORS");
  return start < 0 ? [] : [lines.slice(start, start + FAILURES_MAX * LINES_MAX).join("\n")];
}

/** A test's words come before its `(fail)`; at the end that line comes once more. */
function bunFailures(lines) {
  const seen = new Set();
  const failures = [];
  let passed = -1;
  lines.forEach((line, at) => {
    if (/^\((pass|skip|todo)\) /.test(line)) passed = at;
    const name = /^\(fail\) (.*?)(?: \[[\d.]+m?s\])?$/.exec(line)?.[1];
    if (name === undefined) return;
    if (!seen.has(name)) failures.push(lines.slice(Math.max(passed + 1, at - LINES_MAX), at + 1).join("\n"));
    seen.add(name);
    passed = at;
  });
  return failures;
}

/** The line of a test that is left out, with its name. Bun says nothing of the tests of a suite that is left out. */
const skipLines = {
  node: /^\s*ok \d+ - (.*?) # SKIP\b/,
  deno: /^\s*(.*) \.\.\. ignored \(/,
  bun: /^\(skip\) (.*)$/,
};

/** @returns the tests that were left out, and why, each once; a name without any reason is somebody's mistake */
export function skipsIn(runtime, output) {
  const names = new Set();
  const reasons = new Set();
  for (const line of output.split("\n")) {
    const name = skipLines[runtime].exec(line)?.[1];
    if (name !== undefined) names.add(name);
    const reason = /^(?:# )?left out: (.*)$/.exec(line)?.[1];
    if (reason !== undefined) reasons.add(reason);
  }
  return { names: [...names], reasons: [...reasons] };
}

/** @returns how many tests passed and failed, as the runtime counts them */
export function testsIn(runtime, output) {
  const count = (pattern) => {
    const all = [...output.matchAll(pattern)];
    return all.reduce((sum, [, number, otherwise]) => sum + Number(number ?? otherwise), 0);
  };
  if (runtime === "node") return count(/^# (?:pass|fail) (\d+)$/gm);
  // Deno counts as steps what stands inside a suite.
  if (runtime === "deno") return count(/\| (?:\d+ passed \((\d+) steps?\)|(\d+) passed(?! \())/g);
  return count(/^\s*(\d+) (?:pass|fail)$/gm);
}
