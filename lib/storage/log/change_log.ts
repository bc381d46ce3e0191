/**
 * Writing the change log: append-only segment files, one `append` for all the changes of a turn, rotation by size, grouped
 * syncs. It makes acknowledged writes durable; a checkpoint later brings them into the engine, and whole segments are removed
 * once nobody needs them. A failed append leaves no trace: the file is truncated. log_recovery and log_cursor read the log.
 */

import { concatBytes, EMPTY_BYTES, fromLatin1 } from "../../base/bytes.ts";
import { copyBytes } from "../../base/copy_bytes.ts";
import { crc32 } from "../../base/crc32.ts";
import { FlareError } from "../../base/errors.ts";
import type { AppendFile, Random, Runtime } from "../../runtime/runtime.ts";
import type { LogBlock } from "./log_block.ts";
import {
  encodeLogHeader,
  encodeLogRecord,
  FLUSHED,
  LOG_RECORD_HEADER_BYTES,
  type LogEntry,
  LogKind,
  logRecordCrc,
} from "./log_record.ts";
import { type LogSegment, logSegmentName } from "./log_segment.ts";

const BUFFER_BYTES = 1 << 18;
/** A buffer that one large turn has grown beyond this is freed. */
const BUFFER_BYTES_KEPT_MAX = 1 << 23;
/** Values of at least this size are appended from where they are instead of being copied. */
const DIRECT_VALUE_BYTES_MIN = 1 << 18;
/** Segments kept for replicas: a node with few writes begins one with each checkpoint. */
const KEPT_SEGMENTS_MAX = 64;

/** What a `state` says besides. */
export interface StateNote {
  /** The key of its record, which has this sequence. */
  key(sequence: number): string;
  readonly version: number;
}

interface DirectValue {
  /** Its position in the buffer. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** What a change log takes of the machine. */
export type LogMachine = Pick<Runtime, "files" | "random">;

const NO_ENTRY: LogEntry = { bytes: EMPTY_BYTES, keyStart: 0, keyEnd: 0, flags: 0, expire: 0, version: 0, marks: 0 };

export class ChangeLog {
  /** Failed appends so far. */
  appendErrors = 0;
  fsyncs = 0;
  /** The newest segment that is on disk with its header, and whose predecessors are complete; 0 = none yet. */
  syncedSegment = 0;
  /** The name of what is written since the storage was opened, see `LogSegmentHeader`. */
  readonly history: string;
  /** Sequence of the newest record that is not only a mark or a plan, since the storage was opened. */
  changedSequence = 0;
  /** Sequence of the next record. */
  nextSequence: number;
  /** Whether `append` returns what it has appended. */
  keepsBlocks = false;
  /** Called before the first change of a turn; it may add a note. */
  onFirstChange: (() => void) | undefined;

  readonly #runtime: LogMachine;
  readonly #directory: string;
  readonly #segmentBytesMax: number;
  #file: AppendFile;
  #number: number;
  #salt: number;
  #fileRecords = 0;
  #fileFirst: number;
  #rotated: LogSegment[];
  #buffer = new Uint8Array(BUFFER_BYTES);
  #view = new DataView(this.#buffer.buffer);
  #used = 0;
  #directs: DirectValue[] = [];
  #bufferRecords = 0;
  /** Files rotated out since the last sync, still to be synced and closed. */
  #unsynced: AppendFile[] = [];
  #directorySyncDue = true;

  private constructor(
    runtime: LogMachine,
    directory: string,
    segmentBytesMax: number,
    number: number,
    nextSequence: number,
    rotated: LogSegment[],
  ) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.#segmentBytesMax = segmentBytesMax;
    this.#number = number;
    this.#rotated = rotated;
    this.nextSequence = nextSequence;
    this.#fileFirst = nextSequence;
    this.#salt = runtime.random.uint32();
    this.history = newHistory(runtime.random);
    this.#file = this.#create(number, this.#salt);
  }

  /**
   * Begins a new segment after those of `rotated`, which recovery has read.
   * @throws FlareError DISK_FULL | IO_ERROR
   */
  static open(
    runtime: LogMachine,
    directory: string,
    segmentBytesMax: number,
    rotated: LogSegment[],
    nextSequence: number,
  ): ChangeLog {
    const number = (rotated.at(-1)?.number ?? 0) + 1;
    return new ChangeLog(runtime, directory, segmentBytesMax, number, nextSequence, rotated);
  }

  /** Bytes in all segments. */
  get bytes(): number {
    let bytes = this.#file.size;
    for (const segment of this.#rotated) bytes += segment.bytes;
    return bytes;
  }

  get segments(): number {
    return this.#rotated.length + 1;
  }

  /** True if there are changes that are not appended yet. */
  get hasPending(): boolean {
    return this.#bufferRecords > 0;
  }

  /** The segment being written has reached its size. */
  get isFull(): boolean {
    return this.#file.size >= this.#segmentBytesMax;
  }

  /** Sequence of the newest record, whether it is appended or not. */
  get lastSequence(): number {
    return this.nextSequence - 1;
  }

  /**
   * Adds an item to the pending changes. If the value is large, `bytes` must not change until `append`.
   * @param bits of `recordBits`
   */
  put(entry: LogEntry & { readonly valueStart: number; readonly valueEnd: number }, generation: number, bits = 0): void {
    this.#begin();
    const { bytes, keyStart, keyEnd, valueStart, valueEnd } = entry;
    const start = this.#used;
    const sequence = this.nextSequence;
    const valueLength = valueEnd - valueStart;
    const direct = valueLength >= DIRECT_VALUE_BYTES_MIN;
    this.changedSequence = this.nextSequence;
    this.#reserve(LOG_RECORD_HEADER_BYTES + (keyEnd - keyStart) + (direct ? 0 : valueLength));
    const at = encodeLogRecord(this.#buffer, this.#view, start, LogKind.put, generation, sequence, entry, valueLength, bits);
    if (direct) {
      this.#used = at;
      this.#directs.push({ at, bytes: bytes.subarray(valueStart, valueEnd) });
      this.#view.setUint32(start, crc32(bytes, valueStart, valueEnd, logRecordCrc(this.#buffer, start, at, this.#salt)), true);
    } else {
      const end = copyBytes(this.#buffer, at, bytes, valueStart, valueEnd);
      this.#used = end;
      this.#view.setUint32(start, logRecordCrc(this.#buffer, start, end, this.#salt), true);
    }
    this.#count();
  }

  /** Adds a tombstone to the pending changes: `flags` is the second of the deletion, `expire` until when the key is blocked. */
  delete(tombstone: LogEntry, generation: number, bits = 0): void {
    this.#begin();
    this.changedSequence = this.nextSequence;
    this.#short(LogKind.delete, generation, tombstone, bits);
  }

  /**
   * Adds the state of flushes: the current generation (everything of earlier ones is gone), which begins with a flush, and the
   * second for which the next flush is scheduled, 0 = none; and a note, if there is one.
   */
  state(generation: number, plannedFor: number, isFlush: boolean, note?: StateNote): void {
    this.#begin();
    const entry = { ...NO_ENTRY, flags: isFlush ? FLUSHED : 0, expire: plannedFor };
    if (isFlush) this.changedSequence = this.nextSequence;
    if (note === undefined) return this.#short(LogKind.state, generation, entry);
    const bytes = fromLatin1(note.key(this.nextSequence));
    this.#short(LogKind.state, generation, { ...entry, bytes, keyEnd: bytes.length, version: note.version });
  }

  /**
   * Writes all pending changes; returns them with `keepsBlocks`. If that fails, the file is truncated to where it was and
   * nothing is pending; if even that fails, the error is an IO_ERROR.
   * @throws FlareError DISK_FULL | LIMIT_EXCEEDED | IO_ERROR
   */
  append(): LogBlock | undefined {
    const sizeBefore = this.#file.size;
    const records = this.#bufferRecords;
    try {
      let start = 0;
      for (const direct of this.#directs) {
        if (direct.at > start) this.#file.append(this.#buffer.subarray(start, direct.at));
        this.#file.append(direct.bytes);
        start = direct.at;
      }
      if (this.#used > start) this.#file.append(this.#buffer.subarray(start, this.#used));
      this.#fileRecords += records;
      return this.keepsBlocks ? this.#pending() : undefined;
    } catch (error) {
      this.appendErrors++;
      this.nextSequence -= records;
      this.#cutBack(sizeBefore, error);
      throw error instanceof FlareError ? error : new FlareError("IO_ERROR", "change log append failed", { cause: error });
    } finally {
      this.#reset();
    }
  }

  /**
   * Continues in a new segment unless the current one is empty; returns whether it does. @throws FlareError DISK_FULL |
   * IO_ERROR (nothing changed)
   */
  rotate(): boolean {
    if (this.#fileRecords === 0) return false;
    const salt = this.#runtime.random.uint32();
    const file = this.#create(this.#number + 1, salt);
    this.#rotated.push(this.#current);
    this.#unsynced.push(this.#file);
    this.#file = file;
    this.#number++;
    this.#salt = salt;
    this.#fileRecords = 0;
    this.#fileFirst = this.nextSequence;
    this.#directorySyncDue = true;
    return true;
  }

  /** All segments, oldest first, as far as they are written now. */
  get files(): readonly LogSegment[] {
    return [...this.#rotated, this.#current];
  }

  /** The newest segment up to `number` that is not needed to keep `bytesMax` bytes for replicas; 0 = none. */
  disposable(number: number, bytesMax: number): number {
    let bytes = 0;
    const kept = this.#rotated.filter((segment) => segment.number <= number).reverse();
    for (const [count, segment] of kept.entries()) {
      bytes += segment.bytes;
      if (bytes > bytesMax || count >= KEPT_SEGMENTS_MAX) return segment.number;
    }
    return 0;
  }

  /** The newest segment that a reader who has all up to a sequence does not need, if at most `bytesMax` are kept for it. */
  readThrough(sequence: number, bytesMax: number): number {
    let bytes = 0;
    let { firstSequence } = this.#current;
    for (const segment of this.#rotated.toReversed()) {
      if (firstSequence - 1 <= sequence) return segment.number;
      bytes += segment.bytes;
      if (bytes > bytesMax) return segment.number;
      firstSequence = segment.firstSequence;
    }
    return 0;
  }

  /** Number of the newest segment that is no longer written, 0 = none. */
  get lastRotated(): number {
    return this.#rotated.at(-1)?.number ?? 0;
  }

  /**
   * Removes the segments up to a number, oldest first, each for good before the next: after a power cut none may be back that
   * came before a missing one.
   * @throws FlareError IO_ERROR
   */
  async removeThrough(number: number): Promise<void> {
    for (let first = this.#rotated[0]; first !== undefined && first.number <= number; first = this.#rotated[0]) {
      await this.#runtime.files.remove(first.path);
      await this.#runtime.files.syncDirectory(this.#directory);
      this.#rotated.shift();
    }
  }

  /**
   * Resolves when everything appended so far survives a power cut.
   * @throws FlareError IO_ERROR | LIMIT_EXCEEDED (out of descriptors, nothing was lost: call it again)
   */
  async sync(): Promise<void> {
    const directorySyncDue = this.#directorySyncDue;
    const file = this.#file;
    const number = this.#number;
    this.#directorySyncDue = false;
    try {
      // A failed one stays the first to be synced; others may be added in the meantime.
      for (let old = this.#unsynced[0]; old !== undefined && old !== file; old = this.#unsynced[0]) {
        await old.sync();
        old.close();
        this.#unsynced.shift();
      }
      await file.sync();
    } catch (error) {
      this.#directorySyncDue ||= directorySyncDue;
      throw error;
    }
    if (directorySyncDue) await this.#syncDirectory();
    this.syncedSegment = number;
    this.fsyncs++;
  }

  close(): void {
    for (const old of this.#unsynced) old.close();
    this.#unsynced = [];
    this.#file.close();
  }

  // -------------------------------------------------------------------------------------------------- internals

  async #syncDirectory(): Promise<void> {
    try {
      await this.#runtime.files.syncDirectory(this.#directory);
    } catch (error) {
      this.#directorySyncDue = true;
      throw error;
    }
  }

  get #current(): LogSegment {
    const number = this.#number;
    const { history } = this;
    return { number, path: this.#path(number), bytes: this.#file.size, firstSequence: this.#fileFirst, history };
  }

  #path(number: number): string {
    return this.#runtime.files.join(this.#directory, logSegmentName(number));
  }

  #create(number: number, salt: number): AppendFile {
    const file = this.#runtime.files.openAppend(this.#path(number));
    try {
      // A file of that name can only be the unfinished one of an earlier attempt.
      if (file.size > 0) file.truncate(0);
      file.append(encodeLogHeader({ salt, history: this.history, firstSequence: this.nextSequence }));
    } catch (error) {
      file.close();
      throw error;
    }
    return file;
  }

  /** A copy of the pending changes. */
  #pending(): LogBlock {
    const records = this.#bufferRecords;
    const parts: Uint8Array[] = [];
    let start = 0;
    for (const { at, bytes } of this.#directs) {
      parts.push(this.#buffer.subarray(start, at), bytes);
      start = at;
    }
    parts.push(this.#buffer.subarray(start, this.#used));
    return { bytes: concatBytes(parts), firstSequence: this.nextSequence - records, records, salt: this.#salt };
  }

  #begin(): void {
    if (this.#bufferRecords === 0) this.onFirstChange?.();
  }

  /** A record without a value. */
  #short(kind: LogKind, generation: number, entry: LogEntry, bits = 0): void {
    const start = this.#used;
    this.#reserve(LOG_RECORD_HEADER_BYTES + (entry.keyEnd - entry.keyStart));
    const end = encodeLogRecord(this.#buffer, this.#view, start, kind, generation, this.nextSequence, entry, 0, bits);
    this.#used = end;
    this.#view.setUint32(start, logRecordCrc(this.#buffer, start, end, this.#salt), true);
    this.#count();
  }

  #count(): void {
    this.nextSequence++;
    this.#bufferRecords++;
  }

  #reserve(length: number): void {
    const needed = this.#used + length;
    if (needed <= this.#buffer.length) return;
    const buffer = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    buffer.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer);
  }

  #reset(): void {
    this.#used = 0;
    this.#bufferRecords = 0;
    if (this.#directs.length > 0) this.#directs = [];
    if (this.#buffer.length > BUFFER_BYTES_KEPT_MAX) {
      this.#buffer = new Uint8Array(BUFFER_BYTES);
      this.#view = new DataView(this.#buffer.buffer);
    }
  }

  #cutBack(size: number, cause: unknown): void {
    // Without a descriptor Deno writes nothing, and cannot truncate either. After any other fault the size proves nothing: a
    // full disk may have taken a part of the bytes without saying how many.
    const wroteNothing = cause instanceof FlareError && cause.code === "LIMIT_EXCEEDED" && this.#file.size === size;
    if (wroteNothing) return;
    try {
      this.#file.truncate(size);
    } catch (error) {
      throw new FlareError("IO_ERROR", `change log could not be truncated to ${size} bytes after a failed append`, {
        cause: new AggregateError([cause, error]),
      });
    }
  }
}

function newHistory(random: Random): string {
  return [random.uint32(), random.uint32()].map((word) => word.toString(16).padStart(8, "0")).join("");
}
