/**
 * What a simulated process sees of its host's disk. Appends are done at once, everything that waits takes virtual time; what
 * a killed process had asked for and had not got is not done.
 */

import { FlareError } from "../../lib/base/errors.ts";
import type { AppendFile, FileLock, FileSystem } from "../../lib/runtime/runtime.ts";
import { parentOf, type SimDisk, SimInode } from "./sim_disk.ts";
import type { SimProcess } from "./sim_process.ts";

export class SimFiles implements FileSystem {
  readonly #process: SimProcess;
  readonly #disk: SimDisk;
  #lastReplacement: Promise<unknown> = Promise.resolve();

  constructor(process: SimProcess) {
    this.#process = process;
    this.#disk = process.host.disk;
  }

  openAppend(path: string): AppendFile {
    this.#assertParent(path, "open");
    if (this.#disk.directories.has(path)) throw ioFault("open", path, "EISDIR");
    const inode = this.#disk.names.get(path) ?? new SimInode();
    this.#disk.names.set(path, inode);
    return new SimAppendFile(this.#process, path, inode);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    await this.#wait();
    if (this.#disk.directories.has(path)) throw ioFault("read", path, "EISDIR");
    return this.#disk.names.get(path)?.content();
  }

  async size(path: string): Promise<number | undefined> {
    await this.#wait();
    return this.#disk.names.get(path)?.size;
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    const content = bytes.slice();
    const replacement = this.#lastReplacement.then(() => this.#replace(path, content));
    this.#lastReplacement = replacement.catch(() => undefined);
    return replacement;
  }

  async permissions(path: string): Promise<number | undefined> {
    await this.#wait();
    return this.#disk.names.has(path) ? 0o644 : undefined;
  }

  async list(directory: string): Promise<string[]> {
    await this.#wait();
    if (this.#disk.names.has(directory)) throw ioFault("list", directory, "ENOTDIR");
    const paths = [...this.#disk.names.keys(), ...this.#disk.directories];
    const inside = paths.filter((path) => path !== directory && parentOf(path) === directory);
    return inside.map((path) => path.slice(directory.length + 1)).sort();
  }

  async remove(path: string): Promise<void> {
    await this.#wait();
    const within = (other: string) => other === path || other.startsWith(`${path}/`);
    for (const name of [...this.#disk.names.keys()]) if (within(name)) this.#disk.names.delete(name);
    for (const name of [...this.#disk.directories]) if (within(name)) this.#disk.directories.delete(name);
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#wait();
    for (let directory = path; directory !== "/"; directory = parentOf(directory)) {
      if (this.#disk.names.has(directory)) throw ioFault("create directory", path, "EEXIST");
      this.#disk.directories.add(directory);
    }
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#wait();
    if (!this.#disk.directories.has(directory)) throw ioFault("sync directory", directory, "ENOENT");
    this.#disk.syncNames(directory);
  }

  async lock(path: string): Promise<FileLock> {
    await this.#wait();
    this.#assertParent(path, "lock");
    const owner = this.#disk.locks.get(path);
    if (owner?.alive === true) {
      throw new FlareError("DATA_DIR_LOCKED", `"${path}" is locked by process ${owner.pid}`);
    }
    const { pid } = this.#process;
    const process = this.#process;
    const own = {
      get alive(): boolean {
        return process.alive;
      },
      pid,
    };
    this.#disk.locks.set(path, own);
    return {
      release: async () => {
        if (this.#disk.locks.get(path) === own) this.#disk.locks.delete(path);
      },
    };
  }

  join(...parts: string[]): string {
    return parts.join("/").replaceAll(/\/+/g, "/");
  }

  async #replace(path: string, bytes: Uint8Array): Promise<void> {
    await this.#wait();
    this.#assertParent(path, "replace");
    assertWritable(this.#disk, "replace", path);
    const { names } = this.#disk;
    const before = names.get(path);
    if (before !== undefined) names.set(`${path}.previous`, before);
    const inode = new SimInode();
    inode.append(bytes);
    inode.synced(bytes.length);
    names.set(path, inode);
    this.#disk.syncNames(parentOf(path));
    await this.#wait();
  }

  #assertParent(path: string, action: string): void {
    if (!this.#disk.directories.has(parentOf(path))) throw ioFault(action, path, "ENOENT");
  }

  #wait(): Promise<void> {
    return this.#process.waitUs(this.#disk.delayUs());
  }
}

class SimAppendFile implements AppendFile {
  readonly #process: SimProcess;
  readonly #path: string;
  readonly #inode: SimInode;
  #closed = false;

  constructor(process: SimProcess, path: string, inode: SimInode) {
    this.#process = process;
    this.#path = path;
    this.#inode = inode;
  }

  get size(): number {
    return this.#inode.size;
  }

  append(bytes: Uint8Array): void {
    this.#assertOpen();
    if (!this.#process.alive) return;
    const { disk } = this.#process.host;
    try {
      assertWritable(disk, "append to", this.#path);
    } catch (error) {
      this.#inode.append(bytes.subarray(0, disk.random.between(0, bytes.length)));
      throw error;
    }
    this.#inode.append(bytes);
  }

  async sync(): Promise<void> {
    this.#assertOpen();
    const { disk } = this.#process.host;
    const size = this.#inode.size;
    await this.#process.waitUs(disk.delayUs());
    if (disk.random.chance(disk.faultProbability)) throw ioFault("sync", this.#path, "EIO");
    this.#inode.synced(size);
  }

  truncate(size: number): void {
    this.#assertOpen();
    if (this.#process.alive) this.#inode.truncate(size);
  }

  close(): void {
    this.#closed = true;
  }

  #assertOpen(): void {
    if (this.#closed) throw new FlareError("CLOSED", `file "${this.#path}" is closed`);
  }
}

function assertWritable(disk: SimDisk, action: string, path: string): void {
  if (disk.full) throw new FlareError("DISK_FULL", `cannot ${action} "${path}": ENOSPC`, { retriable: true });
  if (disk.random.chance(disk.faultProbability)) throw ioFault(action, path, "EIO");
}

function ioFault(action: string, path: string, code: string): FlareError {
  return new FlareError("IO_ERROR", `cannot ${action} "${path}": ${code}`);
}
