/**
 * A directory of its own for a test, gone afterwards.
 */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new, empty directory, for `removeTemporaryDirectory`. */
export function makeTemporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), "flare-test-"));
}

/** The same in memory where the machine has a place for that: nothing waits for a disk. */
export function makeQuickDirectory(): string {
  return existsSync("/dev/shm") ? mkdtempSync("/dev/shm/flare-test-") : makeTemporaryDirectory();
}

/** Removes a directory with its content. */
export function removeTemporaryDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

/** Runs a test with a new, empty directory and removes it with its content. */
export async function withTemporaryDirectory(test: (directory: string) => void | Promise<void>): Promise<void> {
  const directory = makeTemporaryDirectory();
  try {
    await test(directory);
  } finally {
    removeTemporaryDirectory(directory);
  }
}
