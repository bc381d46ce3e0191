/**
 * A write request and its outcome. `decide` (decide.ts) has the whole semantics of Flare's writes as a pure function of the
 * current state of a key, the request and the clock; the storage only executes it.
 */

import type { Uint64 } from "../base/uint64.ts";
import type { EntryView, KeySlice } from "./entry.ts";

/** The writes. `restore` is an item of a dump: stored only if newer than the current entry, tombstones included. */
export const MutationKind = {
  set: 0,
  add: 1,
  replace: 2,
  append: 3,
  prepend: 4,
  cas: 5,
  incr: 6,
  decr: 7,
  delete: 8,
  touch: 9,
  restore: 10,
  /** Only with `terms`: touches an item, creates a missing one, or takes its win token. */
  fetch: 11,
  /** Only with `terms`: marks an item as stale. */
  invalidate: 12,
  /** Only with `terms`: removes an item's value. */
  clear: 13,
  /** What the key has, item or deletion, written once more, so that replicas get it; with `version`, if that is higher. */
  rewrite: 16,
  /** An item as the master has it: stored whatever is here. */
  mirror: 14,
  /** A tombstone as the master has it: `flags` is the second of the deletion, `expire` until when the key is blocked. */
  mirrorDeletion: 15,
} as const;
export type MutationKind = (typeof MutationKind)[keyof typeof MutationKind];

/** Whether a write answers before or after the slaves have it; `byDefault` = as `replication-type` says. */
export const SyncMode = { byDefault: 0, sync: 1, async: 2 } as const;
export type SyncMode = (typeof SyncMode)[keyof typeof SyncMode];

/** One write request. Its owner reuses it; the storage keeps no reference after the call. */
export interface Mutation {
  kind: MutationKind;
  key: KeySlice;
  /** set add replace cas restore. */
  flags: number;
  /** Absolute second, 0 = never. For delete: until when add, replace and append are refused; 0 = not at all. */
  expire: number;
  /** set…prepend, delete: explicit version, 0 = none. cas: the version compared. restore: the version stored. */
  version: Uint64;
  /** The value is `value[valueStart, valueEnd)`. */
  value: Uint8Array;
  valueStart: number;
  valueEnd: number;
  /** incr, decr. */
  delta: Uint64;
  /** Extras of the meta and the binary protocol; undefined for an ordinary write. */
  terms?: MutationTerms | undefined;
  /** What the client asked for this write alone: the log notes it for another cluster. */
  syncMode?: SyncMode | undefined;
}

/** Conditions and extras of a write. Reused by its owner, like the mutation. */
export interface MutationTerms {
  /** The version the item must have, undefined = any. */
  compare: Uint64 | undefined;
  /** set with `compare`: if `compare` is below the item's version, stores anyway, as stale. clear: marks as stale, too. */
  invalidate: boolean;
  /** append prepend incr decr fetch: creates a missing item … */
  vivify: boolean;
  /** … until this absolute second, 0 = for ever … */
  vivifyExpire: number;
  /** … with this value by incr and decr. */
  initial: Uint64;
  /** incr decr fetch invalidate: sets the item's expiry to `Mutation.expire`. */
  updateExpire: boolean;
  /** fetch: an item that expires before this absolute second hands out its win token, 0 = only a stale one does. */
  recacheExpire: number;
  /** fetch: compares `recacheExpire` with the item's expiry before it is touched. */
  recacheFirst: boolean;
  /** set restore fetch mirror: the item's `EntryMark` bits from another node. */
  marks: number;
}

/** Empty terms. */
export function emptyTerms(): MutationTerms {
  return {
    compare: undefined,
    invalidate: false,
    vivify: false,
    vivifyExpire: 0,
    initial: 0,
    updateExpire: false,
    recacheExpire: 0,
    recacheFirst: false,
    marks: 0,
  };
}

/** The result of a write. */
export const MutationResult = {
  stored: 0,
  notStored: 1,
  exists: 2,
  notFound: 3,
  deleted: 4,
  touched: 5,
  /** incr, decr: the new value is in `Applied.number`. */
  number: 6,
  nonNumeric: 7,
  /** append, prepend: the result would exceed the value limit. */
  tooLarge: 8,
  /** Disk or engine failure, or no room (see `Applied.error`): nothing changed. */
  failed: 9,
  /** fetch: touched, and the win token was taken. */
  won: 10,
} as const;
export type MutationResult = (typeof MutationResult)[keyof typeof MutationResult];

/** The outcome of `Storage.apply`; one object that the storage reuses, unless it came through a promise. */
export interface Applied {
  result: MutationResult;
  /** The item after the write (stored, touched, number); for `deleted` only `version` is valid. Else undefined. */
  entry: EntryView;
  number: Uint64;
  /** With `failed`: a text for `SERVER_ERROR`. */
  error: string;
}
