/**
 * The form of the source files: names, heads, line lengths, no leftovers.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { readRepositoryFile, repositoryFiles } from "../support/repository.ts";

const lineLengthMax = 128;
const places = ["lib", "cli", "tests", "examples", "bench"];
const sources = places
  .flatMap((place) => [...repositoryFiles(place, ".ts"), ...repositoryFiles(place, ".tsx")])
  .map((path) => ({ path, text: readRepositoryFile(path) }));

function problems(find: (path: string, text: string) => string | undefined): string[] {
  return sources.flatMap(({ path, text }) => find(path, text) ?? []);
}

describe("source files", () => {
  it("have names in snake_case", () => {
    const name = /^[a-z0-9]+(_[a-z0-9]+)*(\.test|\.d)?\.tsx?$/;
    assertEquals(
      problems((path) => (name.test(path.split("/").at(-1) ?? "") ? undefined : path)),
      [],
    );
  });

  it("begin with a comment that says what they hold", () => {
    assertEquals(
      problems((path, text) => (/^(#!.*\n)?\/\*\*/.test(text) ? undefined : path)),
      [],
    );
  });

  it(`have lines of at most ${lineLengthMax} characters`, () => {
    const long = problems((path, text) => {
      const line = text.split("\n").findIndex((each) => each.length > lineLengthMax);
      return line < 0 ? undefined : `${path}:${line + 1}`;
    });
    assertEquals(long, []);
  });

  it("hold no markers of unfinished work", () => {
    const markers = new RegExp(
      `\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b|@ts-(ignore|nocheck)`,
    );
    const found = problems((path, text) => {
      const line = text.split("\n").findIndex((each) => markers.test(each));
      return line < 0 || path.startsWith("tests/tidy/") ? undefined : `${path}:${line + 1}`;
    });
    assertEquals(found, []);
  });

  it("import types as types and files with their ending", () => {
    const bare = /from "\.{1,2}\/[^"]*(?<!\.tsx?|\.json)"/;
    assertEquals(
      problems((path, text) => (bare.test(text) ? path : undefined)),
      [],
    );
  });
});
