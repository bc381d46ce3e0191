/**
 * What is stored under a key, seen from outside the storage. All of these are *views*: plain records the storage
 * fills again on its next call, pointing into memory it owns, so that a local request creates no object.
 */

import type { Uint64 } from "../base/uint64.ts";

/** A borrowed run of key bytes, valid only during the call that receives it. */
export interface KeySlice {
  bytes: Uint8Array;
  start: number;
  end: number;
}

/**
 * An item as it lies in memory, ready to be sent: `VALUE <key> <flags> <bytes>` from `headStart` to `headEnd`, then CRLF,
 * then the value from `valueStart` to `valueEnd`, then CRLF. So a `get` is one copy of `[headStart, valueEnd + 2)` and a
 * `gets` puts ` <version>` in between. Read-only for the caller.
 */
export interface EntryView {
  bytes: Uint8Array;
  /** Where `VALUE ` begins. */
  headStart: number;
  /** Behind the last digit of `<bytes>`. */
  headEnd: number;
  keyStart: number;
  keyEnd: number;
  valueStart: number;
  valueEnd: number;
  /** The client's opaque 32 bits. */
  flags: number;
  /** Absolute second (since 1970) at which the item ceases to exist; 0 = never. 32 bits. */
  expire: number;
  version: Uint64;
  /** Bits of `EntryMark`. */
  marks: number;
  /** Read since it was stored; as far as the memory remembers, for the disk does not. */
  fetched: boolean;
  /** The second it was last stored or read, before the read that gives this view. */
  accessSeconds: number;
  /** True: `bytes` never changes and may be kept after the call (values too large for the arena). */
  stable: boolean;
}

/** What the meta commands note about an item, beside its value; kept and replicated with it. */
export const EntryMark = {
  /** Invalidated: still served, as old. */
  stale: 1,
  /** A client was told that it is the one to write the value anew. */
  won: 2,
} as const;

/** Absolute second that lies in the past for everybody and that no node reads as a relative time (> 30 days). */
export const EXPIRE_PAST = 2592001;

/** Times up to this many seconds are relative to now, larger ones absolute (memcached's rule). */
export const EXPTIME_RELATIVE_MAX = 2592000;
