/**
 * The directory a storage keeps everything in: its lock, its record of itself, and where log and engine have their places
 * in it. The record is what tells an empty directory from a new one and a missing file from one that never was.
 */

import { latin1 } from "../../base/bytes.ts";
import { dataDamage } from "../../base/data_damage.ts";
import type { FileLock, FileSystem, Random } from "../../runtime/runtime.ts";
import { logSegmentNumber } from "../log/change_log.ts";
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

/** LevelDB turns its log, which is about as long as its write buffer at most, into a table when it opens. */
const REOPEN_BYTES = 20 * 1048576;

export class DataDirectory {
  readonly logPath: string;
  readonly enginePath: string;

  readonly #files: FileSystem;
  readonly #path: string;
  readonly #recordPath: string;
  readonly #lock: FileLock;
  #record: DirectoryRecord;
  /** The last note that was begun. */
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

  /** Makes, locks and prepares it. @throws FlareError DATA_DIR_LOCKED | UNSUPPORTED | CORRUPT | DISK_FULL | IO_ERROR */
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

  /** What the directory knows of itself. */
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

  /** Notes that the data are open: the next incarnation begins. @throws FlareError DISK_FULL | IO_ERROR */
  async noteOpen(wholeFrom: number, lastSegment: number): Promise<void> {
    const manifest = await levelManifest(this.#files, this.enginePath);
    await this.#note({ identity: nextIncarnation(this.identity), wholeFrom, lastSegment, manifest });
  }

  /** Notes a log segment that has reached the disk with its header, and all before it whole. */
  async noteSegment(lastSegment: number): Promise<void> {
    if (lastSegment > this.#record.lastSegment) await this.#note({ lastSegment });
  }

  /** Notes that the engine has, for good, all changes before a sequence. */
  async noteCheckpoint(checkpoint: number): Promise<void> {
    if (checkpoint <= this.#record.checkpoint) return;
    await this.#note({ checkpoint, manifest: await levelManifest(this.#files, this.enginePath) });
  }

  /** Notes a stop in order: all is on the disk, and nothing changes any more until the next opening. */
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
   * Writes a file as large as what an opening engine may write, in one step, so that nobody misses that room.
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

  /** Gives the directory free, once nothing is written to it any more. */
  async release(): Promise<void> {
    await this.#writing?.catch(() => undefined); // Whoever noted it hears of the fault.
    await this.#lock.release();
  }

  /** Before anything else is there: without the record, what else is there counts as damage. */
  async #create(): Promise<void> {
    for (const part of ["log", "engine"]) {
      const [found] = await this.#files.list(this.#files.join(this.#path, part));
      if (found !== undefined)
        throw dataDamage(this.#recordPath, `is missing, although the directory holds "${part}/${found}"`);
    }
    await this.#note({});
  }

  /** After a stop in order nothing may be missing; from now on the files change. */
  async #begin(files: readonly KnownFile[]): Promise<void> {
    for (const { name, bytes } of files) {
      const path = this.#files.join(this.#path, ...name.split("/"));
      const found = await this.#files.size(path);
      if (found === undefined) throw dataDamage(path, "is missing");
      if (found !== bytes) throw dataDamage(path, `has ${found} bytes, it had ${bytes} at the last stop`);
    }
    await this.#note({ files: undefined });
  }

  /** Several notes may be under way; each writes all that is known. @throws FlareError DISK_FULL | IO_ERROR */
  #note(news: Partial<DirectoryRecord>): Promise<void> {
    this.#record = { ...this.#record, ...news };
    this.#writing = this.#files.replace(this.#recordPath, encodeDirectoryRecord(this.#record));
    return this.#writing;
  }
}
