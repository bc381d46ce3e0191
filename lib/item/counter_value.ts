/**
 * Values that count as numbers for incr and decr: those memcached counts, which reads them with strtoull. Pure.
 */

import { parseUint64, type Uint64 } from "../base/uint64.ts";

const PLUS = 0x2b;
const ZERO = 0x30;
const DIGITS_MAX = 20;
/** The longest value that is looked at; counters are short. */
const VALUE_BYTES_MAX = 1024;

/**
 * The number in `bytes[start, end)`: blanks, tabs and line ends may stand around it, a plus and any zeros in front, and
 * NULs behind it. Undefined for anything else, a number beyond 64 bits included. What memcached counts and we do not is a
 * value with something else behind the number (`7 up`): it would be lost.
 */
export function parseCounter(bytes: Uint8Array, start: number, end: number): Uint64 | undefined {
  if (end - start > VALUE_BYTES_MAX) return undefined;
  let from = start;
  let to = end;
  while (from < to && isSpace(bytes[from] as number)) from++;
  // memcached pads a number that became shorter, and its values come here by dumps.
  while (to > from && (isSpace(bytes[to - 1] as number) || bytes[to - 1] === 0)) to--;
  if (to - from > 1 && bytes[from] === PLUS) from++;
  while (to - from > DIGITS_MAX && bytes[from] === ZERO) from++;
  return to - from > DIGITS_MAX ? undefined : parseUint64(bytes, from, to);
}

/** C's isspace. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
