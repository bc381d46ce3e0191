/** Which values are numbers for incr and decr: the same as in memcached, which uses strtoull. Pure. */

import { parseUint64, type Uint64 } from "../base/uint64.ts";

const PLUS = 0x2b;
const ZERO = 0x30;
const DIGITS_MAX = 20;
/** Longest value that is parsed; counters are short. */
const VALUE_BYTES_MAX = 1024;

/**
 * The number in `bytes[start, end)`: it may be surrounded by spaces, tabs and line ends, have a plus sign and leading zeros,
 * and be followed by NULs. Undefined for anything else, including numbers beyond 64 bits. Unlike memcached we reject a value
 * with other text after the number (`7 up`): that text would be lost.
 */
export function parseCounter(bytes: Uint8Array, start: number, end: number): Uint64 | undefined {
  if (end - start > VALUE_BYTES_MAX) return undefined;
  let from = start;
  let to = end;
  while (from < to && isSpace(bytes[from] as number)) from++;
  // memcached pads a number that became shorter, and dumps bring such values here.
  while (to > from && (isSpace(bytes[to - 1] as number) || bytes[to - 1] === 0)) to--;
  if (to - from > 1 && bytes[from] === PLUS) from++;
  while (to - from > DIGITS_MAX && bytes[from] === ZERO) from++;
  return to - from > DIGITS_MAX ? undefined : parseUint64(bytes, from, to);
}

/** C's isspace. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
