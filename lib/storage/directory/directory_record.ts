/**
 * The format of `FORMAT`, a data directory's record of itself: it says which files must be there, so that nothing is guessed
 * from the files found. Lines of text with a checksum over all of them in the last one. Each claim is written after it is true
 * on disk, so none is ever ahead of the disk, not even after a power cut. Pure; no file access.
 */

import { latin1 } from "../../base/bytes.ts";
import { crc32 } from "../../base/crc32.ts";
import { FlareError } from "../../base/errors.ts";
import type { Random } from "../../runtime/runtime.ts";

/** The file's content in directories of 2.0.0, whose layout has no record. */
export const FORMAT_1_TEXT = "flare-kv data format 1\n";
const FORMAT_LINE = "flare-kv data format 2";

/** Which data these are. */
export interface StorageIdentity {
  /** 32 random hexadecimal digits, chosen when the data directory is created. */
  readonly id: string;
  /** How often the data was opened, including this time. */
  readonly incarnation: number;
}

/** A file of the directory and its length. */
export interface KnownFile {
  /** Its path below the data directory. */
  readonly name: string;
  readonly bytes: number;
}

/** A data directory's record of itself. */
export interface DirectoryRecord {
  readonly identity: StorageIdentity;
  /** All changes before this sequence are in the engine; 1 = it has none. */
  readonly checkpoint: number;
  /** The newest log segment that must exist, with its header; 0 = none. Later ones may exist. */
  readonly lastSegment: number;
  /** Segments from here to the one before the last are complete. */
  readonly wholeFrom: number;
  /** LevelDB's, at the last checkpoint; it only grows. */
  readonly manifest: KnownFile | undefined;
  /** After a graceful shutdown, until the next opening: all files that matter, with their lengths. */
  readonly files: readonly KnownFile[] | undefined;
}

/** The record of a new directory; `wasOpened`: it exists already, from 2.0.0, which wrote no record. */
export function newDirectoryRecord(random: Random, wasOpened: boolean): DirectoryRecord {
  const identity = wasOpened ? nextIncarnation(newIdentity(random)) : newIdentity(random);
  return { identity, checkpoint: 1, lastSegment: 0, wholeFrom: 1, manifest: undefined, files: undefined };
}

/** The identity of new data. */
export function newIdentity(random: Random): StorageIdentity {
  let id = "";
  for (let words = 0; words < 4; words++) id += random.uint32().toString(16).padStart(8, "0");
  return { id, incarnation: 0 };
}

/** The identity of the same data, opened once more. */
export function nextIncarnation({ id, incarnation }: StorageIdentity): StorageIdentity {
  return { id, incarnation: incarnation + 1 };
}

/** The content of the file. */
export function encodeDirectoryRecord(record: DirectoryRecord): Uint8Array {
  const { identity, checkpoint, wholeFrom, lastSegment, manifest, files } = record;
  const lines = [
    FORMAT_LINE,
    `identity ${identity.id}`,
    `incarnation ${identity.incarnation}`,
    `checkpoint ${checkpoint}`,
    `segments ${wholeFrom} ${lastSegment}`,
  ];
  if (manifest !== undefined) lines.push(`manifest ${fileWords(manifest)}`);
  if (files !== undefined) lines.push(`stopped ${files.length}`, ...files.map((file) => `file ${fileWords(file)}`));
  const text = new TextEncoder().encode(`${lines.join("\n")}\n`);
  const last = new TextEncoder().encode(`checksum ${hexadecimal(crc32(text))}\n`);
  const bytes = new Uint8Array(text.length + last.length);
  bytes.set(text);
  bytes.set(last, text.length);
  return bytes;
}

/** Reads the content of the file at `path`. @throws FlareError UNSUPPORTED (another format) | CORRUPT */
export function decodeDirectoryRecord(bytes: Uint8Array, path: string): DirectoryRecord {
  const format = /^flare-kv data format [0-9]+$/m.exec(latin1(bytes, 0, Math.min(bytes.length, 64)));
  if (format?.index === 0 && format[0] !== FORMAT_LINE && format[0] !== FORMAT_1_TEXT.trim()) {
    throw new FlareError("UNSUPPORTED", `"${path}" has the format "${format[0]}", this version reads "${FORMAT_LINE}"`);
  }
  const text = new TextDecoder().decode(bytes);
  const last = /^checksum ([0-9a-f]{8})\n$/m.exec(text);
  if (last === null || last[1] !== hexadecimal(crc32(bytes, 0, bytes.length - last[0].length))) throw damaged(path);
  const fields = new Map<string, string[]>();
  const files: KnownFile[] = [];
  for (const line of text.slice(0, last.index).split("\n").slice(1, -1)) {
    const [name = "", ...words] = line.split(" ");
    if (name === "file") files.push(knownFile(words));
    else fields.set(name, words);
  }
  const number = (name: string, at = 0): number => {
    const value = Number(fields.get(name)?.[at]);
    if (!Number.isSafeInteger(value)) throw damaged(path);
    return value;
  };
  const manifest = fields.get("manifest");
  return {
    identity: { id: fields.get("identity")?.[0] ?? "", incarnation: number("incarnation") },
    checkpoint: number("checkpoint"),
    wholeFrom: number("segments", 0),
    lastSegment: number("segments", 1),
    manifest: manifest === undefined ? undefined : knownFile(manifest),
    files: fields.has("stopped") ? files : undefined,
  };
}

function fileWords({ name, bytes }: KnownFile): string {
  return `${bytes} ${name}`;
}

function knownFile([bytes, ...name]: readonly string[]): KnownFile {
  return { name: name.join(" "), bytes: Number(bytes) };
}

function damaged(path: string): FlareError {
  return new FlareError("CORRUPT", `"${path}" is damaged`);
}

function hexadecimal(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}
