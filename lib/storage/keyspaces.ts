/**
 * Which keyspace is the present one. All parts of a storage hold this and ask anew on each call, for a flush puts another
 * keyspace in the place, and a flush that could not be logged puts the former one back.
 */

import type { Random } from "../runtime/runtime.ts";
import type { EngineMeta } from "./engine_record.ts";
import { Keyspace } from "./keyspace.ts";

export class Keyspaces {
  current: Keyspace;

  readonly #random: Random;
  readonly #cacheBytesMax: number;
  /** Evictions of arenas that flushes have replaced. */
  #evictionsBefore = 0;

  /** `meta` is what the engine knows of the present generation. */
  constructor(random: Random, cacheBytesMax: number, meta: EngineMeta) {
    this.#random = random;
    this.#cacheBytesMax = cacheBytesMax;
    this.current = new Keyspace(meta.generation, cacheBytesMax, random.uint32(), meta.items, meta.tombstones);
  }

  /** Entries that left the arenas for room. */
  get evictions(): number {
    return this.#evictionsBefore + this.current.cache.evictions;
  }

  /** Begins an empty keyspace. */
  replace(generation: number): void {
    this.#evictionsBefore += this.current.cache.evictions;
    this.current = new Keyspace(generation, this.#cacheBytesMax, this.#random.uint32(), 0, 0);
  }

  /** Goes back to the keyspace that the present one replaced. */
  restore(former: Keyspace): void {
    this.current = former;
    this.#evictionsBefore -= former.cache.evictions;
  }
}
