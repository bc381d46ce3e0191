/**
 * Unsigned 64-bit integers (versions, incr/decr values) without garbage in the usual case: a `number` up to the largest safe
 * integer, a `bigint` above. The form is canonical, so equal values are `===`, and `<` and `>` work across both.
 */

export type Uint64 = number | bigint;

export const UINT64_MAX = 0xffffffffffffffffn;
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** Whether a program's value is one, in either form. */
export function isUint64(value: unknown): value is Uint64 {
  if (typeof value === "bigint") return value >= 0n && value <= UINT64_MAX;
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** The canonical form of a bigint in 0 … 2^64-1. */
export function fromBigInt(value: bigint): Uint64 {
  return value <= SAFE_MAX ? Number(value) : value;
}

/** value + 1, wrapping to 0 after 2^64-1. */
export function increment(value: Uint64): Uint64 {
  if (typeof value === "number" && value < Number.MAX_SAFE_INTEGER) return value + 1;
  return fromBigInt((BigInt(value) + 1n) & UINT64_MAX);
}

/** left + right modulo 2^64 (memcached's incr wraps). */
export function addWrapping(left: Uint64, right: Uint64): Uint64 {
  if (typeof left === "number" && typeof right === "number") {
    const sum = left + right;
    if (sum <= Number.MAX_SAFE_INTEGER) return sum;
  }
  return fromBigInt((BigInt(left) + BigInt(right)) & UINT64_MAX);
}

/** left - right, 0 if right is larger (memcached's decr stops at 0). */
export function subtractSaturating(left: Uint64, right: Uint64): Uint64 {
  if (right >= left) return 0;
  if (typeof left === "number" && typeof right === "number") return left - right;
  return fromBigInt(BigInt(left) - BigInt(right));
}

export function highWord(value: Uint64): number {
  return typeof value === "number" ? Math.floor(value / 0x100000000) : Number(value >> 32n);
}

export function lowWord(value: Uint64): number {
  return typeof value === "number" ? value >>> 0 : Number(value & 0xffffffffn);
}

/** The value of two unsigned 32-bit words. */
export function fromWords(high: number, low: number): Uint64 {
  return high < 0x200000 ? high * 0x100000000 + low : (BigInt(high) << 32n) | BigInt(low);
}

/**
 * Parses decimal digits. Returns undefined if the range is empty, contains another byte, or exceeds 2^64-1.
 * @example parseUint64(new Uint8Array([0x31, 0x32]), 0, 2) // 12
 */
export function parseUint64(bytes: Uint8Array, start: number, end: number): Uint64 | undefined {
  if (start >= end) return undefined;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    if (value > 900719925474098) return parseLarge(bytes, i, end, value);
    value = value * 10 + digit;
  }
  return value;
}

function parseLarge(bytes: Uint8Array, start: number, end: number, head: number): Uint64 | undefined {
  let value = BigInt(head);
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10n + BigInt(digit);
    if (value > UINT64_MAX) return undefined;
  }
  return fromBigInt(value);
}
