/**
 * Removes keys that now belong to another partition: after a partition was added, its keys are still stored on their old
 * owners. A slow background walk, some time after the change, when every node has the new map.
 *
 * Flare differs: the original keeps such keys for ever.
 */

import { MIB } from "../base/byte_units.ts";
import { type Mutation, MutationKind, MutationResult } from "../item/mutation.ts";
import type { Clock, Log, Timer } from "../runtime/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { BandwidthLimit } from "./bandwidth_limit.ts";

export interface MovedKeysOptions {
  /** The delay between the change and the walk. */
  readonly delayMs: number;
  /** `reconstruction-interval`: pause per item in microseconds. */
  readonly intervalUs: number;
  /** `reconstruction-bwlimit`; 0 = no limit. */
  readonly bytesPerSecond: number;
}

/** The pause after a walk that failed. */
const RETRY_MS = 60_000;
const SLICE_ITEMS_MAX = 500;
const SLICE_BYTES_MAX = MIB;

export class MovedKeys {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #storage: Storage;
  #timer: Timer | undefined;
  /** The rate limit of the current walk. */
  #limit: BandwidthLimit | undefined;
  /** Incremented by every start and stop: older walks end. */
  #walk = 0;
  /** Keys removed since the start. */
  removed = 0;

  constructor(clock: Clock, log: Log, storage: Storage) {
    this.#clock = clock;
    this.#log = log;
    this.#storage = storage;
  }

  /** Schedules a walk that removes the keys for which `moved` returns true; replaces an earlier one. */
  start(moved: (key: Uint8Array) => boolean, options: MovedKeysOptions): void {
    this.stop();
    this.#schedule(this.#walk, moved, options, options.delayMs);
  }

  #schedule(walk: number, moved: (key: Uint8Array) => boolean, options: MovedKeysOptions, delayMs: number): void {
    this.#timer = this.#clock.setTimer(() => {
      this.#remove(walk, moved, options).catch((error: Error) => {
        if (walk !== this.#walk) return;
        this.#log.write("warning", `moved keys could not be removed: ${error.message}; trying again in ${RETRY_MS / 1000} s`);
        this.#schedule(walk, moved, options, RETRY_MS);
      });
    }, delayMs);
  }

  stop(): void {
    this.#walk++;
    this.#limit?.end();
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  async #remove(walk: number, moved: (key: Uint8Array) => boolean, options: MovedKeysOptions): Promise<void> {
    const limit = new BandwidthLimit(this.#clock, options.bytesPerSecond, options.intervalUs);
    this.#limit = limit;
    const cursor = this.#storage.openCursor({ includeExpired: true });
    const before = this.removed;
    const { rollbacks } = this.#storage;
    try {
      while (walk === this.#walk) {
        const items = await cursor.next(SLICE_ITEMS_MAX, SLICE_BYTES_MAX);
        if (items.length === 0) break;
        let bytes = 0;
        for (const { key, value, version } of items) {
          bytes += key.length + value.length;
          if (walk !== this.#walk || !moved(key)) continue;
          const mutation: Mutation = {
            kind: MutationKind.delete,
            key: { bytes: key, start: 0, end: key.length },
            flags: 0,
            expire: 0,
            version,
            value: key,
            valueStart: 0,
            valueEnd: 0,
            delta: 0,
          };
          const { result, error } = await this.#storage.apply(mutation, Math.floor(this.#clock.nowMs() / 1000));
          if (result === MutationResult.failed) throw new Error(error);
          if (result === MutationResult.deleted) this.removed++;
        }
        await limit.spend(bytes, items.length);
      }
    } finally {
      await cursor.close();
    }
    if (this.#storage.rollbacks !== rollbacks) throw new Error("a change was rolled back meanwhile");
    if (this.removed > before)
      this.#log.write("notice", `${this.removed - before} keys that moved to other partitions were removed`);
  }
}
