/**
 * Time in the change log. A stamp is a record of the log: what was written in its second or later is behind it, everything
 * earlier is before it. So a time, in whole seconds, is a place in the log: before the first stamp of that second or a later
 * one. A stamp also has a label, which says what the node was then; the log does not know what it means. Pure.
 */

import type { Uint64 } from "../../base/uint64.ts";

export interface TimeStamp {
  /** Of the wall clock, since 1970. */
  readonly second: number;
  readonly label: string;
}

/** What no mark begins with, see `positions.ts`. */
const PREFIX = "@";

/** The key of a stamp's record; its second is the record's version. */
export function encodeStamp(label: string): string {
  return PREFIX + label;
}

/** Reads a stamp from the key and the version of its record; undefined: it is none. */
export function decodeStamp(key: string, version: Uint64): TimeStamp | undefined {
  return key.startsWith(PREFIX) ? { second: Number(version), label: key.slice(PREFIX.length) } : undefined;
}
