/**
 * Keeps the change log of a node in another directory, for restores to a point in time: at intervals everything committed
 * goes there in parts (see `archive_part.ts`), each of them complete as soon as it has its name. It goes on where the archive
 * ends, and the storage keeps the log until then, within a bound. An archive that cannot be written stops nothing: the next run
 * retries, and what has to be left out is counted and logged. Old parts are removed.
 */

import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import type { Clock, FileSystem, Log, Timer } from "../../runtime/runtime.ts";
import {
  type ArchivePartName,
  ArchivePartWriter,
  archivePartName,
  parseArchivePartName,
} from "../../storage/log/archive_part.ts";
import { NO_HISTORY } from "../../storage/log/positions.ts";
import type { LogCursor, LogHold, LogSegment, Position, Storage } from "../../storage/storage.ts";
import type { NodeSettings } from "../node_options.ts";

/** Parts are about this large, except where one record is larger: a part is copied in one turn of the loop. */
const PART_BYTES = 1 << 22;
/** What is read and checked in one turn of the loop. */
const READ_BYTES = 1 << 18;
/** How long a stopping node waits for its last part. */
const STOP_MS = 5000;
/** How often old parts are looked for. */
const CLEAN_MS = 60_000;

/** How a log is archived. */
export type LogArchiveOptions = Pick<
  NodeSettings,
  "logArchive" | "logArchiveBacklogBytes" | "logArchiveIntervalMs" | "logArchiveRetentionSeconds"
>;

/** What an archive needs of its node. */
export interface ArchivedNode {
  /** `host:port`. */
  readonly key: string;
  /** Whether the items stored here are what the partition has. */
  readonly isSure: () => boolean;
}

/** What it takes of the machine. */
interface ArchiveMachine {
  readonly clock: Clock;
  readonly files: FileSystem;
  readonly log: Log;
}

type ArchivedStorage = Pick<Storage, "committedSequence" | "identity" | "logFiles" | "onCommit" | "readLog">;

export class LogArchive implements LogHold {
  options: LogArchiveOptions;
  /** All up to this record is in the archive, what comes later must be kept. */
  sequence = 0;
  /** Failed attempts since the start. */
  failures = 0;
  /** Records that the archive lacks because they were removed, or damaged, before they could be archived, since the start. */
  missing = 0;
  /** By the wall clock: everything written before is in the archive; 0 = not known since the start. */
  reachedMs = 0;
  /** Why the last attempt failed; undefined if it did not. */
  fault: string | undefined;

  readonly #runtime: ArchiveMachine;
  readonly #storage: ArchivedStorage;
  readonly #node: ArchivedNode;
  readonly #path: string;
  /** Begins behind `sequence`; undefined = it is not known yet where that is. */
  #cursor: LogCursor | undefined;
  /** The newest part, if it has no records. */
  #emptyPart: string | undefined;
  #cleanedMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #isStopping = false;

  constructor(runtime: ArchiveMachine, storage: ArchivedStorage, node: ArchivedNode, options: LogArchiveOptions) {
    this.#runtime = runtime;
    this.#storage = storage;
    this.#node = node;
    this.options = options;
    this.#path = runtime.files.join(options.logArchive, storage.identity.id);
  }

  /** How much of the log is kept while it cannot be archived. */
  get bytesMax(): number {
    return this.options.logArchiveBacklogBytes;
  }

  /** Archives what is committed now, and again at each interval; one run at a time. Never rejects. */
  run(): Promise<void> {
    const { clock } = this.#runtime;
    if (this.#running !== undefined) return this.#running;
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    this.#running = this.#attempt().finally(() => {
      this.#running = undefined;
      if (!this.#isStopping) this.#timer = clock.setTimer(() => void this.run(), this.options.logArchiveIntervalMs);
    });
    return this.#running;
  }

  /** Archives the rest, if that is possible soon. */
  async stop(): Promise<void> {
    const { clock, log } = this.#runtime;
    this.#isStopping = true;
    const rest = Promise.resolve(this.#running).then(() => this.run());
    const isDone = await Promise.race([rest.then(() => true), sleep(clock, STOP_MS).then(() => false)]);
    if (isDone && this.fault === undefined) return;
    const reason = isDone ? this.fault : `it took more than ${STOP_MS} ms`;
    log.write("warning", `the end of the change log is not archived yet, the next start continues there: ${reason}`);
  }

  async #attempt(): Promise<void> {
    const { log } = this.#runtime;
    try {
      await this.#resume();
      await this.#archive();
      await this.#removeOld();
      if (this.fault !== undefined) log.write("notice", "the change log is archived again");
      this.fault = undefined;
    } catch (error) {
      this.failures++;
      this.#cursor = undefined;
      const { message } = error as Error;
      if (message !== this.fault) log.write("error", `the change log cannot be archived, retrying: ${message}`);
      this.fault = message;
    }
  }

  /** Finds out where the archive ends. */
  async #resume(): Promise<void> {
    if (this.#cursor !== undefined) return;
    const { files } = this.#runtime;
    await files.makeDirectory(this.#path);
    const parts: ArchivePartName[] = [];
    for (const name of await files.list(this.#path)) {
      const part = parseArchivePartName(name);
      if (part !== undefined) parts.push(part);
      // Of a write that did not end.
      else if (name.endsWith(".tmp")) await files.remove(files.join(this.#path, name));
    }
    this.#continueAfter(archivedThrough(this.#storage.logFiles, parts));
  }

  #continueAfter(sequence: number): void {
    this.sequence = sequence;
    this.#cursor = this.#storage.readLog(sequence + 1);
  }

  async #archive(): Promise<void> {
    const nowMs = this.#runtime.clock.nowMs();
    const fault = await new Promise<FlareError | undefined>((resolve) => this.#storage.onCommit({ onCommitted: resolve }));
    if (fault !== undefined) throw fault;
    // Everything written before `nowMs` is up to here.
    const last = this.#storage.committedSequence;
    const reached = this.#node.isSure() ? Math.floor(nowMs / 1000) : 0;
    if (this.sequence >= last && reached > 0) await this.#writeNothing(reached);
    while (this.sequence < last) await this.#writeNext(last, reached);
    this.reachedMs = nowMs;
  }

  /** Writes the next part, up to the record `last` at most. */
  async #writeNext(last: number, reached: number): Promise<void> {
    const firstSequence = this.sequence + 1;
    const { logFiles } = this.#storage;
    const at = logFiles.findLastIndex((segment) => segment.firstSequence <= firstSequence);
    const segment = logFiles[at];
    if (segment === undefined) return this.#skip("it was removed before");
    if (segment.history === NO_HISTORY) return this.#skip("it is from 2.0.0, or unreadable");
    const end = Math.min(last, (logFiles[at + 1]?.firstSequence ?? Number.POSITIVE_INFINITY) - 1);
    const part = new ArchivePartWriter();
    const salt = await this.#read(part, end);
    if (part.records === 0) return;
    const isAll = firstSequence + part.records > last;
    await this.#write(part, { history: segment.history, firstSequence, salt, reached: isAll ? reached : 0 });
    this.sequence += part.records;
  }

  /** Reads the records of a part, up to `end`, all of one segment; returns its salt. */
  async #read(part: ArchivePartWriter, end: number): Promise<number> {
    let salt = 0;
    const cursor = this.#cursor as LogCursor;
    try {
      while (part.bytes < PART_BYTES) {
        const block = await cursor.read(end, READ_BYTES);
        if (block === undefined) break;
        salt = block.salt;
        part.add(block);
      }
    } catch (error) {
      if (!(error instanceof FlareError) || (error.code !== "REFUSED" && error.code !== "CORRUPT")) throw error;
      if (part.records === 0) this.#skip(error.message);
      else this.#cursor = this.#storage.readLog(this.sequence + part.records + 1);
    }
    return salt;
  }

  /** Nothing was written for a while: a part without records says so, and replaces the one before. */
  async #writeNothing(reached: number): Promise<void> {
    const history = this.#storage.logFiles.at(-1)?.history ?? NO_HISTORY;
    if (history === NO_HISTORY) return;
    await this.#write(new ArchivePartWriter(), { history, firstSequence: this.sequence + 1, salt: 0, reached });
  }

  async #write(part: ArchivePartWriter, head: PartHead): Promise<void> {
    const { clock, files } = this.#runtime;
    const second = Math.floor(clock.nowMs() / 1000);
    const follows = predecessor(this.#storage.logFiles, head.history, head.firstSequence);
    const name = archivePartName({ ...head, records: part.records, second });
    const bytes = part.encode({ ...head, second, node: this.#node.key, ...(follows === undefined ? {} : { follows }) });
    // If there is one of that name, it has the same records.
    await files.create(files.join(this.#path, name), bytes);
    const before = this.#emptyPart;
    this.#emptyPart = part.records === 0 ? name : undefined;
    if (before !== undefined && before !== name) await files.remove(files.join(this.#path, before));
  }

  /** What comes next cannot be archived: continues with the next segment. @throws FlareError if there is none yet */
  #skip(reason: string): void {
    const first = this.sequence + 1;
    const next = this.#storage.logFiles.find(({ firstSequence }) => firstSequence > first)?.firstSequence;
    if (next === undefined) throw new FlareError("IO_ERROR", `change ${first} of the log cannot be read: ${reason}`);
    this.missing += next - first;
    const what = `the change log from ${first} to ${next - 1} is not in the archive: ${reason}`;
    this.#runtime.log.write("error", `${what}; take a backup, restores to a time after it need no earlier changes`);
    this.#continueAfter(next - 1);
  }

  async #removeOld(): Promise<void> {
    const { clock, files } = this.#runtime;
    const { logArchiveRetentionSeconds: retention } = this.options;
    if (retention === 0 || clock.monotonicMs() - this.#cleanedMs < CLEAN_MS) return;
    this.#cleanedMs = clock.monotonicMs();
    const oldest = Math.floor(clock.nowMs() / 1000) - retention;
    for (const name of await files.list(this.#path)) {
      const part = parseArchivePartName(name);
      if (part !== undefined && part.second < oldest) await files.remove(files.join(this.#path, name));
    }
  }
}

/** What the writer of a part knows without its records. */
interface PartHead {
  readonly history: string;
  readonly firstSequence: number;
  readonly salt: number;
  readonly reached: number;
}

/** Up to where a log is in its archive. */
function archivedThrough(segments: readonly LogSegment[], parts: readonly ArchivePartName[]): number {
  for (let at = segments.length - 1; at >= 0; at--) {
    const { history } = segments[at] as LogSegment;
    // A power cut may have taken records that were archived.
    const last = (segments[at + 1]?.firstSequence ?? Number.POSITIVE_INFINITY) - 1;
    const ends = parts.filter((part) => part.history === history).map((part) => part.firstSequence + part.records - 1);
    if (ends.length > 0) return Math.min(Math.max(...ends), last);
  }
  return (segments[0]?.firstSequence ?? 1) - 1;
}

/** The state before the first record of a log, in the log before it. */
function predecessor(segments: readonly LogSegment[], history: string, firstSequence: number): Position | undefined {
  const first = segments.find((segment) => segment.history === history);
  if (first?.firstSequence !== firstSequence) return undefined;
  const before = segments.findLast((segment) => segment.firstSequence < firstSequence);
  if (before === undefined || before.history === NO_HISTORY) return undefined;
  return { history: before.history, sequence: firstSequence - 1 };
}
