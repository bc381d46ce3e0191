/**
 * The directory a storage keeps everything in: its lock, its format, and where log and engine have their places in it.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import type { FileLock, FileSystem } from "../runtime/runtime.ts";

const FORMAT_TEXT = "flare-kv data format 1\n";
/** LevelDB turns its log, which is about as long as its write buffer at most, into a table when it opens. */
const REOPEN_BYTES = 20 * 1048576;

export class DataDirectory {
  readonly logPath: string;
  readonly enginePath: string;

  readonly #files: FileSystem;
  readonly #path: string;
  readonly #lock: FileLock;

  private constructor(files: FileSystem, path: string, lock: FileLock) {
    this.#files = files;
    this.#path = path;
    this.#lock = lock;
    this.logPath = files.join(path, "log");
    this.enginePath = files.join(path, "engine");
  }

  /** Makes, locks and prepares it. @throws FlareError DATA_DIR_LOCKED | UNSUPPORTED | DISK_FULL | IO_ERROR */
  static async open(files: FileSystem, path: string): Promise<DataDirectory> {
    await files.makeDirectory(path);
    const lock = await files.lock(files.join(path, "LOCK.flare"));
    try {
      const formatPath = files.join(path, "FORMAT");
      const format = await files.read(formatPath);
      if (format === undefined) await files.replace(formatPath, fromLatin1(FORMAT_TEXT));
      else if (latin1(format) !== FORMAT_TEXT) {
        throw new FlareError(
          "UNSUPPORTED",
          `"${formatPath}" says "${latin1(format).trim()}", this version reads "${FORMAT_TEXT.trim()}"`,
        );
      }
      const directory = new DataDirectory(files, path, lock);
      await files.makeDirectory(directory.logPath);
      await files.syncDirectory(path);
      return directory;
    } catch (error) {
      await lock.release();
      throw error;
    }
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
}
