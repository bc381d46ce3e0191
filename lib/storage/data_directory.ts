/**
 * The directory a storage keeps everything in: its lock, its format, and where log and engine have their places in it.
 */

import { latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import type { FileLock, FileSystem, Random } from "../runtime/runtime.ts";
import { logSegmentNumber } from "./change_log.ts";
import {
  type DirectoryRecord,
  decodeDirectoryRecord,
  encodeDirectoryRecord,
  FORMAT_1_TEXT,
  newIdentity,
  nextIncarnation,
  type StorageIdentity,
} from "./directory_record.ts";

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
      const written = await readRecord(files, path);
      const directory = new DataDirectory(files, path, lock, written ?? { identity: newIdentity(random) });
      // Before anything else is there: without the record, what else is there would count as damage.
      if (written === undefined) await directory.#write(directory.#record);
      await files.makeDirectory(directory.logPath);
      await files.syncDirectory(path);
      return directory;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Which data these are. */
  get identity(): StorageIdentity {
    return this.#record.identity;
  }

  /** Notes that the data are open: the next incarnation begins. @throws FlareError DISK_FULL | IO_ERROR */
  async noteOpen(): Promise<void> {
    await this.#write({ ...this.#record, identity: nextIncarnation(this.identity) });
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

  /** Gives the directory free. */
  async release(): Promise<void> {
    await this.#lock.release();
  }

  async #write(record: DirectoryRecord): Promise<void> {
    await this.#files.replace(this.#recordPath, encodeDirectoryRecord(record));
    this.#record = record;
  }
}

/** The record of a directory; undefined for a new one, and for one of 2.0.0. */
async function readRecord(files: FileSystem, path: string): Promise<DirectoryRecord | undefined> {
  const recordPath = files.join(path, "FORMAT");
  const bytes = await files.read(recordPath);
  if (bytes !== undefined) {
    return latin1(bytes) === FORMAT_1_TEXT ? undefined : decodeDirectoryRecord(bytes, recordPath);
  }
  const segments = (await files.list(files.join(path, "log"))).filter((name) => logSegmentNumber(name) !== undefined);
  const engine = await files.list(files.join(path, "engine"));
  const [found] = [...segments.map((name) => files.join("log", name)), ...engine.map((name) => files.join("engine", name))];
  if (found === undefined) return undefined;
  throw new FlareError("CORRUPT", `"${recordPath}" is missing, although the directory holds "${found}"`);
}
