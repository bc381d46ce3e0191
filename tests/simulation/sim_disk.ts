/**
 * The disk of a simulated host: files and engines that outlive processes, and what of them outlives the loss of power:
 * of a file what was synced and any part of the rest, perhaps damaged at its end; of names what the last sync of their
 * directory saw; of an engine everything up to the last synced batch and any part of the batches behind it. It can be slow,
 * full or failing.
 */

import { MemoryLevel } from "memory-level";
import type { SimRandom } from "./sim_random.ts";

/** A file's content, whatever its names are. */
export class SimInode {
  #bytes: Uint8Array = new Uint8Array(256);
  #size = 0;
  #syncedSize = 0;
  /** What a power loss may bring back after an unsynced cut. */
  #beforeCut: Uint8Array | undefined;

  get size(): number {
    return this.#size;
  }

  /** A copy. */
  content(): Uint8Array {
    return this.#bytes.slice(0, this.#size);
  }

  append(bytes: Uint8Array): void {
    const size = this.#size + bytes.length;
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#size);
    this.#size = size;
  }

  truncate(size: number): void {
    if (size < this.#syncedSize) {
      this.#beforeCut ??= this.#bytes.slice(0, this.#syncedSize);
      this.#syncedSize = size;
    }
    this.#size = Math.min(this.#size, size);
  }

  /** Everything up to `size` is on the disk. */
  synced(size: number): void {
    this.#syncedSize = Math.max(this.#syncedSize, Math.min(size, this.#size));
    this.#beforeCut = undefined;
  }

  losePower(random: SimRandom): void {
    if (this.#beforeCut !== undefined && random.chance(0.5)) {
      this.#bytes = this.#beforeCut;
      this.#size = this.#beforeCut.length;
    } else {
      const kept = random.between(this.#syncedSize, this.#size);
      // A sector that was being written holds anything.
      if (kept > this.#syncedSize && random.chance(0.3)) {
        this.#bytes.fill(random.between(0, 255), Math.max(this.#syncedSize, kept - random.between(1, 40)), kept);
      }
      this.#size = kept;
    }
    this.synced(this.#size);
  }
}

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

export class SimDisk {
  readonly random: SimRandom;
  /** Appends and replacements find no room. */
  full = false;
  /** How likely a write is to fail, 0 … 1. */
  faultProbability = 0;
  /** What everything that waits for the disk takes longer. */
  extraDelayUs = 0;
  readonly names = new Map<string, SimInode>();
  readonly directories = new Set<string>(["/"]);
  /** The process that holds a lock, by path. */
  readonly locks = new Map<string, { readonly alive: boolean; readonly pid: number }>();
  #syncedNames = new Map<string, SimInode>();
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

  /** The entries of a directory, as they are now, survive a loss of power. */
  syncNames(directory: string): void {
    const inside = (path: string) => parentOf(path) === directory;
    for (const path of [...this.#syncedNames.keys()]) if (inside(path)) this.#syncedNames.delete(path);
    for (const [path, inode] of this.names) if (inside(path)) this.#syncedNames.set(path, inode);
  }

  losePower(): void {
    const before = new Map(this.names);
    this.names.clear();
    for (const [path, inode] of this.#syncedNames) this.names.set(path, inode);
    // A change nobody synced may be on the disk all the same.
    for (const [path, inode] of before) if (!this.names.has(path) && this.random.chance(0.5)) this.names.set(path, inode);
    for (const path of [...this.names.keys()]) if (!before.has(path) && this.random.chance(0.5)) this.names.delete(path);
    this.#syncedNames = new Map(this.names);
    for (const inode of new Set(this.names.values())) inode.losePower(this.random);
    for (const engine of this.#engines.values()) engine.losePower(this.random);
  }
}

/** The directory a path lies in. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}
