/**
 * The read path: a key's entry, from the arena or else from the engine, whose answer goes into the arena. It is also the first
 * step of a write, which changes the entry found here. Every call fills the same few fields, so that a lookup allocates
 * nothing.
 */

import { latin1 } from "../../base/bytes.ts";
import { copyBytes } from "../../base/copy_bytes.ts";
import { CurrentKind, isExpired } from "../../item/decide.ts";
import type { KeySlice } from "../../item/entry.ts";
import type { Log } from "../../runtime/runtime.ts";
import { type CachedEntry, emptyEntry } from "../arena/cached_entry.ts";
import type { Keyspaces } from "../arena/keyspaces.ts";
import { privateEntry } from "../arena/private_entry.ts";
import { RecordFields } from "../arena/record_fields.ts";
import { RecordState, stateOfMarks } from "../arena/record_state.ts";
import type { UndoList } from "../arena/undo_list.ts";
import type { Engine } from "../engine/engine.ts";
import {
  ENGINE_HEADER_BYTES,
  type EngineRecord,
  emptyEngineRecord,
  GENERATION_BYTES,
  readEngineValue,
  writeEngineKey,
} from "../engine/engine_record.ts";

export class KeyLookup {
  /** The entry of the last lookup; valid until the next one. */
  readonly current: CachedEntry = emptyEntry();
  /** Its location in the arena, 0 = not there. */
  location = 0;
  /** The kind of entry stored under the key, even if it cannot be read. */
  storedKind: CurrentKind = CurrentKind.absent;
  /** The result of an asynchronous engine read, for the next lookup of its key. */
  loaded: { readonly bytes: Uint8Array | undefined } | undefined;
  /** Reads that found an expired item. */
  expiredReads = 0;
  /** Engine records with a wrong checksum. */
  corruptRecords = 0;

  readonly #engine: Engine;
  readonly #keyspaces: Keyspaces;
  readonly #undo: UndoList;
  readonly #log: Log;
  readonly #record: EngineRecord = emptyEngineRecord();
  readonly #fields = new RecordFields();

  constructor(engine: Engine, keyspaces: Keyspaces, undo: UndoList, log: Log) {
    this.#engine = engine;
    this.#keyspaces = keyspaces;
    this.#undo = undo;
    this.#log = log;
  }

  /**
   * Fills `current` with the state of a key. False: the engine must be read asynchronously, see `read`.
   * @throws FlareError CORRUPT | IO_ERROR
   */
  lookUp(hash: number, key: KeySlice, nowSeconds: number): boolean {
    const { cache } = this.#keyspaces.current;
    const location = cache.find(hash, key.bytes, key.start, key.end);
    this.location = location;
    if (location !== 0) {
      cache.read(location, this.current);
      this.storedKind = this.current.kind;
      return true;
    }
    this.#forget();
    if (this.#engine.readsAtOnce) {
      this.#take(hash, key, this.#engine.getSync(this.#engineKey(key)), nowSeconds);
      return true;
    }
    if (this.loaded === undefined) return false;
    const { bytes } = this.loaded;
    this.loaded = undefined;
    this.#take(hash, key, bytes, nowSeconds);
    return true;
  }

  /** The entry of the last lookup, if it is a live item. `peek`: it does not count as read. */
  live(nowSeconds: number, peek: boolean): CachedEntry | undefined {
    const { current } = this;
    if (current.kind !== CurrentKind.value) return undefined;
    if (isExpired(current.expire, nowSeconds)) {
      this.expiredReads++;
      return undefined;
    }
    if (this.location !== 0 && !peek) this.#keyspaces.current.cache.markAccessed(this.location, nowSeconds);
    return current;
  }

  /** Reads the engine, for `loaded`. @throws FlareError IO_ERROR */
  read(key: KeySlice): Promise<Uint8Array | undefined> {
    return this.#engine.get(this.#engineKey(key));
  }

  /** Counts and logs an engine record with a wrong checksum. */
  reportCorrupt(key: KeySlice): void {
    this.corruptRecords++;
    this.#log.write("error", `corrupt record in the engine under key "${latin1(key.bytes, key.start, key.end)}"`);
  }

  /** Loads the engine's record of a key, into the arena if there is room. */
  #take(hash: number, key: KeySlice, bytes: Uint8Array | undefined, nowSeconds: number): void {
    const { current } = this;
    if (bytes === undefined) {
      this.storedKind = CurrentKind.absent;
      return;
    }
    const record = this.#record;
    try {
      readEngineValue(bytes, key.bytes, key.start, key.end, record);
    } catch (error) {
      this.reportCorrupt(key);
      throw error;
    }
    const { kind, flags, expire, version, marks } = record;
    this.storedKind = kind;
    const { cache } = this.#keyspaces.current;
    const isValue = kind === CurrentKind.value;
    const valueLength = isValue ? bytes.length - ENGINE_HEADER_BYTES : 0;
    const size = cache.recordBytes(kind, key.end - key.start, flags, valueLength);
    const fits = size <= cache.recordBytesMax && (cache.fits(size) || cache.makeRoom(size, this.#undo.isEmpty));
    // Making room moves records, even if it fails.
    cache.find(hash, key.bytes, key.start, key.end);
    if (!fits) {
      privateEntry(current, key, record, nowSeconds);
      return;
    }
    const state = isValue ? stateOfMarks(marks, false) : RecordState.tombstone;
    const fields = this.#fields.set(state, flags, expire, version);
    this.location = cache.append(hash, key, fields, valueLength, nowSeconds, 0, current);
    if (isValue) copyBytes(current.bytes, current.valueStart, bytes, ENGINE_HEADER_BYTES, bytes.length);
  }

  /** Resets the fields. An unreadable record counts as an item. */
  #forget(): void {
    const { current } = this;
    this.storedKind = CurrentKind.value;
    current.kind = CurrentKind.absent;
    current.version = 0;
    current.expire = 0;
    current.marks = 0;
    current.fetched = false;
  }

  #engineKey(key: KeySlice): Uint8Array {
    const bytes = new Uint8Array(GENERATION_BYTES + key.end - key.start);
    writeEngineKey(bytes, 0, this.#keyspaces.current.generation, key.bytes, key.start, key.end);
    return bytes;
  }
}
