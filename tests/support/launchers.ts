/** The runtimes this machine has, for tests whose servers do not all run on the same one. */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { repositoryRoot } from "./repository.ts";

/** A program and its first arguments, to run a TypeScript file with. */
export interface Launcher {
  readonly command: string;
  readonly args: readonly string[];
}

/** The runtimes that are here: the one of the test, and those among the installed packages. */
export function findLaunchers(): Launcher[] {
  const [deno, bun] = ["deno", "bun"].map((name) => join(repositoryRoot, "node_modules", ".bin", name));
  const launchers: Launcher[] = [];
  const node = "Deno" in globalThis || "Bun" in globalThis ? "node" : process.execPath;
  // Deno and Bun pose as `node` where there is none.
  const { stdout } = spawnSync(node, ["-p", "typeof Bun + typeof Deno"], { encoding: "utf8" });
  if (stdout?.trim() === "undefinedundefined") launchers.push({ command: node, args: ["--import", "tsx"] });
  if ("Deno" in globalThis) launchers.push({ command: process.execPath, args: ["run", "--allow-all"] });
  else if (deno !== undefined && existsSync(deno)) launchers.push({ command: deno, args: ["run", "--allow-all"] });
  if ("Bun" in globalThis) launchers.push({ command: process.execPath, args: [] });
  else if (bun !== undefined && existsSync(bun)) launchers.push({ command: bun, args: [] });
  return launchers;
}
