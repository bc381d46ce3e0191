/**
 * The entries of a storage as seen from outside. All of these are *views*: plain records pointing into the storage's memory,
 * which it refills on its next call, so that a local request allocates no object.
 */

import { UINT32_MAX } from "../base/number_bounds.ts";
import type { Uint64 } from "../base/uint64.ts";

/** A borrowed range of key bytes, valid only during the call. */
export interface KeySlice {
  bytes: Uint8Array;
  start: number;
  end: number;
}

/**
 * An item in memory, ready to be sent: `VALUE <key> <flags> <bytes>` from `headStart` to `headEnd`, then CRLF, then the value
 * from `valueStart` to `valueEnd`, then CRLF. So a `get` is one copy of `[headStart, valueEnd + 2)` and a `gets` puts `
 * <version>` in between. Read-only for the caller.
 */
export interface EntryView {
  bytes: Uint8Array;
  /** Where `VALUE ` begins. */
  headStart: number;
  /** After the last digit of `<bytes>`. */
  headEnd: number;
  keyStart: number;
  keyEnd: number;
  valueStart: number;
  valueEnd: number;
  /** The client's opaque 32 bits. */
  flags: number;
  /** Absolute second (since 1970) at which the item expires; 0 = never. 32 bits. */
  expire: number;
  version: Uint64;
  /** Bits of `EntryMark`. */
  marks: number;
  /** Read since it was stored, as far as memory knows; the disk does not record it. */
  fetched: boolean;
  /** The second it was last stored or read, before the read that returns this view. */
  accessSeconds: number;
  /** True: `bytes` never changes and may be kept after the call (values too large for the arena). */
  stable: boolean;
}

/** Marks of the meta commands on an item; stored and replicated with it. */
export const EntryMark = {
  /** Invalidated: still served, as stale. */
  stale: 1,
  /** A client has been asked to refresh the value. */
  won: 2,
} as const;

/** Times up to this many seconds are relative to now, larger ones absolute (memcached's rule). */
export const EXPTIME_RELATIVE_MAX = 2592000;

/** An absolute second that is in the past for everybody and that no node interprets as relative (> 30 days). */
export const EXPIRE_PAST: number = EXPTIME_RELATIVE_MAX + 1;

/** The latest second that can be stored (in the year 2106). */
export const EXPIRE_MAX: number = UINT32_MAX;
