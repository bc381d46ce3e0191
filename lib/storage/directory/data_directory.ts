/**
 * The directory of a storage: its lock, its record of itself, and the places of log and engine in it. The record tells an
 * emptied directory from a new one, and a missing file from one that never existed.
 */

import { MIB } from "../../base/byte_units.ts";
import { latin1 } from "../../base/bytes.ts";
import { dataDamage } from "../../base/data_damage.ts";
import type { FileLock, FileSystem, Random } from "../../runtime/runtime.ts";
import { logSegmentNumber } from "../log/log_segment.ts";
import {
  type DirectoryRecord,
  decodeDirectoryRecord,
  encodeDirectoryRecord,
  FORMAT_1_TEXT,
  type KnownFile,
  newDirectoryRecord,
  nextIncarnation,
  type StorageIdentity,
} from "./directory_record.ts";
import { checkLevelFiles, isLevelData, levelManifest } from "./level_files.ts";

/** When it opens, LevelDB turns its log, at most about the size of its write buffer, into a table. */
const REOPEN_BYTES = 20 * MIB;

export class DataDirectory {
  readonly logPath: string;
  readonly enginePath: string;

  readonly #files: FileSystem;
  readonly #path: string;
  readonly #recordPath: string;
  readonly #lock: FileLock;
  #record: DirectoryRecord;
  /** The last write of the record that was begun. */
  #writing: Promise<void> | undefined;

  private constructor(files: FileSystem, path: string, lock: FileLock, record: DirectoryRecord) {
    this.#files = files;
    this.#path = path;
    this.#recordPath = files.join(path, "FORMAT");
    this.#lock = lock;
    this.#record = record;
    this.logPath = files.join(path, "log");
    this.enginePath = files.join(path, "engine");
  }

  /** Creates, locks and prepares it. @throws FlareError DATA_DIR_LOCKED | UNSUPPORTED | CORRUPT | DISK_FULL | IO_ERROR */
  static async open(files: FileSystem, random: Random, path: string): Promise<DataDirectory> {
    await files.makeDirectory(path);
    const lock = await files.lock(files.join(path, "LOCK.flare"));
    try {
      const bytes = await files.read(files.join(path, "FORMAT"));
      const isOld = bytes !== undefined && latin1(bytes) === FORMAT_1_TEXT;
      const record =
        bytes === undefined || isOld
          ? newDirectoryRecord(random, isOld)
          : decodeDirectoryRecord(bytes, files.join(path, "FORMAT"));
      const directory = new DataDirectory(files, path, lock, record);
      if (bytes === undefined) await directory.#create();
      if (record.files !== undefined) await directory.#begin(record.files);
      await files.makeDirectory(directory.logPath);
      await files.syncDirectory(path);
      return directory;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** The directory's record of itself. */
  get record(): DirectoryRecord {
    return this.#record;
  }

  /** Which data these are. */
  get identity(): StorageIdentity {
    return this.#record.identity;
  }

  /** Checks what can be checked of LevelDB before it is opened. @throws FlareError CORRUPT | IO_ERROR */
  async checkLevel(): Promise<void> {
    const { lastSegment, manifest } = this.#record;
    await checkLevelFiles(this.#files, this.enginePath, lastSegment > 0, manifest);
  }

  /** Records that the data is open: the next incarnation begins. @throws FlareError DISK_FULL | IO_ERROR */
  async noteOpen(wholeFrom: number, lastSegment: number): Promise<void> {
    const manifest = await levelManifest(this.#files, this.enginePath);
    await this.#note({ identity: nextIncarnation(this.identity), wholeFrom, lastSegment, manifest });
  }

  /** Records a log segment that is on disk with its header, and whose predecessors are complete on disk. */
  async noteSegment(lastSegment: number): Promise<void> {
    if (lastSegment > this.#record.lastSegment) await this.#note({ lastSegment });
  }

  /** Records that all changes before a sequence are durable in the engine. */
  async noteCheckpoint(checkpoint: number): Promise<void> {
    if (checkpoint <= this.#record.checkpoint) return;
    await this.#note({ checkpoint, manifest: await levelManifest(this.#files, this.enginePath) });
  }

  /** Records a graceful shutdown: everything is on disk, and nothing changes until the next opening. */
  async noteStopped(): Promise<void> {
    const found: KnownFile[] = [];
    const wanted = { log: (name: string) => logSegmentNumber(name) !== undefined, engine: isLevelData };
    for (const [directory, isWanted] of Object.entries(wanted)) {
      for (const name of (await this.#files.list(this.#files.join(this.#path, directory))).filter(isWanted)) {
        const bytes = await this.#files.size(this.#files.join(this.#path, directory, name));
        if (bytes !== undefined) found.push({ name: `${directory}/${name}`, bytes });
      }
    }
    await this.#note({ files: found });
  }

  /**
   * Checks for free space by writing a file as large as what an opening engine may write, in one step so that nobody else runs
   * short.
   * @throws FlareError DISK_FULL | IO_ERROR
   */
  async tryRoomToReopen(): Promise<void> {
    const path = this.#files.join(this.#path, "room");
    const file = this.#files.openAppend(path);
    try {
      file.append(new Uint8Array(REOPEN_BYTES));
    } finally {
      file.truncate(0);
      file.close();
    }
    await this.#files.remove(path);
  }

  /** Releases the directory, once all writes are done. */
  async release(): Promise<void> {
    await this.#writing?.catch(() => undefined); // The caller that recorded it gets the error.
    await this.#lock.release();
  }

  /** Runs before anything else is created: without the record, other files count as damage. */
  async #create(): Promise<void> {
    for (const part of ["log", "engine"]) {
      const [found] = await this.#files.list(this.#files.join(this.#path, part));
      if (found !== undefined)
        throw dataDamage(this.#recordPath, `is missing, although the directory contains "${part}/${found}"`);
    }
    await this.#note({});
  }

  /** After a graceful shutdown nothing may be missing; from now on the files change. */
  async #begin(files: readonly KnownFile[]): Promise<void> {
    for (const { name, bytes } of files) {
      const path = this.#files.join(this.#path, ...name.split("/"));
      const found = await this.#files.size(path);
      if (found === undefined) throw dataDamage(path, "is missing");
      if (found !== bytes) throw dataDamage(path, `has ${found} bytes, it had ${bytes} at the last stop`);
    }
    await this.#note({ files: undefined });
  }

  /** Several writes may be in flight; each writes the complete record. @throws FlareError DISK_FULL | IO_ERROR */
  #note(news: Partial<DirectoryRecord>): Promise<void> {
    this.#record = { ...this.#record, ...news };
    this.#writing = this.#files.replace(this.#recordPath, encodeDirectoryRecord(this.#record));
    return this.#writing;
  }
}
