/**
 * An ordered walk over the items of a storage, slice by slice: the engine gives the keys, and what the arena knows of a
 * key is newer and wins. Between two slices nothing is held, so a walk may take days. Items added behind the walk's
 * place after it began may be missing; whoever copies a storage gets those by replication.
 */

import { FlareError } from "../../base/errors.ts";
import type { Uint64 } from "../../base/uint64.ts";

/** Which items a walk shows. */
export interface CursorOptions {
  /** Only keys that begin so. */
  readonly prefix?: Uint8Array;
  /** Items whose time is over but which are not swept yet, too. */
  readonly includeExpired?: boolean;
  /** Deleted items whose version is still remembered, too. */
  readonly includeTombstones?: boolean;
  /** Begin behind this key; it begins with the prefix. */
  readonly after?: Uint8Array;
  /** Everything to be shown is in the engine already: a walk in several cursors brings it there only once. */
  readonly checkpointed?: boolean;
  /** Items come with an empty value. */
  readonly withoutValues?: boolean;
}

/** An item as a walk shows it, with bytes of its own. */
export interface StoredItem {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Length of the stored value, whether it was asked for or not. */
  readonly valueBytes: number;
  /** Of a tombstone: the second of deletion. */
  readonly flags: number;
  /** Of a tombstone: until when add, replace and append are refused. */
  readonly expire: number;
  readonly version: Uint64;
  /** Bits of `EntryMark`. */
  readonly marks: number;
  readonly tombstone: boolean;
  /** Read since it was stored, as far as the memory remembers. */
  readonly fetched: boolean;
  /** The second it was last stored or read; 0 = it is only on the disk. */
  readonly accessSeconds: number;
}

/** What a slice of a walk found, and behind which key the next one begins. */
export interface CursorSlice {
  readonly items: StoredItem[];
  /** The last key looked at; undefined = the end. */
  readonly lastKey: Uint8Array | undefined;
}

/** What a cursor needs of the storage. */
export interface CursorOwner {
  checkpoint(): Promise<void>;
  /** Looks at up to `keysMax` keys (about `bytesMax` bytes) behind `after`. */
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
   * One look at up to `keysMax` keys, which may show no item although there are more: for whoever has to stop in between.
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
