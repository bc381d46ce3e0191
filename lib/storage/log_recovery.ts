/**
 * Reading the change log after a restart: all segments in order, each record handed to the storage. A torn end of the
 * newest segment is cut off (nobody was told that it is stored); damage anywhere else is stepped over, counted and told.
 */

import type { Runtime } from "../runtime/runtime.ts";
import { type LogSegment, logSegmentName, logSegmentNumber } from "./change_log.ts";
import { decodeLogHeader, LOG_HEADER_BYTES, type LogDamage, LogReader, type LogSegmentHeader } from "./log_record.ts";

/** Between two progress reports and, while they are replayed, between two looks at the loop. */
const RECORDS_PER_SLICE = 10000;

/** What recovery found. */
export interface LogRecovery {
  readonly segments: LogSegment[];
  readonly nextSequence: number;
  readonly records: number;
  readonly corruptRecords: number;
}

/** Told how far the reading is, in bytes and records. */
export type RecoveryProgress = (bytesDone: number, bytesTotal: number, records: number) => void;

/** Reads a log directory. `replay` gets the reader at each record. @throws FlareError UNSUPPORTED | IO_ERROR */
export async function recoverLog(
  runtime: Runtime,
  directory: string,
  replay: (reader: LogReader) => void | Promise<void>,
  onProgress: RecoveryProgress,
): Promise<LogRecovery> {
  return new LogRecoverer(runtime, directory, replay, onProgress).run();
}

class LogRecoverer {
  readonly #runtime: Runtime;
  readonly #directory: string;
  readonly #replay: (reader: LogReader) => void | Promise<void>;
  readonly #onProgress: RecoveryProgress;
  readonly #segments: LogSegment[] = [];
  #nextSequence = 1;
  /** A segment was read, so the next one must go on where it ended. */
  #isSequenceKnown = false;
  #records = 0;
  #corruptRecords = 0;
  #bytesBefore = 0;
  #bytesTotal = 0;

  constructor(
    runtime: Runtime,
    directory: string,
    replay: (reader: LogReader) => void | Promise<void>,
    onProgress: RecoveryProgress,
  ) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.#replay = replay;
    this.#onProgress = onProgress;
  }

  async run(): Promise<LogRecovery> {
    const names = await this.#runtime.files.list(this.#directory);
    const numbers = names.map(logSegmentNumber).filter((number) => number !== undefined);
    numbers.sort((left, right) => left - right);
    for (const number of numbers) this.#bytesTotal += this.#size(this.#path(number));
    let previous: number | undefined;
    for (const number of numbers) {
      if (previous !== undefined && number !== previous + 1) this.#reportMissing(previous + 1, number - 1);
      await this.#readSegment(number, number === numbers.at(-1));
      previous = number;
    }
    return {
      segments: this.#segments,
      nextSequence: this.#nextSequence,
      records: this.#records,
      corruptRecords: this.#corruptRecords,
    };
  }

  async #readSegment(number: number, last: boolean): Promise<void> {
    const path = this.#path(number);
    const bytes = (await this.#runtime.files.read(path)) ?? new Uint8Array(0);
    const header = decodeLogHeader(bytes, path);
    if (header === undefined) return this.#skipSegment(number, path, bytes.length);
    if (this.#isSequenceKnown && header.firstSequence > this.#nextSequence) this.#countMissing(path, header);
    this.#isSequenceKnown = true;
    const reader = new LogReader(bytes, header);
    let damages = 0;
    while (reader.next()) {
      if (reader.damages.length > damages) this.#reportDamage(path, reader.damages[damages++] as LogDamage);
      this.#records++;
      const replayed = this.#replay(reader);
      if (replayed !== undefined) await replayed;
      if (this.#records % RECORDS_PER_SLICE === 0) await this.#breathe(this.#bytesBefore + reader.end);
    }
    this.#nextSequence = Math.max(this.#nextSequence, reader.lastSequence + 1);
    const tail = bytes.length - reader.end;
    if (tail > 0 && last) this.#cut(path, reader.end, tail);
    if (tail > 0 && !last) this.#reportDamage(path, { start: reader.end, end: bytes.length, records: 1 });
    this.#segments.push({ number, path, bytes: last ? Math.min(reader.end, bytes.length) : bytes.length });
    this.#bytesBefore += bytes.length;
    this.#onProgress(this.#bytesBefore, this.#bytesTotal, this.#records);
  }

  /** Lets the loop turn: a long recovery still answers signals and tells how far it is. */
  async #breathe(bytesDone: number): Promise<void> {
    this.#onProgress(bytesDone, this.#bytesTotal, this.#records);
    await new Promise<void>((resolve) => this.#runtime.clock.defer(resolve));
  }

  /**
   * A segment without records may have been cut while it was created, or before its header was synced; a longer one
   * without a header is a loss. (Records that are gone altogether are missed by the sequence of those behind them.)
   */
  async #skipSegment(number: number, path: string, length: number): Promise<void> {
    if (length <= LOG_HEADER_BYTES) {
      this.#runtime.log.write("notice", `log segment "${path}" was not finished when it was created: removed`);
      await this.#runtime.files.remove(path);
      return;
    }
    this.#corruptRecords++;
    this.#runtime.log.write("error", `log segment "${path}" has no readable header: ${length} bytes skipped`);
    this.#segments.push({ number, path, bytes: length });
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

  #reportDamage(path: string, damage: LogDamage): void {
    this.#corruptRecords += damage.records;
    this.#runtime.log.write(
      "error",
      `log segment "${path}" is corrupt from byte ${damage.start} to ${damage.end}: ${damage.records} record(s) skipped`,
    );
  }

  #reportMissing(from: number, to: number): void {
    const names = from === to ? `"${logSegmentName(from)}"` : `"${logSegmentName(from)}" to "${logSegmentName(to)}"`;
    this.#runtime.log.write("error", `log segment ${names} missing in "${this.#directory}"`);
  }

  #countMissing(path: string, header: LogSegmentHeader): void {
    const records = header.firstSequence - this.#nextSequence;
    this.#corruptRecords += records;
    this.#runtime.log.write("error", `${records} change(s) before log segment "${path}" are missing`);
  }

  #path(number: number): string {
    return this.#runtime.files.join(this.#directory, logSegmentName(number));
  }

  #size(path: string): number {
    const file = this.#runtime.files.openAppend(path);
    const { size } = file;
    file.close();
    return size;
  }
}
