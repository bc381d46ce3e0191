/**
 * Base64 (RFC 4648) over byte ranges: the form of keys with arbitrary bytes in lines of text, and without padding and with
 * letters that need no escapes in URLs and tokens. Pure.
 */

import { EMPTY_BYTES, fromLatin1, latin1 } from "./bytes.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PADDING = 0x3d;
const CODES: Uint8Array = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
const VALUES: Uint8Array = buildValues();

function buildValues(): Uint8Array {
  const values = new Uint8Array(256).fill(255);
  CODES.forEach((code, value) => {
    values[code] = value;
  });
  return values;
}

/** The length of `count` bytes in base64. */
export function base64Length(count: number): number {
  return Math.ceil(count / 3) * 4;
}

/** Writes the base64 form of `bytes[start, end)` to `target` from `at` on and returns where it ended. */
export function encodeBase64(target: Uint8Array, at: number, bytes: Uint8Array, start: number, end: number): number {
  let out = at;
  for (let i = start; i < end; i += 3) {
    const first = bytes[i] as number;
    const second = i + 1 < end ? (bytes[i + 1] as number) : 0;
    const third = i + 2 < end ? (bytes[i + 2] as number) : 0;
    target[out] = CODES[first >> 2] as number;
    target[out + 1] = CODES[((first & 3) << 4) | (second >> 4)] as number;
    target[out + 2] = i + 1 < end ? (CODES[((second & 15) << 2) | (third >> 6)] as number) : PADDING;
    target[out + 3] = i + 2 < end ? (CODES[third & 63] as number) : PADDING;
    out += 4;
  }
  return out;
}

/** The base64 form of `bytes[start, end)` as a string. */
export function base64(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const target = new Uint8Array(base64Length(end - start));
  return latin1(target, 0, encodeBase64(target, 0, bytes, start, end));
}

/** The bytes whose base64 form is `bytes[start, end)`; undefined if that is empty or not base64. */
export function decodeBase64(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
  const length = end - start;
  if (length === 0 || length % 4 !== 0) return undefined;
  let padding = 0;
  while (padding < 2 && bytes[end - 1 - padding] === PADDING) padding++;
  const decoded = new Uint8Array((length / 4) * 3 - padding);
  let out = 0;
  for (let i = start; i < end; i += 4) {
    let word = 0;
    for (let j = 0; j < 4; j++) {
      const isPadding = i + j >= end - padding;
      const value = isPadding ? 0 : (VALUES[bytes[i + j] as number] as number);
      if (value === 255) return undefined;
      word = (word << 6) | value;
    }
    // Writes beyond the array's end are ignored: they are the padding.
    decoded[out] = word >> 16;
    decoded[out + 1] = word >> 8;
    decoded[out + 2] = word;
    out += 3;
  }
  return decoded;
}

/** The form for URLs, without padding. */
export function base64url(bytes: Uint8Array): string {
  return base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The bytes of a text in the form for URLs, with padding or without; undefined if it is not of that form. */
export function decodeBase64url(text: string): Uint8Array | undefined {
  if (text === "") return EMPTY_BYTES;
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(text)) return undefined;
  const plain = text.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "");
  const bytes = fromLatin1(plain.padEnd(Math.ceil(plain.length / 4) * 4, "="));
  return decodeBase64(bytes, 0, bytes.length);
}
