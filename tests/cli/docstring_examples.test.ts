/**
 * The examples in docstrings do what they say: each is run against the sources, and prints what stands in the comments behind
 * its calls of `console.log`.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import { assert, assertEquals } from "@std/assert";
import { readRepositoryFile, repositoryFiles, repositoryRoot } from "../support/repository.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

interface Example {
  readonly path: string;
  readonly code: string;
}

/** The blocks of code in the docstrings of a file. */
function examplesIn(path: string): Example[] {
  const blocks = readRepositoryFile(path).matchAll(/^ *\* ```ts\n((?: *\*.*\n)*?) *\* ```$/gm);
  return [...blocks].map(([, lines = ""]) => ({ path, code: lines.replace(/^ *\* ?/gm, "") }));
}

/** What each call of `console.log` promises to print; undefined = it does not say. */
function promised(code: string): (string | undefined)[] {
  const calls = code.split("\n").filter((line) => line.includes("console.log("));
  return calls.map((line) => / \/\/ (.*)$/.exec(line)?.[1]);
}

/** Runs a program in this process; gives the lines it prints. */
async function linesOf(code: string): Promise<string[]> {
  const lines: string[] = [];
  const { log } = console;
  await withTemporaryDirectory(async (directory) => {
    const file = join(directory, "example.mts");
    const url = (path: string): string => JSON.stringify(pathToFileURL(`${repositoryRoot}${path}`).href);
    writeFileSync(file, code.replaceAll('"flare-kv"', url("mod.ts")).replaceAll('"flare-kv/testing"', url("testing.ts")));
    console.log = (...words: unknown[]) => void lines.push(format(...words));
    try {
      await import(pathToFileURL(file).href);
    } finally {
      console.log = log;
    }
  });
  return lines;
}

describe("the examples in docstrings", () => {
  const examples = ["mod.ts", "testing.ts", ...repositoryFiles("lib", ".ts")].flatMap(examplesIn);

  it("are there for every way into the library", () => {
    const all = examples.map(({ code }) => code).join("");
    const starts = ["startCluster(", "startNodeServer(", "startIndexServer("];
    for (const entry of [
      ...starts,
      "new Client(",
      "new ClusterAdmin(",
      "FlareError",
      "detectRuntime(",
      ".scan(",
      "startFailingCluster(",
    ]) {
      assert(all.includes(entry), entry);
    }
  });

  for (const [number, { path, code }] of examples.entries()) {
    it(`prints what it says: ${path}, example ${number + 1}`, async () => {
      const expected = promised(code);
      assert(expected.length > 0, "it prints nothing");
      const lines = await linesOf(code);
      assertEquals(
        lines.map((line, call) => (expected[call] === undefined ? undefined : line)),
        expected,
      );
    });
  }
});
