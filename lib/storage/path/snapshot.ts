/**
 * The items and tombstones of a storage as they are at one moment, in key order, whatever is written while they are read. The
 * engine takes a snapshot; what the engine does not have at that moment is copied from the arena, in the same turn, and
 * overrides it. A checkpoint before keeps that little.
 */

import { compareBytes } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { endOfTurn } from "../../base/sleep.ts";
import { CurrentKind, isExpired } from "../../item/decide.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { emptyEntry } from "../arena/cached_entry.ts";
import type { Keyspace } from "../arena/keyspace.ts";
import type { Keyspaces } from "../arena/keyspaces.ts";
import type { Engine, EnginePair, EngineWalk } from "../engine/engine.ts";
import {
  ENGINE_HEADER_BYTES,
  type EngineRecord,
  emptyEngineRecord,
  GENERATION_BYTES,
  generationStart,
  readEngineValue,
} from "../engine/engine_record.ts";
import { damageFault } from "../engine/table_audit.ts";
import type { Position } from "../log/positions.ts";
import type { StoredItem } from "./cursor.ts";
import type { KeyLookup } from "./key_lookup.ts";
import { storedItem } from "./slice_reader.ts";

/** More than this is not copied from the arena: another checkpoint makes it less. */
const ARENA_BYTES_MAX = 1 << 26;
const ATTEMPTS_MAX = 5;

/** What a snapshot needs of the storage. */
export interface SnapshotOwner {
  /** Resolves when everything applied so far is in the engine. */
  checkpoint(): Promise<void>;
  /** Appends pending changes to the log. */
  commit(): void;
  /** Resolves when everything so far is committed by the policy, with the error if it is not. */
  committed(): Promise<FlareError | undefined>;
  /** Of the newest change. */
  readonly position: Position;
}

/** A key of the arena that overrides the engine; without an item the key has nothing. */
interface Override {
  readonly key: Uint8Array;
  readonly item: StoredItem | undefined;
}

export class Snapshot {
  /** The items are those after this change of the log, and before the next. */
  readonly position: Position;
  /** Its moment by the wall clock. */
  readonly momentMs: number;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #lookup: KeyLookup;
  readonly #walk: EngineWalk;
  readonly #overrides: readonly Override[];
  #override = 0;
  #pairs: readonly EnginePair[] = [];
  #pair = 0;
  readonly #record: EngineRecord = emptyEngineRecord();

  private constructor(
    clock: Pick<Clock, "nowMs">,
    lookup: KeyLookup,
    position: Position,
    walk: EngineWalk,
    overrides: readonly Override[],
    momentMs: number,
  ) {
    this.#clock = clock;
    this.#lookup = lookup;
    this.position = position;
    this.momentMs = momentMs;
    this.#walk = walk;
    this.#overrides = overrides;
  }

  /**
   * The items at a moment of this call: everything committed before the call is in it, and nothing that is not committed.
   * @throws FlareError UNSUPPORTED (the engine has no snapshots) | REFUSED (too much is being written) | CORRUPT | IO_ERROR
   */
  static async open(
    clock: Clock,
    engine: Engine,
    keyspaces: Keyspaces,
    lookup: KeyLookup,
    owner: SnapshotOwner,
  ): Promise<Snapshot> {
    // Long for much data, so before the checkpoint.
    await verifyTables(engine, keyspaces.current);
    for (let attempt = 1; ; attempt++) {
      await owner.checkpoint();
      // At the end of a turn no change is between its `apply` and its `onCommit`.
      await endOfTurn(clock);
      owner.commit();
      if (keyspaces.current.cache.dirtyBytes <= ARENA_BYTES_MAX) break;
      if (attempt < ATTEMPTS_MAX) continue;
      throw new FlareError("REFUSED", "too much is being written for a snapshot", { retriable: true });
    }
    // From here to the walk there is no await: all of it is one moment.
    const keyspace = keyspaces.current;
    const { position } = owner;
    const momentMs = clock.nowMs();
    const overrides = overridesOf(keyspace);
    const walk = engine.openWalk(generationStart(keyspace.generation), generationStart(keyspace.generation + 1));
    try {
      const fault = await owner.committed();
      if (fault !== undefined) throw fault;
      // The tables that the checkpoint has made.
      await verifyTables(engine, keyspace);
    } catch (error) {
      await walk.close();
      throw error;
    }
    return new Snapshot(clock, lookup, position, walk, overrides, momentMs);
  }

  /**
   * The next items and tombstones in key order, without items that have expired meanwhile: at most `itemsMax`, and no more once
   * they have `bytesMax` bytes; none = the end. @throws FlareError CORRUPT | IO_ERROR
   */
  async next(itemsMax: number, bytesMax: number): Promise<StoredItem[]> {
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1000);
    const items: StoredItem[] = [];
    let bytes = 0;
    while (items.length < itemsMax && bytes < bytesMax) {
      if (this.#pair === this.#pairs.length) {
        this.#pairs = await this.#walk.next();
        this.#pair = 0;
      }
      const pair = this.#pairs[this.#pair];
      const override = this.#overrides[this.#override];
      if (pair === undefined && override === undefined) break;
      const order = pair === undefined ? 1 : override === undefined ? -1 : compareEngineKey(pair[0], override.key);
      if (order >= 0) this.#override++;
      if (order <= 0) this.#pair++;
      const item = order < 0 ? this.#itemOf(pair as EnginePair) : override?.item;
      if (item === undefined || (!item.tombstone && isExpired(item.expire, nowSeconds))) continue;
      items.push(item);
      bytes += item.key.length + item.value.length;
    }
    return items;
  }

  /** Ends it; the engine may then forget what it has kept for it. */
  close(): Promise<void> {
    return this.#walk.close();
  }

  /** @throws FlareError CORRUPT: a snapshot omits nothing */
  #itemOf([engineKey, value]: EnginePair): StoredItem {
    const record = this.#record;
    try {
      readEngineValue(value, engineKey, GENERATION_BYTES, engineKey.length, record);
    } catch (error) {
      this.#lookup.reportCorrupt({ bytes: engineKey, start: GENERATION_BYTES, end: engineKey.length });
      throw error;
    }
    const content = record.bytes.slice(ENGINE_HEADER_BYTES);
    return {
      key: engineKey.slice(GENERATION_BYTES),
      value: content,
      valueBytes: content.length,
      flags: record.flags,
      expire: record.expire,
      version: record.version,
      marks: record.marks,
      tombstone: record.kind === CurrentKind.tombstone,
      fetched: false,
      accessSeconds: 0,
    };
  }
}

/** @throws FlareError CORRUPT | IO_ERROR */
async function verifyTables(engine: Engine, { generation }: Keyspace): Promise<void> {
  const before = generationStart(generation + 1);
  for (let from = generationStart(generation); from !== before; ) {
    const passage = await engine.passage(from, before);
    if ("damage" in passage) throw damageFault(passage.damage);
    from = passage.before;
  }
}

/** What the arena has and the engine does not, in key order. */
function overridesOf({ cache }: Keyspace): Override[] {
  const overrides: Override[] = [];
  const view = emptyEntry();
  cache.eachDirty((location) => {
    cache.read(location, view);
    const item = view.kind === CurrentKind.absent ? undefined : storedItem(view, false);
    overrides.push({ key: item?.key ?? view.bytes.slice(view.keyStart, view.keyEnd), item });
  });
  return overrides.sort((left, right) => compareBytes(left.key, right.key));
}

function compareEngineKey(engineKey: Uint8Array, key: Uint8Array): number {
  return compareBytes(engineKey.subarray(GENERATION_BYTES), key);
}
