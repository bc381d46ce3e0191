/**
 * What the documents point at exists: files they link to and tasks they name.
 */

import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { readRepositoryFile, repositoryFiles, repositoryRoot } from "../support/repository.ts";

const documents = repositoryFiles("", ".md").map((path) => ({ path, text: readRepositoryFile(path) }));

describe("documents", () => {
  it("link to files that exist", () => {
    const broken: string[] = [];
    for (const { path, text } of documents) {
      for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target) || target.startsWith("#")) continue;
        const linked = new URL(target, `file:///${path}`).pathname.slice(1);
        if (!existsSync(repositoryRoot + decodeURIComponent(linked))) broken.push(`${path} links to ${target}`);
      }
    }
    assertEquals(broken, []);
  });

  it("name functions that exist", () => {
    const missing: string[] = [];
    let count = 0;
    for (const { path, text } of documents) {
      for (const [, target = "", name = ""] of text.matchAll(/^\d+\. \[[^\]]*\]\(([^)\s]+\.ts)\) `(#?\w+)`/gm)) {
        count++;
        const source = readRepositoryFile(new URL(target, `file:///${path}`).pathname.slice(1));
        const declaration = new RegExp(`^(?:export )?\\s*(?:async )?(?:function )?${name}(?:<[^>]*>)?\\(`, "m");
        if (!declaration.test(source)) missing.push(`${path}: ${name} in ${target}`);
      }
    }
    assertEquals(missing, []);
    assert(count > 0);
  });

  it("name tasks that exist", () => {
    const { scripts } = JSON.parse(readRepositoryFile("package.json")) as { scripts: Record<string, string> };
    const missing: string[] = [];
    for (const { path, text } of documents) {
      for (const [call, task = ""] of text.matchAll(/\b(?:npm run|bun run|deno task) ([a-z][a-z-]*)/g)) {
        if (!Object.hasOwn(scripts, task)) missing.push(`${path}: ${call}`);
      }
    }
    assertEquals(missing, []);
    assert(documents.length > 0);
  });
});
