/**
 * The examples do what they say: each is run on the runtime of the test, ends by itself and prints the text in the comment at
 * its end, where "…" matches what differs from run to run.
 */

import { spawn } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { readRepositoryFile, repositoryFiles, repositoryRoot } from "../support/repository.ts";

const runtimeName = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";
const programArgs = { node: ["--import", "tsx"], deno: ["run", "--allow-all", "--unsafe-proto"], bun: [] }[runtimeName];
const testArgs = {
  node: ["--import", "tsx", "--test"],
  deno: ["test", "--allow-all", "--unsafe-proto", "--no-check"],
  bun: ["test"],
}[runtimeName];

const timeoutMs = 60_000;
const examples = repositoryFiles("examples", ".ts");
const tests = examples.filter((path) => path.endsWith("_test.ts"));

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the runtime of this test with arguments, as a user would in the top directory. */
function run(args: readonly string[]): Promise<Outcome> {
  const environment = Object.entries(process.env).filter(([name]) => !/^(FLARE_|NODE_TEST_CONTEXT$)/.test(name));
  const child = spawn(process.execPath, args, {
    cwd: repositoryRoot,
    env: { ...Object.fromEntries(environment), NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status, stdout, stderr });
    });
  });
}

/** The lines an example promises in its last comment. */
function promisedLines(path: string): string[] {
  const [, comment] = readRepositoryFile(path).split("\n// Prints:\n");
  assert(comment !== undefined, `${path} does not say what it prints`);
  return comment
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^\/\/ /, ""));
}

function matches(line: string | undefined, promised: string): boolean {
  const pattern = promised
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join(".+");
  return line !== undefined && new RegExp(`^${pattern}$`).test(line);
}

describe("examples", () => {
  it("are numbered without a number twice", () => {
    const numbers = examples.map((path) => /^examples\/(\d\d)_/.exec(path)?.[1]);
    assertEquals(numbers.includes(undefined), false);
    assertEquals(new Set(numbers).size, numbers.length);
    assert(tests.length > 0);
  });

  for (const path of examples.filter((each) => !tests.includes(each))) {
    it(`${path} prints what it says`, async () => {
      const promised = promisedLines(path);
      const { status, stdout, stderr } = await run([...programArgs, path]);
      const lines = stdout.trimEnd().split("\n");
      const wrong = promised.filter((line, i) => !matches(lines[i], line));
      assertEquals(wrong, [], `printed:\n${stdout}${stderr}`);
      assertEquals([lines.length, status], [promised.length, 0], `printed:\n${stdout}${stderr}`);
    });
  }

  for (const path of tests) {
    it(`${path} passes as a test`, async () => {
      const { status, stdout, stderr } = await run([...testArgs, `./${path}`]);
      assertEquals(status, 0, stdout + stderr);
      // Node and Bun count the tests, Deno the steps of its one test.
      assertMatch(stdout + stderr, /\b(pass 2|2 pass|2 steps)\b/);
    });
  }
});
