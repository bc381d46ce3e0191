/** `dump`, `dump_key` and `node snapshot` of one server, streamed: items or keys in batches, as they arrive. */

import { KIB } from "../base/byte_units.ts";
import { EMPTY_BYTES, fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import type { HostPort } from "../base/host_port.ts";
import { formatHostPort } from "../base/host_port.ts";
import type { Uint64 } from "../base/uint64.ts";
import { parseWholeNumber } from "../base/whole_number.ts";
import { DumpParser } from "../protocol/dump_parser.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { byteStream } from "./byte_stream.ts";
import { type ConnectionOptions, completeConnectionOptions, connectionRuntime } from "./client_options.ts";

/** One item with all its properties; the reader owns the bytes. */
export interface DumpedItem {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** 0 … 2^32-1. */
  readonly flags: number;
  readonly version: Uint64;
  /** Absolute second, 0 = never. */
  readonly expire: number;
}

/** An item of a backup, or the deletion of one: its second is in `flags`, until when the key is blocked in `expire`. */
export interface BackupRecord extends DumpedItem {
  readonly tombstone: boolean;
}

/** What a snapshot has. */
export interface SnapshotEnd {
  /** The change of the node's log that the snapshot is the state after: the name of the log, and its sequence. */
  readonly history: string;
  readonly sequence: number;
  /** The moment by the node's wall clock, in milliseconds since 1970. */
  readonly momentMs: number;
  readonly items: number;
  readonly tombstones: number;
}

/** The part of a server's data to read, and the rate. */
export interface DumpRange {
  /** With `partitionSize`: only keys of this partition out of that many; default all keys. */
  readonly partition?: number;
  readonly partitionSize?: number;
  /** 0 = no limit (the default); the server counts in KiB. */
  readonly bytesPerSecond?: number;
}

const LF = 0x0a;
const CR = 0x0d;

/**
 * All items of a server in a range, in batches.
 * @throws FlareError CONNECTION_FAILED | TIMED_OUT | REFUSED (another dump is running) | CORRUPT
 */
export async function* dumpItems(
  runtime: Runtime,
  address: HostPort,
  range: DumpRange,
  options: ConnectionOptions = {},
): AsyncGenerator<DumpedItem[]> {
  const end = yield* records(runtime, address, `dump 0 ${rangeWords(range)}`, options);
  checkEnd(formatHostPort(address.host, address.port), "dump", end);
}

/**
 * The items and tombstones of a master at one moment, in batches.
 * @throws FlareError CONNECTION_FAILED | TIMED_OUT | REFUSED | CORRUPT
 */
export async function* snapshotRecords(
  runtime: Runtime,
  address: HostPort,
  part: { readonly partition: number; readonly partitions: number; readonly bytesPerSecond: number },
  options: ConnectionOptions = {},
): AsyncGenerator<BackupRecord[], SnapshotEnd> {
  const name = formatHostPort(address.host, address.port);
  const command = `node snapshot ${part.partition}/${part.partitions}${limitWord(part.bytesPerSecond)}`;
  let [items, tombstones] = [0, 0];
  const line = yield* records(runtime, address, command, options, ({ tombstone }) => (tombstone ? tombstones++ : items++));
  if (!line.startsWith("END ")) throw refused(name, command, line);
  const [, sequenceText = "", itemsText, tombstonesText, history = "", momentText = ""] = line.split(" ");
  const [sequence, momentMs] = [sequenceText, momentText].map((text) => parseWholeNumber(text, Number.MAX_SAFE_INTEGER));
  const isWhole = itemsText === String(items) && tombstonesText === String(tombstones);
  if (isWhole && sequence !== undefined && momentMs !== undefined) return { history, sequence, momentMs, items, tombstones };
  throw new FlareError(
    "CORRUPT",
    `"${name}" ended its snapshot with "${line}" after ${items} items and ${tombstones} deletions`,
  );
}

/** What a command answers like `dump`, in batches, each record shown to `see` first; returns the line that ended it. */
async function* records(
  runtime: Runtime,
  address: HostPort,
  command: string,
  options: ConnectionOptions,
  see: (record: BackupRecord) => void = () => undefined,
): AsyncGenerator<BackupRecord[], string> {
  const settings = completeConnectionOptions(options);
  const from = connectionRuntime(runtime, options);
  const parser = new DumpParser(settings.replyBytesMax);
  const name = formatHostPort(address.host, address.port);
  for await (const chunk of byteStream(from, address, fromLatin1(`${command}\r\n`), settings)) {
    parser.push(chunk);
    const batch: BackupRecord[] = [];
    for (;;) {
      const what = parser.next();
      if (what === "more") break;
      if (what === "bad") throw new FlareError("CORRUPT", `"${name}" sent a malformed dump`);
      if (what === "end") {
        if (batch.length > 0) yield batch;
        return parser.lastLine;
      }
      const { bytes, keyStart, keyEnd, valueStart, valueEnd, flags, version, expire, tombstone } = parser.item;
      const [key, value] = [bytes.slice(keyStart, keyEnd), bytes.slice(valueStart, valueEnd)];
      const record = { key, value, flags, version, expire, tombstone };
      see(record);
      batch.push(record);
    }
    if (batch.length > 0) yield batch;
  }
  throw endedEarly(name);
}

/** The keys of a server in a range, including expired ones, in batches. @throws FlareError as `dumpItems` */
export async function* dumpKeys(
  runtime: Runtime,
  address: HostPort,
  range: DumpRange,
  options: ConnectionOptions = {},
): AsyncGenerator<Uint8Array[]> {
  const settings = completeConnectionOptions(options);
  const from = connectionRuntime(runtime, options);
  const name = formatHostPort(address.host, address.port);
  let held: Uint8Array = EMPTY_BYTES;
  for await (const chunk of byteStream(from, address, fromLatin1(`dump_key ${rangeWords(range)}\r\n`), settings)) {
    const bytes = new Uint8Array(held.length + chunk.length);
    bytes.set(held);
    bytes.set(chunk, held.length);
    const batch: Uint8Array[] = [];
    let at = 0;
    for (let lineFeed = bytes.indexOf(LF); lineFeed >= 0; lineFeed = bytes.indexOf(LF, at)) {
      const end = bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
      if (latin1(bytes, at, Math.min(end, at + 4)) !== "KEY ") {
        checkEnd(name, "dump_key", latin1(bytes, at, end));
        if (batch.length > 0) yield batch;
        return;
      }
      batch.push(bytes.slice(at + 4, end));
      at = lineFeed + 1;
    }
    held = bytes.slice(at);
    if (held.length > settings.replyBytesMax) throw new FlareError("CORRUPT", `"${name}" sent a line without an end`);
    if (batch.length > 0) yield batch;
  }
  throw endedEarly(name);
}

function rangeWords(range: DumpRange): string {
  const { partition = -1, partitionSize = 0, bytesPerSecond = 0 } = range;
  return `${partition} ${partitionSize}${limitWord(bytesPerSecond)}`;
}

function limitWord(bytesPerSecond: number): string {
  return bytesPerSecond > 0 ? ` ${Math.max(1, Math.round(bytesPerSecond / KIB))}` : "";
}

function checkEnd(name: string, command: string, line: string): void {
  if (line !== "END") throw refused(name, command, line);
}

function refused(name: string, command: string, line: string): FlareError {
  return new FlareError("REFUSED", `"${name}" answered "${line}" to "${command}"`, { retriable: true });
}

function endedEarly(name: string): FlareError {
  return new FlareError("CONNECTION_FAILED", `dump from "${name}" ended early`, { retriable: true });
}
