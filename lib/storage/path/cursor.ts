/**
 * An ordered walk over the items of a storage, slice by slice: the engine provides the keys, and the arena's state of a key,
 * being newer, wins. Nothing is held between two slices, so a walk can take days. Items added before the walk's position after
 * it began may be missing; a copy of a storage gets those by replication.
 */

import { FlareError } from "../../base/errors.ts";
import type { Uint64 } from "../../base/uint64.ts";

/** Which items a walk shows. */
export interface CursorOptions {
  /** Only keys with this prefix. */
  readonly prefix?: Uint8Array;
  /** Include expired items that are not swept yet. */
  readonly includeExpired?: boolean;
  /** Include tombstones: deleted items whose version is still remembered. */
  readonly includeTombstones?: boolean;
  /** Start after this key; it has the prefix. */
  readonly after?: Uint8Array;
  /** Everything to be shown is already in the engine: a walk with several cursors runs the checkpoint only once. */
  readonly checkpointed?: boolean;
  /** Items come with an empty value. */
  readonly withoutValues?: boolean;
}

/** An item as a walk returns it, with its own bytes. */
export interface StoredItem {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Length of the stored value, even with `withoutValues`. */
  readonly valueBytes: number;
  /** For a tombstone: the second of deletion. */
  readonly flags: number;
  /** For a tombstone: until when add, replace and append are refused. */
  readonly expire: number;
  readonly version: Uint64;
  /** Bits of `EntryMark`. */
  readonly marks: number;
  readonly tombstone: boolean;
  /** Read since it was stored, as far as memory knows. */
  readonly fetched: boolean;
  /** The second it was last stored or read; 0 = it is only on disk. */
  readonly accessSeconds: number;
}

/** The items of a slice, and the key after which the next one begins. */
export interface CursorSlice {
  readonly items: StoredItem[];
  /** The last key visited; undefined = the end. */
  readonly lastKey: Uint8Array | undefined;
}

/** What a cursor needs of the storage. */
export interface CursorOwner {
  checkpoint(): Promise<void>;
  /** Visits up to `keysMax` keys (about `bytesMax` bytes) after `after`. */
  readSlice(after: Uint8Array | undefined, options: CursorOptions, keysMax: number, bytesMax: number): Promise<CursorSlice>;
}

export class Cursor {
  readonly #owner: CursorOwner;
  readonly #options: CursorOptions;
  #after: Uint8Array | undefined;
  #started = false;
  #ended = false;
  #busy = false;

  constructor(owner: CursorOwner, options: CursorOptions) {
    this.#owner = owner;
    this.#options = options;
    this.#after = options.after;
    this.#started = options.checkpointed === true;
  }

  /**
   * The next items in key order: at most `itemsMax`, and no more once they have `bytesMax` bytes; none = the end.
   * @throws FlareError CLOSED (called while another call runs, or the storage is closed) | IO_ERROR
   */
  async next(itemsMax: number, bytesMax: number): Promise<StoredItem[]> {
    for (;;) {
      const { items, lastKey } = await this.slice(itemsMax, bytesMax);
      if (items.length > 0 || lastKey === undefined) return items;
    }
  }

  /**
   * Visits up to `keysMax` keys, and may return no item although there are more: for callers that need to stop in between.
   * @throws FlareError as `next`
   */
  async slice(keysMax: number, bytesMax: number): Promise<CursorSlice> {
    if (this.#busy) throw new FlareError("CLOSED", "the cursor is in use by another call");
    this.#busy = true;
    try {
      if (!this.#started) await this.#owner.checkpoint();
      this.#started = true;
      if (this.#ended) return { items: [], lastKey: undefined };
      const slice = await this.#owner.readSlice(this.#after, this.#options, keysMax, bytesMax);
      if (slice.lastKey === undefined) this.#ended = true;
      else this.#after = slice.lastKey;
      return slice;
    } finally {
      this.#busy = false;
    }
  }

  /** Ends the walk. */
  async close(): Promise<void> {
    this.#ended = true;
  }
}
