/**
 * What a write asks for and what became of it. `decide` (decide.ts) is the whole semantics of Flare's writes as
 * a pure function of the current state of a key, the request and the clock; the storage only carries it out.
 */

import type { Uint64 } from "../base/uint64.ts";
import type { EntryView, KeySlice } from "./entry.ts";

/** The writes. `restore` is an item of a dump: stored only when newer than what is here, tombstones included. */
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
  /** Only with `terms`: an item is touched, created when absent, or its win token is taken. */
  fetch: 11,
  /** Only with `terms`: an item stays as it is but is stale from now on. */
  invalidate: 12,
  /** Only with `terms`: an item loses its value. */
  clear: 13,
} as const;
export type MutationKind = (typeof MutationKind)[keyof typeof MutationKind];

/** One write request. Filled again and again by its owner; the storage keeps nothing of it after the call. */
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
  /** What the meta and the binary protocol ask for beyond that; undefined for an ordinary write. */
  terms?: MutationTerms | undefined;
}

/** Conditions and extras of a write. Filled again and again by its owner, like the mutation. */
export interface MutationTerms {
  /** The version the item must have, undefined = any. */
  compare: Uint64 | undefined;
  /** set with `compare`: a smaller `compare` than the item's version is stored all the same, as stale. clear: stale as well. */
  invalidate: boolean;
  /** append prepend incr decr fetch: what is absent is created … */
  vivify: boolean;
  /** … until this absolute second, 0 = for ever … */
  vivifyExpire: number;
  /** … by incr and decr with this value. */
  initial: Uint64;
  /** incr decr fetch invalidate: `Mutation.expire` becomes the item's. */
  updateExpire: boolean;
  /** fetch: an item that ceases to exist before this absolute second gives its win token, 0 = only a stale one does. */
  recacheExpire: number;
  /** fetch: `recacheExpire` is compared with the item's time before it is touched. */
  recacheFirst: boolean;
  /** set restore fetch: bits of `EntryMark` the item gets, as another node has them. */
  marks: number;
}

/** Terms that ask for nothing. */
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

/** What became of a write. */
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

/** The outcome of `Storage.apply`; one object the storage fills again, unless it came through a promise. */
export interface Applied {
  result: MutationResult;
  /** The item after the write (stored, touched, number); for `deleted` only `version` counts. Else meaningless. */
  entry: EntryView;
  number: Uint64;
  /** With `failed`: a text for `SERVER_ERROR`. */
  error: string;
}
