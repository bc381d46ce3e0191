/**
 * Dumped items as text: one record per item, which `dump_file_parser.ts` converts back into the same bytes.
 *
 * default: `key flag size version expire 'value'`, one line. In the key and between the quotes `\\` is a backslash, `\'` a
 * quote, `\n`, `\r`, `\t` as usual, `\xHH` any other byte below 0x20, 0x7f, and a space in a key; all other bytes, including
 * UTF-8, are unescaped. `size` is the length of the value in bytes. Backups also have deletions: `key second 0 version blocked
 * deleted`, with the second of the deletion and the one until which the key is blocked.
 *
 * csv: `key,flag,size,version,expire,value` as in RFC 4180: a field with a comma, a quote, CR, LF, or a space at an end is
 * quoted, with quotes doubled; all other bytes are unescaped.
 *
 * Both end with the line of `dump_end_line.ts`.
 */

import { fromLatin1 } from "../base/bytes.ts";
import type { BackupRecord, DumpedItem } from "../client/dump.ts";
import { ByteWriter } from "./byte_writer.ts";
import type { DumpTally } from "./dump_end_line.ts";

/** The formats of a dump. */
export const DumpFormat = { default: "default", csv: "csv" } as const;
export type DumpFormat = (typeof DumpFormat)[keyof typeof DumpFormat];

/** The last word of a deletion; the line of an item ends with a quote. */
export const DELETED = "deleted";

const BACKSLASH = 0x5c;
const QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;
const BLANK = 0x20;
const COMMA = 0x2c;
const LF = 0x0a;
const CR = 0x0d;
const DELETE = 0x7f;
const NAMED_ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x09, "\\t"],
  [LF, "\\n"],
  [CR, "\\r"],
]);

/** The records of some items, each with its line end. */
export function encodeItems(items: readonly DumpedItem[], format: DumpFormat): Uint8Array {
  const out = new ByteWriter();
  for (const item of items) {
    if (format === DumpFormat.csv) {
      const numbers = [item.flags, item.value.length, item.version, item.expire];
      putField(out, item.key);
      out.putText(`,${numbers.join(",")},`);
      putField(out, item.value);
      out.putByte(LF);
    } else putItem(out, item);
  }
  return out.written;
}

/** The records of a backup in the default format, each with its line end. */
export function encodeRecords(records: readonly BackupRecord[]): Uint8Array {
  const out = new ByteWriter();
  for (const record of records) {
    if (!record.tombstone) putItem(out, record);
    else {
      putEscaped(out, record.key, true);
      out.putText(` ${record.flags} 0 ${record.version} ${record.expire} ${DELETED}\n`);
    }
  }
  return out.written;
}

function putItem(out: ByteWriter, { key, value, flags, version, expire }: DumpedItem): void {
  putEscaped(out, key, true);
  out.putText(` ${flags} ${value.length} ${version} ${expire} '`);
  putEscaped(out, value, false);
  out.putText("'\n");
}

/** The last line of a dump. */
export function encodeEndLine(tally: DumpTally): Uint8Array {
  return fromLatin1(`${tally.endLine}\n`);
}

/** Keys, one per line, quoted as in a dump of the same format. */
export function encodeKeys(keys: readonly Uint8Array[], format: DumpFormat): Uint8Array {
  const out = new ByteWriter();
  for (const key of keys) {
    if (format === DumpFormat.csv) putField(out, key);
    else putEscaped(out, key, true);
    out.putByte(LF);
  }
  return out.written;
}

/** A key as one word for humans, as in the default format. */
export function keyWord(key: Uint8Array): string {
  const out = new ByteWriter();
  putEscaped(out, key, true);
  return new TextDecoder().decode(out.written);
}

function putEscaped(out: ByteWriter, bytes: Uint8Array, blanks: boolean): void {
  let from = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    const plain = byte !== BACKSLASH && byte !== QUOTE && byte !== DELETE && (byte > BLANK || (byte === BLANK && !blanks));
    if (plain) continue;
    out.put(bytes, from, i);
    out.putText(escapeOf(byte));
    from = i + 1;
  }
  out.put(bytes, from, bytes.length);
}

function escapeOf(byte: number): string {
  if (byte === BACKSLASH || byte === QUOTE) return `\\${String.fromCharCode(byte)}`;
  return NAMED_ESCAPES.get(byte) ?? `\\x${byte.toString(16).padStart(2, "0")}`;
}

const DOUBLED = fromLatin1('""');

function putField(out: ByteWriter, bytes: Uint8Array): void {
  if (!needsQuotes(bytes)) return out.put(bytes, 0, bytes.length);
  out.putByte(DOUBLE_QUOTE);
  let from = 0;
  for (let at = bytes.indexOf(DOUBLE_QUOTE); at >= 0; at = bytes.indexOf(DOUBLE_QUOTE, from)) {
    out.put(bytes, from, at);
    out.put(DOUBLED, 0, DOUBLED.length);
    from = at + 1;
  }
  out.put(bytes, from, bytes.length);
  out.putByte(DOUBLE_QUOTE);
}

function needsQuotes(bytes: Uint8Array): boolean {
  if (bytes[0] === BLANK || bytes[bytes.length - 1] === BLANK) return true;
  for (const byte of bytes) if (byte === COMMA || byte === DOUBLE_QUOTE || byte === CR || byte === LF) return true;
  return false;
}
