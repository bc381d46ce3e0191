/**
 * The keys and values of a load as bytes: requests are written from them, and replies compared with them. A value is a function
 * of its key alone, so every reply can be checked and nothing has to be remembered. Allocates nothing per request.
 */

import { fromLatin1 } from "../../base/bytes.ts";

/** The value of key `k` begins at this part of the pattern: a prime, so that neighbours differ. */
const PATTERN_STARTS = 61;
const ZERO = 0x30;
const LINE_END = fromLatin1("\r\n");
const GET = fromLatin1("get");
const SET = fromLatin1("set ");
const DELETE = fromLatin1("delete ");
const VALUE = fromLatin1("VALUE ");

/** Bytes that are written one behind the other; `bytes` is as long as they need. */
export class LoadBuffer {
  bytes = new Uint8Array(65536);
  length = 0;

  /** Makes room for more bytes. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array((this.length + more) * 2);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  put(part: Uint8Array): void {
    this.bytes.set(part, this.length);
    this.length += part.length;
  }
}

export class LoadItems {
  /** Bytes of each key. */
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly #prefix: Uint8Array;
  readonly #digits: number;
  readonly #pattern: Uint8Array;
  /** What stands between key and value, of a set and of a reply. */
  readonly #setTail: Uint8Array;
  readonly #valueTail: Uint8Array;

  /** @param expireSeconds after which the server forgets an item by itself */
  constructor(prefix: string, keys: number, valueBytes: number, expireSeconds: number) {
    this.#prefix = fromLatin1(prefix);
    this.#digits = String(keys - 1).length;
    this.keyBytes = this.#prefix.length + this.#digits;
    this.valueBytes = valueBytes;
    this.#setTail = fromLatin1(` 0 ${expireSeconds} ${valueBytes}\r\n`);
    this.#valueTail = fromLatin1(` 0 ${valueBytes}\r\n`);
    this.#pattern = new Uint8Array(valueBytes + PATTERN_STARTS);
    // Letters, in an order that no part of it repeats soon.
    for (let i = 0; i < this.#pattern.length; i++) this.#pattern[i] = 0x41 + ((i * 31 + (i >> 5) * 7) % 53);
  }

  /** Bytes of a request for `count` keys at most. */
  requestBytes(count: number): number {
    return SET.length + count * (this.keyBytes + 1) + this.#setTail.length + this.valueBytes + DELETE.length;
  }

  /** Bytes of the value of a key in a reply, with its head. */
  get blockBytes(): number {
    return VALUE.length + this.keyBytes + this.#valueTail.length + this.valueBytes + LINE_END.length;
  }

  /** Writes a get of `keys[start, start + count)`. */
  putGet(out: LoadBuffer, keys: Int32Array, start: number, count: number): void {
    out.put(GET);
    for (let i = start; i < start + count; i++) {
      out.bytes[out.length++] = 0x20;
      this.#putKey(out, keys[i] as number);
    }
    out.put(LINE_END);
  }

  putSet(out: LoadBuffer, key: number): void {
    out.put(SET);
    this.#putKey(out, key);
    out.put(this.#setTail);
    const start = key % PATTERN_STARTS;
    out.put(this.#pattern.subarray(start, start + this.valueBytes));
    out.put(LINE_END);
  }

  putDelete(out: LoadBuffer, key: number): void {
    out.put(DELETE);
    this.#putKey(out, key);
    out.put(LINE_END);
  }

  /** Whether `bytes` have the head of a key's value at `at`. */
  isHead(bytes: Uint8Array, at: number, key: number): boolean {
    return hasBytes(bytes, at, VALUE) && this.#isKey(bytes, at + VALUE.length, key);
  }

  /** Whether the rest of that reply is right: flags, length, value. */
  isRest(bytes: Uint8Array, at: number, key: number): boolean {
    const tail = at + VALUE.length + this.keyBytes;
    const value = tail + this.#valueTail.length;
    if (!hasBytes(bytes, tail, this.#valueTail)) return false;
    const start = key % PATTERN_STARTS;
    for (let i = 0; i < this.valueBytes; i++) if (bytes[value + i] !== this.#pattern[start + i]) return false;
    return true;
  }

  #putKey(out: LoadBuffer, key: number): void {
    out.put(this.#prefix);
    let rest = key;
    for (let i = this.#digits - 1; i >= 0; i--) {
      out.bytes[out.length + i] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    out.length += this.#digits;
  }

  #isKey(bytes: Uint8Array, at: number, key: number): boolean {
    if (!hasBytes(bytes, at, this.#prefix)) return false;
    let rest = key;
    for (let i = this.#prefix.length + this.#digits - 1; i >= this.#prefix.length; i--) {
      if (bytes[at + i] !== ZERO + (rest % 10)) return false;
      rest = Math.floor(rest / 10);
    }
    return true;
  }
}

function hasBytes(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false;
  return true;
}
