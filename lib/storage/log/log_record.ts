/**
 * The format of the change log on disk: the header of a segment file and the records after it, little-endian. There are two
 * copies of the header, so that one flipped bit does not cost a whole segment. Every checksum of a file begins with its salt,
 * so that a client cannot forge a record inside a value. Pure; no file access.
 */

import { copyBytes } from "../../base/copy_bytes.ts";
import { crc32 } from "../../base/crc32.ts";
import { FlareError } from "../../base/errors.ts";
import { fromWords, highWord, lowWord, type Uint64 } from "../../base/uint64.ts";
import { EntryMark } from "../../item/entry.ts";
import { SyncMode } from "../../item/mutation.ts";

/** The version of this format; files with another one are refused. */
export const LOG_FORMAT = 1;

/**
 * The kinds of records. `state` is not about a key: it has the flush generation, for when a flush is planned, and, where its
 * key is not empty, a mark (see `positions.ts`) or a note of what another cluster has (see `deliveries.ts`).
 */
export const LogKind = { put: 1, delete: 2, state: 3 } as const;
export type LogKind = (typeof LogKind)[keyof typeof LogKind];

/** The flags of a `state` that begins its generation: everything before it is dropped. 2.0.0 writes 0 there, too. */
export const FLUSHED = 1;
/** Why a generation begins: the version of its `state`. */
export const FlushCause = {
  /** A client, or an operator, has asked for it. */
  request: 0,
  /** This replica copies everything from others: nobody else drops anything. */
  copy: 1,
  /** The master has flushed: its log, which this replica follows, has the flush at its place. */
  master: 2,
} as const;
export type FlushCause = (typeof FlushCause)[keyof typeof FlushCause];

/** What a record's marks say besides those of `EntryMark`. */
export const RecordBit = {
  /** It has the version of the item it replaces, which was touched or marked. */
  keepsVersion: 0x80,
  /** `SyncMode` of the write, from `SYNC_MODE_SHIFT` on. */
  syncMode: 0x60,
} as const;
const SYNC_MODE_SHIFT = 5;
const ENTRY_MARKS = EntryMark.stale | EntryMark.won;

/** The bits of a record. */
export function recordBits(keepsVersion: boolean, syncMode: SyncMode): number {
  return (keepsVersion ? RecordBit.keepsVersion : 0) | (syncMode << SYNC_MODE_SHIFT);
}

// The segment header: "FLARELOG", format, salt, history, first sequence, crc.
const MAGIC_HIGH = 0x52414c46;
const MAGIC_LOW = 0x474f4c45;
const HEADER_COPY_BYTES = 36;

/** Bytes before the first record. */
export const LOG_HEADER_BYTES = HEADER_COPY_BYTES * 2;

// A record: crc, marker, kind, marks, length, generation, sequence, version, flags, expire, key length, key, value.
const MARKER = 0xf1a3;
const AT_MARKER = 4;
const AT_KIND = 6;
const AT_MARKS = 7;
const AT_LENGTH = 8;
const AT_GENERATION = 12;
const AT_SEQUENCE = 16;
const AT_VERSION = 24;
const AT_FLAGS = 32;
const AT_EXPIRE = 36;
const AT_KEY_LENGTH = 40;

/** Bytes of a record before its key. */
export const LOG_RECORD_HEADER_BYTES = 44;

/** The header of a segment. */
export interface LogSegmentHeader {
  readonly salt: number;
  /** 16 hexadecimal digits, the same in all segments of one opening of the storage; zeroes in those of 2.0.0. */
  readonly history: string;
  readonly firstSequence: number;
}

/** The header of a new segment. */
export function encodeLogHeader(header: LogSegmentHeader): Uint8Array {
  const bytes = new Uint8Array(LOG_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < LOG_HEADER_BYTES; at += HEADER_COPY_BYTES) {
    view.setUint32(at, MAGIC_HIGH, true);
    view.setUint32(at + 4, MAGIC_LOW, true);
    view.setUint32(at + 8, LOG_FORMAT, true);
    view.setUint32(at + 12, header.salt, true);
    view.setUint32(at + 16, Number.parseInt(header.history.slice(8), 16), true);
    view.setUint32(at + 20, Number.parseInt(header.history.slice(0, 8), 16), true);
    setUint64(view, at + 24, header.firstSequence);
    view.setUint32(at + 32, crc32(bytes, at, at + 32), true);
  }
  return bytes;
}

/** Reads the header of a segment; undefined if neither copy is valid. @throws FlareError UNSUPPORTED (another format) */
export function decodeLogHeader(bytes: Uint8Array, path: string): LogSegmentHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER_COPY_BYTES <= Math.min(bytes.length, LOG_HEADER_BYTES); at += HEADER_COPY_BYTES) {
    if (view.getUint32(at, true) !== MAGIC_HIGH || view.getUint32(at + 4, true) !== MAGIC_LOW) continue;
    if (view.getUint32(at + 32, true) !== crc32(bytes, at, at + 32)) continue;
    const format = view.getUint32(at + 8, true);
    if (format !== LOG_FORMAT) {
      throw new FlareError(
        "UNSUPPORTED",
        `log segment "${path}" has format ${format}, this version reads format ${LOG_FORMAT}`,
      );
    }
    return {
      salt: view.getUint32(at + 12, true),
      history: hexadecimal(view.getUint32(at + 20, true)) + hexadecimal(view.getUint32(at + 16, true)),
      firstSequence: Number(getUint64(view, at + 24)),
    };
  }
  return undefined;
}

/** What a record says of its key: `bytes[keyStart, keyEnd)`, and the fields of an entry or a tombstone. */
export interface LogEntry {
  readonly bytes: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly flags: number;
  readonly expire: number;
  readonly version: Uint64;
  /** Bits of `EntryMark`. */
  readonly marks: number;
}

/**
 * Writes a record except its value and its checksum, and returns where the value belongs.
 * @param bits of `recordBits`
 */
export function encodeLogRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  kind: LogKind,
  generation: number,
  sequence: number,
  entry: LogEntry,
  valueLength: number,
  bits = 0,
): number {
  const keyLength = entry.keyEnd - entry.keyStart;
  view.setUint16(at + AT_MARKER, MARKER, true);
  view.setUint8(at + AT_KIND, kind);
  view.setUint8(at + AT_MARKS, entry.marks | bits);
  view.setUint32(at + AT_LENGTH, LOG_RECORD_HEADER_BYTES + keyLength + valueLength, true);
  view.setUint32(at + AT_GENERATION, generation, true);
  setUint64(view, at + AT_SEQUENCE, sequence);
  setUint64(view, at + AT_VERSION, entry.version);
  view.setUint32(at + AT_FLAGS, entry.flags, true);
  view.setUint32(at + AT_EXPIRE, entry.expire, true);
  view.setUint32(at + AT_KEY_LENGTH, keyLength, true);
  return copyBytes(bytes, at + LOG_RECORD_HEADER_BYTES, entry.bytes, entry.keyStart, entry.keyEnd);
}

/** The checksum of a record from after its checksum field to `end`. */
export function logRecordCrc(bytes: Uint8Array, at: number, end: number, salt: number): number {
  return crc32(bytes, at + AT_MARKER, end, salt);
}

/** A range of a segment that is not a valid record, and how many records may be missing because of it. */
export interface LogDamage {
  readonly start: number;
  readonly end: number;
  readonly records: number;
}

/** The length of the record at `at`, which must be a whole one. */
export function logRecordLength(view: DataView, at: number): number {
  return view.getUint32(at + AT_LENGTH, true);
}

/** Whether the record at `at`, which must be a whole one, is a `state`. */
export function isStateRecord(view: DataView, at: number): boolean {
  return view.getUint8(at + AT_KIND) === LogKind.state;
}

/** Reads the records of one segment; skips damaged bytes to the next record that is valid and newer. */
export class LogReader {
  kind: LogKind = LogKind.put;
  generation = 0;
  sequence = 0;
  version: Uint64 = 0;
  flags = 0;
  expire = 0;
  /** Bits of `EntryMark`. */
  marks = 0;
  /** See `RecordBit`. */
  keepsVersion = false;
  syncMode: SyncMode = SyncMode.byDefault;
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  readonly bytes: Uint8Array;
  readonly damages: LogDamage[] = [];
  /** The end of the last valid record. */
  end: number;

  readonly #view: DataView;
  readonly #salt: number;
  #lastSequence: number;

  /** @param start where the first record is */
  constructor(bytes: Uint8Array, header: Pick<LogSegmentHeader, "salt" | "firstSequence">, start = LOG_HEADER_BYTES) {
    this.bytes = bytes;
    this.end = start;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#salt = header.salt;
    this.#lastSequence = header.firstSequence - 1;
  }

  /** The sequence of the last record read, or the one before the segment's first. */
  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** Moves to the next record; false at the end. Anything after `end` is then a torn tail. */
  next(): boolean {
    const from = this.end;
    for (let at = from; at + LOG_RECORD_HEADER_BYTES <= this.bytes.length; at++) {
      if (!this.#isRecord(at)) continue;
      this.#load(at);
      const missing = this.sequence - this.#lastSequence - 1;
      if (at > from || missing > 0) this.damages.push({ start: from, end: at, records: Math.max(missing, 1) });
      this.#lastSequence = this.sequence;
      return true;
    }
    return false;
  }

  /** Moves to the next record of bytes that are known to be whole, valid records: checks nothing. */
  nextIntact(): boolean {
    if (this.end === this.bytes.length) return false;
    this.#load(this.end);
    this.#lastSequence = this.sequence;
    return true;
  }

  #isRecord(at: number): boolean {
    const view = this.#view;
    if (view.getUint16(at + AT_MARKER, true) !== MARKER) return false;
    const length = view.getUint32(at + AT_LENGTH, true);
    if (length < LOG_RECORD_HEADER_BYTES || at + length > this.bytes.length) return false;
    if (LOG_RECORD_HEADER_BYTES + view.getUint32(at + AT_KEY_LENGTH, true) > length) return false;
    if (!(getUint64(view, at + AT_SEQUENCE) > this.#lastSequence)) return false;
    return view.getUint32(at, true) === logRecordCrc(this.bytes, at, at + length, this.#salt);
  }

  #load(at: number): void {
    const view = this.#view;
    this.kind = view.getUint8(at + AT_KIND) as LogKind;
    const marks = view.getUint8(at + AT_MARKS);
    this.marks = marks & ENTRY_MARKS;
    this.keepsVersion = (marks & RecordBit.keepsVersion) !== 0;
    this.syncMode = ((marks & RecordBit.syncMode) >> SYNC_MODE_SHIFT) as SyncMode;
    this.generation = view.getUint32(at + AT_GENERATION, true);
    this.sequence = Number(getUint64(view, at + AT_SEQUENCE));
    this.version = getUint64(view, at + AT_VERSION);
    this.flags = view.getUint32(at + AT_FLAGS, true);
    this.expire = view.getUint32(at + AT_EXPIRE, true);
    this.keyStart = at + LOG_RECORD_HEADER_BYTES;
    this.keyEnd = this.keyStart + view.getUint32(at + AT_KEY_LENGTH, true);
    this.valueStart = this.keyEnd;
    this.valueEnd = at + view.getUint32(at + AT_LENGTH, true);
    this.end = this.valueEnd;
  }
}

function setUint64(view: DataView, at: number, value: Uint64): void {
  view.setUint32(at, lowWord(value), true);
  view.setUint32(at + 4, highWord(value), true);
}

function getUint64(view: DataView, at: number): Uint64 {
  return fromWords(view.getUint32(at + 4, true), view.getUint32(at, true));
}

function hexadecimal(word: number): string {
  return word.toString(16).padStart(8, "0");
}
