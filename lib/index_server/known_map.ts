/**
 * What an index server remembers in its data directory of a node map that is stored elsewhere: that there was one, and the
 * newest version it has seen. So a map that is gone, or that a backup has taken back, is not believed.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { fromBigInt, type Uint64 } from "../base/uint64.ts";
import type { StoredMap } from "../cluster/stored_map.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** The newest map that was seen. */
export interface Known {
  readonly version: Uint64;
  readonly term: number;
}

const NEWEST = /^version (\d{1,20}) term (\d{1,15})$/m;

export class KnownMap {
  readonly path: string | undefined;
  readonly #runtime: Runtime;
  readonly #place: string;
  #known: Known | undefined;

  /**
   * @param path of the file; undefined: nothing is remembered
   * @param place where the map is stored, as a sentence; what is known of another place does not count
   */
  constructor(runtime: Runtime, path: string | undefined, place: string) {
    this.#runtime = runtime;
    this.path = path;
    this.#place = `${place}\n`;
  }

  /** What is known; undefined: this index server has not seen a map there. @throws FlareError IO_ERROR */
  async read(): Promise<Known | undefined> {
    if (this.#known !== undefined || this.path === undefined) return this.#known;
    const bytes = await this.#runtime.files.read(this.path);
    const text = bytes === undefined ? "" : latin1(bytes);
    if (!text.startsWith(this.#place)) return undefined;
    const [, version = "0", term = "0"] = NEWEST.exec(text.slice(this.#place.length)) ?? [];
    this.#known = { version: fromBigInt(BigInt(version)), term: Number(term) };
    return this.#known;
  }

  /** What is wrong with a map that is older than one that was seen; undefined: nothing. @throws FlareError IO_ERROR */
  async problemOf({ map }: Pick<StoredMap, "map">): Promise<string | undefined> {
    const known = await this.read();
    if (known === undefined || map.version >= known.version) return undefined;
    return `has version ${map.version}, and this index server has seen version ${known.version}`;
  }

  /** Remembers a map that was read or stored; if it cannot, the log says so. */
  async keep({ map, term }: StoredMap): Promise<void> {
    if (this.path === undefined) return;
    try {
      const known = await this.read();
      if (known !== undefined && known.version >= map.version && known.term >= term) return;
      const version = known === undefined || map.version > known.version ? map.version : known.version;
      const next = { version, term: Math.max(term, known?.term ?? 0) };
      const text = `${this.#place}version ${next.version} term ${next.term}\n`;
      await this.#runtime.files.replace(this.path, fromLatin1(text));
      this.#known = next;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#runtime.log.write("warning", `a loss of the node map would go unnoticed: ${error.message}`);
    }
  }
}
