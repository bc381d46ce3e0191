/**
 * Reads the change log from a sequence on, up to what is appended, while it is written: blocks of records as they are in the
 * files. A replica that was away continues with them. Segments may be removed meanwhile; then it cannot.
 */

import { FlareError } from "../../base/errors.ts";
import type { FileSystem } from "../../runtime/runtime.ts";
import type { LogBlock } from "./log_block.ts";
import { decodeLogHeader, LOG_HEADER_BYTES, LogReader } from "./log_record.ts";
import type { LogSegment } from "./log_segment.ts";

/** The segment being read. */
interface Place {
  readonly number: number;
  readonly salt: number;
  /** Where the next record begins, and its sequence. */
  offset: number;
  sequence: number;
}

/** A part of a segment without a whole record in it. */
const NOTHING = { bytes: new Uint8Array(0), firstSequence: 0, records: 0, salt: 0 };

export class LogCursor {
  /** Sequence of the next record. */
  next: number;
  readonly #files: Pick<FileSystem, "readRange">;
  readonly #segments: () => readonly LogSegment[];
  #place: Place | undefined;

  /** @param segments all of the log, oldest first, at the time of the call */
  constructor(files: Pick<FileSystem, "readRange">, segments: () => readonly LogSegment[], first: number) {
    this.#files = files;
    this.#segments = segments;
    this.next = first;
  }

  /** Whether the log still has the next record, or will have it. */
  get isThere(): boolean {
    return this.#segment() !== undefined;
  }

  /**
   * The next records, about `bytesMax` bytes of them, up to the sequence `last`; undefined if there are none.
   * @throws FlareError CORRUPT | IO_ERROR | REFUSED: the log does not reach back far enough
   */
  async read(last: number, bytesMax: number): Promise<LogBlock | undefined> {
    for (let wanted = bytesMax; this.next <= last; ) {
      const segment = this.#segment();
      if (segment === undefined) throw this.#gone();
      const place = await this.#placeIn(segment);
      const left = segment.bytes - place.offset;
      const bytes = await this.#read(segment, place.offset, Math.min(left, wanted));
      const block = this.#take(place, bytes, last);
      if (block.records > 0) return block;
      // It was all before the next record, or is only a part of it.
      if (block.bytes.length > 0) continue;
      if (bytes.length === left) throw damaged(segment, `ends before record ${this.next}`);
      wanted *= 2;
    }
    return undefined;
  }

  /** About how many bytes of records are still to be read. */
  get bytesLeft(): number {
    const place = this.#place;
    const number = this.#segment()?.number ?? 0;
    let bytes = 0;
    for (const segment of this.#segments()) {
      if (segment.number >= number)
        bytes += segment.bytes - (place?.number === segment.number ? place.offset : LOG_HEADER_BYTES);
    }
    return bytes;
  }

  /** The records of `bytes` that are wanted; an empty block with the bytes that were skipped, if there are none. */
  #take(place: Place, bytes: Uint8Array, last: number): LogBlock {
    const { salt, sequence } = place;
    const reader = new LogReader(bytes, { salt, firstSequence: sequence }, 0);
    let start = 0;
    let end = 0;
    let records = 0;
    const firstSequence = this.next;
    while (reader.next()) {
      if (reader.damages.length > 0) throw new FlareError("CORRUPT", `change log is damaged before record ${reader.sequence}`);
      if (reader.sequence > last) break;
      end = reader.end;
      place.sequence = reader.sequence + 1;
      if (reader.sequence < this.next) {
        start = end;
        continue;
      }
      records++;
      this.next = reader.sequence + 1;
    }
    place.offset += end;
    if (records === 0) return { ...NOTHING, bytes: bytes.subarray(0, end) };
    return { bytes: bytes.subarray(start, end), firstSequence, records, salt };
  }

  /** The segment that has the next record. */
  #segment(): LogSegment | undefined {
    return this.#segments().findLast(({ firstSequence }) => firstSequence <= this.next);
  }

  async #placeIn(segment: LogSegment): Promise<Place> {
    if (this.#place?.number === segment.number) return this.#place;
    const header = decodeLogHeader(await this.#read(segment, 0, LOG_HEADER_BYTES), segment.path);
    if (header === undefined) throw damaged(segment, "has no readable header");
    const { salt, firstSequence } = header;
    this.#place = { number: segment.number, salt, offset: LOG_HEADER_BYTES, sequence: firstSequence };
    return this.#place;
  }

  async #read(segment: LogSegment, start: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#files.readRange(segment.path, start, length);
    if (bytes === undefined) throw this.#gone();
    if (bytes.length < length) throw damaged(segment, `is shorter than ${start + length} bytes`);
    return bytes;
  }

  #gone(): FlareError {
    return new FlareError("REFUSED", `the change log no longer has record ${this.next}`);
  }
}

function damaged({ path }: LogSegment, what: string): FlareError {
  return new FlareError("CORRUPT", `log segment "${path}" ${what}`);
}
