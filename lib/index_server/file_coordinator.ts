/**
 * A coordinator that keeps the map in a `flare.xml`, which the original index server can read and write, too. Each store is
 * atomic and keeps the previous file; that replaces a damaged or missing file. A mark file tells a cluster that has lost both
 * from a new one. One index server per file: the token only detects that an operator or another program changed it.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import { FlareError } from "../base/errors.ts";
import { decodeStoredMap, encodeStoredMap, NOTHING_STORED, type StoredMap } from "../cluster/stored_map.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Coordinator, RestoredMap } from "./coordinator.ts";

const MARK = fromLatin1("flare.xml beside this file contains the node map: without it no index server starts here.\n");

export interface FileCoordinatorOptions {
  /** Boost archive version in the file's head; old builds of the original need 4. Default 18. */
  readonly archiveVersion?: number;
}

export class FileCoordinator implements Coordinator {
  readonly #runtime: Runtime;
  readonly #path: string;
  readonly #archiveVersion: number | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** The mark is known to exist. */
  #isMarked = false;

  /** @param path the file itself, usually `<data-dir>/flare.xml` */
  constructor(runtime: Runtime, path: string, options: FileCoordinatorOptions = {}) {
    this.#runtime = runtime;
    this.#path = path;
    this.#archiveVersion = options.archiveVersion;
  }

  async restore(): Promise<RestoredMap> {
    const bytes = await this.#runtime.files.read(this.#path);
    const token = tokenOf(bytes);
    let damage: FlareError | undefined;
    if (bytes !== undefined && bytes.length > 0) {
      const found = this.#decode(this.#path, bytes);
      if (!(found instanceof FlareError)) {
        await this.#mark();
        return { ...found, token };
      }
      damage = found;
    }
    const previous = await this.#readPrevious();
    if (previous !== undefined) {
      const state = damage === undefined ? "missing or empty" : "damaged";
      this.#runtime.log.write(
        "warning",
        `"${this.#path}" is ${state}, using version ${previous.map.version} from the previous file`,
      );
      return { ...previous, token };
    }
    if (damage !== undefined) throw damage;
    if ((await this.#runtime.files.read(this.#markPath)) === undefined) return { ...NOTHING_STORED, token };
    const lost =
      `"${this.#path}" with the cluster's node map is missing: restore a copy of it, ` +
      `or remove "${this.#markPath}" to start a cluster without nodes`;
    return { ...NOTHING_STORED, token, lost };
  }

  store(stored: StoredMap, expectedToken: string): Promise<string | undefined> {
    // One at a time: another one must not replace the file between this one's look and its replacement.
    const outcome = this.#tail.then(() => this.#store(stored, expectedToken));
    this.#tail = outcome.catch(() => undefined);
    return outcome;
  }

  async #store(stored: StoredMap, expectedToken: string): Promise<string | undefined> {
    if (tokenOf(await this.#runtime.files.read(this.#path)) !== expectedToken) return undefined;
    const bytes = fromLatin1(encodeStoredMap(stored, this.#archiveVersion));
    await this.#runtime.files.replace(this.#path, bytes);
    await this.#mark();
    return tokenOf(bytes);
  }

  /** There are no notifications for files: every operation reads it again. */
  onChange(): void {}

  close(): Promise<void> {
    return Promise.resolve();
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

  /** The map in the previous file; undefined if it is missing or damaged, too. */
  async #readPrevious(): Promise<StoredMap | undefined> {
    const path = `${this.#path}.previous`;
    const bytes = await this.#runtime.files.read(path);
    if (bytes === undefined || bytes.length === 0) return undefined;
    const found = this.#decode(path, bytes);
    if (!(found instanceof FlareError)) return found;
    this.#runtime.log.write("warning", found.message);
    return undefined;
  }

  #decode(path: string, bytes: Uint8Array): StoredMap | FlareError {
    try {
      return decodeStoredMap(latin1(bytes));
    } catch (error) {
      if (!(error instanceof FlareError) || error.code !== "CORRUPT") throw error;
      return new FlareError("CORRUPT", `node map in "${path}" is damaged: ${error.message}`, { cause: error });
    }
  }
}

function tokenOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "none" : `${bytes.length}:${crc32(bytes)}`;
}
