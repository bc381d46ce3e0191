/** Refusals are defined once: the texts of error lines, and the limit of a key's length. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import ts from "typescript";
import { readRepositoryFile, repositoryFiles } from "../support/repository.ts";

const sources = repositoryFiles("lib", ".ts").map((path) => ({ path, text: readRepositoryFile(path) }));

/** The error lines that a source says in full. */
function errorLines(text: string): Set<string> {
  const found = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) && /^(?:CLIENT|SERVER)_ERROR \w/.test(node.text)) found.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("a.ts", text, ts.ScriptTarget.ES2022, true));
  return found;
}

describe("refusals", () => {
  it("have texts that are written in one file", () => {
    const places = new Map<string, string[]>();
    for (const { path, text } of sources) {
      for (const line of errorLines(text)) places.set(line, [...(places.get(line) ?? []), path]);
    }
    assert(places.size > 10);
    const twice = [...places].filter(([, paths]) => paths.length > 1).map(([line, paths]) => `"${line}": ${paths.join(", ")}`);
    assertEquals(twice, []);
  });

  it("ask one function whether a key is too long", () => {
    const comparison = /[<>]=?\s*[\w.#]*key_?bytes_?max|key_?bytes_?max\s*[<>]/i;
    const found = sources.filter(({ text }) => comparison.test(text)).map(({ path }) => path);
    assertEquals(found, ["lib/item/key_length.ts"]);
  });
});
