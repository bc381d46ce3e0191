/**
 * Everything between two flushes: the arena, the generation its keys carry in the engine, and the counts. A flush replaces it,
 * and a flush that could not be logged restores it.
 */

import { CurrentKind } from "../../item/decide.ts";
import { EntryCache } from "./entry_cache.ts";

export class Keyspace {
  readonly generation: number;
  readonly cache: EntryCache;
  /** Stored items, expired ones not yet swept included. */
  items: number;
  tombstones: number;
  /** The same in the engine, once the last batch is written. */
  engineItems: number;
  engineTombstones: number;

  constructor(generation: number, cacheBytesMax: number, seed: number, items: number, tombstones: number) {
    this.generation = generation;
    this.cache = new EntryCache(cacheBytesMax, seed);
    this.items = items;
    this.tombstones = tombstones;
    this.engineItems = items;
    this.engineTombstones = tombstones;
  }

  /** A key changed from one kind to another. */
  count(from: CurrentKind, to: CurrentKind): void {
    this.items += itemsOf(to) - itemsOf(from);
    this.tombstones += tombstonesOf(to) - tombstonesOf(from);
  }

  /** A key changes from one kind to another in the engine. */
  countEngine(from: CurrentKind, to: CurrentKind): void {
    this.engineItems += itemsOf(to) - itemsOf(from);
    this.engineTombstones += tombstonesOf(to) - tombstonesOf(from);
  }
}

function itemsOf(kind: CurrentKind): number {
  return kind === CurrentKind.value ? 1 : 0;
}

function tombstonesOf(kind: CurrentKind): number {
  return kind === CurrentKind.tombstone ? 1 : 0;
}
