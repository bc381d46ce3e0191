/**
 * Which keyspace is current. All parts of a storage hold this and ask it on each call, because a flush replaces the keyspace,
 * and a flush that could not be logged restores the previous one.
 */

import type { EntryView } from "../../item/entry.ts";
import type { Random } from "../../runtime/runtime.ts";
import type { EngineMeta } from "../engine/engine_record.ts";
import { emptyEntry } from "./cached_entry.ts";
import type { EntryCache } from "./entry_cache.ts";
import { Keyspace } from "./keyspace.ts";

/** An arena's counts of evicted and of spared items. */
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
  /** The second for which a flush is scheduled, 0 = none. */
  flushPlannedFor: number;

  readonly #random: Random;
  #cacheBytesMax: number;
  #evictionListener: ((entry: EntryView) => void) | undefined;
  /** Of the arenas that flushes have replaced. */
  readonly #countsBefore: ArenaCounts = {
    evictions: 0,
    evictedUnfetched: 0,
    evictedActive: 0,
    evictedNonzero: 0,
    spared: 0,
    roomsMade: 0,
  };

  /** `meta` is the engine's record of the current generation. */
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

  /** How much memory an arena may use; setting a smaller limit does not shrink it by itself. */
  get cacheBytesMax(): number {
    return this.#cacheBytesMax;
  }

  set cacheBytesMax(bytesMax: number) {
    this.#cacheBytesMax = bytesMax;
    this.current.cache.bytesMax = bytesMax;
  }

  /** Called for each item evicted from the arena; the view is valid during the call. */
  set evictionListener(listener: ((entry: EntryView) => void) | undefined) {
    this.#evictionListener = listener;
    this.#take(this.current);
  }

  /** Starts an empty keyspace. */
  replace(generation: number): void {
    addCounts(this.#countsBefore, this.current.cache, 1);
    this.#take(new Keyspace(generation, this.#cacheBytesMax, this.#random.uint32(), 0, 0));
  }

  /** Restores the keyspace that the current one replaced. */
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
