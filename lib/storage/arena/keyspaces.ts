/**
 * Which keyspace is the present one. All parts of a storage hold this and ask anew on each call, for a flush puts another
 * keyspace in the place, and a flush that could not be logged puts the former one back.
 */

import type { EntryView } from "../../item/entry.ts";
import type { Random } from "../../runtime/runtime.ts";
import type { EngineMeta } from "../engine/engine_record.ts";
import { emptyEntry } from "./cached_entry.ts";
import type { EntryCache } from "./entry_cache.ts";
import { Keyspace } from "./keyspace.ts";

/** What arenas count about items that had to leave, and about those that were spared. */
export interface ArenaCounts {
  evictions: number;
  evictedUnfetched: number;
  evictedActive: number;
  evictedNonzero: number;
  spared: number;
  roomsMade: number;
}

export class Keyspaces {
  current: Keyspace;
  /** The second for which a flush is planned, 0 = none is. */
  flushPlannedFor: number;

  readonly #random: Random;
  #cacheBytesMax: number;
  #evictionListener: ((entry: EntryView) => void) | undefined;
  /** Of arenas that flushes have replaced. */
  readonly #countsBefore: ArenaCounts = {
    evictions: 0,
    evictedUnfetched: 0,
    evictedActive: 0,
    evictedNonzero: 0,
    spared: 0,
    roomsMade: 0,
  };

  /** `meta` is what the engine knows of the present generation. */
  constructor(random: Random, cacheBytesMax: number, meta: EngineMeta) {
    this.#random = random;
    this.#cacheBytesMax = cacheBytesMax;
    this.current = new Keyspace(meta.generation, cacheBytesMax, random.uint32(), meta.items, meta.tombstones);
    this.flushPlannedFor = meta.flushPlannedFor;
  }

  /** Sums over all arenas so far. */
  get counts(): ArenaCounts {
    const counts = { ...this.#countsBefore };
    addCounts(counts, this.current.cache, 1);
    return counts;
  }

  /** How much memory an arena may take; a smaller one than before is not shrunk by this alone. */
  get cacheBytesMax(): number {
    return this.#cacheBytesMax;
  }

  set cacheBytesMax(bytesMax: number) {
    this.#cacheBytesMax = bytesMax;
    this.current.cache.bytesMax = bytesMax;
  }

  /** Whom to tell of each item that leaves the arena for room; the view is valid during the call. */
  set evictionListener(listener: ((entry: EntryView) => void) | undefined) {
    this.#evictionListener = listener;
    this.#take(this.current);
  }

  /** Begins an empty keyspace. */
  replace(generation: number): void {
    addCounts(this.#countsBefore, this.current.cache, 1);
    this.#take(new Keyspace(generation, this.#cacheBytesMax, this.#random.uint32(), 0, 0));
  }

  /** Goes back to the keyspace that the present one replaced. */
  restore(former: Keyspace): void {
    former.cache.bytesMax = this.#cacheBytesMax;
    addCounts(this.#countsBefore, former.cache, -1);
    this.#take(former);
  }

  #take(keyspace: Keyspace): void {
    this.current = keyspace;
    const { cache } = keyspace;
    const listener = this.#evictionListener;
    const view = emptyEntry();
    cache.onEvicted =
      listener === undefined
        ? undefined
        : (location) => {
            cache.read(location, view);
            listener(view);
          };
  }
}

function addCounts(counts: ArenaCounts, cache: EntryCache, sign: 1 | -1): void {
  for (const name of Object.keys(counts) as (keyof ArenaCounts)[]) counts[name] += sign * cache[name];
}
