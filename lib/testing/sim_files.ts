/**
 * What a simulated process sees of its host's disk. Appends are done at once, everything that waits takes virtual time; what
 * a killed process had asked for and had not got is not done. A replacement goes through all the steps of a real one, so that
 * it can be interrupted between any two of them.
 */

import { FlareError } from "../base/errors.ts";
import { ioFault } from "../runtime/files/io_fault.ts";
import type { AppendFile, FileLock, FileSystem } from "../runtime/runtime.ts";
import { type AccessFaults, parentOf, type SimDisk } from "./sim_disk.ts";
import { SimInode } from "./sim_inode.ts";
import type { SimProcess } from "./sim_process.ts";

/** Without a free descriptor a sync or an append fails under Deno, sometimes. */
const SYNC_LACKS_DESCRIPTOR = 0.5;
const APPEND_LACKS_DESCRIPTOR = 0.1;

export class SimFiles implements FileSystem {
  readonly #process: SimProcess;
  readonly #disk: SimDisk;
  #lastReplacement: Promise<unknown> = Promise.resolve();
  /** Makes the names of temporary files different. */
  #created = 0;

  constructor(process: SimProcess) {
    this.#process = process;
    this.#disk = process.host.disk;
  }

  openAppend(path: string): AppendFile {
    this.#needDescriptor("open", path);
    this.#assertParent(path, "open");
    if (this.#disk.isDirectory(path)) throw fault("open", path, "EISDIR");
    return new SimAppendFile(this.#process, path, this.#create(path));
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    await this.#wait();
    this.#needDescriptor("read", path);
    if (this.#disk.isDirectory(path)) throw fault("read", path, "EISDIR");
    mayFail(this.#disk, "read", "read", path);
    return this.#disk.file(path)?.content();
  }

  async readRange(path: string, start: number, length: number): Promise<Uint8Array | undefined> {
    return (await this.read(path))?.slice(start, start + length);
  }

  async size(path: string): Promise<number | undefined> {
    await this.#wait();
    return this.#disk.file(path)?.size;
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    const content = bytes.slice();
    const replacement = this.#lastReplacement.then(() => this.#replace(path, content));
    this.#lastReplacement = replacement.catch(() => undefined);
    return replacement;
  }

  async create(path: string, bytes: Uint8Array): Promise<boolean> {
    const disk = this.#disk;
    const temporary = `${path}.${this.#process.host.name}.${this.#created++}.tmp`;
    const content = bytes.slice();
    await this.#wait();
    this.#assertParent(path, "create");
    this.#needDescriptor("create", path);
    try {
      await this.#writeSynced(temporary, content, "create", path);
      await this.#step(`link ${path}`);
      const isFree = disk.file(path) === undefined;
      if (isFree) disk.link(path, disk.file(temporary) as SimInode);
      disk.unlink(temporary);
      if (isFree) await this.syncDirectory(parentOf(path));
      return isFree;
    } catch (error) {
      disk.unlink(temporary);
      throw error;
    }
  }

  async permissions(path: string): Promise<number | undefined> {
    await this.#wait();
    return this.#disk.file(path) === undefined ? undefined : 0o644;
  }

  async list(directory: string): Promise<string[]> {
    await this.#wait();
    this.#needDescriptor("list", directory);
    if (this.#disk.file(directory) !== undefined) throw fault("list", directory, "ENOTDIR");
    return this.#disk.list(directory);
  }

  async remove(path: string): Promise<void> {
    await this.#step(`remove ${path}`);
    this.#disk.freeBytes += this.#disk.file(path)?.size ?? 0;
    this.#disk.unlink(path);
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#wait();
    const missing: string[] = [];
    for (let directory = path; !this.#disk.isDirectory(directory); directory = parentOf(directory)) {
      if (this.#disk.file(directory) !== undefined) throw fault("create directory", path, "EEXIST");
      missing.unshift(directory);
    }
    for (const directory of missing) this.#disk.makeDirectory(directory);
    for (const directory of missing) await this.syncDirectory(parentOf(directory));
  }

  async syncDirectory(directory: string): Promise<void> {
    this.#needDescriptor("sync directory", directory);
    await this.#step(`sync directory ${directory}`);
    if (!this.#disk.isDirectory(directory)) throw fault("sync directory", directory, "ENOENT");
    mayFail(this.#disk, "sync", "sync directory", directory);
    this.#disk.syncNames(directory);
  }

  async lock(path: string): Promise<FileLock> {
    await this.#wait();
    this.#needDescriptor("lock", path);
    this.#assertParent(path, "lock");
    const owner = this.#disk.locks.get(path);
    // As in a real lock file, which names the boot of a machine: what another machine locked counts as left over.
    if (owner?.alive === true && owner.host === this.#process.host) {
      throw new FlareError("DATA_DIR_LOCKED", `"${path}" is locked by process ${owner.pid}`);
    }
    const { pid } = this.#process;
    const process = this.#process;
    const own = {
      get alive(): boolean {
        return process.alive;
      },
      pid,
      host: process.host,
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
    const disk = this.#disk;
    const temporary = `${path}.tmp`;
    await this.#wait();
    this.#assertParent(path, "replace");
    this.#needDescriptor("replace", path);
    try {
      await this.#writeSynced(temporary, bytes, "replace", path);
      await this.#keepPrevious(path);
      await this.#step(`rename ${temporary}`);
      disk.rename(temporary, path);
      await this.syncDirectory(parentOf(path));
    } catch (error) {
      disk.unlink(temporary);
      throw error;
    }
  }

  /** Writes a file that only this process knows; `action` and `path` are for the report of a fault. */
  async #writeSynced(temporary: string, bytes: Uint8Array, action: string, path: string): Promise<void> {
    const disk = this.#disk;
    disk.unlink(temporary);
    const inode = this.#create(temporary);
    await this.#step(`write ${temporary}`);
    appendTo(disk, inode, bytes, action, path);
    const sync = inode.beginSync();
    await this.#step(`sync ${temporary}`);
    mayFail(disk, "sync", action, path);
    inode.endSync(sync);
  }

  async #keepPrevious(path: string): Promise<void> {
    const before = this.#disk.file(path);
    if (before === undefined) return;
    const temporary = `${path}.previous.tmp`;
    this.#disk.unlink(temporary);
    await this.#step(`link ${temporary}`);
    this.#disk.link(temporary, before);
    await this.#step(`rename ${temporary}`);
    this.#disk.rename(temporary, `${path}.previous`);
  }

  /** The file of a name, an empty one if it is new. */
  #create(path: string): SimInode {
    const found = this.#disk.file(path);
    if (found !== undefined) return found;
    const inode = new SimInode();
    this.#disk.onChange(`create ${path}`);
    if (this.#process.alive) this.#disk.link(path, inode);
    return inode;
  }

  #assertParent(path: string, action: string): void {
    if (!this.#disk.isDirectory(parentOf(path))) throw fault(action, path, "ENOENT");
  }

  #needDescriptor(action: string, path: string): void {
    if (this.#process.lacksDescriptors) throw fault(action, path, "EMFILE");
  }

  #wait(): Promise<void> {
    return this.#process.waitUs(this.#disk.delayUs());
  }

  /** Waits; what follows changes the disk. */
  async #step(what: string): Promise<void> {
    await this.#wait();
    this.#disk.onChange(what);
    if (!this.#process.alive) await NEVER;
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
    const { disk } = this.#process.host;
    disk.onChange(`append ${this.#path}`);
    if (!this.#process.alive) return;
    if (this.#process.lacksDescriptors && disk.random.chance(APPEND_LACKS_DESCRIPTOR)) {
      throw fault("append to", this.#path, "EBUSY");
    }
    appendTo(disk, this.#inode, bytes, "append to", this.#path);
  }

  async sync(): Promise<void> {
    this.#assertOpen();
    const { disk } = this.#process.host;
    const sync = this.#inode.beginSync();
    await this.#process.waitUs(disk.delayUs());
    disk.onChange(`sync ${this.#path}`);
    if (!this.#process.alive) await NEVER;
    try {
      if (this.#process.lacksDescriptors && disk.random.chance(SYNC_LACKS_DESCRIPTOR)) throw fault("sync", this.#path, "EBUSY");
      mayFail(disk, "sync", "sync", this.#path);
    } catch (error) {
      this.#inode.failSync(sync);
      throw error;
    }
    this.#inode.endSync(sync);
  }

  truncate(size: number): void {
    this.#assertOpen();
    const { disk } = this.#process.host;
    disk.onChange(`truncate ${this.#path}`);
    if (!this.#process.alive) return;
    disk.freeBytes += Math.max(0, this.#inode.size - size);
    this.#inode.truncate(size);
  }

  close(): void {
    this.#closed = true;
  }

  #assertOpen(): void {
    if (this.#closed) throw new FlareError("CLOSED", `file "${this.#path}" is closed`);
  }
}

/** For what a dead process waits for. */
const NEVER = new Promise<never>(() => undefined);

/** Appends; a full disk takes what fits, a failing one any part. */
function appendTo(disk: SimDisk, inode: SimInode, bytes: Uint8Array, action: string, path: string): void {
  try {
    mayFail(disk, "append", action, path);
  } catch (error) {
    inode.append(bytes.subarray(0, disk.random.between(0, bytes.length)));
    throw error;
  }
  const taken = disk.takeRoom(bytes.length);
  inode.append(bytes.subarray(0, taken));
  if (taken < bytes.length) throw fault(action, path, "ENOSPC");
}

function mayFail(disk: SimDisk, access: keyof AccessFaults, action: string, path: string): void {
  if (disk.random.chance(disk.faults[access])) throw fault(action, path, "EIO");
}

/** As the adapters report what the system says. */
function fault(action: string, path: string, code: string): FlareError {
  return ioFault(Object.assign(new Error(code), { code }), action, path);
}
