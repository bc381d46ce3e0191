/**
 * A part of an archived change log: a file with some records of one segment, byte for byte as they were there, behind a line
 * of JSON that says what they are. The line has a checksum of itself and one of the records. It also has the stamps and marks
 * that are needed to find a way through an archive without reading all of it. Pure.
 */

import { concatBytes, latin1 } from "../../base/bytes.ts";
import { crc32 } from "../../base/crc32.ts";
import { FlareError } from "../../base/errors.ts";
import type { LogBlock } from "./log_block.ts";
import { isStateRecord, LogReader, logRecordLength } from "./log_record.ts";
import { decodeMark, type Mark, type Position } from "./positions.ts";
import { decodeStamp, type TimeStamp } from "./time_stamp.ts";

/** The version of this format; others are refused. */
const FORMAT = 1;
const LF = 0x0a;
const NAME = /^([0-9a-f]{16})-(\d{16})-(\d{1,16})-(\d{1,16})\.changes$/;
const HEAD = /^flare log archive, crc32 ([0-9a-f]{8}) (\{.*\})$/;

/** A stamp and the sequence of its record. */
export interface PlacedStamp extends TimeStamp {
  readonly sequence: number;
}

/** What the name of a part says. */
export interface ArchivePartName {
  /** Of the log that the records are of, see `Position`. */
  readonly history: string;
  readonly firstSequence: number;
  /** May be 0: then the part only says up to when nothing was written. */
  readonly records: number;
  /** When it was written, by the wall clock. */
  readonly second: number;
}

/** What the head of a part says. */
export interface ArchivePart extends ArchivePartName {
  /** `host:port` of the node whose log it is. */
  readonly node: string;
  readonly salt: number;
  readonly bytes: number;
  /** Of the records, in hexadecimal. */
  readonly crc32: string;
  /** Everything that this log got before this second is in this part, or was before; 0 = it is not known. */
  readonly reached: number;
  /** The state before the first record is the one of another log, of an earlier opening of the same data directory. */
  readonly follows?: Position;
  /** The first stamp, the last, and those where the label changes. */
  readonly stamps: readonly PlacedStamp[];
  /** The first and the last of each run of marks of the same history. */
  readonly marks: readonly Mark[];
}

/** The file name of a part. */
export function archivePartName({ history, firstSequence, records, second }: ArchivePartName): string {
  return `${history}-${String(firstSequence).padStart(16, "0")}-${records}-${second}.changes`;
}

/** Reads the name of a part; undefined for other files. */
export function parseArchivePartName(name: string): ArchivePartName | undefined {
  const [, history, first, records, second] = NAME.exec(name) ?? [];
  if (history === undefined) return undefined;
  return { history, firstSequence: Number(first), records: Number(records), second: Number(second) };
}

/** Collects the records of a part, which must follow one another and be of one segment. */
export class ArchivePartWriter {
  bytes = 0;
  records = 0;
  readonly #blocks: Uint8Array[] = [];
  #crc32 = 0;
  readonly #stamps: PlacedStamp[] = [];
  readonly #marks: Mark[] = [];

  add(block: LogBlock): void {
    const { bytes } = block;
    this.#blocks.push(bytes);
    this.#crc32 = crc32(bytes, 0, bytes.length, this.#crc32);
    this.bytes += bytes.length;
    this.records += block.records;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.length; at += logRecordLength(view, at)) this.#note(block, view, at);
  }

  /** The whole file. */
  encode(part: Omit<ArchivePart, "records" | "bytes" | "crc32" | "stamps" | "marks">): Uint8Array {
    const { bytes, records } = this;
    const content = { bytes, crc32: hexadecimal(this.#crc32), stamps: this.#stamps, marks: this.#marks };
    const json = JSON.stringify({ format: FORMAT, ...part, records, ...content });
    return concatBytes([new TextEncoder().encode(`flare log archive, crc32 ${checksumOf(json)} ${json}\n`), ...this.#blocks]);
  }

  #note({ salt }: LogBlock, view: DataView, at: number): void {
    if (!isStateRecord(view, at)) return;
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at, logRecordLength(view, at));
    const reader = new LogReader(bytes, { salt, firstSequence: 0 }, 0);
    reader.next();
    const { sequence, version } = reader;
    const key = latin1(bytes, reader.keyStart, reader.keyEnd);
    const stamp = decodeStamp(key, version);
    if (stamp !== undefined) return this.#addStamp({ ...stamp, sequence });
    const mark = decodeMark(key, sequence, version);
    if (mark !== undefined) addToRuns(this.#marks, mark, (one, other) => one.history === other.history);
  }

  #addStamp(stamp: PlacedStamp): void {
    addToRuns(this.#stamps, stamp, (one, other) => one.label === other.label);
  }
}

/** Keeps the first and the last of each run of equals. */
function addToRuns<T>(list: T[], next: T, isEqual: (one: T, other: T) => boolean): void {
  const [before, last] = [list.at(-2), list.at(-1)];
  if (before !== undefined && last !== undefined && isEqual(before, last) && isEqual(last, next)) list.pop();
  list.push(next);
}

/** The length of the head of a part, with its line end; undefined: there is more of it than `bytes`. */
export function archiveHeadLength(bytes: Uint8Array): number | undefined {
  const lineFeed = bytes.indexOf(LF);
  return lineFeed < 0 ? undefined : lineFeed + 1;
}

/** Reads the head of a part, with its line end. @throws FlareError CORRUPT | UNSUPPORTED */
export function decodeArchiveHead(bytes: Uint8Array, path: string): ArchivePart {
  const [, checksum, json = ""] = HEAD.exec(new TextDecoder().decode(bytes.subarray(0, Math.max(bytes.length - 1, 0)))) ?? [];
  if (checksum === undefined || checksum !== checksumOf(json)) throw damaged(path, "its first line is not whole");
  const { format, ...part } = JSON.parse(json) as ArchivePart & { readonly format: unknown };
  if (format === FORMAT) return part;
  throw new FlareError("UNSUPPORTED", `"${path}" has format ${JSON.stringify(format)}, this version reads format ${FORMAT}`);
}

/**
 * Calls `each` at every record of a part; the reader is only valid during the call, which returns false to read no further.
 * @throws FlareError CORRUPT before the first call, unless all of it is intact
 */
export function readArchivePart(
  part: ArchivePart,
  bytes: Uint8Array,
  path: string,
  each: (reader: LogReader) => boolean,
): void {
  if (bytes.length !== part.bytes) throw damaged(path, `it has ${bytes.length} bytes of changes instead of ${part.bytes}`);
  const found = hexadecimal(crc32(bytes));
  if (found !== part.crc32) throw damaged(path, `its changes have the checksum ${found}, not ${part.crc32}`);
  const reader = new LogReader(bytes, part, 0);
  while (reader.next()) if (!each(reader)) return;
}

function damaged(path: string, problem: string): FlareError {
  return new FlareError("CORRUPT", `"${path}" is damaged: ${problem}`);
}

function checksumOf(text: string): string {
  return hexadecimal(crc32(new TextEncoder().encode(text)));
}

function hexadecimal(word: number): string {
  return word.toString(16).padStart(8, "0");
}
