/**
 * The pid file of a daemon: tells other programs which process it is. It keeps nobody from starting: after a crash its
 * number may be that of any other process. What keeps a second daemon from the same data is the lock in their directory.
 */

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { FlareError } from "../lib/base/errors.ts";

/** @throws FlareError IO_ERROR */
export function writePidFile(path: string): void {
  const partial = `${path}.partial-${process.pid}`;
  try {
    // All or nothing: a file cut short by a full disk would name another process, or none.
    writeFileSync(partial, `${process.pid}\n`);
    renameSync(partial, path);
  } catch (cause) {
    rmSync(partial, { force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("IO_ERROR", `pid file "${path}" cannot be written: ${reason}`, { cause });
  }
}

/** Removes the file if it is this process's own. */
export function removePidFile(path: string): void {
  if (readPidFile(path) === process.pid) rmSync(path, { force: true });
}

/** The pid in the file; undefined if there is no file or no number in it. */
export function readPidFile(path: string): number | undefined {
  const text = readText(path)?.trim() ?? "";
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No such file, or none of ours to read: there is nothing to learn from it.
    return undefined;
  }
}
