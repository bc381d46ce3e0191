/**
 * The sources of earlier versions, taken from the repository's history where that is there. The first has the data format 1;
 * the second is the last one without in-sync sets.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "./repository.ts";

const COMMITS = {
  "2.0.0": "3f9e5afe3e21efc1592fdbca5f1fb425c1d0c974",
  "2.0.0 with data format 2": "1a3501eed9471b512ebb024725c7cd616713a783",
} as const;
export type EarlierRelease = keyof typeof COMMITS;
export const EARLIER_RELEASES = Object.keys(COMMITS) as readonly EarlierRelease[];

/** Whether the history has a release; a shallow clone and a package have none. */
export function hasRelease(release: EarlierRelease): boolean {
  return spawnSync("git", ["cat-file", "-e", `${COMMITS[release]}^{commit}`], { cwd: repositoryRoot }).status === 0;
}

/** Unpacks the sources of a release into a directory that exists; they run with the packages of this one. */
export function unpackRelease(release: EarlierRelease, directory: string): void {
  const archive = join(directory, "release.tar");
  execFileSync("git", ["archive", "-o", archive, COMMITS[release]], { cwd: repositoryRoot });
  execFileSync("tar", ["-xf", archive, "-C", directory]);
  symlinkSync(join(repositoryRoot, "node_modules"), join(directory, "node_modules"));
}
