/**
 * The flags of a meta command, one letter each, and their arguments. Both the text and the binary parser fill them, so that
 * executing a request does not depend on the protocol.
 */

import type { Uint64 } from "../../base/uint64.ts";

/** Lower-case flags: what to answer, and how. One bit per letter. */
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
  /** no answer in the common case */
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

/** Upper-case flags: what to do. One bit per letter. */
export const MetaArgument = {
  /** the version the item must have; for mg, the one whose value the client already has */
  C: 1 << 2,
  /** the number to add or subtract */
  D: 1 << 3,
  /** the new version */
  E: 1 << 4,
  /** the client's flags */
  F: 1 << 5,
  /** mark as stale instead of deleting or refusing */
  I: 1 << 8,
  /** the initial number of a missing item */
  J: 1 << 9,
  /** a hint for routers, without effect */
  L: 1 << 11,
  /** the mode of ms and ma */
  M: 1 << 12,
  /** create a missing item, with this expiry */
  N: 1 << 13,
  /** opaque: returned with the answer */
  O: 1 << 14,
  /** a hint for routers, without effect */
  P: 1 << 15,
  /** win the right to refresh the item when less than this time is left */
  R: 1 << 17,
  /** the new expiry */
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
  /** R comes before T: the expiry before the touch decides. */
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

  /** Clears all flags. */
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
