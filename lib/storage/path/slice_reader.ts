/**
 * Reads a cursor's slice: a part of the engine in key order, overridden by the arena, which is newer. What has left the arena
 * for the engine while that was read is read there once more. Loads nothing into the arena: a walk over everything must not
 * evict the working set.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import { CurrentKind, isExpired } from "../../item/decide.ts";
import type { KeySlice } from "../../item/entry.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { type CachedEntry, emptyEntry } from "../arena/cached_entry.ts";
import type { Keyspaces } from "../arena/keyspaces.ts";
import { privateEntry } from "../arena/private_entry.ts";
import type { Engine, EnginePair, ScanStart } from "../engine/engine.ts";
import {
  type EngineRecord,
  emptyEngineRecord,
  GENERATION_BYTES,
  generationStart,
  readEngineValue,
} from "../engine/engine_record.ts";
import { damageFault } from "../engine/table_audit.ts";
import type { CursorOptions, CursorSlice, StoredItem } from "./cursor.ts";
import type { KeyLookup } from "./key_lookup.ts";

export class SliceReader {
  readonly #clock: Clock;
  readonly #engine: Engine;
  readonly #keyspaces: Keyspaces;
  readonly #lookup: KeyLookup;
  readonly #entry: CachedEntry = emptyEntry();
  readonly #record: EngineRecord = emptyEngineRecord();

  constructor(clock: Clock, engine: Engine, keyspaces: Keyspaces, lookup: KeyLookup) {
    this.#clock = clock;
    this.#engine = engine;
    this.#keyspaces = keyspaces;
    this.#lookup = lookup;
  }

  /** Visits up to `keysMax` keys (about `bytesMax` bytes) after `after`. @throws FlareError CORRUPT | IO_ERROR */
  async read(after: Uint8Array | undefined, options: CursorOptions, keysMax: number, bytesMax: number): Promise<CursorSlice> {
    const { generation, cache } = this.#keyspaces.current;
    const { dirtyFrom } = cache;
    const first = engineKeyOf(generation, options.prefix ?? EMPTY_BYTES);
    const start = after === undefined ? { from: first } : { after: engineKeyOf(generation, after) };
    const pairs = await this.#scan(start, upperBound(first), keysMax, bytesMax);
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1000);
    const items: StoredItem[] = [];
    let bytes = 0;
    let lastKey: Uint8Array | undefined;
    for (const [engineKey, value] of pairs) {
      // The arena's entry may be larger than the engine's.
      if (bytes >= bytesMax) break;
      lastKey = engineKey;
      const key = { bytes: engineKey, start: GENERATION_BYTES, end: engineKey.length };
      const newest = cache.evictedTo < dirtyFrom ? value : await this.#newest(key, value);
      if (newest === undefined) continue;
      this.#look(key, newest);
      const { kind, expire } = this.#entry;
      if (kind === CurrentKind.absent || (kind === CurrentKind.tombstone && !options.includeTombstones)) continue;
      if (kind === CurrentKind.value && isExpired(expire, nowSeconds) && !options.includeExpired) continue;
      const item = storedItem(this.#entry, options.withoutValues === true);
      items.push(item);
      bytes += item.key.length + item.value.length;
    }
    // A flush in between: the slice is obsolete, and the position applies to the new keys.
    if (this.#keyspaces.current.generation !== generation) return this.read(after, options, keysMax, bytesMax);
    return { items, lastKey: lastKey?.slice(GENERATION_BYTES) };
  }

  /** The engine's pairs. @throws FlareError CORRUPT for a record that cannot be read */
  async #scan(start: ScanStart, before: Uint8Array, keysMax: number, bytesMax: number): Promise<EnginePair[]> {
    for (let at = start; ; ) {
      const passage = await this.#engine.passage("after" in at ? at.after : at.from, before);
      if ("damage" in passage) throw damageFault(passage.damage);
      const pairs = await this.#engine.scan(at, passage.before, keysMax, bytesMax);
      if (pairs.length > 0 || passage.before === before) return pairs;
      at = { from: passage.before };
    }
  }

  /** What the engine has now under a key, if the arena does not have it: `value` may be older than what that had then. */
  async #newest(key: KeySlice, value: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#locate(key) === 0 ? this.#engine.get(key.bytes) : value;
  }

  /** Where the arena has a key; 0 = nowhere. */
  #locate({ bytes, start, end }: KeySlice): number {
    const { cache } = this.#keyspaces.current;
    return cache.find(cache.hash(bytes, start, end), bytes, start, end);
  }

  /** Fills `#entry` from the arena, else from the engine's value. @throws FlareError CORRUPT: a walk omits nothing */
  #look(key: KeySlice, value: Uint8Array): void {
    const location = this.#locate(key);
    if (location !== 0) return this.#keyspaces.current.cache.read(location, this.#entry);
    const record = this.#record;
    try {
      readEngineValue(value, key.bytes, key.start, key.end, record);
    } catch (error) {
      this.#lookup.reportCorrupt(key);
      throw error;
    }
    privateEntry(this.#entry, key, record, 0);
  }
}

function engineKeyOf(generation: number, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(GENERATION_BYTES + key.length);
  bytes.set(generationStart(generation));
  bytes.set(key, GENERATION_BYTES);
  return bytes;
}

/** The smallest key above all keys with `prefix`, which contains a byte below 255. */
function upperBound(prefix: Uint8Array): Uint8Array {
  let end = prefix.length;
  while (prefix[end - 1] === 255) end--;
  const bytes = prefix.slice(0, end);
  bytes[end - 1] = (bytes[end - 1] as number) + 1;
  return bytes;
}

/** An entry as an item with its own bytes. */
export function storedItem(entry: CachedEntry, withoutValue: boolean): StoredItem {
  const tombstone = entry.kind === CurrentKind.tombstone;
  return {
    key: entry.bytes.slice(entry.keyStart, entry.keyEnd),
    value: tombstone || withoutValue ? EMPTY_BYTES : entry.bytes.slice(entry.valueStart, entry.valueEnd),
    valueBytes: tombstone ? 0 : entry.valueEnd - entry.valueStart,
    flags: entry.flags,
    expire: entry.expire,
    version: entry.version,
    marks: entry.marks,
    tombstone,
    fetched: entry.fetched,
    accessSeconds: entry.accessSeconds,
  };
}
