/**
 * The manifests, the lock files and the sources say the same.
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

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
}

/** The packages of a lock file and where they go. */
function lockedPackages(directory: string): [place: string, entry: LockedPackage][] {
  const lock = JSON.parse(readRepositoryFile(`${directory}package-lock.json`)) as { packages: Record<string, LockedPackage> };
  return Object.entries(lock.packages);
}

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

  it("name no registry in the lock files", () => {
    const resolved = lockedPackages("").flatMap(([, entry]) => entry.resolved ?? []);
    assertEquals(resolved, ["std-assert"]);
    assertEquals(
      lockedPackages(".ci/tools/").flatMap(([, entry]) => entry.resolved ?? []),
      [],
    );
  });

  it("leave the large tools, which only tests and checks need, to a lock file of their own", () => {
    const tools = JSON.parse(readRepositoryFile(".ci/tools/package.json")) as NodeManifest;
    const names = Object.keys(tools.devDependencies);
    assert(names.includes("deno") && names.includes("bun"), names.join(", "));
    for (const name of names) {
      assertEquals(name in nodeManifest.devDependencies, false, name);
      const places = lockedPackages("").filter(([place]) => place.endsWith(`node_modules/${name}`));
      assertEquals(places, [], name);
      const locked = lockedPackages(".ci/tools/").find(([place]) => place === `node_modules/${name}`);
      assertEquals(locked?.[1].version, tools.devDependencies[name], name);
    }
  });
});
