/**
 * The house rules a tool can check: who may import whom, and what the core must not name.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { readRepositoryFile, repositoryFiles } from "../support/repository.ts";
import { sourceFacts } from "./source_facts.ts";

/** Floors of `lib/`: a folder imports itself and what lies on lower floors. */
const floors: Readonly<Record<string, number>> = {
  base: 1,
  runtime: 1,
  item: 2,
  protocol: 3,
  storage: 4,
  cluster: 4,
  net: 5,
  stats: 6,
  replication: 6,
  client: 6,
  admin: 7,
  web: 8,
  index_server: 9,
  node_server: 9,
  local_cluster: 10,
  testing: 10,
};

/** Floors within `lib/storage`; what lies in no folder joins them all. */
const storageFloors: Readonly<Record<string, number>> = {
  log: 1,
  directory: 2,
  engine: 3,
  arena: 4,
  checkpoint: 5,
  path: 6,
  "": 7,
};

const bannedGlobals = new Set([
  "Date",
  "Math.random",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "clearTimeout",
  "clearInterval",
  "clearImmediate",
  "performance",
  "crypto",
  "process",
  "console",
  "Buffer",
  "Deno",
  "Bun",
  "globalThis",
  "require",
  "fetch",
]);

const seam = "lib/runtime/runtime.ts";
/** What a program imports. */
const faces = ["mod.ts", "testing.ts"];

/** Whether a file may use what the runtimes have; a simulated world has to let promises settle between its events. */
function isAdapter(path: string): boolean {
  return path.startsWith("lib/runtime/") || path === "lib/testing/sim_world.ts";
}
/** What a program calls: it detects the runtime unless it is given one. */
const entries = new Set([
  "lib/client/client.ts",
  "lib/admin/cluster_admin.ts",
  "lib/node_server/start_node.ts",
  "lib/index_server/start_index.ts",
  "lib/local_cluster/start_cluster.ts",
]);
/** What browsers run has rules of its own, in `page.test.ts`. */
const library = repositoryFiles("lib", ".ts").filter((path) => !path.startsWith("lib/web/browser/"));
const sources = library.map((path) => ({ path, ...sourceFacts(path, readRepositoryFile(path)) }));

/** The imports of a file without those of types alone. */
function importsOfValues(path: string): readonly string[] {
  return sourceFacts(path, readRepositoryFile(path).replaceAll(/^import type [^;]*;/gm, "")).imports;
}

/** The path from the top directory that a relative import means. */
function resolve(importer: string, specifier: string): string {
  return new URL(specifier, `file:///${importer}`).pathname.slice(1);
}

function floorOf(path: string): { folder: string; floor: number } {
  const folder = path.split("/")[1] ?? "";
  return { folder, floor: floors[folder] ?? 0 };
}

/** The first cycle of a graph as the way around it, empty if there is none. */
function cycleIn(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const way: string[] = [];
  const walk = (path: string): string[] => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return [];
    way.push(path);
    for (const next of graph.get(path) ?? []) {
      const found = walk(next);
      if (found.length > 0) return found;
    }
    way.pop();
    done.add(path);
    return [];
  };
  for (const path of graph.keys()) {
    const found = walk(path);
    if (found.length > 0) return found;
  }
  return [];
}

/** The floor of a file of `lib/storage` in there; the options are known to all. */
function storageFloorOf(path: string): number {
  if (path === "lib/storage/storage_options.ts") return 1;
  const [, , folder, file] = path.split("/");
  return storageFloors[file === undefined ? "" : (folder ?? "")] ?? 0;
}

describe("layering", () => {
  it("knows every folder of lib", () => {
    assert(sources.length > 0);
    const folders = [...new Set(sources.map(({ path }) => floorOf(path).folder))];
    assertEquals(
      folders.filter((folder) => floors[folder] === undefined),
      [],
    );
  });

  it("imports only what lies on lower floors", () => {
    const wrong: string[] = [];
    for (const { path, imports } of sources) {
      const from = floorOf(path);
      for (const specifier of imports.filter((each) => each.startsWith("."))) {
        const target = resolve(path, specifier);
        const to = floorOf(target);
        const allowed = target.startsWith("lib/") && (to.folder === from.folder || to.floor < from.floor || target === seam);
        const adapterToBase = from.folder === "runtime" && to.folder === "base";
        if (!allowed && !adapterToBase) wrong.push(`${path} imports ${target}`);
      }
    }
    assertEquals(wrong, []);
  });

  it("has no import cycles, types included, except those by which the parts of a simulated world know each other", () => {
    const graph = new Map(
      sources.map(({ path, imports: all }) => [
        path,
        (path.startsWith("lib/testing/") ? importsOfValues(path) : all)
          .filter((each) => each.startsWith("."))
          .map((each) => resolve(path, each)),
      ]),
    );
    assertEquals(cycleIn(graph), []);
    assertEquals(cycleIn(new Map([...graph, ["a", ["b"]], ["b", ["c"]], ["c", ["b"]]])), ["b", "c", "b"]);
  });

  it("joins the parts of the storage from below", () => {
    const wrong: string[] = [];
    for (const { path, imports } of sources.filter((each) => each.path.startsWith("lib/storage/"))) {
      if (path === "lib/storage/storage_options.ts") continue;
      assert(storageFloorOf(path) > 0, path);
      for (const target of imports.filter((each) => each.startsWith(".")).map((each) => resolve(path, each))) {
        if (target.startsWith("lib/storage/") && storageFloorOf(target) > storageFloorOf(path))
          wrong.push(`${path} imports ${target}`);
      }
    }
    assertEquals(wrong, []);
  });

  it("names runtime adapters only in the adapters", () => {
    const wrong = sources
      // A simulated machine is one more adapter.
      .filter(({ path }) => !["runtime", "testing"].includes(floorOf(path).folder))
      .flatMap(({ path, imports }) => imports.map((specifier) => ({ path, specifier })))
      .filter(({ path, specifier }) => specifier.startsWith(".") && floorOf(resolve(path, specifier)).folder === "runtime")
      .filter(({ path, specifier }) => resolve(path, specifier) !== seam)
      .filter(({ path, specifier }) => !entries.has(path) || resolve(path, specifier) !== "lib/runtime/detect.ts");
    assertEquals(wrong, []);
  });

  it("imports node:* only in the adapters, and no other package than the engines", () => {
    const packages = new Set(["abstract-level", "level", "memory-level"]);
    const wrong: string[] = [];
    for (const { path, imports } of sources) {
      for (const specifier of imports.filter((each) => !each.startsWith("."))) {
        const allowed = specifier.startsWith("node:") ? isAdapter(path) : packages.has(specifier);
        if (!allowed) wrong.push(`${path} imports ${specifier}`);
      }
    }
    assertEquals(wrong, []);
  });

  it("imports the engine in one file at most", () => {
    const files = sources.filter(({ imports }) => imports.includes("level")).map(({ path }) => path);
    assert(files.length <= 1, `"level" is imported in ${files.join(", ")}`);
  });

  it("uses no clock, timer, randomness, process or runtime in the core", () => {
    const wrong = sources
      .filter(({ path }) => !isAdapter(path))
      .flatMap(({ path, globals }) =>
        globals.filter(({ name }) => bannedGlobals.has(name)).map(({ name, line }) => `${path}:${line} uses ${name}`),
      );
    assertEquals(wrong, []);
  });

  it("finds a banned name that is used and none that is only a word", () => {
    const { globals, imports } = sourceFacts(
      "a.ts",
      'import a from "x"; const p = a.process; p(Math.random, "Date"); // Date\nnew Date();',
    );
    assertEquals(imports, ["x"]);
    assertEquals(
      globals.filter(({ name }) => bannedGlobals.has(name)),
      [
        { name: "Math.random", line: 1 },
        { name: "Date", line: 2 },
      ],
    );
  });

  it("lets examples import the public face and what a user brings, nothing else", () => {
    const usersOwn = new Set(["memcached", "memory-level"]);
    const wrong: string[] = [];
    for (const path of repositoryFiles("examples", ".ts")) {
      for (const specifier of sourceFacts(path, readRepositoryFile(path)).imports) {
        const isFace = specifier.startsWith(".") && faces.includes(resolve(path, specifier));
        if (!isFace && !specifier.startsWith("node:") && !usersOwn.has(specifier)) wrong.push(`${path} imports ${specifier}`);
      }
    }
    assertEquals(wrong, []);
  });

  it("keeps what is for tests out of the core and the programs", () => {
    const takers = ["lib", "cli"]
      .flatMap((place) => repositoryFiles(place, ".ts"))
      .concat("mod.ts")
      .filter((path) => floorOf(path).folder !== "testing");
    const wrong = takers.filter((path) =>
      sourceFacts(path, readRepositoryFile(path)).imports.some(
        (specifier) => specifier.startsWith(".") && floorOf(resolve(path, specifier)).folder === "testing",
      ),
    );
    assertEquals(wrong, []);
  });

  it("gives what a node server is made of to nobody as a whole", () => {
    const owners = ["lib/node_server/node_server.ts", "lib/node_server/node_components.ts"];
    const takers = repositoryFiles("lib", ".ts").filter((path) => {
      const uses = readRepositoryFile(path)
        .replaceAll(/\bimport[^;]*;/g, "")
        .replaceAll(/Pick<\s*NodeComponents\b/g, "");
      return /\bNodeComponents\b/.test(uses) && !owners.includes(path);
    });
    assertEquals(takers, []);
  });
});
