/**
 * The two manifests, the lock file and the sources say the same.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { VERSION } from "../../lib/base/version.ts";
import { readRepositoryFile } from "../support/repository.ts";

interface NodeManifest {
  readonly version: string;
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}

interface DenoManifest {
  readonly version: string;
  readonly tasks: Record<string, string>;
  readonly imports: Record<string, string>;
}

const nodeManifest = JSON.parse(readRepositoryFile("package.json")) as NodeManifest;
const denoManifest = JSON.parse(readRepositoryFile("deno.json")) as DenoManifest;

describe("manifests", () => {
  it("carry the version of the program", () => {
    assertEquals([nodeManifest.version, denoManifest.version], [VERSION, VERSION]);
  });

  it("have the same tasks", () => {
    const scripts = Object.keys(nodeManifest.scripts).filter((name) => name !== "prepare");
    assertEquals(Object.keys(denoManifest.tasks).sort(), scripts.sort());
  });

  it("ask for the same packages", () => {
    const wanted: Record<string, string> = { ...nodeManifest.dependencies, ...nodeManifest.devDependencies };
    for (const [name, specifier] of Object.entries(denoManifest.imports)) {
      if (name !== "@std/assert") assertEquals(specifier, `npm:${name}@${wanted[name]}`);
    }
    for (const name of Object.keys(nodeManifest.dependencies)) assert(name in denoManifest.imports, name);
  });

  it("name no registry in the lock file", () => {
    const lock = JSON.parse(readRepositoryFile("package-lock.json")) as { packages: Record<string, { resolved?: string }> };
    const resolved = Object.values(lock.packages).flatMap((entry) => entry.resolved ?? []);
    assertEquals(resolved, ["std-assert"]);
  });
});
