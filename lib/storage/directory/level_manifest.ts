/**
 * Reading LevelDB's MANIFEST: a log of edits that together say which tables make up the database. Like LevelDB, it ignores a
 * torn end. Pure; no file access.
 */

import { concatBytes } from "../../base/bytes.ts";
import { crc32c } from "../../base/crc32c.ts";

/** A table of the database. */
export interface LevelTable {
  readonly number: number;
  readonly bytes: number;
  /** Its first and last user key. */
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
}

const BLOCK_BYTES = 32768;
const RECORD_HEADER_BYTES = 7;
/** After each key: sequence and type. */
const KEY_TRAILER_BYTES = 8;

const RecordType = { full: 1, first: 2, middle: 3, last: 4 } as const;
const Tag = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLog: 9,
} as const;

/** The tables that remain after all edits. */
export function readLevelManifest(bytes: Uint8Array): LevelTable[] {
  const tables = new Map<number, LevelTable>();
  for (const edit of records(bytes)) applyEdit(edit, tables);
  return [...tables.values()];
}

/** Undoes LevelDB's masking of checksums (rotated and offset, because a CRC over data that contains CRCs is weak). */
export function unmaskLevelChecksum(masked: number): number {
  const turned = (masked - 0xa282ead8) >>> 0;
  return ((turned >>> 17) | (turned << 15)) >>> 0;
}

/** The complete records, up to the first invalid fragment. */
function* records(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let pieces: Uint8Array[] = [];
  for (let at = 0; at + RECORD_HEADER_BYTES <= bytes.length; ) {
    const blockLeft = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (blockLeft < RECORD_HEADER_BYTES) {
      at += blockLeft;
      continue;
    }
    const end = at + RECORD_HEADER_BYTES + view.getUint16(at + 4, true);
    const type = bytes[at + 6] as number;
    if (end > bytes.length || crc32c(bytes, at + 6, end) !== unmaskLevelChecksum(view.getUint32(at, true))) return;
    if (type === RecordType.full || type === RecordType.first) pieces = [];
    pieces.push(bytes.subarray(at + RECORD_HEADER_BYTES, end));
    if (type === RecordType.full || type === RecordType.last) yield concatBytes(pieces);
    at = end;
  }
}

function applyEdit(edit: Uint8Array, tables: Map<number, LevelTable>): void {
  const reader = new LevelReader(edit);
  while (!reader.isAtEnd) {
    switch (reader.number()) {
      case Tag.comparator:
        reader.slice();
        break;
      case Tag.logNumber:
      case Tag.nextFile:
      case Tag.lastSequence:
      case Tag.previousLog:
        reader.number();
        break;
      case Tag.compactPointer:
        reader.number();
        reader.slice();
        break;
      case Tag.deletedFile:
        reader.number();
        tables.delete(reader.number());
        break;
      case Tag.newFile: {
        reader.number();
        const number = reader.number();
        tables.set(number, { number, bytes: reader.number(), smallest: reader.userKey(), largest: reader.userKey() });
        break;
      }
      default:
        return; // Of a later LevelDB, which checks it itself.
    }
  }
}

/** Reads the numbers and byte strings of LevelDB's files. */
export class LevelReader {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.at = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#end;
  }

  /** Seven bits a byte, the lowest first. */
  number(): number {
    let value = 0;
    for (let factor = 1; this.at < this.#end; factor *= 128) {
      const byte = this.#bytes[this.at++] as number;
      value += (byte & 127) * factor;
      if (byte < 128) break;
    }
    return value;
  }

  /** A length-prefixed byte string. */
  slice(): Uint8Array {
    const length = this.number();
    const start = this.at;
    this.at = Math.min(start + length, this.#end);
    return this.#bytes.subarray(start, this.at);
  }

  userKey(): Uint8Array {
    return userKeyOf(this.slice());
  }
}

/** The key without LevelDB's trailer. */
export function userKeyOf(internalKey: Uint8Array): Uint8Array {
  return internalKey.subarray(0, Math.max(internalKey.length - KEY_TRAILER_BYTES, 0));
}
