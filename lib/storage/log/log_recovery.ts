/**
 * Reads the change log after a restart: all segments in order, passing each record to the storage. Everything known to have
 * reached the disk must be there, from the first change that is not in the engine; else the log is refused. After that a power
 * cut may have struck: a torn end of the newest segment is cut off (it was never acknowledged), other damage is skipped,
 * counted and logged.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import { dataDamage } from "../../base/data_damage.ts";
import { endOfTurn } from "../../base/sleep.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { decodeLogHeader, LOG_HEADER_BYTES, type LogDamage, LogReader, type LogSegmentHeader } from "./log_record.ts";
import { type LogSegment, logSegmentName, logSegmentNumber } from "./log_segment.ts";
import { NO_HISTORY } from "./positions.ts";

/** Records between two progress reports and, during replay, between two event loop turns. */
const RECORDS_PER_SLICE = 10000;

/** The first sequence of a segment without a readable header. */
const UNREADABLE = Number.POSITIVE_INFINITY;

/** What is known about a log before it is read. */
export interface KnownLog {
  /** All changes before this sequence are in the engine; 0 = unknown. */
  readonly engineSequence: number;
  /** The newest segment that must exist, with its header; 0 = unknown. */
  readonly lastSegment: number;
  /** Segments from here to the one before the last are complete. */
  readonly wholeFrom: number;
}

/** What recovery found. */
export interface LogRecovery {
  /** Oldest first; the first ones may be kept for replicas only. */
  readonly segments: LogSegment[];
  /** Segments from here on are complete; 0 = not all that were read are. */
  readonly wholeFrom: number;
  readonly nextSequence: number;
  readonly records: number;
  readonly corruptRecords: number;
  /** The first change that is missing although later ones are there; undefined: there is none. */
  readonly firstMissing: number | undefined;
}

/** Reports the progress in bytes and records. */
export type RecoveryProgress = (bytesDone: number, bytesTotal: number, records: number) => void;

/**
 * Reads a log directory. Calls `replay` with the reader at each record. When it resolves, the whole log is synced to disk.
 * @throws FlareError CORRUPT | UNSUPPORTED | IO_ERROR
 */
export async function recoverLog(
  runtime: Runtime,
  directory: string,
  known: KnownLog,
  replay: (reader: LogReader) => void | Promise<void>,
  onProgress: RecoveryProgress,
): Promise<LogRecovery> {
  return new LogRecoverer(runtime, directory, known, replay, onProgress).run();
}

class LogRecoverer {
  readonly #runtime: Runtime;
  readonly #directory: string;
  readonly #known: KnownLog;
  readonly #replay: (reader: LogReader) => void | Promise<void>;
  readonly #onProgress: RecoveryProgress;
  readonly #segments: LogSegment[] = [];
  /** No change before this sequence may be missing. */
  #nextSequence: number;
  /** False until it is known where the log must begin. */
  #isSequenceKnown: boolean;
  #records = 0;
  #corruptRecords = 0;
  #firstMissing: number | undefined;
  /** The newest change that was read. */
  #lastRead: number;
  #bytesBefore = 0;
  #bytesTotal = 0;

  constructor(
    runtime: Runtime,
    directory: string,
    known: KnownLog,
    replay: (reader: LogReader) => void | Promise<void>,
    onProgress: RecoveryProgress,
  ) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.#known = known;
    this.#nextSequence = Math.max(known.engineSequence, 1);
    this.#lastRead = this.#nextSequence - 1;
    this.#isSequenceKnown = known.engineSequence > 0;
    this.#replay = replay;
    this.#onProgress = onProgress;
  }

  async run(): Promise<LogRecovery> {
    const names = await this.#runtime.files.list(this.#directory);
    const numbers = names.map(logSegmentNumber).filter((number) => number !== undefined);
    numbers.sort((left, right) => left - right);
    const old = await this.#takeOld(numbers);
    this.#checkNumbers(numbers);
    for (const number of numbers) this.#bytesTotal += (await this.#runtime.files.size(this.#path(number))) ?? 0;
    for (const number of numbers) await this.#readSegment(number, number === numbers.at(-1));
    for (const { path } of this.#segments) await this.#sync(path);
    return {
      segments: [...old, ...this.#segments],
      wholeFrom: this.#corruptRecords > 0 ? 0 : (numbers[0] ?? 1),
      nextSequence: this.#nextSequence,
      records: this.#records,
      corruptRecords: this.#corruptRecords,
      firstMissing: this.#firstMissing,
    };
  }

  /**
   * Takes the segments out of `numbers` whose changes are all in the engine: those before one that begins in it. They are kept
   * for replicas; what nobody could read without a gap is removed.
   */
  async #takeOld(numbers: number[]): Promise<LogSegment[]> {
    const { engineSequence } = this.#known;
    const found: LogSegment[] = [];
    let oldCount = 0;
    for (const [at, number] of numbers.entries()) {
      const segment = await this.#look(number);
      found.push(segment);
      // Where it begins says nothing of the one before, which may have grown since.
      if (this.#isUnfinished(number, segment.bytes)) break;
      const { firstSequence } = segment;
      if (firstSequence > engineSequence && firstSequence !== UNREADABLE) break;
      if (firstSequence <= engineSequence) oldCount = at;
    }
    const old = found.slice(0, oldCount);
    numbers.splice(0, oldCount);
    let next = numbers[0] as number;
    let usable = old.length;
    for (; usable > 0 && isBefore(old[usable - 1] as LogSegment, next); usable--) next--;
    for (const { path } of old.slice(0, usable)) {
      this.#runtime.log.write(
        "warning",
        `log segment "${path}" is removed: no replica could continue with it, nothing is lost`,
      );
      await this.#runtime.files.remove(path);
    }
    return old.slice(usable);
  }

  async #look(number: number): Promise<LogSegment> {
    const { files } = this.#runtime;
    const path = this.#path(number);
    const header = decodeLogHeader((await files.readRange(path, 0, LOG_HEADER_BYTES)) ?? EMPTY_BYTES, path);
    const { firstSequence, history } = header ?? { firstSequence: UNREADABLE, history: NO_HISTORY };
    return { number, path, bytes: (await files.size(path)) ?? 0, firstSequence, history };
  }

  async #readSegment(number: number, last: boolean): Promise<void> {
    const path = this.#path(number);
    const bytes = (await this.#runtime.files.read(path)) ?? EMPTY_BYTES;
    const header = decodeLogHeader(bytes, path);
    if (header === undefined) return this.#skipSegment(number, path, bytes.length);
    if (this.#isSequenceKnown && header.firstSequence > this.#nextSequence) this.#countMissing(number, path, header);
    this.#isSequenceKnown = true;
    if (this.#isUnfinished(number, bytes.length) && header.firstSequence < this.#nextSequence) return this.#drop(path);
    const reader = new LogReader(bytes, header);
    let damages = 0;
    while (reader.next()) {
      if (reader.damages.length > damages) this.#reportDamage(number, path, reader.damages[damages++] as LogDamage);
      this.#records++;
      this.#lastRead = Math.max(this.#lastRead, reader.sequence);
      const replayed = this.#replay(reader);
      if (replayed !== undefined) await replayed;
      if (this.#records % RECORDS_PER_SLICE === 0) await this.#breathe(this.#bytesBefore + reader.end);
    }
    this.#nextSequence = Math.max(this.#nextSequence, reader.lastSequence + 1);
    const tail = bytes.length - reader.end;
    if (tail > 0 && last) this.#cut(path, reader.end, tail);
    if (tail > 0 && !last) this.#reportDamage(number, path, { start: reader.end, end: bytes.length, records: 1 });
    const { firstSequence, history } = header;
    const length = last ? Math.min(reader.end, bytes.length) : bytes.length;
    this.#segments.push({ number, path, firstSequence, history, bytes: length });
    this.#bytesBefore += bytes.length;
    this.#onProgress(this.#bytesBefore, this.#bytesTotal, this.#records);
  }

  /** Yields to the event loop: a long recovery still handles signals and reports progress. */
  async #breathe(bytesDone: number): Promise<void> {
    this.#onProgress(bytesDone, this.#bytesTotal, this.#records);
    await endOfTurn(this.#runtime.clock);
  }

  /**
   * A segment without records may come from a crash while it was created, or before its header was synced; a longer one without
   * a header is a loss. (Missing records are detected by the sequence of the ones after them.)
   */
  async #skipSegment(number: number, path: string, length: number): Promise<void> {
    if (number <= this.#known.lastSegment) throw dataDamage(path, `has no readable header, its length is ${length} bytes`);
    if (length <= LOG_HEADER_BYTES) return this.#drop(path);
    this.#skip(1);
    this.#runtime.log.write("error", `log segment "${path}" has no readable header: ${length} bytes skipped`);
    this.#segments.push({ number, path, bytes: length, firstSequence: this.#nextSequence, history: NO_HISTORY });
  }

  /** Whether a segment has no records, and may be left from an attempt to begin it that failed. */
  #isUnfinished(number: number, length: number): boolean {
    return length <= LOG_HEADER_BYTES && number > this.#known.lastSegment;
  }

  async #drop(path: string): Promise<void> {
    this.#runtime.log.write("notice", `log segment "${path}" was not fully created: removed`);
    await this.#runtime.files.remove(path);
  }

  #cut(path: string, size: number, tail: number): void {
    const file = this.#runtime.files.openAppend(path);
    try {
      file.truncate(size);
    } finally {
      file.close();
    }
    this.#runtime.log.write("notice", `log segment "${path}" ended in an unfinished record: ${tail} bytes cut`);
  }

  #reportDamage(number: number, path: string, damage: LogDamage): void {
    if (this.#isWhole(number)) {
      throw dataDamage(
        path,
        `is damaged from byte ${damage.start} to ${damage.end}, at least ${damage.records} change(s) are lost`,
      );
    }
    this.#skip(damage.records);
    this.#runtime.log.write(
      "error",
      `log segment "${path}" is corrupt from byte ${damage.start} to ${damage.end}: ${damage.records} record(s) skipped`,
    );
  }

  #skip(records: number): void {
    this.#corruptRecords += records;
    this.#firstMissing ??= this.#lastRead + 1;
  }

  /** The segments are numbered without a gap, at least up to the last known one. */
  #checkNumbers(numbers: readonly number[]): void {
    const { lastSegment, engineSequence } = this.#known;
    const [first] = numbers;
    if (first === undefined && lastSegment === 0 && engineSequence !== 1) {
      throw dataDamage(this.#directory, "contains no log segment, although the engine has data");
    }
    for (let at = 1; at < numbers.length; at++) {
      const expected = (numbers[at - 1] as number) + 1;
      if (numbers[at] === expected) continue;
      if (lastSegment === 0 || expected <= lastSegment) throw dataDamage(this.#path(expected), "is missing");
      this.#runtime.log.write("error", `log segment "${this.#path(expected)}" is missing`);
    }
    const newest = numbers.at(-1) ?? 0;
    if (newest < lastSegment) throw dataDamage(this.#path(newest + 1), "is missing");
  }

  /** Whether all of the segment has reached the disk. */
  #isWhole(number: number): boolean {
    return number >= this.#known.wholeFrom && number < this.#known.lastSegment;
  }

  #countMissing(number: number, path: string, header: LogSegmentHeader): void {
    const records = header.firstSequence - this.#nextSequence;
    const before = this.#segments.at(-1);
    if (before === undefined) {
      const { engineSequence } = this.#known;
      const had = engineSequence > 1 ? `has the changes before ${engineSequence}` : "is empty";
      const what = `is missing: the engine ${had}, the log begins with change ${header.firstSequence}`;
      throw dataDamage(this.#path(number - 1), what);
    }
    if (this.#isWhole(before.number)) throw dataDamage(before.path, `ends ${records} change(s) too early`);
    this.#skip(records);
    this.#runtime.log.write("error", `${records} change(s) before log segment "${path}" are missing`);
  }

  #path(number: number): string {
    return this.#runtime.files.join(this.#directory, logSegmentName(number));
  }

  /** Syncs data that may only be in the system's page cache, because from now on it counts as written. */
  async #sync(path: string): Promise<void> {
    const file = this.#runtime.files.openAppend(path);
    try {
      await file.sync();
    } finally {
      file.close();
    }
  }
}

function isBefore({ number, firstSequence }: LogSegment, next: number): boolean {
  return number === next - 1 && firstSequence !== UNREADABLE;
}
