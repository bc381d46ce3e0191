/**
 * Plain English: documents, comments, messages and names of tests avoid old-fashioned or translated phrases. Each has a usual
 * word beside it.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { readRepositoryFile, repositoryFiles } from "../support/repository.ts";

/** A phrase, and what to write instead. */
const PHRASES: readonly (readonly [phrase: RegExp, instead: string])[] = [
  [/\banew\b/i, "again; restart"],
  [/\bso many\b/i, "a number of; this many"],
  [/\b(is|are|was|were|be|been) told\b(?! (from|apart)\b)/i, "gets, is notified, is logged"],
  [/\bof which (it|nothing) is known\b/i, "unknown"],
  [/\bnow and then\b/i, "periodically; sometimes"],
  [/\bin vain\b/i, "without success; times out"],
  [/\bwithout a word\b/i, "silently; without an answer"],
  [/\bpass(ed|es)? over\b/i, "skip; ignore"],
  [/\bto and fro\b/i, "back and forth"],
  [/\bmakes? known\b/i, "announces; publishes"],
  [/\btake[ns]? up (the|its|another|changed|new)\b/i, "apply; reload"],
  [/\bit is tried again\b/i, "retrying"],
  [/\bshall\b/i, "must; should; will"],
];

/** This file, and one with the licences of others. */
const left = ["tests/tidy/prose.test.ts", "lib/web/page/assets.ts"];
const texts = [
  ...repositoryFiles("", ".md"),
  "mod.ts",
  ...["lib", "cli", "tests", "examples", "bench"].flatMap((place) => repositoryFiles(place, ".ts")),
  ...repositoryFiles("lib/web/browser", ".tsx"),
  ...repositoryFiles(".ci", ".mjs"),
].filter((path) => !left.includes(path));

/** The phrases of a text, each with its line. A phrase may go over the end of a line, and of a line of a comment. */
function phrasesIn(text: string): string[] {
  const flat = text.replaceAll(/\n[ \t]*(?:\*|\/\/)?[ \t]*/g, (end) => `\n${" ".repeat(end.length - 1)}`);
  return PHRASES.flatMap(([phrase, instead]) => {
    const spaced = new RegExp(phrase.source.replaceAll(" ", "\\s+"), "gi");
    return [...flat.matchAll(spaced)].map(({ index, 0: found }) => {
      const line = flat.slice(0, index).split("\n").length;
      return `${line}: "${found.replaceAll(/\s+/g, " ")}", write: ${instead}`;
    });
  });
}

describe("documents and sources", () => {
  it("are in plain English", () => {
    assert(texts.length > 400, "the files were not found");
    assertEquals(
      texts.flatMap((path) => phrasesIn(readRepositoryFile(path)).map((found) => `${path}:${found}`)),
      [],
    );
  });

  it("are read across the ends of lines and of comment lines", () => {
    assertEquals(phrasesIn("a\n * it is begun now and\n * then, so\n// many\n"), [
      '3: "so many", write: a number of; this many',
      '2: "now and then", write: periodically; sometimes',
    ]);
    assertEquals(phrasesIn("a busy node is told from a dead one"), []);
  });
});
