/**
 * Parses the streamed answer to `dump` into items: `VALUE key flags bytes version exptime`, data, … `END`. Our own nodes may
 * add `b` (the key is base64), the marks `X` and `W`, and `D` for a tombstone, which they send only on request. The items are
 * views into reused memory; sans I/O.
 */

import { decodeBase64 } from "../base/base64.ts";
import { EMPTY_BYTES, latin1 } from "../base/bytes.ts";
import { UINT32_MAX } from "../base/number_bounds.ts";
import type { Uint64 } from "../base/uint64.ts";
import { parseUint64 } from "../base/uint64.ts";
import { EntryMark, EXPIRE_MAX, EXPIRE_PAST } from "../item/entry.ts";

/** One item of a dump; the bytes are only valid until the next call of the parser. */
export interface DumpItem {
  bytes: Uint8Array;
  keyStart: number;
  keyEnd: number;
  valueStart: number;
  valueEnd: number;
  flags: number;
  version: Uint64;
  /** Absolute second, 0 = never. */
  expire: number;
  /** Bits of `EntryMark`. */
  marks: number;
  /** A deletion: `flags` is its second, `expire` until when the key is blocked. */
  tombstone: boolean;
}

/** The longest line of a dump: the longest key in base64, with room for the numbers after it. */
export const DUMP_LINE_BYTES_MAX = 131072;

/** The last word of a `dump` that asks for tombstones, too. */
export const DELETIONS = "deletions";

const LF = 0x0a;
const SPACE = 0x20;
const VALUE = "VALUE ";

export class DumpParser {
  /** Filled by `next`. */
  readonly item: DumpItem = {
    bytes: EMPTY_BYTES,
    keyStart: 0,
    keyEnd: 0,
    valueStart: 0,
    valueEnd: 0,
    flags: 0,
    version: 0,
    expire: 0,
    marks: 0,
    tombstone: false,
  };
  /** The line that ended the dump. */
  lastLine = "";
  #held = new Uint8Array(65536);
  #start = 0;
  #end = 0;
  readonly #valueBytesMax: number;

  /** @param valueBytesMax longest value accepted, in bytes */
  constructor(valueBytesMax: number) {
    this.#valueBytesMax = valueBytesMax;
  }

  push(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#held.length) {
      const length = this.#end - this.#start;
      const target = length + chunk.length > this.#held.length ? new Uint8Array((length + chunk.length) * 2) : this.#held;
      target.set(this.#held.subarray(this.#start, this.#end));
      this.#held = target;
      this.#start = 0;
      this.#end = length;
    }
    this.#held.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Bytes of items that are not complete. */
  get heldBytes(): number {
    return this.#end - this.#start;
  }

  /** "item" = `item` is filled, "more" = incomplete, "end" = see `lastLine`, "bad" = not a dump. */
  next(): "item" | "more" | "end" | "bad" {
    const lineFeed = this.#held.subarray(0, this.#end).indexOf(LF, this.#start);
    if ((lineFeed < 0 ? this.#end : lineFeed) - this.#start > DUMP_LINE_BYTES_MAX) return "bad";
    if (lineFeed < 0) return "more";
    const lineEnd = lineFeed > this.#start && this.#held[lineFeed - 1] === 0x0d ? lineFeed - 1 : lineFeed;
    if (latin1(this.#held, this.#start, Math.min(lineEnd, this.#start + VALUE.length)) !== VALUE) {
      this.lastLine = latin1(this.#held, this.#start, lineEnd);
      return "end";
    }
    const keyStart = this.#start + VALUE.length;
    const keyEnd = this.#held.indexOf(SPACE, keyStart);
    const words = latin1(this.#held, keyEnd + 1, lineEnd).split(" ");
    const [flags, bytes, version, expire] = [0, 1, 2, 3].map((i) => parseUint64Word(words[i] ?? ""));
    if (keyEnd <= keyStart || keyEnd > lineEnd || version === undefined || expire === undefined) return "bad";
    if (typeof flags !== "number" || flags > UINT32_MAX || typeof bytes !== "number" || bytes > this.#valueBytesMax)
      return "bad";
    const valueStart = lineFeed + 1;
    const valueEnd = valueStart + bytes;
    if (valueEnd + 2 > this.#end) return "more";
    let keyLength = keyEnd - keyStart;
    let marks = 0;
    let tombstone = false;
    for (const word of words.slice(4)) {
      if (word === "b" && keyLength === keyEnd - keyStart) keyLength = this.#decodeKey(keyStart, keyEnd);
      else if (word === "X") marks |= EntryMark.stale;
      else if (word === "W") marks |= EntryMark.won;
      else if (word === "D") tombstone = true;
    }
    if (keyLength === 0) return "bad";
    Object.assign(this.item, {
      bytes: this.#held,
      keyStart,
      keyEnd: keyStart + keyLength,
      valueStart,
      valueEnd,
      flags,
      version,
      // As in a request: a time that cannot be stored is in the past.
      expire: expire > EXPIRE_MAX ? EXPIRE_PAST : expire,
      marks,
      tombstone,
    });
    this.#start = valueEnd + 2;
    return "item";
  }

  /** Replaces the base64 form of the key, which is longer, by the key; returns its length, 0 = invalid base64. */
  #decodeKey(start: number, end: number): number {
    const key = decodeBase64(this.#held, start, end);
    if (key === undefined) return 0;
    this.#held.set(key, start);
    return key.length;
  }
}

function parseUint64Word(word: string): Uint64 | undefined {
  const bytes = Uint8Array.from(word, (character) => character.charCodeAt(0));
  return parseUint64(bytes, 0, bytes.length);
}
