/**
 * `stats detail`: counts requests by the prefix of their keys, the part before the first `:`. Turned on by hand, for a while;
 * keys without a prefix are not counted, and the number of prefixes is limited.
 */

import { latin1 } from "../../base/bytes.ts";
import type { KeySlice } from "../../item/entry.ts";

const DELIMITER = 0x3a;
/** Prefixes counted separately; all others are summed up. */
const PREFIXES_MAX = 10000;
/** Longer ones count among the others. */
const PREFIX_BYTES_MAX = 250;
const FURTHER = "(further)";

interface PrefixCounts {
  gets: number;
  hits: number;
  sets: number;
  deletes: number;
}

export class PrefixStats {
  readonly #prefixes = new Map<string, PrefixCounts>();
  #further: PrefixCounts | undefined;

  /** A key was requested. */
  countGet(key: KeySlice, isHit: boolean): void {
    const counts = this.#countsOf(key);
    if (counts === undefined) return;
    counts.gets++;
    if (isHit) counts.hits++;
  }

  /** A value was to be stored. */
  countSet(key: KeySlice): void {
    const counts = this.#countsOf(key);
    if (counts !== undefined) counts.sets++;
  }

  /** A key was to be deleted. */
  countDelete(key: KeySlice): void {
    const counts = this.#countsOf(key);
    if (counts !== undefined) counts.deletes++;
  }

  clear(): void {
    this.#prefixes.clear();
    this.#further = undefined;
  }

  /** A line for each prefix, with line ends. */
  dump(): string {
    const all = [...this.#prefixes];
    if (this.#further !== undefined) all.push([FURTHER, this.#further]);
    return all
      .map(
        ([prefix, { gets, hits, sets, deletes }]) => `PREFIX ${prefix} get ${gets} hit ${hits} set ${sets} del ${deletes}\r\n`,
      )
      .join("");
  }

  #countsOf({ bytes, start, end }: KeySlice): PrefixCounts | undefined {
    let delimiter = start;
    while (delimiter < end && bytes[delimiter] !== DELIMITER) delimiter++;
    if (delimiter === start || delimiter === end) return undefined;
    if (delimiter - start <= PREFIX_BYTES_MAX) {
      const prefix = latin1(bytes, start, delimiter);
      const known = this.#prefixes.get(prefix);
      if (known !== undefined) return known;
      // Other prefixes could break the lines of the answer.
      if (/^[!-~\x80-\xff]*$/.test(prefix) && this.#prefixes.size < PREFIXES_MAX) {
        const counts = { gets: 0, hits: 0, sets: 0, deletes: 0 };
        this.#prefixes.set(prefix, counts);
        return counts;
      }
    }
    this.#further ??= { gets: 0, hits: 0, sets: 0, deletes: 0 };
    return this.#further;
  }
}
