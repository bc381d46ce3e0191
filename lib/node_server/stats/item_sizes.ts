/**
 * `stats sizes`: a histogram of the sizes of items in memory, in steps of 32 bytes, as in memcached. It keeps no state: while
 * it is enabled each request walks the arena, a segment in each turn of the loop.
 */

import { endOfTurn } from "../../base/sleep.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Storage } from "../../storage/storage.ts";

const STEP_BYTES = 32;

export class ItemSizes {
  /** Off by default. */
  enabled = false;
  readonly #clock: Clock;
  readonly #storage: Storage;

  constructor(clock: Clock, storage: Storage) {
    this.#clock = clock;
    this.#storage = storage;
  }

  /** `stats sizes_enable` and `sizes_disable`. */
  enable(enabled: boolean, reply: TextReply): void {
    this.enabled = enabled;
    this.#status(reply);
  }

  /** `stats sizes`: a line for each size that occurs, the smallest first. */
  print(reply: TextReply): void | Promise<void> {
    return this.enabled ? this.#count(reply) : this.#status(reply);
  }

  #status(reply: TextReply): void {
    reply.stat("sizes_status", this.enabled ? "enabled" : "disabled");
    reply.end();
  }

  async #count(reply: TextReply): Promise<void> {
    const counts = new Map<number, number>();
    const walk = this.#storage.itemBytes((bytes) => {
      const size = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
      counts.set(size, (counts.get(size) ?? 0) + 1);
    });
    while (walk.next().done !== true) await endOfTurn(this.#clock);
    for (const [size, count] of [...counts].sort(([left], [right]) => left - right)) reply.stat(String(size), count);
    reply.end();
  }
}
