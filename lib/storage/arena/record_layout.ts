/**
 * The layout of a record in a block of the arena, and of its location: ten words, then its reply bytes, `VALUE <key> <flags>
 * <bytes>\r\n<value>\r\n` (for a tombstone only `VALUE <key>`), padded to a multiple of eight.
 */

import { decimalLength } from "../../base/copy_bytes.ts";

// The words, and their total size in bytes.
export const LENGTH = 0;
export const HASH = 1;
/** Key length in the lower 16 bits, head length in the upper. */
export const KEY_AND_HEAD = 2;
export const FLAGS = 3;
export const VALUE_LENGTH = 4;
export const EXPIRE = 5;
export const VERSION_LOW = 6;
export const VERSION_HIGH = 7;
export const STATE = 8;
/** The second of the last write or read. */
export const ACCESS = 9;
export const HEADER_BYTES = 40;
/** Length of `VALUE `. */
export const PREFIX_BYTES = 6;

// A location is a block's id and, in its lower bits, an offset in units of eight bytes; 0 = none.
export const OFFSET_BITS = 17;
export const OFFSET_MASK = (1 << OFFSET_BITS) - 1;

const SPACE = 0x20;

/** Bytes of `VALUE <key> <flags> <bytes>`. */
export function headBytes(keyLength: number, flags: number, valueLength: number): number {
  return PREFIX_BYTES + keyLength + 1 + decimalLength(flags) + 1 + decimalLength(valueLength);
}

/** Writes `VALUE `. */
export function writePrefix(bytes: Uint8Array, at: number): void {
  bytes[at] = 0x56;
  bytes[at + 1] = 0x41;
  bytes[at + 2] = 0x4c;
  bytes[at + 3] = 0x55;
  bytes[at + 4] = 0x45;
  bytes[at + 5] = SPACE;
}
