/**
 * The slow walk over the engine that turns expired items into tombstones, removes expired tombstones, and deletes what a flush
 * left behind. It works in small slices, so that requests hardly notice. The storage decides what to do with a key from the
 * key's current state, never from what the walk saw.
 */

import { concatBytes } from "../../base/bytes.ts";
import type { FlareError } from "../../base/errors.ts";
import { CurrentKind, isExpired } from "../../item/decide.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { Keyspaces } from "../arena/keyspaces.ts";
import type { Engine } from "../engine/engine.ts";
import { GENERATION_BYTES, generationStart, peekEngineValue } from "../engine/engine_record.ts";

/** Keys per slice. */
export const SLICE_KEYS = 500;
const SLICE_BYTES = 1 << 20;
const CLEAR_KEYS = 2000;
/** Appended to a key: the smallest key above it. */
const KEY_BEHIND = new Uint8Array(1);

/** What the sweeper needs of the storage. */
export interface SweepOwner {
  /** The flush generation that is durable in the engine; earlier ones may be deleted once it is the current one. */
  storedGeneration(): number;
  /** Expires or removes one key if it is due. */
  sweepKey(key: Uint8Array, start: number, end: number, nowSeconds: number): void | Promise<void>;
}

export class Sweeper {
  /** Keys checked so far, and complete walks over all of them. */
  keys = 0;
  walks = 0;
  readonly #runtime: Runtime;
  readonly #engine: Engine;
  readonly #keyspaces: Keyspaces;
  readonly #owner: SweepOwner;
  readonly #intervalMs: number;
  readonly #retentionSeconds: number;
  /** The last key checked; undefined = start over. */
  #after: Uint8Array | undefined;
  #clearedBelow = 0;
  #timer: Timer | undefined;
  #slice: Promise<void> | undefined;
  #closed = false;

  constructor(
    runtime: Runtime,
    engine: Engine,
    keyspaces: Keyspaces,
    owner: SweepOwner,
    intervalMs: number,
    retentionSeconds: number,
  ) {
    this.#runtime = runtime;
    this.#engine = engine;
    this.#keyspaces = keyspaces;
    this.#owner = owner;
    this.#intervalMs = intervalMs;
    this.#retentionSeconds = retentionSeconds;
  }

  /** Sweeps slices at intervals until `close`. */
  start(): void {
    if (this.#closed) return;
    this.#timer = this.#runtime.clock.setTimer(() => {
      this.#timer = undefined;
      this.#slice = this.sweepSlice()
        .catch((error: unknown) => this.#runtime.log.write("error", `sweep failed: ${(error as FlareError).message}`))
        .finally(() => {
          this.#slice = undefined;
          this.start();
        });
    }, this.#intervalMs);
  }

  /** Resolves when no slice runs any more. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    await this.#slice;
  }

  /** Deletes a piece of an earlier generation, or checks the next keys of the current one. @throws FlareError IO_ERROR */
  async sweepSlice(): Promise<void> {
    const { generation } = this.#keyspaces.current;
    if (generation > this.#clearedBelow && this.#owner.storedGeneration() === generation) {
      if (await this.#clearEarlier(generation)) return;
      this.#clearedBelow = generation;
    }
    const from = generationStart(generation);
    const after = this.#after;
    const isInGeneration = after !== undefined && from.every((byte, i) => after[i] === byte);
    const start = isInGeneration ? { after } : { from };
    const before = generationStart(generation + 1);
    const passage = await this.#engine.passage(isInGeneration ? after : from, before);
    if ("damage" in passage) {
      this.#after = concatBytes([passage.damage.to, KEY_BEHIND]);
      return;
    }
    const pairs = await this.#engine.scan(start, passage.before, SLICE_KEYS, SLICE_BYTES);
    const nowSeconds = Math.floor(this.#runtime.clock.nowMs() / 1000);
    for (const [key, value] of pairs) {
      this.keys++;
      const { kind, flags, expire } = peekEngineValue(value);
      if (!isDue(kind, flags, expire, nowSeconds, this.#retentionSeconds)) continue;
      // A flush while this slice was waiting makes the rest of it pointless.
      if (this.#closed || this.#keyspaces.current.generation !== generation) return;
      const swept = this.#owner.sweepKey(key, GENERATION_BYTES, key.length, nowSeconds);
      if (swept !== undefined) await swept;
    }
    this.#after = pairs.at(-1)?.[0] ?? (passage.before === before ? undefined : passage.before);
    if (this.#after === undefined) this.walks++;
  }

  /** False when nothing of earlier generations is left. */
  async #clearEarlier(generation: number): Promise<boolean> {
    const from = generationStart(1);
    const before = generationStart(generation);
    const left = await this.#engine.scan({ from }, before, 1, SLICE_BYTES);
    if (left.length === 0) return false;
    await this.#engine.clear(from, before, CLEAR_KEYS);
    return true;
  }
}

/** True for an expired item, and for a tombstone that was kept long enough and no longer blocks anything. */
export function isDue(kind: CurrentKind, flags: number, expire: number, nowSeconds: number, retentionSeconds: number): boolean {
  if (kind === CurrentKind.value) return isExpired(expire, nowSeconds);
  return kind === CurrentKind.tombstone && expire <= nowSeconds && flags + retentionSeconds <= nowSeconds;
}
