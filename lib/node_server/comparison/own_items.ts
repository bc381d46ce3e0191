/**
 * This node's own items of a partition, for a comparison with another replica: digests and states of ranges, in key order, and
 * of single keys. A question is answered in small slices, with other requests in between, and only up to a limit; few are
 * answered at a time. It answers only while its map agrees with the asker's about the partition.
 */

import { compareBytes } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { endOfTurn } from "../../base/sleep.ts";
import type { KeyResolver } from "../../cluster/key_resolver.ts";
import { NodeState } from "../../cluster/node.ts";
import type { EntryView } from "../../item/entry.ts";
import { digestOf, ItemDigest } from "../../item/item_digest.ts";
import type { ItemState, KeyRange, PartName, RangeDigest, RangeItems } from "../../protocol/comparison.ts";
import type { StoredItem } from "../../storage/storage.ts";
import { type NodeComponents, nowSeconds } from "../node_components.ts";
import { Turnstile } from "../scan/turnstile.ts";

/** Keys visited per event loop turn. */
const SLICE_KEYS = 250;
const SLICE_BYTES = 262144;
/** Most questions answered at a time. */
const QUESTIONS_MAX = 2;

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "keyHash" | "routing" | "runtime" | "storage">;

export class OwnItems {
  readonly #parts: Parts;
  readonly #resolver: KeyResolver;
  readonly #turnstile = new Turnstile(QUESTIONS_MAX);

  constructor(parts: Parts, resolver: KeyResolver) {
    this.#parts = parts;
    this.#resolver = resolver;
  }

  /**
   * The digest of a range, or of its first `slicesMax` slices.
   * @throws FlareError REFUSED, retriable, if the node map does not agree | CORRUPT | IO_ERROR | CLOSED
   */
  digest(part: PartName, range: KeyRange, slicesMax: number): Promise<RangeDigest> {
    return this.#turnstile.pass(async () => {
      const digest = new ItemDigest();
      let items = 0;
      const reached = await this.#walk(part, range, slicesMax, (item) => {
        digest.add(item);
        items++;
      });
      return { items, digest: digest.text, reached };
    });
  }

  /** The items of a range, or of its first `slicesMax` slices. @throws FlareError as `digest` */
  items(part: PartName, range: KeyRange, slicesMax: number): Promise<RangeItems> {
    return this.#turnstile.pass(async () => {
      const items: ItemState[] = [];
      const reached = await this.#walk(part, range, slicesMax, (item) => {
        const { key, version, expire } = item;
        items.push({ key, version, expire, digest: digestOf(item) });
      });
      return { items, reached };
    });
  }

  /** The items that exist of these. @throws FlareError as `digest` */
  async keys(part: PartName, keys: readonly Uint8Array[]): Promise<ItemState[]> {
    this.#check(part);
    const { storage } = this.#parts;
    const items: ItemState[] = [];
    for (const key of keys) {
      const found = storage.get({ bytes: key, start: 0, end: key.length }, nowSeconds(this.#parts), true);
      const entry = found instanceof Promise ? await found : found;
      if (entry !== undefined) items.push(stateOf(key, entry));
    }
    this.#check(part);
    return items;
  }

  /** Returns the last key visited, undefined at the end of the range. */
  async #walk(
    part: PartName,
    { after, to }: KeyRange,
    slicesMax: number,
    visit: (item: StoredItem) => void,
  ): Promise<Uint8Array | undefined> {
    this.#check(part);
    const map = this.#parts.routing.nodeMap;
    // A walk sees what is in the engine: what was written before the first range is there when it begins.
    const cursor = this.#parts.storage.openCursor(after.length === 0 ? {} : { after, checkpointed: true });
    for (let slices = 1; ; slices++) {
      const { items, lastKey } = await cursor.slice(SLICE_KEYS, SLICE_BYTES);
      // The data may have been dropped for a copy in the meantime.
      if (this.#parts.routing.nodeMap !== map) throw otherMap();
      for (const item of items) {
        if (to !== undefined && compareBytes(item.key, to) > 0) return undefined;
        if (this.belongs(item.key, part)) visit(item);
      }
      if (lastKey === undefined || (to !== undefined && compareBytes(lastKey, to) >= 0)) return undefined;
      if (slices >= slicesMax) return lastKey;
      await endOfTurn(this.#parts.runtime.clock);
    }
  }

  /** Only an active replica has to have the same items as the others. */
  #check({ partition, count }: PartName): void {
    const { routing } = this.#parts;
    const isOurs = routing.self?.partition === partition && routing.self.state === NodeState.active;
    if (!isOurs || routing.partitionMap.active.length !== count) throw otherMap();
  }

  /** Whether a key is one of a partition's: keys that have moved to another one stay here for a while. */
  belongs(key: Uint8Array, { partition, count }: PartName): boolean {
    return count <= 1 || this.#resolver.resolve(this.#parts.keyHash(key, 0, key.length), count) === partition;
  }
}

function stateOf(key: Uint8Array, { bytes, valueStart, valueEnd, flags, expire, version, marks }: EntryView): ItemState {
  const value = bytes.subarray(valueStart, valueEnd);
  return { key, version, expire, digest: digestOf({ key, value, flags, expire, version, marks }) };
}

function otherMap(): FlareError {
  return new FlareError("REFUSED", "this node is not an active replica of that partition, or the node map is changing", {
    retriable: true,
  });
}
