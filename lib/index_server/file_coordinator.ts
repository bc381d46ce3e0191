/**
 * A coordinator that keeps the map in a `flare.xml`, which the original index server can read and write, too. Beside it
 * is a numbered copy of each of the last stores, `flare.xml.<number>`. The next number can be created only once: that
 * makes a store a compare-and-set, also between machines that share the directory. Then `flare.xml` becomes the same;
 * after a crash in between the copy counts. A change of `flare.xml` by the original or by an operator is taken over,
 * unless it is older. `flare.xml.history` has the records of the last stores.
 *
 * A lock keeps a second index server of this machine out. A map that is missing or damaged is never guessed: `lost` says
 * what to do, and a mark file tells a cluster that has lost its map from a new one.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import { FlareError } from "../base/errors.ts";
import type { MapRecord } from "../cluster/map_record.ts";
import { decodeStoredMap, encodeStoredMap, NOTHING_STORED, type StoredMap } from "../cluster/stored_map.ts";
import type { FileLock, Runtime } from "../runtime/runtime.ts";
import type { Coordinator, RestoredMap } from "./coordinator.ts";
import { FileHistory } from "./file_history.ts";

const NAME = "flare.xml";
/** How many copies are kept. */
const COPIES_MAX = 10;
const MARK = fromLatin1("flare.xml beside this file contains the node map: without it no index server starts here.\n");

export interface FileCoordinatorOptions {
  /** Boost archive version in the file's head; old builds of the original need 4. Default 18. */
  readonly archiveVersion?: number;
}

/** A stored map with its bytes. */
interface Content extends StoredMap {
  readonly bytes: Uint8Array;
}

/** What is on the disk. */
interface Look {
  readonly token: string;
  /** The numbers of the copies, ascending. */
  readonly numbers: readonly number[];
  /** What counts; `lost` says why nothing does. */
  readonly content: Content | undefined;
  readonly lost: string | undefined;
  /** The file itself is not (yet) what counts. */
  readonly isFileBehind: boolean;
  /** What counts has no copy: somebody else wrote it. */
  readonly lacksCopy: boolean;
}

export class FileCoordinator implements Coordinator {
  readonly place: string;
  readonly #runtime: Runtime;
  readonly #directory: string;
  readonly #path: string;
  readonly #archiveVersion: number | undefined;
  readonly #history: FileHistory;
  #lock: FileLock | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** The mark is known to exist. */
  #isMarked = false;

  constructor(runtime: Runtime, directory: string, options: FileCoordinatorOptions = {}) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.place = `file://${directory}`;
    this.#path = runtime.files.join(directory, NAME);
    this.#archiveVersion = options.archiveVersion;
    this.#history = new FileHistory(runtime.files, `${this.#path}.history`, (number) => this.#copyPath(number));
  }

  async open(): Promise<void> {
    this.#lock = await this.#runtime.files.lock(`${this.#path}.lock`);
  }

  async restore(): Promise<RestoredMap> {
    const { token, content, lost } = await this.#look();
    if (lost !== undefined) return { ...NOTHING_STORED, token, lost };
    if (content === undefined) return { ...NOTHING_STORED, token };
    await this.#mark();
    const { bytes: _, ...stored } = content;
    return { ...stored, token };
  }

  store(stored: StoredMap, expectedToken: string, record?: MapRecord): Promise<string | undefined> {
    // One at a time: a number that is created twice here would be a lost race, and it is not one.
    const outcome = this.#tail.then(() => this.#store(stored, expectedToken, record));
    this.#tail = outcome.catch(() => undefined);
    return outcome;
  }

  async history(): Promise<readonly MapRecord[]> {
    await this.#tail;
    return this.#history.read((await this.#numbers()).at(-1) ?? 0);
  }

  /** There are no notifications for files: every operation reads it again. */
  onChange(): void {}

  async close(): Promise<void> {
    await this.#tail;
    await this.#lock?.release();
    this.#lock = undefined;
  }

  async #store(stored: StoredMap, expectedToken: string, record?: MapRecord): Promise<string | undefined> {
    const { files } = this.#runtime;
    const { token, numbers, content, isFileBehind, lacksCopy } = await this.#look();
    if (token !== expectedToken) return undefined;
    let number = numbers.at(-1) ?? 0;
    if (content !== undefined) {
      // With a copy of what is replaced it is clear from then on that the file is older than the next copy.
      if (lacksCopy && !(await files.create(this.#copyPath(++number), content.bytes))) return undefined;
      if (isFileBehind) await files.replace(this.#path, content.bytes);
    }
    const bytes = fromLatin1(encodeStoredMap(stored, this.#archiveVersion));
    if (record !== undefined) await this.#history.add(record, number, number + 1, bytes);
    if (!(await files.create(this.#copyPath(++number), bytes))) return undefined;
    await files.replace(this.#path, bytes);
    await this.#mark();
    for (const old of numbers) if (old <= number - COPIES_MAX) await files.remove(this.#copyPath(old));
    return tokenOf(number, bytes);
  }

  async #look(): Promise<Look> {
    const { files, log } = this.#runtime;
    const numbers = await this.#numbers();
    const number = numbers.at(-1) ?? 0;
    const bytes = await files.read(this.#path);
    const common = { token: tokenOf(number, bytes), numbers, content: undefined, isFileBehind: false, lacksCopy: false };
    const file = bytes === undefined || bytes.length === 0 ? undefined : this.#decode(this.#path, bytes);
    const copy = await this.#copy(number);
    if (file === undefined || file instanceof FlareError) {
      const problem = file?.message ?? `"${this.#path}" with the cluster's node map is missing`;
      const isNew = file === undefined && (await files.read(this.#markPath)) === undefined;
      return { ...common, lost: isNew ? undefined : `${problem}: ${await this.#advice(numbers)}` };
    }
    if (copy instanceof FlareError) log.write("warning", copy.message);
    if (copy === undefined || copy instanceof FlareError) return { ...common, content: file, lost: undefined, lacksCopy: true };
    if (isEqual(file.bytes, copy.bytes)) return { ...common, content: file, lost: undefined };
    if (file.map.version < copy.map.version || (await this.#isOneOf(numbers, file.bytes))) {
      return { ...common, content: copy, lost: undefined, isFileBehind: true };
    }
    // Terms never go back: the original knows none.
    const term = Math.max(file.term, copy.term);
    return { ...common, content: { ...file, term }, lost: undefined, lacksCopy: true };
  }

  /** The numbers of the copies, ascending. */
  async #numbers(): Promise<number[]> {
    const numbers: number[] = [];
    for (const name of await this.#runtime.files.list(this.#directory)) {
      const found = name.startsWith(`${NAME}.`) ? /^[1-9]\d{0,14}$/.exec(name.slice(NAME.length + 1)) : null;
      if (found !== null) numbers.push(Number(found[0]));
    }
    return numbers.sort((a, b) => a - b);
  }

  #copyPath(number: number): string {
    return `${this.#path}.${number}`;
  }

  /** The copy with this number, or what is wrong with it; undefined for 0. */
  async #copy(number: number): Promise<Content | FlareError | undefined> {
    if (number === 0) return undefined;
    const path = this.#copyPath(number);
    return this.#decode(path, (await this.#runtime.files.read(path)) ?? new Uint8Array(0));
  }

  /** Whether one of the copies has these bytes. */
  async #isOneOf(numbers: readonly number[], bytes: Uint8Array): Promise<boolean> {
    for (const number of numbers) {
      const copy = await this.#runtime.files.read(this.#copyPath(number));
      if (copy !== undefined && isEqual(copy, bytes)) return true;
    }
    return false;
  }

  /** What to do without the file. */
  async #advice(numbers: readonly number[]): Promise<string> {
    const words = [`get the map of a running node (flare index --index-server NODE --increment 1 --output "${this.#path}")`];
    for (const number of [...numbers].reverse()) {
      const copy = await this.#copy(number);
      if (copy === undefined || copy instanceof FlareError) continue;
      words.push(`or put "${this.#copyPath(number)}" in its place, which has version ${copy.map.version}`);
      break;
    }
    return `${words.join(", ")}; to start a cluster without nodes, remove "${this.#path}" and "${this.#markPath}"`;
  }

  get #markPath(): string {
    return `${this.#path}.known`;
  }

  /**
   * Marks that there is a map. Written after the map, so that a crash between the two leaves a map without a mark, which the
   * next read adds, and never a mark without a map.
   */
  async #mark(): Promise<void> {
    if (this.#isMarked) return;
    if ((await this.#runtime.files.read(this.#markPath)) === undefined) {
      await this.#runtime.files.replace(this.#markPath, MARK);
    }
    this.#isMarked = true;
  }

  #decode(path: string, bytes: Uint8Array): Content | FlareError {
    try {
      return { ...decodeStoredMap(latin1(bytes)), bytes };
    } catch (error) {
      if (!(error instanceof FlareError) || error.code !== "CORRUPT") throw error;
      return new FlareError("CORRUPT", `node map in "${path}" is damaged: ${error.message}`, { cause: error });
    }
  }
}

function tokenOf(number: number, bytes: Uint8Array | undefined): string {
  return `${number} ${bytes === undefined ? "none" : `${bytes.length}:${crc32(bytes)}`}`;
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}
