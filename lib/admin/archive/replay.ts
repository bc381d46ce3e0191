/**
 * What a partition had at a point in time: the items of its snapshot and the last record of each key on the way there. The
 * records are read twice, so that of each key only the last one is given: a restore by versions would refuse an earlier one's
 * successor with the same version. With many keys that is done in several rounds, each for a part of the keys, so memory does
 * not limit how long the way is.
 */

import { latin1 } from "../../base/bytes.ts";
import { crc32 } from "../../base/crc32.ts";
import { FlareError } from "../../base/errors.ts";
import type { BackupRecord } from "../../client/dump.ts";
import { FLUSHED, LogKind, type LogReader } from "../../storage/log/log_record.ts";
import { decodeStamp } from "../../storage/log/time_stamp.ts";
import { WINDOW_BYTES_MAX, WINDOW_ITEMS_MAX } from "../restore.ts";
import { type ArchiveFiles, readPart } from "./archive_index.ts";
import type { Leg, Route } from "./route.ts";

/** Changes per round. */
const ROUND_RECORDS_MAX = 1 << 21;

/** Called at each change of a key; `number` counts them. Returns whether something is to be done once its part is read. */
type Visit = (reader: LogReader, number: number) => void;

export class Replay {
  /** Changes of keys on the way, behind the last flush. */
  records = 0;
  /** A flush on the way drops what the snapshot has. */
  hasFlush = false;
  /** The number of the first change behind the last flush. */
  #first = 0;
  readonly #files: ArchiveFiles;
  readonly #route: Route;
  readonly #second: number;
  readonly #roundRecordsMax: number;

  /** @param second where the way ends: at the beginning of this second */
  constructor(files: ArchiveFiles, route: Route, second: number, roundRecordsMax = ROUND_RECORDS_MAX) {
    this.#files = files;
    this.#route = route;
    this.#second = second;
    this.#roundRecordsMax = roundRecordsMax;
  }

  /** Reads all of the way once, so that nothing is stored of what is damaged. @throws FlareError CORRUPT | IO_ERROR */
  async check(): Promise<void> {
    let count = 0;
    const onFlush = (): void => {
      this.hasFlush = true;
      this.#first = count;
    };
    for await (const _ of this.#walk(() => count++, onFlush));
    this.records = count - this.#first;
  }

  /** After `check`: what the partition had, in batches. `snapshot` is read once per round. @throws FlareError */
  async *results(snapshot: () => AsyncIterable<BackupRecord[]>): AsyncGenerator<BackupRecord[]> {
    const rounds = Math.max(1, Math.ceil(this.records / this.#roundRecordsMax));
    for (let round = 0; round < rounds; round++) {
      const isInRound = (key: Uint8Array, start: number, end: number): boolean =>
        rounds === 1 || crc32(key, start, end) % rounds === round;
      const newest = new Map<string, number>();
      const note: Visit = ({ bytes, keyStart, keyEnd }, number) => {
        if (number >= this.#first && isInRound(bytes, keyStart, keyEnd)) newest.set(latin1(bytes, keyStart, keyEnd), number);
      };
      for await (const _ of this.#walk(note));
      if (!this.hasFlush) yield* this.#unchanged(snapshot(), newest, isInRound);
      yield* this.#changed(newest);
    }
  }

  async *#unchanged(
    batches: AsyncIterable<BackupRecord[]>,
    newest: ReadonlyMap<string, number>,
    isInRound: (key: Uint8Array, start: number, end: number) => boolean,
  ): AsyncGenerator<BackupRecord[]> {
    for await (const batch of batches) {
      const kept = batch.filter(({ key }) => isInRound(key, 0, key.length) && !newest.has(latin1(key)));
      if (kept.length > 0) yield kept;
    }
  }

  async *#changed(newest: ReadonlyMap<string, number>): AsyncGenerator<BackupRecord[]> {
    let batch: BackupRecord[] = [];
    let bytes = 0;
    const full: BackupRecord[][] = [];
    const take: Visit = (reader, number) => {
      if (newest.get(latin1(reader.bytes, reader.keyStart, reader.keyEnd)) !== number) return;
      const record = recordOf(reader);
      batch.push(record);
      bytes += record.key.length + record.value.length;
      if (batch.length < WINDOW_ITEMS_MAX && bytes < WINDOW_BYTES_MAX) return;
      full.push(batch);
      batch = [];
      bytes = 0;
    };
    for await (const _ of this.#walk(take)) yield* full.splice(0);
    if (batch.length > 0) yield batch;
  }

  /** Visits every change of a key; yields after each part of the archive. */
  async *#walk(visit: Visit, onFlush: () => void = () => undefined): AsyncGenerator<void> {
    let number = 0;
    for (const [at, leg] of this.#route.legs.entries()) {
      const { log, after, last } = leg;
      const isLastLeg = at === this.#route.legs.length - 1;
      let next = after + 1;
      let generation: number | undefined;
      let isOver = next > last;
      const each = (reader: LogReader): boolean => {
        const { sequence } = reader;
        if (sequence < next) return true;
        if (sequence > last || (isLastLeg && this.#isBehind(reader))) isOver = true;
        if (isOver) return false;
        if (sequence !== next) throw missing(leg, next, sequence);
        next = sequence + 1;
        if (generation !== undefined && reader.generation < generation) return true;
        const isFlush = reader.kind === LogKind.state && reader.flags === FLUSHED;
        if (isFlush || (generation !== undefined && reader.generation > generation)) onFlush();
        generation = reader.generation;
        if (reader.kind !== LogKind.state) visit(reader, number++);
        return true;
      };
      for (const part of log.passageFrom(after).parts) {
        if (isOver) break;
        await readPart(this.#files, part, each);
        yield;
      }
      if (!isOver && next <= last) throw missing(leg, next, last + 1);
    }
  }

  /** Whether a record is the stamp at which the way ends. */
  #isBehind({ kind, bytes, keyStart, keyEnd, version }: LogReader): boolean {
    if (kind !== LogKind.state) return false;
    const stamp = decodeStamp(latin1(bytes, keyStart, keyEnd), version);
    return stamp !== undefined && stamp.second >= this.#second;
  }
}

function missing({ log }: Leg, first: number, next: number): FlareError {
  return new FlareError("CORRUPT", `changes ${first} to ${next - 1} of the log ${log.history} of "${log.node}" are missing`);
}

function recordOf(reader: LogReader): BackupRecord {
  const { bytes, keyStart, keyEnd, valueStart, valueEnd, flags, version, expire, kind } = reader;
  const [key, value] = [bytes.slice(keyStart, keyEnd), bytes.slice(valueStart, valueEnd)];
  return { key, value, flags, version, expire, tombstone: kind === LogKind.delete };
}
