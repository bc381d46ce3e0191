/**
 * What a meta command asks for behind its key: the flags, one letter each, and the arguments some of them carry. The
 * parser fills it, and the binary protocol fills it as well, so that both are one to those who carry requests out.
 */

import type { Uint64 } from "../../base/uint64.ts";

/** Flags in lower case: what shall be answered, and how. A bit for each letter. */
export const MetaFlag = {
  /** the key is base64 */
  b: 1 << 1,
  /** answer the version */
  c: 1 << 2,
  /** answer the client's flags */
  f: 1 << 5,
  /** answer whether the item was read before */
  h: 1 << 7,
  /** answer the key */
  k: 1 << 10,
  /** answer the seconds since the last access */
  l: 1 << 11,
  /** no answer to what is nominal */
  q: 1 << 16,
  /** answer the length of the value */
  s: 1 << 18,
  /** answer the seconds left */
  t: 1 << 19,
  /** does not count as an access */
  u: 1 << 20,
  /** answer the value */
  v: 1 << 21,
  /** md: remove the value, keep the item */
  x: 1 << 23,
} as const;

/** Flags in upper case: what shall be done. A bit for each letter. */
export const MetaArgument = {
  /** the version the item must have; of mg, the one whose value the client has already */
  C: 1 << 2,
  /** the number to add or subtract */
  D: 1 << 3,
  /** the version the item gets */
  E: 1 << 4,
  /** the client's flags */
  F: 1 << 5,
  /** mark as stale, instead of deleting or instead of refusing */
  I: 1 << 8,
  /** the number a missing item begins with */
  J: 1 << 9,
  /** a hint for routers, without effect */
  L: 1 << 11,
  /** the mode of ms and ma */
  M: 1 << 12,
  /** create what is missing, with this time */
  N: 1 << 13,
  /** opaque: comes back with the answer */
  O: 1 << 14,
  /** a hint for routers, without effect */
  P: 1 << 15,
  /** win the right to write anew when less than this time is left */
  R: 1 << 17,
  /** the new time */
  T: 1 << 19,
  /** from another node: the item's win token is taken */
  W: 1 << 22,
  /** from another node: the item is stale */
  X: 1 << 23,
} as const;

export class MetaFlags {
  /** Bits of `MetaFlag`. */
  flags = 0;
  /** Bits of `MetaArgument`. */
  arguments = 0;
  /** M: the byte of the mode, 0 = none given. */
  mode = 0;
  /** N and R: times as given, like `Request.exptime`, which is T. */
  vivifyExptime = 0;
  recacheExptime = 0;
  /** R stands before T: the time before the touch decides. */
  recacheFirst = false;
  /** C */
  compare: Uint64 = 0;
  /** E */
  newVersion: Uint64 = 0;
  /** D */
  delta: Uint64 = 1;
  /** J */
  initial: Uint64 = 0;
  /** F, 32 bits */
  clientFlags = 0;

  /** Back to no flags at all. */
  reset(): void {
    this.flags = 0;
    if (this.arguments === 0 && this.mode === 0) return;
    this.arguments = 0;
    this.mode = 0;
    this.vivifyExptime = 0;
    this.recacheExptime = 0;
    this.recacheFirst = false;
    this.compare = 0;
    this.newVersion = 0;
    this.delta = 1;
    this.initial = 0;
    this.clientFlags = 0;
  }
}
