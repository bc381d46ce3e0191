/**
 * An exclusive lock between processes that survives nothing but its owner: a file that names the owner by pid, start
 * time and boot, so that a lock left behind by `kill -9` or a power cut is told from a live one.
 *
 * The file appears whole (written aside, then linked), so the first of several starters wins. Taking over a dead owner's
 * file is the delicate part: whoever wants to do it first takes a second lock, the guard, named by the dead owner's token;
 * with the guard in hand it looks again, and only if the dead owner's file is still there puts its own in place. The
 * file of a dead owner changes only under its guard, so two starters cannot both succeed. A guard is a lock like
 * any other, so one whose owner died is taken over the same way.
 */

import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import process from "node:process";
import { FlareError } from "../../base/errors.ts";
import type { FileLock } from "../runtime.ts";
import { ioFault, systemCode } from "./io_fault.ts";

interface Owner {
  readonly pid: number;
  /** What the system calls the moment the process started; empty where it does not say. */
  readonly startTime: string;
  /** Which boot of the machine the process belongs to; empty where the system does not say. */
  readonly bootId: string;
  /** Unique to this lock. */
  readonly token: string;
}

/**
 * Takes the lock `path`.
 * @throws FlareError DATA_DIR_LOCKED if a live process (this one included) holds it, CORRUPT if the file is no lock, IO_ERROR
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

/** Puts `self` into the file `path`; `lockPath` is the lock it is all about. */
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
    if (owner === undefined) continue; // Released meanwhile.
    if (isAlive(owner)) {
      throw new FlareError("DATA_DIR_LOCKED", `"${lockPath}" is locked by process ${owner.pid}`);
    }
    if (takeOver(path, lockPath, owner, self)) return;
  }
}

/** Replaces the file of the dead `owner`; false if somebody else did so before. */
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

/** Removes the file if it is `self`'s. */
function drop(path: string, self: Owner): void {
  if (readOwner(path)?.token === self.token) rmSync(path, { force: true });
}

/** The content reaches the disk before the name does, so that a lock file is never half there, even after a power cut. */
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
    return systemCode(error) !== "ESRCH"; // Any other answer says that there is one, which we may not signal.
  }
}

/** What Linux tells about a process: undefined if there is none, or no such file system. */
function readProcessState(pid: number): { readonly startTime: string; readonly ended: boolean } | undefined {
  const text = readIfThere(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold anything; count from behind it.
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
