/**
 * The history of a node map that is in a file: the records of the last stores in a file of lines beside it. A line is written
 * before its store, with the number and the checksum of the copy that the store is about to create: a store that did not
 * happen leaves a line without its copy, which does not count.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import { decodeMapRecord, encodeMapRecord, HISTORY_MAX, type MapRecord } from "../cluster/map_record.ts";
import type { FileSystem } from "../runtime/runtime.ts";

const LINE = /^(\d{1,15}) (\d{1,10}) (.*)$/;

/** A line. */
interface Entry {
  /** Of the copy. */
  readonly number: number;
  readonly checksum: number;
  readonly text: string;
}

export class FileHistory {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #copyPath: (number: number) => string;

  /** @param copyPath the file of a copy, by its number */
  constructor(files: FileSystem, path: string, copyPath: (number: number) => string) {
    this.#files = files;
    this.#path = path;
    this.#copyPath = copyPath;
  }

  /**
   * Adds the record of the store that is about to create a copy.
   * @param newest the number of the newest copy now @param content of the copy @throws FlareError IO_ERROR | DISK_FULL
   */
  async add(record: MapRecord, newest: number, number: number, content: Uint8Array): Promise<void> {
    const entries = (await this.#entries(newest)).slice(1 - HISTORY_MAX);
    entries.push({ number, checksum: crc32(content), text: encodeMapRecord(record) });
    const lines = entries.map((entry) => `${entry.number} ${entry.checksum} ${entry.text}\n`);
    await this.#files.replace(this.#path, fromLatin1(lines.join("")));
  }

  /** The records, the oldest first. @param newest as of `add` @throws FlareError IO_ERROR */
  async read(newest: number): Promise<MapRecord[]> {
    return (await this.#entries(newest)).flatMap(({ text }) => decodeMapRecord(text) ?? []);
  }

  /** The lines that count. */
  async #entries(newest: number): Promise<Entry[]> {
    const bytes = await this.#files.read(this.#path);
    const entries: Entry[] = [];
    for (const line of bytes === undefined ? [] : latin1(bytes).split("\n")) {
      const [, number, checksum, text] = LINE.exec(line) ?? [];
      const entry = { number: Number(number), checksum: Number(checksum), text: text ?? "" };
      if (text !== undefined && entry.number <= newest && (await this.#isOfItsCopy(entry))) entries.push(entry);
    }
    return entries;
  }

  /** Whether the copy of this number is the one of this line; old ones are gone. */
  async #isOfItsCopy({ number, checksum }: Entry): Promise<boolean> {
    const copy = await this.#files.read(this.#copyPath(number));
    return copy === undefined || crc32(copy) === checksum;
  }
}
