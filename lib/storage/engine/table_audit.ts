/**
 * Which of LevelDB's tables are known to be intact. A walk asks before it reads and goes only as far as the tables are
 * verified. A table is verified once per process, when the first walk reaches it (the sweeper walks all the time). Damage stays
 * recorded until a restart, even if LevelDB compacts the table away.
 */

import { compareBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { endOfTurn } from "../../base/sleep.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { currentManifest, levelTableName, tablePath } from "../directory/level_files.ts";
import { type LevelTable, readLevelManifest } from "../directory/level_manifest.ts";
import { checkLevelTable, type KeyRange } from "./level_table.ts";

/** Tables verified ahead of a walk. */
const AHEAD = 2;
/** Blocks verified per event loop turn: about 256 KiB. */
const BLOCKS_PER_SLICE = 64;

/** Keys whose values are unknown, because their blocks of `table` are damaged. */
interface Damage extends KeyRange {
  /** The name of its file. */
  readonly table: string;
}

/** How far a walk may read, or the damage that stops it. */
export type Passage = { readonly before: Uint8Array } | { readonly damage: Damage };

export class TableAudit {
  /** Tables found damaged so far. */
  damagedTables = 0;

  readonly #runtime: Runtime;
  readonly #directory: string;
  #damages: Damage[] = [];
  #checked = new Set<number>();
  /** The tables of the manifest with this name and length, in the order of their first keys. */
  #tables: LevelTable[] = [];
  #manifest = "";
  /** Verifications run one at a time: two walks need the same tables. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(runtime: Runtime, directory: string) {
    this.#runtime = runtime;
    this.#directory = directory;
  }

  /** Damage was found, so `assertReadable` may refuse. */
  get hasDamage(): boolean {
    return this.#damages.length > 0;
  }

  /** @throws FlareError CORRUPT for a key in a damaged block, whether it exists or not */
  assertReadable(key: Uint8Array): void {
    for (const damage of this.#damages) {
      if (compareBytes(damage.from, key) <= 0 && compareBytes(key, damage.to) <= 0) throw damageFault(damage);
    }
  }

  /** Verifies the tables from a key on; returns how far a walk to `before` may go. @throws FlareError IO_ERROR */
  passage(from: Uint8Array, before: Uint8Array): Promise<Passage> {
    const result = this.#last.then(() => this.#passage(from, before));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #passage(from: Uint8Array, before: Uint8Array): Promise<Passage> {
    await this.#readTables();
    let end = before;
    let ahead = 0;
    for (const table of this.#tables) {
      if (compareBytes(table.smallest, before) >= 0) break;
      if (this.#checked.has(table.number) || compareBytes(table.largest, from) < 0) continue;
      if (compareBytes(table.smallest, from) > 0 && ahead++ === AHEAD) {
        end = table.smallest;
        break;
      }
      await this.#check(table);
    }
    for (const damage of this.#damages) {
      if (compareBytes(damage.to, from) < 0 || compareBytes(damage.from, end) >= 0) continue;
      if (compareBytes(damage.from, from) <= 0) return { damage };
      end = damage.from;
    }
    return { before: end };
  }

  async #readTables(): Promise<void> {
    const { files } = this.#runtime;
    const name = await currentManifest(files, this.#directory);
    if (name === undefined) return;
    const path = files.join(this.#directory, name);
    const state = `${name} ${await files.size(path)}`;
    if (state === this.#manifest) return;
    this.#tables = readLevelManifest((await files.read(path)) ?? EMPTY_BYTES);
    this.#tables.sort((left, right) => compareBytes(left.smallest, right.smallest));
    this.#manifest = state;
    const numbers = new Set(this.#tables.map(({ number }) => number));
    this.#checked = new Set([...this.#checked].filter((number) => numbers.has(number)));
  }

  async #check(table: LevelTable): Promise<void> {
    const { files, clock, log } = this.#runtime;
    const path = await tablePath(files, this.#directory, table.number);
    const bytes = path === undefined ? undefined : await files.read(path);
    // The table was compacted into others since; they are verified in their turn.
    if (bytes === undefined) return;
    const check = checkLevelTable(bytes, { from: table.smallest, to: table.largest });
    let step = check.next();
    for (let blocks = 1; step.done !== true; step = check.next(), blocks++) {
      if (blocks % BLOCKS_PER_SLICE === 0) await endOfTurn(clock);
    }
    this.#checked.add(table.number);
    if (step.value.length === 0) return;
    this.damagedTables++;
    const name = levelTableName(table.number);
    this.#damages.push(...step.value.map((range) => ({ ...range, table: name })));
    this.#damages.sort((left, right) => compareBytes(left.from, right.from));
    const blocks = `${step.value.length} block(s) of "${path}" do not match their checksums`;
    log.write("error", `${blocks}: keys in them are refused; copy the data from another node or restore a dump`);
  }
}

/** The error of a read that needs a damaged block. */
export function damageFault({ table }: Damage): FlareError {
  return new FlareError("CORRUPT", `corrupt block in engine table ${table}`);
}
