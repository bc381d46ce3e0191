/**
 * Every file of the library has a test that can be found: `tests/unit/a/b.test.ts` for `lib/a/b.ts`, or a test whose head
 * names it behind "Covers". What is named exists, and the test gets there by its imports; whether it runs what is in
 * there, `node .ci/coverage.mjs TEST` counts. A file without a function needs no test. What tests stand on is in an index.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { readRepositoryFile, repositoryFiles } from "../support/repository.ts";
import { sourceFacts } from "./source_facts.ts";

/** Without what browsers run: `tests/tidy/page.test.ts` and the tests that drive one are for that. */
const library = repositoryFiles("lib", ".ts").filter((path) => !path.startsWith("lib/web/browser/"));
const facts = new Map(
  ["lib", "cli", "tests", "bench", "mod.ts", "testing.ts"]
    .flatMap((place) => (place.endsWith(".ts") ? [place] : repositoryFiles(place, ".ts")))
    .map((path) => [path, sourceFacts(path, readRepositoryFile(path))]),
);
const tests = [...facts.keys()].filter((path) => path.endsWith(".test.ts"));

/** What the head of a test names behind "Covers". */
function namedBy(test: string): string[] {
  const head = /^\/\*\*([\s\S]*?)\*\//.exec(readRepositoryFile(test))?.[1] ?? "";
  const [, named = ""] = head.split(/\bCovers\b/);
  return named.match(/\blib\/[\w/]+\.ts/g) ?? [];
}

/** The file that a unit test mirrors. */
function mirroredBy(test: string): string[] {
  const file = test.replace(/^tests\/unit\//, "lib/").replace(/\.test\.ts$/, ".ts");
  return library.includes(file) ? [file] : [];
}

/** All files that a file imports, and those they import. */
function reachedFrom(start: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const waiting = [start];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const specifier of facts.get(path)?.imports ?? []) {
      if (!specifier.startsWith(".")) continue;
      const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
      if (reached.has(target)) continue;
      reached.add(target);
      waiting.push(target);
    }
  }
  return reached;
}

describe("tests", () => {
  it("cover every file of the library, by name", () => {
    const covered = new Set(tests.flatMap((test) => [...mirroredBy(test), ...namedBy(test)]));
    const lacking = library.filter((path) => facts.get(path)?.hasCode === true && !covered.has(path));
    const hint = 'write tests/unit/….test.ts for each, or name it in the head of the test that covers it ("Covers lib/….ts.")';
    assertEquals(lacking, [], hint);
    assert(library.length > 0);
  });

  it("stand on files that the index of tests/support has, each of them", () => {
    const index = readRepositoryFile("tests/support/README.md");
    const lacking = repositoryFiles("tests/support", ".ts").filter(
      (path) => !index.includes(`(${path.slice("tests/support/".length)})`),
    );
    assertEquals(lacking, [], "tests/support/README.md says what each file is for");
  });

  it("name files that exist and that they import, directly or not", () => {
    const wrong: string[] = [];
    for (const test of tests) {
      const reached = reachedFrom(test);
      for (const path of [...namedBy(test), ...mirroredBy(test)]) {
        if (!library.includes(path)) wrong.push(`${test} names ${path}, which does not exist`);
        else if (!reached.has(path)) wrong.push(`${test} does not import ${path}, nor does anything it imports`);
      }
    }
    assertEquals(wrong, []);
  });
});
