/**
 * A file system in memory: it knows which bytes were synced and what a power cut leaves, and has faults to order: a full
 * disk, failing appends, syncs, truncations and replacements.
 */

import { FlareError } from "../../lib/base/errors.ts";
import type { AppendFile, FileLock, FileSystem } from "../../lib/runtime/runtime.ts";

class MemoryFile {
  bytes: Uint8Array = new Uint8Array(256);
  size = 0;
  syncedSize = 0;

  append(bytes: Uint8Array): void {
    if (this.size + bytes.length > this.bytes.length) {
      const grown = new Uint8Array((this.size + bytes.length) * 2);
      grown.set(this.bytes.subarray(0, this.size));
      this.bytes = grown;
    }
    this.bytes.set(bytes, this.size);
    this.size += bytes.length;
  }

  content(): Uint8Array {
    return this.bytes.slice(0, this.size);
  }

  /** Forgets what is behind a size. */
  reset(size: number): void {
    this.size = size;
  }
}

export class MemoryFiles implements FileSystem {
  readonly files = new Map<string, MemoryFile>();
  /** Bytes that can still be appended to any file. */
  freeBytes = Number.POSITIVE_INFINITY;
  /** 0: no file or directory can be opened. */
  descriptorsLeft = Number.POSITIVE_INFINITY;
  /** What the next calls throw or reject with, while set. */
  appendFault: FlareError | undefined;
  syncFault: FlareError | undefined;
  truncateFault: FlareError | undefined;
  /** Thrown by the next `replace`, once. */
  replaceFault: FlareError | undefined;
  /** Appends so far, and syncs that were asked for. */
  appends = 0;
  syncs = 0;
  readonly #locks = new Set<string>();
  #waitingSyncs: (() => void)[] | undefined;

  openAppend(path: string): AppendFile {
    this.#open(path);
    const file = this.files.get(path) ?? new MemoryFile();
    this.files.set(path, file);
    const files = this;
    return {
      get size() {
        return file.size;
      },
      append(bytes) {
        files.appends++;
        if (files.appendFault !== undefined) throw files.appendFault;
        const written = Math.min(bytes.length, files.freeBytes);
        file.append(bytes.subarray(0, written));
        files.freeBytes -= written;
        if (written < bytes.length)
          throw new FlareError("DISK_FULL", `append to "${path}" failed: no space left`, { retriable: true });
      },
      async sync() {
        files.syncs++;
        const size = file.size;
        const waiting = files.#waitingSyncs;
        if (waiting !== undefined) await new Promise<void>((resolve) => waiting.push(resolve));
        if (files.syncFault !== undefined) throw files.syncFault;
        file.syncedSize = Math.max(file.syncedSize, Math.min(size, file.size));
      },
      truncate(size) {
        if (files.truncateFault !== undefined) throw files.truncateFault;
        files.freeBytes += file.size - size;
        file.size = size;
        file.syncedSize = Math.min(file.syncedSize, size);
      },
      close() {},
    };
  }

  /** Syncs wait from now on until `releaseSyncs`. */
  holdSyncs(): void {
    this.#waitingSyncs = [];
  }

  releaseSyncs(): void {
    const waiting = this.#waitingSyncs ?? [];
    this.#waitingSyncs = undefined;
    for (const resolve of waiting) resolve();
  }

  /** The process is gone: nobody holds a lock, all that was written is there. */
  killed(): MemoryFiles {
    const copy = new MemoryFiles();
    for (const [path, file] of this.files) copy.write(path, file.content());
    return copy;
  }

  /** The power is gone: of what was not synced each file keeps `keptBytes` at most. */
  powerCut(keptBytes = 0): MemoryFiles {
    const copy = new MemoryFiles();
    for (const [path, file] of this.files) {
      copy.write(path, file.content().subarray(0, Math.min(file.size, file.syncedSize + keptBytes)));
    }
    return copy;
  }

  /** The content of a file that must be there. */
  content(path: string): Uint8Array {
    const file = this.files.get(path);
    if (file === undefined) throw new Error(`no file "${path}"`);
    return file.content();
  }

  /** Makes a file hold exactly these bytes, synced. */
  write(path: string, bytes: Uint8Array): void {
    const file = new MemoryFile();
    file.append(bytes);
    file.syncedSize = bytes.length;
    this.files.set(path, file);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return this.files.get(path)?.content();
  }

  async readRange(path: string, start: number, length: number): Promise<Uint8Array | undefined> {
    return this.files
      .get(path)
      ?.content()
      .slice(start, start + length);
  }

  async size(path: string): Promise<number | undefined> {
    return this.files.get(path)?.size;
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    const fault = this.replaceFault;
    this.replaceFault = undefined;
    if (fault !== undefined) throw fault;
    const before = this.files.get(path);
    if (before !== undefined) this.files.set(`${path}.previous`, before);
    this.write(path, bytes);
  }

  async create(path: string, bytes: Uint8Array): Promise<boolean> {
    if (this.files.has(path)) return false;
    this.write(path, bytes);
    return true;
  }

  async permissions(path: string): Promise<number | undefined> {
    return this.files.has(path) ? 0o600 : undefined;
  }

  async list(directory: string): Promise<string[]> {
    const names = new Set<string>();
    for (const path of this.files.keys()) {
      if (path.startsWith(`${directory}/`)) names.add(path.slice(directory.length + 1).split("/")[0] as string);
    }
    return [...names].sort();
  }

  async remove(path: string): Promise<void> {
    for (const name of [...this.files.keys()]) {
      if (name === path || name.startsWith(`${path}/`)) this.files.delete(name);
    }
  }

  async makeDirectory(): Promise<void> {}

  async syncDirectory(directory: string): Promise<void> {
    this.#open(directory);
  }

  #open(path: string): void {
    if (this.descriptorsLeft > 0) return;
    throw new FlareError("LIMIT_EXCEEDED", `cannot open "${path}": too many open files (EMFILE)`, { retriable: true });
  }

  async lock(path: string): Promise<FileLock> {
    if (this.#locks.has(path)) throw new FlareError("DATA_DIR_LOCKED", `"${path}" is locked by process 1`);
    this.#locks.add(path);
    return {
      release: async () => {
        this.#locks.delete(path);
      },
    };
  }

  join(...parts: string[]): string {
    return parts.join("/");
  }
}
