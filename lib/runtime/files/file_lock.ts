/**
 * An exclusive lock between processes: a file that names its owner by pid, start time and boot, so that a stale lock after
 * `kill -9` or a power cut is told from a live one.
 *
 * The file appears atomically (written under another name, then linked), so the first of several starters wins. Taking over a
 * stale lock needs care: the starter first takes a second lock, the guard, named after the dead owner's token. Holding the
 * guard it checks again, and replaces the file only if it is still the dead owner's. A stale lock changes only under its guard,
 * so two starters cannot both succeed. A guard is a lock like any other, so a stale guard is taken over the same way.
 */

import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import process from "node:process";
import { FlareError } from "../../base/errors.ts";
import type { FileLock } from "../runtime.ts";
import { ioFault, systemCode } from "./io_fault.ts";

interface Owner {
  readonly pid: number;
  /** The system's start time of the process; empty if unknown. */
  readonly startTime: string;
  /** The boot of the machine in which the process started; empty if unknown. */
  readonly bootId: string;
  /** Unique to this lock. */
  readonly token: string;
}

/**
 * Takes the lock `path`.
 * @throws FlareError DATA_DIR_LOCKED if a live process (or this one) holds it, CORRUPT if the file is not a lock, IO_ERROR
 */
export function lockFile(path: string): FileLock {
  const self: Owner = {
    pid: process.pid,
    startTime: readProcessState(process.pid)?.startTime ?? "",
    bootId: readBootId(),
    token: randomUUID(),
  };
  try {
    take(path, path, self);
  } catch (error) {
    throw error instanceof FlareError ? error : ioFault(error, "lock", path);
  }
  return {
    async release(): Promise<void> {
      drop(path, self);
    },
  };
}

/** Writes `self` into the file `path`; `lockPath` is the lock being taken. */
function take(path: string, lockPath: string, self: Owner): void {
  const draft = `${path}.${self.token}.tmp`;
  for (;;) {
    writeDurably(draft, self);
    try {
      linkSync(draft, path);
      return;
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    const owner = readOwner(path);
    if (owner === undefined) continue; // Released in between.
    if (isAlive(owner)) {
      throw new FlareError("DATA_DIR_LOCKED", `"${lockPath}" is locked by process ${owner.pid}`);
    }
    if (takeOver(path, lockPath, owner, self)) return;
  }
}

/** Replaces the file of the dead `owner`; false if somebody else was faster. */
function takeOver(path: string, lockPath: string, owner: Owner, self: Owner): boolean {
  const guard = `${lockPath}.${owner.token}`;
  take(guard, lockPath, self);
  try {
    if (readOwner(path)?.token !== owner.token) return false;
    const draft = `${path}.${self.token}.tmp`;
    writeDurably(draft, self);
    renameSync(draft, path);
    return true;
  } finally {
    drop(guard, self);
  }
}

/** Removes the file if it belongs to `self`. */
function drop(path: string, self: Owner): void {
  if (readOwner(path)?.token === self.token) rmSync(path, { force: true });
}

/** Syncs the content before the name exists, so that a lock file is never partial, even after a power cut. */
function writeDurably(path: string, owner: Owner): void {
  const file = openSync(path, "w", 0o644);
  try {
    writeSync(file, `${JSON.stringify(owner)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function readOwner(path: string): Owner | undefined {
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const owner = JSON.parse(text) as Partial<Owner> | null;
    if (Number.isSafeInteger(owner?.pid) && typeof owner?.token === "string" && /^[0-9a-f-]{36}$/.test(owner.token)) {
      return { startTime: "", bootId: "", ...owner } as Owner;
    }
  } catch (error) {
    throw new FlareError("CORRUPT", `"${path}" is not a lock file`, { cause: error });
  }
  throw new FlareError("CORRUPT", `"${path}" is not a lock file`);
}

function isAlive(owner: Owner): boolean {
  if (owner.bootId !== readBootId()) return false;
  const state = readProcessState(owner.pid);
  if (state !== undefined) return !state.ended && state.startTime === owner.startTime;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== "ESRCH"; // Any other error means that the process exists, but may not be signalled.
  }
}

/** The state of a process on Linux: undefined if there is none, or no `/proc`. */
function readProcessState(pid: number): { readonly startTime: string; readonly ended: boolean } | undefined {
  const text = readIfThere(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field, the program's name in parentheses, can contain anything; parse after it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const state = fields[0] ?? "";
  return { startTime: fields[19] ?? "", ended: state === "Z" || state === "X" };
}

function readBootId(): string {
  return readIfThere("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // ESRCH: the process ended while its file was read.
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ESRCH") return undefined;
    throw error;
  }
}
