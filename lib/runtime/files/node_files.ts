/**
 * The file system of the three adapters, on `node:fs`, which all of them have. Appends are synchronous (one per event loop
 * turn, shared by all its writes); everything that waits for the disk is not. Does not know what is in the files.
 */

import { randomUUID } from "node:crypto";
import { closeSync, fdatasync, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { copyFile, type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { FlareError } from "../../base/errors.ts";
import type { AppendFile, FileLock, FileSystem } from "../runtime.ts";
import { lockFile } from "./file_lock.ts";
import { ioFault, systemCode } from "./io_fault.ts";

const FILE_MODE = 0o644;

export class NodeFileSystem implements FileSystem {
  /** Replacements run one at a time: two of the same file would share its temporary file. */
  #lastReplacement: Promise<unknown> = Promise.resolve();

  openAppend(path: string): AppendFile {
    return new NodeAppendFile(path);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    try {
      const content = await readFile(path);
      return new Uint8Array(content.buffer, content.byteOffset, content.length);
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw ioFault(error, "read", path);
    }
  }

  async readRange(path: string, start: number, length: number): Promise<Uint8Array | undefined> {
    try {
      const file = await open(path, "r");
      try {
        return await readFrom(file, start, length);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw ioFault(error, "read", path);
    }
  }

  async size(path: string): Promise<number | undefined> {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw ioFault(error, "look at", path);
    }
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    const replacement = this.#lastReplacement.then(() => replaceFile(path, bytes));
    // The queue continues after a failed replacement; the error belongs to its caller.
    this.#lastReplacement = replacement.catch(() => undefined);
    return replacement;
  }

  async create(path: string, bytes: Uint8Array): Promise<boolean> {
    // A name of its own: others may be creating the same file.
    const temporary = `${path}.${randomUUID()}.tmp`;
    try {
      await writeSynced(temporary, bytes);
      await link(temporary, path);
      await rm(temporary);
      await syncPath(dirname(path));
      return true;
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined); // Report the first error.
      if (systemCode(error) === "EEXIST") return false;
      throw ioFault(error, "create", path);
    }
  }

  async permissions(path: string): Promise<number | undefined> {
    if (process.platform === "win32") return undefined;
    try {
      return (await stat(path)).mode & 0o777;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw ioFault(error, "look at", path);
    }
  }

  async list(directory: string): Promise<string[]> {
    try {
      return (await readdir(directory)).sort();
    } catch (error) {
      if (systemCode(error) === "ENOENT") return [];
      throw ioFault(error, "list", directory);
    }
  }

  async remove(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      throw ioFault(error, "remove", path);
    }
  }

  async makeDirectory(path: string): Promise<void> {
    try {
      const first = await mkdir(path, { recursive: true });
      if (first !== undefined) await syncParents(resolve(path), resolve(first));
    } catch (error) {
      throw ioFault(error, "create directory", path);
    }
  }

  async syncDirectory(directory: string): Promise<void> {
    try {
      await syncPath(directory);
    } catch (error) {
      throw ioFault(error, "sync directory", directory);
    }
  }

  async lock(path: string): Promise<FileLock> {
    return lockFile(path);
  }

  join(...parts: string[]): string {
    return join(...parts);
  }
}

async function readFrom(file: FileHandle, start: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, start + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await writeSynced(temporary, bytes);
    await keepPrevious(path);
    await rename(temporary, path);
    await syncPath(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // Report the first error.
    throw ioFault(error, "replace", path);
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "w", FILE_MODE);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Links the content of `path` as `path + ".previous"`, so that both names always have a complete file. */
async function keepPrevious(path: string): Promise<void> {
  const previous = `${path}.previous`;
  const temporary = `${previous}.tmp`;
  await rm(temporary, { force: true });
  try {
    await link(path, temporary);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return; // The first version has no predecessor.
    await copyFile(path, temporary); // A file system without hard links.
    await syncPath(temporary);
  }
  await rename(temporary, previous);
  // Renaming between two names of one file keeps both, which happens after a crash between this rename and the next.
  await rm(temporary, { force: true });
}

/** Makes new directories, each in the one before it, survive a power cut. */
async function syncParents(last: string, first: string): Promise<void> {
  for (let directory = last; directory.length >= first.length; directory = dirname(directory)) {
    await syncPath(dirname(directory));
  }
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

class NodeAppendFile implements AppendFile {
  readonly #path: string;
  readonly #descriptor: number;
  #size: number;
  #syncsRunning = 0;
  #closed = false;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#descriptor = openSync(path, "a", FILE_MODE);
    } catch (error) {
      throw ioFault(error, "open", path);
    }
    this.#size = fstatSync(this.#descriptor).size;
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array): void {
    this.#assertOpen();
    try {
      for (let written = 0; written < bytes.length; ) {
        const count = writeSync(this.#descriptor, bytes, written, bytes.length - written);
        written += count;
        this.#size += count;
      }
    } catch (error) {
      throw ioFault(error, "append to", this.#path);
    }
  }

  sync(): Promise<void> {
    this.#assertOpen();
    this.#syncsRunning++;
    return new Promise((resolve, reject) => {
      fdatasync(this.#descriptor, (error) => {
        this.#syncsRunning--;
        if (this.#closed && this.#syncsRunning === 0) this.#closeDescriptor();
        if (error) reject(ioFault(error, "sync", this.#path));
        else resolve();
      });
    });
  }

  truncate(size: number): void {
    this.#assertOpen();
    try {
      ftruncateSync(this.#descriptor, size);
    } catch (error) {
      throw ioFault(error, "truncate", this.#path);
    }
    this.#size = size;
  }

  /** Waits for a running sync: closing its descriptor would give the number to another file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#syncsRunning === 0) this.#closeDescriptor();
  }

  #closeDescriptor(): void {
    closeSync(this.#descriptor);
  }

  #assertOpen(): void {
    if (this.#closed) throw new FlareError("CLOSED", `file "${this.#path}" is closed`);
  }
}
