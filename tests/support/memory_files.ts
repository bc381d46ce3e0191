/** A file system in memory for tests: whole files, as a `FileSystem` replaces them, with a fault to order. */

import type { AppendFile, FileLock, FileSystem } from "../../lib/runtime/runtime.ts";

export class MemoryFiles implements FileSystem {
  readonly contents = new Map<string, Uint8Array>();
  /** Thrown by the next `replace`, once. */
  nextFault: Error | undefined;

  read(path: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.contents.get(path)?.slice());
  }

  size(path: string): Promise<number | undefined> {
    return Promise.resolve(this.contents.get(path)?.length);
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    const fault = this.nextFault;
    this.nextFault = undefined;
    if (fault !== undefined) return Promise.reject(fault);
    const before = this.contents.get(path);
    if (before !== undefined) this.contents.set(`${path}.previous`, before);
    this.contents.set(path, bytes.slice());
    return Promise.resolve();
  }

  permissions(path: string): Promise<number | undefined> {
    return Promise.resolve(this.contents.has(path) ? 0o600 : undefined);
  }

  remove(path: string): Promise<void> {
    this.contents.delete(path);
    return Promise.resolve();
  }

  list(directory: string): Promise<string[]> {
    const names = [...this.contents.keys()].filter((path) => path.startsWith(`${directory}/`));
    return Promise.resolve(names.map((path) => path.slice(directory.length + 1)).sort());
  }

  lock(): Promise<FileLock> {
    return Promise.resolve({ release: () => Promise.resolve() });
  }

  openAppend(path: string): AppendFile {
    throw new Error(`"${path}" cannot be appended to`);
  }

  makeDirectory(): Promise<void> {
    return Promise.resolve();
  }

  syncDirectory(): Promise<void> {
    return Promise.resolve();
  }

  join(...parts: string[]): string {
    return parts.join("/");
  }
}
