/**
 * The format of keys and values in the engine. A key is a flush generation (four bytes, big-endian) and the item's key, so that
 * a flush only increments the generation; generation 0 holds the storage's own records. A value is a header with a checksum
 * over key, header and content, then the item's value. Pure; no database access.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import { copyBytes } from "../../base/copy_bytes.ts";
import { crc32 } from "../../base/crc32.ts";
import { FlareError } from "../../base/errors.ts";
import { fromWords, highWord, lowWord, type Uint64 } from "../../base/uint64.ts";
import { CurrentKind } from "../../item/decide.ts";
import type { EntryView } from "../../item/entry.ts";

/** The version of this format; others are refused. */
export const ENGINE_FORMAT = 1;

/** Bytes before the item's key. */
export const GENERATION_BYTES = 4;

// format, kind, marks, a spare byte, crc, flags, expire, version; little-endian.
const AT_KIND = 1;
const AT_MARKS = 2;
const AT_CRC = 4;
const AT_FLAGS = 8;
const AT_EXPIRE = 12;
const AT_VERSION = 16;

/** Bytes before the item's value. */
export const ENGINE_HEADER_BYTES = 24;

/** The record about the whole engine; each batch writes it, so its counts match the batch. */
export interface EngineMeta {
  readonly generation: number;
  readonly items: number;
  readonly tombstones: number;
  /** All changes of the log before this sequence are in the engine; 0 = unknown (2.0.0 did not record it). */
  readonly sequence: number;
  /** The second for which a flush is scheduled, 0 = none (2.0.0 had no schedule). */
  readonly flushPlannedFor: number;
}

const META_BYTES = 34;
/** Length in 2.0.0: up to the counts. */
const META_BYTES_BEFORE = 24;

/** The key of the meta record. */
export const META_KEY: Uint8Array = new Uint8Array([0, 0, 0, 0, 0x6d, 0x65, 0x74, 0x61]);

/** The upper bound of all keys of earlier generations, except META_KEY. */
export function generationStart(generation: number): Uint8Array {
  const bytes = new Uint8Array(GENERATION_BYTES);
  new DataView(bytes.buffer).setUint32(0, generation);
  return bytes;
}

/** Writes an engine key to `target` from `at` on and returns where it ended. */
export function writeEngineKey(
  target: Uint8Array,
  at: number,
  generation: number,
  key: Uint8Array,
  start: number,
  end: number,
): number {
  target[at] = generation >>> 24;
  target[at + 1] = generation >>> 16;
  target[at + 2] = generation >>> 8;
  target[at + 3] = generation;
  return copyBytes(target, at + GENERATION_BYTES, key, start, end);
}

/** Writes an entry's engine value to `target` from `at` on and returns where it ended. A tombstone has no value. */
export function writeEngineValue(target: Uint8Array, at: number, entry: EntryView & { readonly kind: CurrentKind }): number {
  const { bytes, version } = entry;
  target[at] = ENGINE_FORMAT;
  target[at + AT_KIND] = entry.kind;
  target[at + AT_MARKS] = entry.marks;
  target[at + 3] = 0;
  writeUint32(target, at + AT_FLAGS, entry.flags);
  writeUint32(target, at + AT_EXPIRE, entry.expire);
  writeUint32(target, at + AT_VERSION, lowWord(version));
  writeUint32(target, at + AT_VERSION + 4, highWord(version));
  const valueAt = at + ENGINE_HEADER_BYTES;
  const isValue = entry.kind === CurrentKind.value;
  const end = isValue ? copyBytes(target, valueAt, bytes, entry.valueStart, entry.valueEnd) : valueAt;
  writeUint32(target, at + AT_CRC, checksum(bytes, entry.keyStart, entry.keyEnd, target, at, end));
  return end;
}

/** A parsed engine value; the item's value is `bytes[ENGINE_HEADER_BYTES…]`. */
export interface EngineRecord {
  kind: CurrentKind;
  flags: number;
  expire: number;
  version: Uint64;
  /** Bits of `EntryMark`. */
  marks: number;
  bytes: Uint8Array;
}

/** A record for `readEngineValue` to fill. */
export function emptyEngineRecord(): EngineRecord {
  return { kind: CurrentKind.absent, flags: 0, expire: 0, version: 0, marks: 0, bytes: EMPTY_BYTES };
}

/** Reads an engine value into `record`. @throws FlareError CORRUPT | UNSUPPORTED */
export function readEngineValue(
  bytes: Uint8Array,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  record: EngineRecord,
): void {
  if (
    bytes.length < ENGINE_HEADER_BYTES ||
    readUint32(bytes, AT_CRC) !== checksum(key, keyStart, keyEnd, bytes, 0, bytes.length)
  ) {
    throw new FlareError("CORRUPT", "corrupt record");
  }
  if (bytes[0] !== ENGINE_FORMAT) throw unsupported(bytes[0] as number);
  record.kind = bytes[AT_KIND] as CurrentKind;
  record.flags = readUint32(bytes, AT_FLAGS);
  record.expire = readUint32(bytes, AT_EXPIRE);
  record.version = fromWords(readUint32(bytes, AT_VERSION + 4), readUint32(bytes, AT_VERSION));
  record.marks = bytes[AT_MARKS] as number;
  record.bytes = bytes;
}

/** The header of an engine value, unverified: enough to see whether it needs a closer look. */
export function peekEngineValue(bytes: Uint8Array): {
  readonly kind: CurrentKind;
  readonly flags: number;
  readonly expire: number;
} {
  if (bytes.length < ENGINE_HEADER_BYTES) return { kind: CurrentKind.absent, flags: 0, expire: 0 };
  return { kind: bytes[AT_KIND] as CurrentKind, flags: readUint32(bytes, AT_FLAGS), expire: readUint32(bytes, AT_EXPIRE) };
}

/** The value of the meta record. */
export function encodeMeta(meta: EngineMeta): Uint8Array {
  const bytes = new Uint8Array(META_BYTES);
  writeUint32(bytes, 0, ENGINE_FORMAT);
  writeUint32(bytes, 8, meta.generation);
  const view = new DataView(bytes.buffer);
  // These numbers stay below 2^48, so six bytes hold each of them exactly.
  view.setUint32(12, meta.items % 0x100000000, true);
  view.setUint16(16, Math.floor(meta.items / 0x100000000), true);
  view.setUint32(18, meta.tombstones % 0x100000000, true);
  view.setUint16(22, Math.floor(meta.tombstones / 0x100000000), true);
  view.setUint32(24, meta.sequence % 0x100000000, true);
  view.setUint16(28, Math.floor(meta.sequence / 0x100000000), true);
  writeUint32(bytes, 30, meta.flushPlannedFor);
  writeUint32(bytes, 4, crc32(bytes, 8));
  return bytes;
}

/** Reads the meta record. @throws FlareError CORRUPT | UNSUPPORTED */
export function decodeMeta(bytes: Uint8Array): EngineMeta {
  const isWhole = bytes.length === META_BYTES || bytes.length === META_BYTES_BEFORE;
  if (!isWhole || readUint32(bytes, 4) !== crc32(bytes, 8)) {
    throw new FlareError("CORRUPT", "the engine's own record is corrupt");
  }
  if (readUint32(bytes, 0) !== ENGINE_FORMAT) throw unsupported(readUint32(bytes, 0));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    generation: readUint32(bytes, 8),
    items: view.getUint32(12, true) + view.getUint16(16, true) * 0x100000000,
    tombstones: view.getUint32(18, true) + view.getUint16(22, true) * 0x100000000,
    sequence: bytes.length === META_BYTES ? view.getUint32(24, true) + view.getUint16(28, true) * 0x100000000 : 0,
    flushPlannedFor: bytes.length === META_BYTES ? readUint32(bytes, 30) : 0,
  };
}

function unsupported(format: number): FlareError {
  return new FlareError("UNSUPPORTED", `the engine has format ${format}, this version reads format ${ENGINE_FORMAT}`);
}

function checksum(key: Uint8Array, keyStart: number, keyEnd: number, bytes: Uint8Array, at: number, end: number): number {
  const head = crc32(bytes, at, at + AT_CRC, crc32(key, keyStart, keyEnd));
  return crc32(bytes, at + AT_FLAGS, end, head);
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}
