/**
 * The output files of the operator's programs: a file gets its name only when it is complete and on disk. Until then the bytes
 * go to a partial file beside it, and the file of an earlier run stays.
 */

import { rmSync, type Stats } from "node:fs";
import { chmod, chown, type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { constants } from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import { FlareError } from "../lib/base/errors.ts";
import { NodeFileSystem } from "../lib/runtime/files/node_files.ts";
import { writeOut } from "./output.ts";

/** Writes bytes; resolves when they are written. */
export type Write = (bytes: Uint8Array) => Promise<void>;

const modeOfNewFile = 0o666;
const lastSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs `work`, which writes a result: to stdout without a path or with `-`, directly into anything that is not a regular file
 * (a pipe, a device), else into a file that gets its name when `work` is done. If it fails, or a signal ends the program, the
 * partial file is removed.
 * @throws FlareError IO_ERROR, and what `work` throws
 */
export async function writeResult<T>(path: string | undefined, work: (write: Write) => Promise<T>): Promise<T> {
  if (path === undefined || path === "-") return work(writeOut);
  const target = await realpath(path).catch(() => path);
  const existing = await stat(target).catch(() => undefined);
  if (existing === undefined || existing.isFile()) return writeWhole(target, path, existing, work);
  const file = await open(target, "w").catch(cannotWrite(path));
  try {
    return await work(writer(file, path));
  } finally {
    await file.close();
  }
}

async function writeWhole<T>(
  target: string,
  path: string,
  existing: Stats | undefined,
  work: (write: Write) => Promise<T>,
): Promise<T> {
  const partial = `${target}.partial-${process.pid}`;
  // Left by an earlier process with our pid, which has ended.
  await rm(partial, { force: true }).catch(cannotWrite(path));
  const file = await open(partial, "wx", existing === undefined ? modeOfNewFile : existing.mode & 0o777).catch(
    cannotWrite(path),
  );
  const keepName = removeAtExit(partial);
  let result: T;
  try {
    try {
      if (existing !== undefined) await takeAfter(partial, existing).catch(cannotWrite(path));
      result = await work(writer(file, path));
      await file.sync().catch(cannotWrite(path));
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    keepName();
  }
  await rename(partial, target).catch((cause: unknown) => {
    const text = `the result is in "${partial}", which cannot be renamed to "${path}": ${reasonOf(cause)}`;
    throw new FlareError("IO_ERROR", text, { cause });
  });
  await new NodeFileSystem().syncDirectory(dirname(target));
  return result;
}

/** Gives a file the permissions and, if allowed, the owner of the one it replaces. */
async function takeAfter(path: string, { mode, uid, gid }: Stats): Promise<void> {
  // Only root can change the owner of a file.
  if (process.getuid?.() === 0) await chown(path, uid, gid);
  await chmod(path, mode & 0o777);
}

/** Removes a file when the process ends, also by a signal; the returned function cancels that. */
function removeAtExit(path: string): () => void {
  const remove = (): void => rmSync(path, { force: true });
  const ends = lastSignals.map((signal) => [signal, () => process.exit(128 + constants.signals[signal])] as const);
  process.on("exit", remove);
  for (const [signal, end] of ends) process.on(signal, end);
  return () => {
    process.off("exit", remove);
    for (const [signal, end] of ends) process.off(signal, end);
  };
}

function writer(file: FileHandle, path: string): Write {
  return async (bytes) => {
    for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at).catch(cannotWrite(path))).bytesWritten;
  };
}

function cannotWrite(path: string): (cause: unknown) => never {
  return (cause) => {
    throw new FlareError("IO_ERROR", `"${path}" cannot be written: ${reasonOf(cause)}`, { cause });
  };
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
