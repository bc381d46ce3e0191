/**
 * The disk of a simulated host: files and engines that outlive processes, and what of them outlives the loss of power. What of
 * a file stays is `sim_inode.ts`. A name that was created, renamed or removed without a later sync of its directory is what it
 * was before or after, each name on its own. An engine keeps all batches up to the last synced one and, in their order, some of
 * those behind it. A disk can also be slow, full or failing.
 */

import { MemoryLevel } from "memory-level";
import { SimInode } from "./sim_inode.ts";
import type { SimRandom } from "./sim_random.ts";

/** An undo record: the values before a batch. */
type Undo = readonly { readonly key: Uint8Array; readonly value: Uint8Array | undefined }[];

export type SimDatabase = MemoryLevel<Uint8Array, Uint8Array>;

/** An engine's data: they stay when the process goes. */
export class SimEngineData {
  readonly database: SimDatabase = new MemoryLevel({ keyEncoding: "view", valueEncoding: "view", storeEncoding: "view" });
  /** Of the batches since the last synced one, oldest first. */
  #unsynced: Undo[] = [];

  /** A batch is about to be applied. */
  record(keys: readonly Uint8Array[], sync: boolean): void {
    if (sync) this.#unsynced = [];
    else this.#unsynced.push(keys.map((key) => ({ key: key.slice(), value: this.database.getSync(key)?.slice() })));
  }

  losePower(random: SimRandom): void {
    const lost = random.between(0, this.#unsynced.length);
    for (const undo of this.#unsynced.slice(this.#unsynced.length - lost).reverse()) {
      for (const { key, value } of undo) {
        // The database is in memory: it is done when the call returns.
        void (value === undefined ? this.database.del(key) : this.database.put(key, value));
      }
    }
    this.#unsynced = [];
  }
}

const DIRECTORY = "directory";
/** What a name leads to; undefined: there is no such name. */
type Entry = SimInode | typeof DIRECTORY | undefined;

/** How likely each kind of access is to fail with EIO, 0 … 1. */
export interface AccessFaults {
  append: number;
  sync: number;
  read: number;
}

export class SimDisk {
  readonly random: SimRandom;
  /** Bytes that still fit on it. */
  freeBytes = Number.POSITIVE_INFINITY;
  readonly faults: AccessFaults = { append: 0, sync: 0, read: 0 };
  /** What everything that waits for the disk takes longer. */
  extraDelayUs = 0;
  /** Called before every change of what is on the disk or will be after a power cut, which may come right there. */
  onChange: (what: string) => void = () => undefined;
  /** The process that holds a lock, by path. */
  readonly locks = new Map<string, { readonly alive: boolean; readonly pid: number; readonly host: object }>();
  readonly #entries = new Map<string, Entry>([["/", DIRECTORY]]);
  /** What each name has been since its directory was synced, without what it is now. */
  readonly #past = new Map<string, Entry[]>();
  readonly #engines = new Map<string, SimEngineData>();

  constructor(random: SimRandom) {
    this.random = random;
  }

  /** The engine called `name`, an empty one at first. */
  engine(name: string): SimEngineData {
    const engine = this.#engines.get(name) ?? new SimEngineData();
    this.#engines.set(name, engine);
    return engine;
  }

  /** How long the disk takes now. */
  delayUs(): number {
    return this.random.between(100, 3000) + this.extraDelayUs;
  }

  /** Takes as many of `bytes` bytes as there is room for. */
  takeRoom(bytes: number): number {
    const taken = Math.min(bytes, this.freeBytes);
    this.freeBytes -= taken;
    return taken;
  }

  // ------------------------------------------------------------------------------------------------------- names

  /** The file of a name. */
  file(path: string): SimInode | undefined {
    const entry = this.#entries.get(path);
    return entry === DIRECTORY ? undefined : entry;
  }

  isDirectory(path: string): boolean {
    return this.#entries.get(path) === DIRECTORY;
  }

  /** The names in a directory, sorted. */
  list(directory: string): string[] {
    const inside = [...this.#entries.keys()].filter((path) => path !== "/" && parentOf(path) === directory);
    return inside.map((path) => path.slice(path.lastIndexOf("/") + 1)).sort();
  }

  link(path: string, inode: SimInode): void {
    this.#set(path, inode);
  }

  makeDirectory(path: string): void {
    this.#set(path, DIRECTORY);
  }

  /** Removes a name, and with a directory everything in it. */
  unlink(path: string): void {
    for (const name of [...this.#entries.keys()]) if (name === path || name.startsWith(`${path}/`)) this.#set(name, undefined);
  }

  rename(from: string, to: string): void {
    const inode = this.file(from);
    if (inode !== undefined) this.#set(to, inode);
    this.#set(from, undefined);
  }

  /** The entries of a directory, as they are now, survive a loss of power. */
  syncNames(directory: string): void {
    for (const path of [...this.#past.keys()]) if (parentOf(path) === directory) this.#past.delete(path);
  }

  // ------------------------------------------------------------------------------------- what happens to all of it

  losePower(): void {
    for (const [path, past] of this.#past) this.#become(path, this.random.pick([...past, this.#entries.get(path)]));
    this.#past.clear();
    // What lies in a directory that is not there any more is not there either.
    const paths = [...this.#entries.keys()].sort((left, right) => left.length - right.length);
    for (const path of paths) if (!this.isDirectory(parentOf(path))) this.#entries.delete(path);
    for (const inode of this.#inodes()) inode.losePower(this.random);
    for (const engine of this.#engines.values()) engine.losePower(this.random);
  }

  /** Another disk, an empty one, takes its place. */
  lose(): void {
    this.#past.clear();
    this.#entries.clear();
    this.#entries.set("/", DIRECTORY);
    this.#engines.clear();
  }

  /** The files below a directory, for `restore`. */
  backup(directory: string): ReadonlyMap<string, Uint8Array> {
    const files = new Map<string, Uint8Array>();
    for (const [path, entry] of this.#entries) {
      if (path.startsWith(`${directory}/`) && entry instanceof SimInode) files.set(path, entry.content());
    }
    return files;
  }

  /** Puts files of a backup in the place of all that is in the directory now. */
  restore(directory: string, files: ReadonlyMap<string, Uint8Array>): void {
    for (const path of [...this.#entries.keys()].filter((name) => name.startsWith(`${directory}/`))) {
      this.#entries.delete(path);
      this.#past.delete(path);
    }
    for (const [path, bytes] of files) {
      const inode = new SimInode();
      inode.append(bytes);
      inode.endSync(inode.beginSync());
      this.#become(path, inode);
      this.#past.delete(path);
    }
  }

  #inodes(): Set<SimInode> {
    return new Set([...this.#entries.values()].filter((entry) => entry instanceof SimInode));
  }

  #set(path: string, entry: Entry): void {
    const before = this.#entries.get(path);
    if (before === entry) return;
    this.#past.set(path, [...(this.#past.get(path) ?? []), before]);
    this.#become(path, entry);
  }

  #become(path: string, entry: Entry): void {
    if (entry === undefined) this.#entries.delete(path);
    else this.#entries.set(path, entry);
  }
}

/** The directory a path lies in. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}
