/**
 * Parses the text of a dump or a backup: chunks in, records out, in either format of `dump_format.ts`. Sans I/O. Damaged text,
 * or text that does not match its end line, is refused with the line number, never guessed at.
 */

import { GIB } from "../base/byte_units.ts";
import { EMPTY_BYTES, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { UINT32_MAX } from "../base/number_bounds.ts";
import { parseUint64 } from "../base/uint64.ts";
import type { BackupRecord } from "../client/dump.ts";
import { DumpTally, findEndLine } from "./dump_end_line.ts";
import { DELETED, DumpFormat } from "./dump_format.ts";

/** Longest record. */
const RECORD_BYTES_MAX = GIB;
const BACKSLASH = 0x5c;
const QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;
const COMMA = 0x2c;
const BLANK = 0x20;
const LF = 0x0a;
const CR = 0x0d;
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [BACKSLASH, BACKSLASH],
  [QUOTE, QUOTE],
  [0x6e, LF],
  [0x72, CR],
  [0x74, 0x09],
]);
const LETTER_X = 0x78;

export class DumpFileParser {
  readonly #format: DumpFormat;
  readonly #acceptIncomplete: boolean;
  #held: Uint8Array = new Uint8Array(65536);
  #start = 0;
  #end = 0;
  /** Where the search for the end of the record continues, and whether that is within quotes (csv). */
  #searched = 0;
  #quoted = false;
  #line = 1;
  /** Items and bytes since the last end line, or since the start, and the line where they begin. */
  #tally = new DumpTally();
  #tallyLine = 1;
  #complete = false;

  /** @param acceptIncomplete end lines may be missing or wrong */
  constructor(format: DumpFormat, acceptIncomplete = false) {
    this.#format = format;
    this.#acceptIncomplete = acceptIncomplete;
  }

  /** Adds the next chunk. @throws FlareError CORRUPT if a record is too long */
  push(chunk: Uint8Array): void {
    const length = this.#end - this.#start;
    if (length > RECORD_BYTES_MAX) throw this.#fault("has no end");
    if (this.#end + chunk.length > this.#held.length) {
      const room = length + chunk.length > this.#held.length ? new Uint8Array((length + chunk.length) * 2) : this.#held;
      room.set(this.#held.subarray(this.#start, this.#end));
      this.#held = room;
      this.#searched -= this.#start;
      this.#start = 0;
      this.#end = length;
    }
    this.#held.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** The next complete item; undefined = more bytes are needed. @throws FlareError CORRUPT naming the line */
  next(): BackupRecord | undefined {
    for (;;) {
      const recordEnd = this.#recordEnd();
      if (recordEnd < 0) return undefined;
      const item = this.#record(this.#start, recordEnd);
      this.#line += this.#format === DumpFormat.csv ? this.#lineEnds(this.#start, this.#searched) : 1;
      this.#start = this.#searched;
      if (item !== undefined) return item;
    }
  }

  /** The last item, if it has no line end. @throws FlareError CORRUPT */
  last(): BackupRecord | undefined {
    if (this.#start === this.#end) return undefined;
    if (this.#quoted) throw this.#fault("has a quote that is not closed");
    const item = this.#record(this.#start, this.#end);
    this.#start = this.#end;
    this.#line++;
    return item;
  }

  /** After `last`: checks that the text ended with an end line. @throws FlareError CORRUPT */
  requireComplete(): void {
    if (this.#complete || this.#acceptIncomplete) return;
    const text = `the dump ends after line ${this.#line - 1} without an end line, "# end of dump …"`;
    throw new FlareError("CORRUPT", `${text}: it was truncated, or another program wrote it`);
  }

  #recordEnd(): number {
    const held = this.#held;
    for (let at = this.#searched; at < this.#end; at++) {
      const byte = held[at] as number;
      if (byte === DOUBLE_QUOTE && this.#format === DumpFormat.csv) this.#quoted = !this.#quoted;
      else if (byte === LF && !this.#quoted) {
        this.#searched = at + 1;
        return at;
      }
    }
    this.#searched = this.#end;
    return -1;
  }

  #lineEnds(start: number, end: number): number {
    let count = 0;
    for (let at = this.#held.indexOf(LF, start); at >= 0 && at < end; at = this.#held.indexOf(LF, at + 1)) count++;
    return count;
  }

  /** Parses a record; undefined for an empty line and for an end line. */
  #record(start: number, recordEnd: number): BackupRecord | undefined {
    const end = recordEnd > start && this.#held[recordEnd - 1] === CR ? recordEnd - 1 : recordEnd;
    if (end === start) return undefined;
    const endLine = findEndLine(this.#held, start, end);
    if (endLine !== undefined) return this.#endLine(endLine);
    const item = this.#format === DumpFormat.csv ? this.#csvRecord(start, end) : this.#defaultRecord(start, end);
    this.#tally.add(1, this.#held, start, this.#searched);
    this.#complete = false;
    return item;
  }

  #endLine(line: string): undefined {
    const difference = this.#acceptIncomplete ? undefined : this.#tally.differenceTo(line);
    if (difference !== undefined)
      throw this.#fault(`${difference}: something is wrong between line ${this.#tallyLine} and here`);
    this.#tally = new DumpTally();
    this.#tallyLine = this.#line + 1;
    this.#complete = true;
  }

  #defaultRecord(start: number, end: number): BackupRecord {
    const held = this.#held;
    const keyEnd = held.indexOf(BLANK, start);
    if (latin1(held, Math.max(start, end - DELETED.length - 1), end) === ` ${DELETED}`)
      return this.#deletion(start, keyEnd, end);
    const open = held.indexOf(QUOTE, Math.max(start, keyEnd));
    if (keyEnd < 0 || open < 0 || open >= end - 1 || held[end - 1] !== QUOTE)
      throw this.#fault("is not \"key flag size version expire 'value'\"");
    const numbers = latin1(held, keyEnd + 1, open).split(" ");
    if (numbers.pop() !== "") throw this.#fault("has no space before its value");
    return this.#item(this.#unescape(start, keyEnd), numbers, this.#unescape(open + 1, end - 1));
  }

  #deletion(start: number, keyEnd: number, end: number): BackupRecord {
    const numbers = latin1(this.#held, keyEnd + 1, end)
      .split(" ")
      .slice(0, -1);
    return { ...this.#item(this.#unescape(start, keyEnd), numbers, EMPTY_BYTES), tombstone: true };
  }

  #csvRecord(start: number, end: number): BackupRecord {
    const fields: Uint8Array[] = [];
    let at = start;
    for (;;) {
      const quoted = this.#held[at] === DOUBLE_QUOTE && at < end;
      const field = quoted ? this.#quotedField(at, end) : this.#plainField(at, end);
      fields.push(field.bytes);
      if (field.next === end) break;
      if (this.#held[field.next] !== COMMA) throw this.#fault("has bytes after a quoted field");
      at = field.next + 1;
    }
    const [key, value] = [fields[0], fields[5]];
    if (key === undefined || value === undefined || fields.length !== 6) {
      throw this.#fault(`has ${fields.length} fields instead of key,flag,size,version,expire,value`);
    }
    return this.#item(
      key,
      fields.slice(1, 5).map((field) => latin1(field)),
      value,
    );
  }

  #plainField(at: number, end: number): { bytes: Uint8Array; next: number } {
    const comma = this.#held.indexOf(COMMA, at);
    const next = comma < 0 || comma > end ? end : comma;
    return { bytes: this.#held.slice(at, next), next };
  }

  #quotedField(at: number, end: number): { bytes: Uint8Array; next: number } {
    const bytes = new Uint8Array(end - at);
    let length = 0;
    for (let i = at + 1; i < end; i++) {
      if (this.#held[i] === DOUBLE_QUOTE && this.#held[++i] !== DOUBLE_QUOTE) return { bytes: bytes.slice(0, length), next: i };
      bytes[length++] = this.#held[i] as number;
    }
    throw this.#fault("has a quote that is not closed");
  }

  #unescape(start: number, end: number): Uint8Array {
    const text = this.#held.slice(start, end);
    if (!text.includes(BACKSLASH)) return text;
    const bytes = new Uint8Array(end - start);
    let length = 0;
    for (let at = start; at < end; at++) {
      const byte = this.#held[at] as number;
      if (byte !== BACKSLASH) {
        bytes[length++] = byte;
        continue;
      }
      const letter = at + 1 < end ? (this.#held[++at] as number) : -1;
      const plain = ESCAPES.get(letter);
      if (plain !== undefined) bytes[length++] = plain;
      else {
        const digits = latin1(this.#held, at + 1, Math.min(end, at + 3));
        if (letter !== LETTER_X || !/^[0-9a-fA-F]{2}$/.test(digits)) throw this.#fault("has an invalid escape");
        bytes[length++] = Number.parseInt(digits, 16);
        at += 2;
      }
    }
    return bytes.slice(0, length);
  }

  #item(key: Uint8Array, numbers: readonly string[], value: Uint8Array): BackupRecord {
    const [flags, size, version, expire] = numbers.map((text) => {
      const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
      return parseUint64(bytes, 0, bytes.length);
    });
    if (
      numbers.length !== 4 ||
      typeof flags !== "number" ||
      flags > UINT32_MAX ||
      version === undefined ||
      typeof expire !== "number"
    ) {
      throw this.#fault("has malformed numbers");
    }
    if (size !== value.length) throw this.#fault(`says ${size} bytes but has ${value.length}`);
    if (key.length === 0) throw this.#fault("has an empty key");
    return { key, value, flags, version, expire, tombstone: false };
  }

  #fault(what: string): FlareError {
    return new FlareError("CORRUPT", `line ${this.#line} of the dump ${what}`);
  }
}
