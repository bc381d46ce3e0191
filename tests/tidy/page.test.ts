/**
 * The page of the daemons: what is served is what its sources make, it stays small, and its sources stand for themselves.
 */

import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ASSETS } from "../../lib/web/page/assets.ts";
import { readRepositoryFile, repositoryFiles, repositoryRoot } from "../support/repository.ts";
import { commandFor } from "../support/spawn.ts";
import { sourceFacts } from "./source_facts.ts";

/** All that a browser loads. */
const BYTES_MAX = 150_000;
const PACKAGES = ["preact", "preact/hooks", "uplot"];

const sources = [...repositoryFiles("lib/web/browser", ".ts"), ...repositoryFiles("lib/web/browser", ".tsx")];

describe("the page", () => {
  it("is built from its sources as they are", () => {
    const [program, ...args] = commandFor(".ci/page.mjs");
    const { status, stdout, stderr } = spawnSync(program, [...args, "--check"], { cwd: repositoryRoot, encoding: "utf8" });
    assertEquals([status, stdout, stderr], [0, "", ""]);
  });

  it(`has at most ${BYTES_MAX} bytes`, () => {
    const bytes = ASSETS.map(({ text }) => new TextEncoder().encode(text).length);
    const sum = bytes.reduce((total, each) => total + each, 0);
    assert(sum > 10_000 && sum <= BYTES_MAX, `${sum} bytes`);
  });

  it("carries the licences of what is bundled with it", () => {
    const script = ASSETS.find(({ name }) => name === "page.js")?.text ?? "";
    for (const owner of ["Leon Sorokin", "Jason Miller"]) assert(script.slice(0, 3000).includes(owner), owner);
  });

  it("names no address outside of its server", () => {
    const found = ASSETS.filter(({ name }) => name !== "page.js").flatMap(
      ({ text }) => text.match(/https?:\/\/[^"' )]+/g) ?? [],
    );
    assertEquals(found, ["http://www.w3.org/2000/svg"]);
  });

  it("imports its own files and what is bundled with it", () => {
    assert(sources.length > 10);
    const wrong = sources.flatMap((path) =>
      sourceFacts(path, readRepositoryFile(path))
        .imports.filter((specifier) =>
          specifier.startsWith(".")
            ? !new URL(specifier, `file:///${path}`).pathname.startsWith("/lib/web/browser/")
            : !PACKAGES.includes(specifier),
        )
        .map((specifier) => `${path} imports ${specifier}`),
    );
    assertEquals(wrong, []);
  });
});
