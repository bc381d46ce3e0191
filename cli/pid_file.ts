/**
 * The pid file of a daemon: tells other programs which process it is, and keeps a second daemon from starting on the
 * same data. A file left behind by a process that is gone, or that is no Flare process, is replaced.
 */

import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { FlareError } from "../lib/base/errors.ts";

/** @throws FlareError REFUSED if the file names a Flare process that runs */
export function checkPidFile(path: string): void {
  const pid = readPidFile(path);
  if (pid === undefined || pid === process.pid || !isFlareProcess(pid)) return;
  throw new FlareError("REFUSED", `pid file "${path}" names a running flare process, pid ${pid}`);
}

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

function isFlareProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const command = readText(`/proc/${pid}/cmdline`) ?? askForCommand(pid);
  return command === undefined || command.includes("flare");
}

function askForCommand(pid: number): string | undefined {
  try {
    return execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    // Without /proc and ps nobody can tell; the caller then believes the pid file.
    return undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No such file, or none of ours to read: there is nothing to learn from it.
    return undefined;
  }
}
