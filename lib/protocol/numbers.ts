/** Parses the numbers of request lines as memcached does: exactly what its strtoul and strtoll accept. Pure. */

import { lowWord, parseUint64 } from "../base/uint64.ts";

/** memcached's flags: strtoul, so `+1` and 64-bit numbers pass and the low 32 bits count. NaN = malformed. */
export function parseFlags(bytes: Uint8Array, start: number, end: number): number {
  if (end - start <= 9) {
    let value = 0;
    let i = start;
    for (; i < end; i++) {
      const digit = (bytes[i] as number) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (i === end) return value;
  }
  const value = parseUint64(bytes, bytes[start] === 0x2b ? start + 1 : start, end);
  return value === undefined ? Number.NaN : lowWord(value);
}

/** memcached's signed numbers: strtoll over the whole token; NaN = malformed or beyond 64 bits. */
export function parseInteger(bytes: Uint8Array, start: number, end: number): number {
  const sign = bytes[start];
  const from = sign === 0x2d || sign === 0x2b ? start + 1 : start;
  if (from >= end) return Number.NaN;
  let value = 0;
  for (let i = from; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  if (value >= 2 ** 63) {
    // Beyond the precision of a double: compare exactly.
    const exact = parseUint64(bytes, from, end);
    if (exact === undefined || exact > (sign === 0x2d ? 9223372036854775808n : 9223372036854775807n)) return Number.NaN;
  }
  return sign === 0x2d ? -value : value;
}
