/**
 * The form of `FORMAT`, the record of a data directory about itself: what lies in the directory is known from here, never
 * guessed from what is found. Lines of text with a checksum over all of them in the last one. Pure; knows no file.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import { FlareError } from "../base/errors.ts";
import type { Random } from "../runtime/runtime.ts";

/** What the file says of 2.0.0's directories, whose layout has no record. */
export const FORMAT_1_TEXT = "flare-kv data format 1\n";
const FORMAT_LINE = "flare-kv data format 2";

/** Which data these are. */
export interface StorageIdentity {
  /** 32 hexadecimal digits, drawn when the data directory is created. */
  readonly id: string;
  /** How often the data have been opened, this time included. */
  readonly incarnation: number;
}

/** Of data that nobody has opened yet. */
export function newIdentity(random: Random): StorageIdentity {
  let id = "";
  for (let words = 0; words < 4; words++) id += random.uint32().toString(16).padStart(8, "0");
  return { id, incarnation: 0 };
}

/** Of the same data, opened once more. */
export function nextIncarnation({ id, incarnation }: StorageIdentity): StorageIdentity {
  return { id, incarnation: incarnation + 1 };
}

/** What a data directory knows about itself. */
export interface DirectoryRecord {
  readonly identity: StorageIdentity;
}

/** The content of the file. */
export function encodeDirectoryRecord({ identity }: DirectoryRecord): Uint8Array {
  const lines = [FORMAT_LINE, `identity ${identity.id}`, `incarnation ${identity.incarnation}`];
  const text = `${lines.join("\n")}\n`;
  return fromLatin1(`${text}checksum ${checksum(text)}\n`);
}

/** Reads the content of the file at `path`. @throws FlareError UNSUPPORTED (another format) | CORRUPT */
export function decodeDirectoryRecord(bytes: Uint8Array, path: string): DirectoryRecord {
  const text = latin1(bytes);
  const format = /^flare-kv data format [0-9]+$/m.exec(text.slice(0, 64));
  if (format?.index === 0 && format[0] !== FORMAT_LINE && format[0] !== FORMAT_1_TEXT.trim()) {
    throw new FlareError("UNSUPPORTED", `"${path}" says "${format[0]}", this version reads "${FORMAT_LINE}"`);
  }
  const end = text.lastIndexOf("checksum ");
  if (end < 0 || text.slice(end) !== `checksum ${checksum(text.slice(0, end))}\n`) throw damaged(path);
  const fields = new Map<string, string>();
  for (const line of text.slice(0, end).split("\n").slice(1, -1)) {
    const blank = line.indexOf(" ");
    fields.set(line.slice(0, blank), line.slice(blank + 1));
  }
  const id = fields.get("identity");
  const incarnation = Number(fields.get("incarnation"));
  if (id === undefined || !Number.isSafeInteger(incarnation)) throw damaged(path);
  return { identity: { id, incarnation } };
}

function damaged(path: string): FlareError {
  return new FlareError("CORRUPT", `"${path}" is damaged`);
}

function checksum(text: string): string {
  return crc32(fromLatin1(text)).toString(16).padStart(8, "0");
}
