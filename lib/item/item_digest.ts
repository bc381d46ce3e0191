/**
 * Digests of items: equal items have equal digests, and different ones practically never have. 64 bits from two checksums of
 * the bytes, mixed with the numbers. It protects against faults, not against somebody who looks for two items with one digest.
 */

import { crc32 } from "../base/crc32.ts";
import { crc32c } from "../base/crc32c.ts";
import { highWord, lowWord, type Uint64 } from "../base/uint64.ts";

/** What a digest covers. */
export interface DigestedItem {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly flags: number;
  readonly expire: number;
  readonly version: Uint64;
  readonly marks: number;
}

/** The digest of one item, or of several in a row. */
export class ItemDigest {
  #first = 0;
  #second = 0;

  /** Continues with an item. */
  add({ key, value, flags, expire, version, marks }: DigestedItem): void {
    this.#mix(crc32(key), crc32c(key));
    this.#mix(crc32(value), crc32c(value));
    for (const number of [key.length, value.length, flags, expire, highWord(version), lowWord(version), marks]) {
      this.#mix(number, number);
    }
  }

  /** Sixteen hexadecimal digits. */
  get text(): string {
    return hexWord(this.#first) + hexWord(this.#second);
  }

  /** For fixed words a step is reversible: different digests never become equal by the same items after them. */
  #mix(first: number, second: number): void {
    const a = Math.imul(this.#first ^ first, 0x9e3779b1);
    const b = Math.imul(this.#second ^ second, 0x85ebca6b);
    this.#first = a ^ (a >>> 15);
    this.#second = b ^ (b >>> 13);
  }
}

/** The digest of an item. */
export function digestOf(item: DigestedItem): string {
  const digest = new ItemDigest();
  digest.add(item);
  return digest.text;
}

function hexWord(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
