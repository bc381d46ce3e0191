/**
 * The pid file of a daemon: tells other programs its pid. It never prevents a start, because after a crash any other process
 * may have that pid. The lock in the data directory prevents a second daemon on the same data.
 */

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { FlareError } from "../lib/base/errors.ts";

/** @throws FlareError IO_ERROR */
export function writePidFile(path: string): void {
  const partial = `${path}.partial-${process.pid}`;
  try {
    // Atomic: a file truncated by a full disk would name another process, or none.
    writeFileSync(partial, `${process.pid}\n`);
    renameSync(partial, path);
  } catch (cause) {
    rmSync(partial, { force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("IO_ERROR", `pid file "${path}" cannot be written: ${reason}`, { cause });
  }
}

/** Removes the file if it has this process's pid. */
export function removePidFile(path: string): void {
  if (readPidFile(path) === process.pid) rmSync(path, { force: true });
}

/** The pid in the file; undefined if there is no file or it contains no number. */
export function readPidFile(path: string): number | undefined {
  const text = readText(path)?.trim() ?? "";
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // The file does not exist, or may not be read.
    return undefined;
  }
}
