/**
 * Mutations of inputs: flipped bits, lost, duplicated and moved ranges, wrong lengths, special bytes of the protocols in
 * unexpected places. Knows bytes and decimal numbers, no protocol.
 */

import { concatBytes, fromLatin1 } from "../../lib/base/bytes.ts";
import type { SimRandom } from "../../lib/testing/sim_random.ts";

/** Longest input a mutation makes, in bytes. */
const INPUT_BYTES_MAX = 16384;

/** Bytes and words that parsers look for. */
const TOKENS: readonly Uint8Array[] = [
  ...["\r\n", "\n", "\r", " ", "\0", "\x80", "\x81", "<", ">", "<a:1>", " noreply", " q", " b", " -1", " 0", "END\r\n"],
  ...["\r\nmn\r\n", " 18446744073709551615", " 4294967296", " 2147483647", " 18446744073709551616", "\xff\xff\xff\xff"],
  ...["\0\0\0\0", "'", '"', "\\", "\\x", ",", "#", "=", "</", "&amp;", "VALUE ", "VA "],
].map(fromLatin1);

/** Numbers that a length may be replaced with. */
const NUMBERS = ["0", "1", "-1", "00", "7", "255", "256", "2147483645", "2147483646", "4294967295", "1e3", "0x10", "+5", ""];

/** An input changed one to four times; `other` gives another input to take a stretch from. */
export function mutate(input: Uint8Array, other: Uint8Array, random: SimRandom): Uint8Array {
  let bytes = input;
  const times = 1 + (random.chance(0.5) ? 0 : random.between(0, 3));
  for (let i = 0; i < times; i++) bytes = mutateOnce(bytes, other, random);
  return bytes.length > INPUT_BYTES_MAX ? bytes.slice(0, INPUT_BYTES_MAX) : bytes;
}

function mutateOnce(bytes: Uint8Array, other: Uint8Array, random: SimRandom): Uint8Array {
  if (bytes.length === 0) return random.pick(TOKENS).slice();
  const at = random.between(0, bytes.length - 1);
  switch (random.between(0, 9)) {
    case 0:
      return withByte(bytes, at, (bytes[at] as number) ^ (1 << random.between(0, 7)));
    case 1:
      return withByte(bytes, at, random.between(0, 255));
    case 2:
      return spliced(bytes, at, at + random.between(1, 1 << random.between(0, 7)), new Uint8Array(0));
    case 3:
      return spliced(bytes, at, at, random.pick(TOKENS));
    case 4:
      return spliced(bytes, at, at, stretch(bytes, random));
    case 5:
      return spliced(bytes, at, at + random.between(0, 64), stretch(other, random));
    case 6:
      return bytes.slice(0, at);
    case 7:
      return withNumber(bytes, at, random);
    case 8:
      return withWord(bytes, at, random);
    default:
      return concatBytes([bytes, stretch(other, random)]);
  }
}

function withByte(bytes: Uint8Array, at: number, byte: number): Uint8Array {
  const changed = bytes.slice();
  changed[at] = byte;
  return changed;
}

/** Puts something in the place of `bytes[from, to)`. */
function spliced(bytes: Uint8Array, from: number, to: number, inserted: Uint8Array): Uint8Array {
  return concatBytes([bytes.subarray(0, from), inserted, bytes.subarray(Math.min(to, bytes.length))]);
}

function stretch(bytes: Uint8Array, random: SimRandom): Uint8Array {
  if (bytes.length === 0) return bytes;
  const from = random.between(0, bytes.length - 1);
  return bytes.subarray(from, from + random.between(1, 1 << random.between(0, 9)));
}

/** Replaces the first decimal number behind `at`, or makes it one more or less. */
function withNumber(bytes: Uint8Array, at: number, random: SimRandom): Uint8Array {
  let from = at;
  while (from < bytes.length && !isDigit(bytes[from])) from++;
  let to = from;
  while (to < bytes.length && isDigit(bytes[to])) to++;
  if (from === to) return bytes;
  const number = Number(String.fromCharCode(...bytes.subarray(from, Math.min(to, from + 20))));
  const text = random.chance(0.5) ? random.pick(NUMBERS) : String(number + random.pick([-2, -1, 1, 2]));
  return spliced(bytes, from, to, fromLatin1(text));
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** Sets two or four bytes to a number as a header has it, big-endian. */
function withWord(bytes: Uint8Array, at: number, random: SimRandom): Uint8Array {
  const changed = bytes.slice();
  const number = random.pick([0, 1, 7, 24, 255, 256, 65535, 0x7fffffff, 0xffffffff, bytes.length, bytes.length - at]);
  for (let i = random.pick([2, 4]), rest = number; i > 0; i--, rest >>>= 8) {
    if (at + i - 1 < changed.length) changed[at + i - 1] = rest & 0xff;
  }
  return changed;
}
