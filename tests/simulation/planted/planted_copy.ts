/**
 * A copy of the sources with a planted bug, in a temporary directory; searches, and the programs, run in it as processes.
 */

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { repositoryRoot } from "../../support/repository.ts";
import { type PlantedBug, plant } from "./bug.ts";

const COPIED = [
  "lib",
  "cli",
  "mod.ts",
  "testing.ts",
  "tests/simulation",
  "tests/support",
  "package.json",
  "tsconfig.json",
  "deno.json",
  "std-assert",
];

/** What a search has found. */
export interface Finding {
  /** Undefined: no seed has found anything. */
  readonly seed?: number;
  readonly message?: string;
}

export class PlantedCopy {
  readonly directory: string;

  /** @param bug undefined: the sources as they are */
  constructor(bug: PlantedBug | undefined) {
    this.directory = mkdtempSync(join(tmpdir(), "flare-planted-"));
    for (const part of COPIED) cpSync(join(repositoryRoot, part), join(this.directory, part), { recursive: true });
    symlinkSync(join(repositoryRoot, "node_modules"), join(this.directory, "node_modules"));
    if (bug === undefined) return;
    const path = join(this.directory, bug.file);
    writeFileSync(path, plant(bug, readFileSync(path, "utf8")));
  }

  /** Runs a search with one seed after another. @throws Error if the process ends without a result */
  async search(name: string, firstSeed: number, seeds: number): Promise<Finding> {
    const script = join(this.directory, "tests/simulation/planted/search.ts");
    const child = spawn(process.execPath, [...loaderArguments(), script, name, String(firstSeed), String(seeds)], {
      cwd: this.directory,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk: Uint8Array) => {
      output += new TextDecoder().decode(chunk);
    });
    child.stderr.on("data", (chunk: Uint8Array) => {
      errors += new TextDecoder().decode(chunk);
    });
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    const line = output.trimEnd().split("\n").at(-1) ?? "";
    if (!line.startsWith("{")) throw new Error(`the search "${name}" ended with ${code}: ${errors.trim()}`);
    return JSON.parse(line) as Finding;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What the runtime needs to run TypeScript. */
function loaderArguments(): readonly string[] {
  if ("Deno" in globalThis) return ["run", "--allow-all", "--no-check"];
  return "Bun" in globalThis ? ["run"] : ["--import", "tsx"];
}
