/**
 * The partitioning hashes: bytes in, a signed 32-bit number out, bit-exact with every Flare node and client. A key ends at its
 * first NUL. Pure arithmetic on borrowed bytes; nothing here knows partitions or nodes.
 *
 * Each result is the absolute value of a signed 32-bit hash, so it is 0 … 2^31-1 or, the one exception in two's complement,
 * -2^31. Bytes 0x80 … 0xff count as negative, as on x86, for which Flare was written.
 */

import { crc32 } from "../base/crc32.ts";

/** Hashes the key `bytes[start, end)`: 0 … 2^31-1, or -2^31. */
export type KeyHash = (bytes: Uint8Array, start: number, end: number) => number;

/** The hash of each name as written in `key-hash-algorithm`. */
export const KeyHashAlgorithm = {
  simple: "simple",
  bitshift: "bitshift",
  crc32: "crc32",
  adler32: "adler32",
  murmur: "murmur",
  jenkins: "jenkins",
} as const;
/** One of `KeyHashAlgorithm`. */
export type KeyHashAlgorithm = (typeof KeyHashAlgorithm)[keyof typeof KeyHashAlgorithm];

/** The function of each algorithm. */
export const KEY_HASHES: Readonly<Record<KeyHashAlgorithm, KeyHash>> = Object.freeze({
  simple: hashSimple,
  bitshift: hashBitshift,
  crc32: hashCrc32,
  adler32: hashAdler32,
  murmur: hashMurmur,
  jenkins: hashJenkins,
});

/** The algorithm called `name`, or undefined if there is none. */
export function parseKeyHashAlgorithm(name: string): KeyHashAlgorithm | undefined {
  return Object.hasOwn(KEY_HASHES, name) ? (name as KeyHashAlgorithm) : undefined;
}

/** The sum of the bytes. */
export function hashSimple(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === 0) break;
    hash = (hash + signed8(byte)) | 0;
  }
  return absolute32(hash);
}

/** A multiplicative hash: times 37 plus the byte, from 19790217. */
export function hashBitshift(bytes: Uint8Array, start: number, end: number): number {
  let hash = 19790217;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === 0) break;
    hash = (Math.imul(hash, 37) + signed8(byte)) | 0;
  }
  return absolute32(hash);
}

/** zlib's CRC-32. */
export function hashCrc32(bytes: Uint8Array, start: number, end: number): number {
  return absolute32(crc32(bytes, start, keyEnd(bytes, start, end)) | 0);
}

/** zlib's Adler-32. */
export function hashAdler32(bytes: Uint8Array, start: number, end: number): number {
  const limit = keyEnd(bytes, start, end);
  let a = 1;
  let b = 0;
  for (let i = start; i < limit; ) {
    // 5552 is the longest run in which `b` stays below 2^32.
    const stop = Math.min(limit, i + 5552);
    for (; i < stop; i++) {
      a += bytes[i] as number;
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return absolute32((b << 16) | a);
}

/** MurmurHash2 with a seed that depends on the length, as libhashkit has it. */
export function hashMurmur(bytes: Uint8Array, start: number, end: number): number {
  const limit = keyEnd(bytes, start, end);
  const length = limit - start;
  const m = 0x5bd1e995;
  let hash = Math.imul(0xdeadbeef, length) ^ length;
  let i = start;
  for (; i + 4 <= limit; i += 4) {
    let word = Math.imul(word32(bytes, i), m);
    word ^= word >>> 24;
    hash = Math.imul(hash, m) ^ Math.imul(word, m);
  }
  const rest = limit - i;
  if (rest > 0) {
    if (rest === 3) hash ^= (bytes[i + 2] as number) << 16;
    if (rest >= 2) hash ^= (bytes[i + 1] as number) << 8;
    hash = Math.imul(hash ^ (bytes[i] as number), m);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, m);
  hash ^= hash >>> 15;
  return absolute32(hash);
}

/** Bob Jenkins' lookup3 (`hashlittle`) with initval 13. */
export function hashJenkins(bytes: Uint8Array, start: number, end: number): number {
  const limit = keyEnd(bytes, start, end);
  let a = (0xdeadbeef + (limit - start) + 13) | 0;
  let b = a;
  let c = a;
  let i = start;
  for (; limit - i > 12; i += 12) {
    a = (a + word32(bytes, i)) | 0;
    b = (b + word32(bytes, i + 4)) | 0;
    c = (c + word32(bytes, i + 8)) | 0;
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (i === limit) return absolute32(c);
  a = (a + partialWord(bytes, i, limit)) | 0;
  b = (b + partialWord(bytes, i + 4, limit)) | 0;
  c = (c + partialWord(bytes, i + 8, limit)) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return absolute32(c);
}

function keyEnd(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end && bytes[i] !== 0) i++;
  return i;
}

function signed8(byte: number): number {
  return (byte << 24) >> 24;
}

function absolute32(hash: number): number {
  return hash < 0 ? -hash | 0 : hash;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function word32(bytes: Uint8Array, i: number): number {
  return (
    (bytes[i] as number) | ((bytes[i + 1] as number) << 8) | ((bytes[i + 2] as number) << 16) | ((bytes[i + 3] as number) << 24)
  );
}

/** Up to four bytes from `i`, those from `limit` on read as 0. */
function partialWord(bytes: Uint8Array, i: number, limit: number): number {
  let word = 0;
  for (let j = Math.min(limit, i + 4) - 1; j >= i; j--) word = (word << 8) | (bytes[j] as number);
  return word;
}
