/**
 * What archived change logs there are: the heads of all parts in one or more archives, and how the logs are connected. Whoever
 * looks for a way through them reads no records. A part whose head is damaged counts as missing and is remembered. Knows the
 * format of parts; does not know what a partition is.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { FileSystem } from "../../runtime/runtime.ts";
import {
  type ArchivePart,
  archiveHeadLength,
  decodeArchiveHead,
  type PlacedStamp,
  parseArchivePartName,
  readArchivePart,
} from "../../storage/log/archive_part.ts";
import type { LogReader } from "../../storage/log/log_record.ts";
import type { Mark, Position } from "../../storage/log/positions.ts";

/** The head of most parts is shorter. */
const HEAD_BYTES = 1 << 14;
const FILES_AT_A_TIME = 32;

/** What an archive reads with. */
export type ArchiveFiles = Pick<FileSystem, "join" | "list" | "readRange" | "size">;

/** A part and where it is. */
export interface StoredPart extends ArchivePart {
  readonly path: string;
  readonly headBytes: number;
}

/** Parts of a log without a gap between them. */
export interface Passage {
  /** The newest record; everything from the one that was asked for is there. */
  readonly last: number;
  /** The parts that it needs, oldest first; empty ones too. */
  readonly parts: readonly StoredPart[];
}

/** The archived log of one opening of a data directory. */
export class ArchivedLog {
  readonly history: string;
  /** By their first records; several may have the same ones. */
  readonly parts: readonly StoredPart[];
  /** All stamps that the heads name. */
  readonly stamps: readonly PlacedStamp[];
  readonly marks: readonly Mark[];

  constructor(history: string, parts: readonly StoredPart[]) {
    this.history = history;
    this.parts = parts.toSorted((left, right) => left.firstSequence - right.firstSequence || left.second - right.second);
    this.stamps = this.parts.flatMap(({ stamps }) => stamps);
    this.marks = this.parts.flatMap(({ marks }) => marks);
  }

  /** The node that wrote it. */
  get node(): string {
    return this.parts[0]?.node ?? "";
  }

  /** The state before the first record, in the log before it. */
  get follows(): Position | undefined {
    return this.parts.find(({ follows }) => follows !== undefined)?.follows;
  }

  /** What is there behind a record without a gap. */
  passageFrom(sequence: number): Passage {
    let last = sequence;
    const parts: StoredPart[] = [];
    for (const part of this.parts) {
      const end = part.firstSequence + part.records - 1;
      if (part.firstSequence > last + 1) break;
      if (end < last || (end === last && part.records > 0)) continue;
      parts.push(part);
      last = end;
    }
    return { last, parts };
  }

  /** The newest stamp up to a record. */
  stampAt(sequence: number): PlacedStamp | undefined {
    return this.stamps.findLast((stamp) => stamp.sequence <= sequence);
  }

  /** Records between two parts that are not there: the first and the last of each gap. */
  get gaps(): readonly (readonly [first: number, last: number])[] {
    const found: [number, number][] = [];
    let next = this.parts[0]?.firstSequence ?? 0;
    for (const { firstSequence, records } of this.parts) {
      if (firstSequence > next) found.push([next, firstSequence - 1]);
      next = Math.max(next, firstSequence + records);
    }
    return found;
  }
}

/** A file that cannot be used. */
export interface ArchiveProblem {
  readonly path: string;
  readonly problem: string;
}

export class ArchiveIndex {
  readonly logs: ReadonlyMap<string, ArchivedLog>;
  readonly problems: readonly ArchiveProblem[];

  constructor(parts: readonly StoredPart[], problems: readonly ArchiveProblem[] = []) {
    const byHistory = new Map<string, StoredPart[]>();
    for (const part of parts) {
      const own = byHistory.get(part.history);
      if (own === undefined) byHistory.set(part.history, [part]);
      else own.push(part);
    }
    this.logs = new Map([...byHistory].map(([history, own]) => [history, new ArchivedLog(history, own)]));
    this.problems = problems;
  }

  /** Reads the heads of all parts below these directories. @throws FlareError REFUSED (there are none) | IO_ERROR */
  static async open(files: ArchiveFiles, paths: readonly string[]): Promise<ArchiveIndex> {
    const parts: StoredPart[] = [];
    const problems: ArchiveProblem[] = [];
    for (const path of paths) {
      const names = await partPaths(files, path);
      if (names.length === 0) throw new FlareError("REFUSED", `"${path}" has no archived change log`);
      const take = async (name: string): Promise<void> => {
        try {
          parts.push(await readHead(files, name));
        } catch (error) {
          if (!(error instanceof FlareError) || (error.code !== "CORRUPT" && error.code !== "UNSUPPORTED")) throw error;
          problems.push({ path: name, problem: error.message });
        }
      };
      for (let at = 0; at < names.length; at += FILES_AT_A_TIME) {
        await Promise.all(names.slice(at, at + FILES_AT_A_TIME).map(take));
      }
    }
    return new ArchiveIndex(parts, problems);
  }
}

/** The parts in a directory and in those in it. */
async function partPaths(files: ArchiveFiles, path: string): Promise<string[]> {
  const found: string[] = [];
  const names = await files.list(path);
  for (const name of names) {
    if (parseArchivePartName(name) !== undefined) found.push(files.join(path, name));
    else if (/^[0-9a-f]{32}$/.test(name)) found.push(...(await partPaths(files, files.join(path, name))));
  }
  return found;
}

async function readHead(files: ArchiveFiles, path: string): Promise<StoredPart> {
  for (let length = HEAD_BYTES; ; length *= 8) {
    const bytes = (await files.readRange(path, 0, length)) ?? EMPTY_BYTES;
    const headBytes = archiveHeadLength(bytes) ?? (bytes.length < length ? bytes.length : undefined);
    if (headBytes === undefined) continue;
    return { ...decodeArchiveHead(bytes.subarray(0, headBytes), path), path, headBytes };
  }
}

/**
 * Calls `each` at the records of a part, until it returns false; the reader is only valid during the call.
 * @throws FlareError CORRUPT before the first call, unless the part is intact | IO_ERROR
 */
export async function readPart(files: ArchiveFiles, part: StoredPart, each: (reader: LogReader) => boolean): Promise<void> {
  // One byte more than there should be shows whether there is more.
  const bytes = (await files.readRange(part.path, part.headBytes, part.bytes + 1)) ?? EMPTY_BYTES;
  readArchivePart(part, bytes, part.path, each);
}
