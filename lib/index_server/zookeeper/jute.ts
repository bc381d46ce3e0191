/**
 * Jute, the serialization of ZooKeeper's protocol: integers in big-endian order, and texts, bytes and lists after their length.
 * Pure.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";

const INT_BYTES = 4;
const LONG_BYTES = 8;
/** The length that stands for a missing value. */
const NONE = -1;

/** Builds a record, field by field. */
export class JuteWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** What was written so far. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  boolean(value: boolean): void {
    const at = this.#grow(1);
    this.#bytes[at] = value ? 1 : 0;
  }

  int(value: number): void {
    const at = this.#grow(INT_BYTES);
    this.#view.setInt32(at, value);
  }

  long(value: bigint): void {
    const at = this.#grow(LONG_BYTES);
    this.#view.setBigInt64(at, value);
  }

  buffer(value: Uint8Array): void {
    this.int(value.length);
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
  }

  /** A text, in UTF-8. */
  text(value: string): void {
    this.buffer(new TextEncoder().encode(value));
  }

  /** Makes room for `count` bytes, in another array if need be; returns where they begin. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Reads a record, field by field. Every method throws FlareError CORRUPT where the bytes end too early. */
export class JuteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** How many bytes were not read. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  boolean(): boolean {
    return this.#bytes[this.#take(1)] !== 0;
  }

  int(): number {
    return this.#view.getInt32(this.#take(INT_BYTES));
  }

  long(): bigint {
    return this.#view.getBigInt64(this.#take(LONG_BYTES));
  }

  /** A copy; empty for a missing value. */
  buffer(): Uint8Array {
    const length = this.int();
    if (length === NONE) return EMPTY_BYTES;
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }

  text(): string {
    return new TextDecoder().decode(this.buffer());
  }

  texts(): string[] {
    const count = this.int();
    if (count > this.left) throw corrupt(`a list of ${count}`);
    const all: string[] = [];
    while (all.length < count) all.push(this.text());
    return all;
  }

  #take(count: number): number {
    if (count < 0 || count > this.left) throw corrupt(`${count} bytes`);
    const at = this.#at;
    this.#at += count;
    return at;
  }
}

function corrupt(what: string): FlareError {
  return new FlareError("CORRUPT", `malformed packet: ${what} where it should end`);
}
