/**
 * The repository's own files, for the tests that check its rules and its programs.
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The top directory, with a slash at its end. */
export const repositoryRoot = fileURLToPath(new URL("../../", import.meta.url));

/** The files under a directory (or that one file) whose name ends as asked, as sorted paths from the top directory. */
export function repositoryFiles(place: string, ending: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(repositoryRoot + place, { withFileTypes: true })) {
    if (entry.name === "node_modules" || entry.name === "dist" || entry.name === ".git") continue;
    const path = place === "" ? entry.name : `${place}/${entry.name}`;
    if (entry.isDirectory()) found.push(...repositoryFiles(path, ending));
    else if (entry.name.endsWith(ending)) found.push(path);
  }
  return found.sort();
}

/** The text of a file. */
export function readRepositoryFile(path: string): string {
  return readFileSync(repositoryRoot + path, "utf8");
}
