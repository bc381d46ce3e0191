/**
 * The storage of a node: arena, change log, engine and the work between them behind one small interface. A read or write
 * of something in memory is synchronous and creates nothing; what must wait (an engine without synchronous reads, an
 * arena full of what the engine has not taken) waits per key, in call order. Knows items and versions; no protocol, no
 * cluster.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import type { FileLock, Runtime, Timer } from "../runtime/runtime.ts";
import { ChangeLog } from "./change_log.ts";
import { Checkpointer } from "./checkpoint.ts";
import { CommitGroup, type CommitListener } from "./commit_group.ts";
import { copyBytes } from "./copy_bytes.ts";
import { Cursor, type CursorOptions, type CursorSlice, type StoredItem } from "./cursor.ts";
import { Change, Content, CurrentKind, type Decision, decide, isExpired } from "./decide.ts";
import { decideWithTerms } from "./decide_terms.ts";
import { Engine } from "./engine.ts";
import {
  decodeMeta,
  ENGINE_HEADER_BYTES,
  type EngineRecord,
  GENERATION_BYTES,
  generationStart,
  META_KEY,
  readEngineValue,
  writeEngineKey,
} from "./engine_record.ts";
import type { EntryView, KeySlice } from "./entry.ts";
import {
  type CachedEntry,
  emptyEntry,
  engineBits,
  engineKindOfState,
  kindOfState,
  RecordState,
  stateOfMarks,
} from "./entry_cache.ts";
import { Keyspace } from "./keyspace.ts";
import { LogKind, type LogReader } from "./log_record.ts";
import { recoverLog } from "./log_recovery.ts";
import { type Applied, type Mutation, MutationKind, MutationResult } from "./mutation.ts";
import { copyEntry, privateEntry } from "./private_entry.ts";
import { resolveStorageOptions, type StorageOptions, type StorageSettings } from "./storage_options.ts";
import { isDue, Sweeper } from "./sweep.ts";
import { copyMutation, type WaitingKey, WaitingKeys, type WaitingOperation } from "./waiting_keys.ts";

export type { CommitListener } from "./commit_group.ts";
export type { Cursor, CursorOptions, StoredItem } from "./cursor.ts";
export type { StorageOptions } from "./storage_options.ts";

/** What a storage can do. */
export interface StorageManifest {
  /** `get` and `apply` answer at once (but for back-pressure). */
  readonly syncReads: boolean;
  /** `openCursor` walks in key order. */
  readonly ordered: boolean;
  /** It survives the process. */
  readonly durable: boolean;
  /** `level`, `memory` or `custom`. */
  readonly engine: string;
}

/** Numbers of a storage, as of now. */
export interface StorageStats {
  /** Stored items; expired ones that are not swept yet count, tombstones do not. */
  readonly items: number;
  readonly tombstones: number;
  /** The change log and, as far as the engine can say, the engine. */
  readonly bytesOnDisk: number;
  readonly arenaBytes: number;
  readonly arenaBytesMax: number;
  /** Of entries the engine does not have yet. */
  readonly dirtyBytes: number;
  readonly logBytes: number;
  readonly logSegments: number;
  /** Records found not to match their checksum, in the log and in the engine. */
  readonly corruptRecords: number;
  /** Whole ones so far. */
  readonly checkpoints: number;
  /** Entries that left the arena for room. */
  readonly evictions: number;
  readonly engineReads: number;
  readonly appendErrors: number;
  readonly fsyncs: number;
}

/** What became of an attempt: carried out, or the engine must be read or the arena emptied first. */
const Attempt = { done: 0, load: 1, room: 2 } as const;
type Attempt = (typeof Attempt)[keyof typeof Attempt];

const FORMAT_TEXT = "flare-kv data format 1\n";
const EMPTY = new Uint8Array(0);
const WAITING_COUNT_MAX = 100000;
/** Of values that wait; a small arena does not make the bound smaller than this. */
const WAITING_BYTES_MIN = 1 << 20;
/** Checkpoints begin when this part of the arena is pinned. */
const PINNED_PART = 2;
const NUMBER_BYTES_MAX = 20;
/** LevelDB turns its log, which is about as long as its write buffer at most, into a table when it opens. */
const REOPEN_BYTES = 20 * 1048576;

/** A flush that is not in the log yet, and what it replaced. */
interface PendingFlush {
  readonly keyspace: Keyspace;
  /** Length of the undo list at the flush. */
  readonly undoLength: number;
}

/** What `Storage.open` has put together. */
interface StorageParts {
  readonly runtime: Runtime;
  readonly settings: StorageSettings;
  readonly engine: Engine;
  readonly keyspace: Keyspace;
  readonly storedGeneration: number;
  readonly lock: FileLock | undefined;
  readonly dataDir: string | undefined;
}

export class Storage {
  readonly manifest: StorageManifest;

  readonly #runtime: Runtime;
  readonly #settings: StorageSettings;
  readonly #engine: Engine;
  readonly #lock: FileLock | undefined;
  readonly #checkpointer: Checkpointer;
  readonly #sweeper: Sweeper;
  readonly #waiting: WaitingKeys;
  readonly #pinnedBytesMax: number;
  #keyspace: Keyspace;
  #log: ChangeLog | undefined;
  #commits: CommitGroup | undefined;
  #failure: FlareError | undefined;
  #closing: Promise<void> | undefined;
  #engineFault: FlareError | undefined;
  #engineBytes = 0;
  #corruptRecords = 0;
  /** Evictions of arenas that flushes have replaced. */
  #evictionsBefore = 0;
  #checkpointTimer: Timer | undefined;
  #roomTimer: Timer | undefined;
  #roomQueue: WaitingKey[] = [];

  // What the last look at a key found.
  readonly #current: CachedEntry = emptyEntry();
  #location = 0;
  /** What is stored under the key, also when it cannot be read. */
  #storedKind: CurrentKind = CurrentKind.absent;
  /** An engine read that came asynchronously, for the next look at its key. */
  #loaded: { readonly bytes: Uint8Array | undefined } | undefined;

  readonly #record: EngineRecord = { kind: CurrentKind.absent, flags: 0, expire: 0, version: 0, marks: 0, bytes: EMPTY };
  readonly #decision: Decision = {
    result: MutationResult.stored,
    change: Change.none,
    content: Content.request,
    flags: 0,
    expire: 0,
    version: 0,
    marks: 0,
    number: 0,
  };
  readonly #written: CachedEntry = emptyEntry();
  readonly #applied: Applied = { result: MutationResult.stored, entry: this.#written, number: 0, error: "" };
  readonly #digits = new Uint8Array(NUMBER_BYTES_MAX);
  #digitsLength = 0;
  /** Of the call at work: when what it touches was last used. */
  #nowSeconds: number;

  /** What a failed append takes back, newest last: location, the dirty record it replaced or 0, the kind before. */
  #undo = new Int32Array(3 * 1024);
  #undoLength = 0;
  #pendingFlushes: PendingFlush[] = [];

  private constructor(parts: StorageParts) {
    const { runtime, settings, engine } = parts;
    this.#runtime = runtime;
    this.#settings = settings;
    this.#nowSeconds = Math.floor(runtime.clock.nowMs() / 1000);
    this.#engine = engine;
    this.#keyspace = parts.keyspace;
    this.#lock = parts.lock;
    this.#waiting = new WaitingKeys(WAITING_COUNT_MAX, Math.max(settings.memoryBytesMax / PINNED_PART, WAITING_BYTES_MIN));
    this.#pinnedBytesMax = settings.memoryBytesMax / PINNED_PART;
    this.manifest = {
      syncReads: engine.syncReads,
      ordered: true,
      durable: parts.lock !== undefined,
      engine: engine.traits.name,
    };
    const self = this;
    this.#checkpointer = new Checkpointer(
      runtime.clock,
      runtime.log,
      engine,
      {
        get keyspace() {
          return self.#keyspace;
        },
        commit: () => this.#commits?.commit(),
        rotateLog: () => this.#rotateLog(),
        removeLogThrough: (number) => this.#removeLogThrough(number),
        tryRoomToReopen: () => this.#tryRoomToReopen(parts.dataDir),
        onRoom: () => this.#onRoom(),
        onEngineFault: (fault) => this.#onEngineFault(fault),
      },
      parts.storedGeneration,
    );
    this.#sweeper = new Sweeper(
      runtime,
      engine,
      {
        get keyspace() {
          return self.#keyspace;
        },
        get storedGeneration() {
          return self.#checkpointer.storedGeneration;
        },
        sweepKey: (key, start, end, nowSeconds) => this.#sweepKey({ bytes: key, start, end }, nowSeconds),
      },
      settings.sweepIntervalMs,
      settings.tombstoneRetentionSeconds,
    );
  }

  /**
   * Opens a storage: takes the directory's lock, opens the engine and reads the change log again.
   * @throws FlareError INVALID_OPTION | DATA_DIR_LOCKED | UNSUPPORTED | CORRUPT | DISK_FULL | IO_ERROR
   */
  static async open(runtime: Runtime, options: StorageOptions): Promise<Storage> {
    const settings = resolveStorageOptions(options);
    const { dataDir } = options;
    if (dataDir === undefined && options.engine === "level") {
      throw new FlareError("INVALID_OPTION", 'engine "level" needs a data directory');
    }
    if (dataDir !== undefined && options.engine === "memory") {
      throw new FlareError("INVALID_OPTION", 'engine "memory" keeps nothing in a data directory');
    }
    const lock = dataDir === undefined ? undefined : await prepareDirectory(runtime, dataDir);
    let engine: Engine | undefined;
    try {
      engine = await openEngine(runtime, options);
      const meta = await engine.get(META_KEY);
      const { generation, items, tombstones } =
        meta === undefined ? { generation: 1, items: 0, tombstones: 0 } : decodeMeta(meta);
      const keyspace = new Keyspace(generation, settings.memoryBytesMax, runtime.random.uint32(), items, tombstones);
      const storedGeneration = meta === undefined ? 0 : generation;
      const storage = new Storage({ runtime, settings, engine, keyspace, storedGeneration, lock, dataDir });
      if (dataDir !== undefined) await storage.#recover(runtime.files.join(dataDir, "log"), options);
      storage.#start();
      return storage;
    } catch (error) {
      await engine?.close();
      await lock?.release();
      throw error;
    }
  }

  /** Set by a fault that only a restart heals: writes answer `failed` from then on, reads go on. */
  get failure(): FlareError | undefined {
    return this.#failure;
  }

  /** True when something was applied and not yet appended to the log. */
  get hasUncommitted(): boolean {
    return this.#commits?.hasPending === true;
  }

  /** Says which keys will be asked for next, the blank-separated words of `bytes[start, end)`: together they come faster. */
  warm(bytes: Uint8Array, start: number, end: number): void {
    this.#keyspace.cache.warm(bytes, start, end);
  }

  /**
   * The live item under a key, undefined = none. The view is valid until the next call of any method. A promise only when
   * the engine must be read and cannot be read synchronously, or when earlier calls for this key wait; its view is a
   * private copy. `peek`: the item does not count as read.
   * @throws FlareError CORRUPT | IO_ERROR | LIMIT_EXCEEDED | CLOSED (a promise rejects with them)
   */
  get(key: KeySlice, nowSeconds: number, peek = false): EntryView | undefined | Promise<EntryView | undefined> {
    if (key.end - key.start > this.#settings.keyBytesMax) return undefined;
    this.#nowSeconds = nowSeconds;
    if (!this.#waiting.isEmpty && this.#waiting.has(key)) return this.#waitToGet(key, nowSeconds);
    const hash = this.#keyspace.cache.hash(key.bytes, key.start, key.end);
    if (!this.#lookUp(hash, key)) return this.#waitToGet(key, nowSeconds);
    return this.#live(nowSeconds, peek);
  }

  /**
   * Carries out a write. One object is filled again with each call; a promise (as for `get`, or when the arena is full of
   * what the engine has not taken) gives one of its own. Per key, effects are in call order, always.
   */
  apply(mutation: Mutation, nowSeconds: number): Applied | Promise<Applied> {
    const refusal = this.#refusal(mutation);
    if (refusal !== undefined) return this.#fail(refusal);
    if (!this.#waiting.isEmpty && this.#waiting.has(mutation.key)) return this.#waitToApply(mutation, nowSeconds);
    return this.#attempt(mutation, nowSeconds) === Attempt.done ? this.#applied : this.#waitToApply(mutation, nowSeconds);
  }

  /**
   * Drops everything, versions and tombstones included. A logged change like any other: when its commit fails, everything
   * is back.
   * @throws FlareError the `failure`, or CLOSED
   */
  flushAll(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw closed();
    const old = this.#keyspace;
    const generation = old.generation + 1;
    if (this.#log !== undefined) {
      this.#pendingFlushes.push({ keyspace: old, undoLength: this.#undoLength });
      this.#log.flush(generation);
      this.#commits?.begin();
    }
    this.#replaceKeyspace(generation);
    this.#checkpointer.request();
  }

  /**
   * Calls `listener` once everything applied so far is committed by the policy: at the end of this turn, after the shared
   * sync with `always`; at once when nothing is uncommitted. In order of registration.
   */
  onCommit(listener: CommitListener): void {
    if (this.#commits === undefined) listener.onCommitted();
    else this.#commits.onCommit(listener);
  }

  /** An ordered walk over the live items. */
  openCursor(options: CursorOptions = {}): Cursor {
    return new Cursor(
      {
        checkpoint: () => this.checkpoint(),
        readSlice: (after, cursorOptions, keysMax, bytesMax) => this.#readSlice(after, cursorOptions, keysMax, bytesMax),
      },
      options,
    );
  }

  stats(): StorageStats {
    const { cache, items, tombstones } = this.#keyspace;
    const logBytes = this.#log?.bytes ?? 0;
    return {
      items,
      tombstones,
      bytesOnDisk: logBytes + this.#engineBytes,
      arenaBytes: cache.allocatedBytes,
      arenaBytesMax: cache.bytesMax,
      dirtyBytes: cache.dirtyBytes,
      logBytes,
      logSegments: this.#log?.segments ?? 0,
      corruptRecords: this.#corruptRecords,
      checkpoints: this.#checkpointer.count,
      evictions: this.#evictionsBefore + cache.evictions,
      engineReads: this.#engine.reads,
      appendErrors: this.#log?.appendErrors ?? 0,
      fsyncs: this.#log?.fsyncs ?? 0,
    };
  }

  /**
   * Resolves when everything applied so far is in the engine and the log before it is gone.
   * @throws FlareError CLOSED | IO_ERROR
   */
  async checkpoint(): Promise<void> {
    if (this.#closing !== undefined) throw closed();
    await this.#checkpointer.run();
  }

  /** Commits, brings everything into the engine, so that a restart is quick, and gives the directory free. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  // ------------------------------------------------------------------------------------------- looking up a key

  /**
   * Fills `#current` with the state of a key, from the arena or the engine. False: the engine must be read asynchronously.
   * @throws FlareError CORRUPT | IO_ERROR
   */
  #lookUp(hash: number, key: KeySlice): boolean {
    const { cache } = this.#keyspace;
    const location = cache.find(hash, key.bytes, key.start, key.end);
    this.#location = location;
    if (location !== 0) {
      cache.read(location, this.#current);
      this.#storedKind = this.#current.kind;
      return true;
    }
    if (this.#engine.syncReads) {
      this.#take(hash, key, this.#engine.getSync(this.#engineKey(key)));
      return true;
    }
    if (this.#loaded === undefined) return false;
    const { bytes } = this.#loaded;
    this.#loaded = undefined;
    this.#take(hash, key, bytes);
    return true;
  }

  /** Takes over what the engine has under a key, into the arena if there is room. */
  #take(hash: number, key: KeySlice, bytes: Uint8Array | undefined): void {
    const current = this.#current;
    this.#storedKind = CurrentKind.absent;
    current.kind = CurrentKind.absent;
    current.version = 0;
    current.expire = 0;
    current.marks = 0;
    current.fetched = false;
    if (bytes === undefined) return;
    // Until it is read: a record that cannot be read was counted as an item.
    this.#storedKind = CurrentKind.value;
    const record = this.#record;
    try {
      readEngineValue(bytes, key.bytes, key.start, key.end, record);
    } catch (error) {
      this.#reportCorrupt(key);
      throw error;
    }
    this.#storedKind = record.kind;
    const { cache } = this.#keyspace;
    const isValue = record.kind === CurrentKind.value;
    const valueLength = isValue ? bytes.length - ENGINE_HEADER_BYTES : 0;
    const size = cache.recordBytes(record.kind, key.end - key.start, record.flags, valueLength);
    const fits = size <= cache.recordBytesMax && (cache.fits(size) || cache.makeRoom(size, !this.hasUncommitted));
    // Making room, even in vain, moves things.
    cache.find(hash, key.bytes, key.start, key.end);
    if (!fits) {
      const { kind, flags, expire, version, marks } = record;
      privateEntry(
        current,
        kind,
        key,
        flags,
        expire,
        version,
        marks,
        this.#nowSeconds,
        bytes,
        ENGINE_HEADER_BYTES,
        bytes.length,
      );
      return;
    }
    const state = isValue ? stateOfMarks(record.marks, false) : RecordState.tombstone;
    this.#location = cache.append(
      hash,
      key.bytes,
      key.start,
      key.end,
      state,
      record.flags,
      record.expire,
      record.version,
      this.#nowSeconds,
      valueLength,
      0,
      current,
    );
    if (isValue) copyBytes(current.bytes, current.valueStart, bytes, ENGINE_HEADER_BYTES, bytes.length);
  }

  #engineKey(key: KeySlice): Uint8Array {
    const bytes = new Uint8Array(GENERATION_BYTES + key.end - key.start);
    writeEngineKey(bytes, 0, this.#keyspace.generation, key.bytes, key.start, key.end);
    return bytes;
  }

  /** What was looked up, if it is a live item. */
  #live(nowSeconds: number, peek = false): CachedEntry | undefined {
    const current = this.#current;
    if (current.kind !== CurrentKind.value || isExpired(current.expire, nowSeconds)) return undefined;
    if (this.#location !== 0 && !peek) this.#keyspace.cache.markAccessed(this.#location, nowSeconds);
    return current;
  }

  #reportCorrupt(key: KeySlice): void {
    this.#corruptRecords++;
    this.#runtime.log.write("error", `corrupt record in the engine under key "${latin1(key.bytes, key.start, key.end)}"`);
  }

  // ------------------------------------------------------------------------------------------------- writing

  /** Why a write cannot be taken at all. */
  #refusal(mutation: Mutation): string | undefined {
    if (this.#failure !== undefined) return this.#failure.message;
    if (this.#closing !== undefined) return "storage is closed";
    if (mutation.key.end - mutation.key.start > this.#settings.keyBytesMax)
      return `key exceeds ${this.#settings.keyBytesMax} bytes`;
    if (mutation.valueEnd - mutation.valueStart > this.#settings.valueBytesMax)
      return `value exceeds ${this.#settings.valueBytesMax} bytes`;
    return undefined;
  }

  #fail(text: string): Applied {
    this.#applied.result = MutationResult.failed;
    this.#applied.error = text;
    return this.#applied;
  }

  /** Carries a write out, if that is possible now, and leaves the outcome in `#applied`. */
  #attempt(mutation: Mutation, nowSeconds: number): Attempt {
    const { key } = mutation;
    const hash = this.#keyspace.cache.hash(key.bytes, key.start, key.end);
    try {
      if (!this.#lookUp(hash, key)) return Attempt.load;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      if (error.code !== "CORRUPT" || !replacesUnseen(mutation)) {
        this.#fail(error.message);
        return Attempt.done;
      }
    }
    const decision = this.#decision;
    this.#nowSeconds = nowSeconds;
    if (mutation.terms === undefined) decide(this.#current, mutation, nowSeconds, this.#settings.valueBytesMax, decision);
    else decideWithTerms(this.#current, mutation, mutation.terms, nowSeconds, this.#settings.valueBytesMax, decision);
    if (decision.change !== Change.none) {
      const attempt = this.#carryOut(hash, key, decision, mutation);
      if (attempt !== Attempt.done || this.#applied.result === MutationResult.failed) return attempt;
    }
    this.#applied.result = decision.result;
    this.#applied.number = decision.number;
    return Attempt.done;
  }

  /** Puts what was decided into the arena and the log; the key must just have been looked up. */
  #carryOut(hash: number, key: KeySlice, decision: Decision, mutation: Mutation | undefined): Attempt {
    const { cache } = this.#keyspace;
    const isTombstone = decision.change === Change.remove;
    const valueLength = isTombstone ? 0 : this.#valueLength(decision, mutation as Mutation);
    const kind = isTombstone ? CurrentKind.tombstone : CurrentKind.value;
    const size = cache.recordBytes(kind, key.end - key.start, decision.flags, valueLength);
    this.#applied.result = MutationResult.stored;
    if (size > cache.recordBytesMax) {
      this.#fail(`item exceeds half of the memory for items (${cache.recordBytesMax} bytes)`);
      return Attempt.done;
    }
    const keepsItem = decision.content === Content.current || decision.content === Content.number;
    const kindState = isTombstone ? RecordState.tombstone : stateOfMarks(decision.marks, keepsItem && this.#current.fetched);
    const state = RecordState.dirty | kindState;
    if (!this.#append(hash, key, size, state, decision.flags, decision.expire, decision.version, valueLength))
      return Attempt.room;
    const { bytes, keyStart, keyEnd, valueStart, valueEnd } = this.#written;
    if (!isTombstone) this.#fillValue(decision, mutation as Mutation);
    const log = this.#log;
    if (log === undefined) return Attempt.done;
    const { generation } = this.#keyspace;
    if (isTombstone) log.delete(bytes, keyStart, keyEnd, decision.flags, decision.expire, decision.version, generation);
    else
      log.put(
        bytes,
        keyStart,
        keyEnd,
        valueStart,
        valueEnd,
        decision.flags,
        decision.expire,
        decision.version,
        decision.marks,
        generation,
      );
    this.#commits?.begin();
    return Attempt.done;
  }

  /**
   * Appends a dirty record for the key that was just looked up; false = no room. `#current` stays readable, and `#written`
   * shows where the value belongs.
   */
  #append(
    hash: number,
    key: KeySlice,
    size: number,
    kindState: number,
    flags: number,
    expire: number,
    version: Decision["version"],
    valueLength: number,
  ): boolean {
    const keyspace = this.#keyspace;
    const { cache } = keyspace;
    const before = this.#storedKind;
    let location = this.#location;
    let engineKind = before;
    if (location !== 0) engineKind = engineKindOfState(cache.state(location));
    if (!cache.fits(size)) {
      // The eviction may move or drop the very entry that is to be changed.
      if (location !== 0 && !this.#current.stable) copyEntry(this.#current, this.#current);
      if (!cache.makeRoom(size, !this.hasUncommitted)) {
        this.#checkpointer.request();
        return false;
      }
      location = cache.find(hash, key.bytes, key.start, key.end);
    }
    const replacedDirty = location !== 0 && cache.state(location) & RecordState.dirty ? location : 0;
    const state = kindState | engineBits(engineKind);
    const added = cache.append(
      hash,
      key.bytes,
      key.start,
      key.end,
      state,
      flags,
      expire,
      version,
      this.#nowSeconds,
      valueLength,
      location,
      this.#written,
    );
    keyspace.count(before, kindOfState(state));
    if (this.#log !== undefined) this.#pushUndo(added, replacedDirty, before);
    if (cache.pinnedBytes >= this.#pinnedBytesMax && !this.#checkpointer.isRunning) this.#checkpointer.request();
    return true;
  }

  #valueLength(decision: Decision, mutation: Mutation): number {
    const requestLength = mutation.valueEnd - mutation.valueStart;
    const currentLength = this.#current.valueEnd - this.#current.valueStart;
    switch (decision.content) {
      case Content.request:
        return requestLength;
      case Content.current:
        return currentLength;
      case Content.number:
        this.#digitsLength = writeNumber(this.#digits, decision.number);
        return this.#digitsLength;
      case Content.nothing:
        return 0;
      default:
        return currentLength + requestLength;
    }
  }

  #fillValue(decision: Decision, mutation: Mutation): void {
    const current = this.#current;
    const target = this.#written.bytes;
    const at = this.#written.valueStart;
    switch (decision.content) {
      case Content.request:
        copyBytes(target, at, mutation.value, mutation.valueStart, mutation.valueEnd);
        return;
      case Content.current:
        copyBytes(target, at, current.bytes, current.valueStart, current.valueEnd);
        return;
      case Content.number:
        copyBytes(target, at, this.#digits, 0, this.#digitsLength);
        return;
      case Content.nothing:
        return;
      case Content.currentThenRequest: {
        const middle = copyBytes(target, at, current.bytes, current.valueStart, current.valueEnd);
        copyBytes(target, middle, mutation.value, mutation.valueStart, mutation.valueEnd);
        return;
      }
      case Content.requestThenCurrent: {
        const middle = copyBytes(target, at, mutation.value, mutation.valueStart, mutation.valueEnd);
        copyBytes(target, middle, current.bytes, current.valueStart, current.valueEnd);
      }
    }
  }

  // ------------------------------------------------------------------------------------------- commit and undo

  #pushUndo(location: number, replaced: number, before: CurrentKind): void {
    const at = this.#undoLength;
    if (at === this.#undo.length) {
      const undo = new Int32Array(at * 2);
      undo.set(this.#undo);
      this.#undo = undo;
    }
    this.#undo[at] = location;
    this.#undo[at + 1] = replaced;
    this.#undo[at + 2] = before;
    this.#undoLength = at + 3;
  }

  #onAppended(): void {
    this.#undoLength = 0;
    this.#pendingFlushes = [];
    const log = this.#log as ChangeLog;
    if (!log.isFull) return;
    this.#rotateLog();
    this.#checkpointer.request();
  }

  /** The append failed: the arena goes back to what is in the log. */
  #onAppendFailed(error: FlareError): void {
    this.#runtime.log.write("error", `changes taken back: ${error.message}`);
    let at = this.#undoLength;
    for (;;) {
      const flush = this.#pendingFlushes.pop();
      const stop = flush?.undoLength ?? 0;
      const keyspace = this.#keyspace;
      while (at > stop) {
        at -= 3;
        const location = this.#undo[at] as number;
        const kind = kindOfState(keyspace.cache.state(location));
        keyspace.cache.undo(location, this.#undo[at + 1] as number);
        keyspace.count(kind, this.#undo[at + 2] as CurrentKind);
      }
      if (flush === undefined) break;
      this.#keyspace = flush.keyspace;
      this.#evictionsBefore -= flush.keyspace.cache.evictions;
    }
    this.#undoLength = 0;
  }

  #onFailure(error: FlareError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#runtime.log.write("error", `storage takes no more writes: ${error.message}`);
  }

  /** A segment that cannot be begun is no fault of any change: the old one grows until it works. */
  #rotateLog(): number {
    if (this.#log === undefined) return 0;
    try {
      this.#log.rotate();
    } catch (error) {
      this.#runtime.log.write("warning", `no new log segment: ${(error as FlareError).message}`);
    }
    return this.#log.lastRotated;
  }

  async #removeLogThrough(number: number): Promise<void> {
    try {
      await this.#log?.removeThrough(number);
      this.#engineBytes = (await this.#engine.approximateBytes()) ?? 0;
    } catch (error) {
      this.#runtime.log.write("warning", `after a checkpoint: ${(error as FlareError).message}`);
    }
  }

  /** Writes a file as large as what an opening engine may write, in one step, so that nobody misses that room. */
  async #tryRoomToReopen(dataDir: string | undefined): Promise<void> {
    if (dataDir === undefined) return;
    const { files } = this.#runtime;
    const path = files.join(dataDir, "room");
    const file = files.openAppend(path);
    try {
      file.append(new Uint8Array(REOPEN_BYTES));
    } finally {
      file.truncate(0);
      file.close();
    }
    await files.remove(path);
  }

  #onEngineFault(fault: FlareError | undefined): void {
    this.#engineFault = fault;
    if (fault === undefined) this.#runtime.log.write("notice", "engine takes changes again");
    else this.#runtime.log.write("error", `${fault.message}; it is tried again`);
  }

  #replaceKeyspace(generation: number): void {
    this.#evictionsBefore += this.#keyspace.cache.evictions;
    this.#keyspace = new Keyspace(generation, this.#settings.memoryBytesMax, this.#runtime.random.uint32(), 0, 0);
  }

  // ------------------------------------------------------------------------------------------------- waiting

  #waitToGet(key: KeySlice, nowSeconds: number): Promise<EntryView | undefined> {
    if (this.#waiting.isFull) return Promise.reject(new FlareError("LIMIT_EXCEEDED", "too many requests wait for the engine"));
    return new Promise((resolve, reject) => this.#wait(key, { kind: "get", nowSeconds, resolve, reject }));
  }

  #waitToApply(mutation: Mutation, nowSeconds: number): Applied | Promise<Applied> {
    if (this.#waiting.isFull) return this.#fail("too many requests wait for the engine");
    const copy = copyMutation(mutation);
    const deadlineMs = this.#runtime.clock.monotonicMs() + this.#settings.roomWaitMs;
    return new Promise((resolve) => this.#wait(copy.key, { kind: "apply", mutation: copy, nowSeconds, deadlineMs, resolve }));
  }

  #wait(key: KeySlice, operation: WaitingOperation): void {
    const queue = this.#waiting.add(key, operation);
    if (queue !== undefined) this.#proceed(queue);
  }

  /** Carries out what waits for a key until something must be waited for again. */
  #proceed(queue: WaitingKey): void {
    for (let operation = queue.operations[0]; operation !== undefined; operation = queue.operations[0]) {
      const attempt = this.#perform(queue, operation);
      if (attempt === Attempt.load) {
        this.#load(queue);
        return;
      }
      if (attempt === Attempt.room) {
        this.#roomQueue.push(queue);
        this.#watchRoomQueue();
        return;
      }
      this.#waiting.shift(queue);
    }
  }

  #perform(queue: WaitingKey, operation: WaitingOperation): Attempt {
    if (operation.kind === "apply") {
      const attempt = this.#attempt(operation.mutation, operation.nowSeconds);
      if (attempt === Attempt.done) operation.resolve(this.#ownApplied());
      return attempt;
    }
    if (operation.kind === "sweep") {
      const attempt = this.#attemptSweep(queue.key, operation.nowSeconds);
      if (attempt === Attempt.load) return attempt;
      operation.resolve();
      return Attempt.done;
    }
    try {
      const { key } = queue;
      if (!this.#lookUp(this.#keyspace.cache.hash(key.bytes, key.start, key.end), key)) return Attempt.load;
      const entry = this.#live(operation.nowSeconds);
      operation.resolve(entry === undefined ? undefined : copyEntry(entry, emptyEntry()));
    } catch (error) {
      operation.reject(error as Error);
    }
    return Attempt.done;
  }

  #ownApplied(): Applied {
    const { result, entry, number, error } = this.#applied;
    const hasEntry = this.#decision.change !== Change.none && result !== MutationResult.failed;
    return { result, entry: hasEntry ? copyEntry(entry, emptyEntry()) : emptyEntry(), number, error };
  }

  #load(queue: WaitingKey): void {
    const { generation } = this.#keyspace;
    this.#engine.get(this.#engineKey(queue.key)).then(
      (bytes) => {
        // After a flush what was read belongs to an earlier time.
        if (this.#keyspace.generation === generation) this.#loaded = { bytes };
        this.#proceed(queue);
        this.#loaded = undefined;
      },
      (error: FlareError) => this.#abandon(queue, error),
    );
  }

  /** Ends all that waits for a key with an error. */
  #abandon(queue: WaitingKey, error: FlareError): void {
    for (let operation = queue.operations[0]; operation !== undefined; operation = queue.operations[0]) {
      this.#waiting.shift(queue);
      if (operation.kind === "get") operation.reject(error);
      else if (operation.kind === "apply") operation.resolve(failedApplied(error.message));
      else operation.resolve();
    }
  }

  /** Some of the arena became evictable: those that wait for room go on in their order. */
  #onRoom(): void {
    const queues = this.#roomQueue;
    this.#roomQueue = [];
    for (let i = 0; i < queues.length; i++) {
      this.#proceed(queues[i] as WaitingKey);
      if (this.#roomQueue.length === 0) continue;
      for (const rest of queues.slice(i + 1)) this.#roomQueue.push(rest);
      break;
    }
    if (this.#roomQueue.length > 0) this.#checkpointer.request();
  }

  #watchRoomQueue(): void {
    if (this.#roomTimer !== undefined) return;
    this.#roomTimer = this.#runtime.clock.setTimer(() => {
      this.#roomTimer = undefined;
      this.#failOverdue();
      if (this.#roomQueue.length > 0) this.#watchRoomQueue();
    }, this.#settings.roomWaitMs);
  }

  /** Writes that have waited for room too long fail; what waits behind them for the same key goes on waiting. */
  #failOverdue(): void {
    const nowMs = this.#runtime.clock.monotonicMs();
    const reason = this.#engineFault === undefined ? "" : `: ${this.#engineFault.message}`;
    const queues = this.#roomQueue;
    this.#roomQueue = [];
    for (const queue of queues) {
      for (let operation = queue.operations[0]; operation?.kind === "apply"; operation = queue.operations[0]) {
        if (operation.deadlineMs > nowMs) break;
        this.#waiting.shift(queue);
        operation.resolve(failedApplied(`memory is full of changes the engine has not taken yet${reason}`));
      }
      this.#proceed(queue);
    }
  }

  // -------------------------------------------------------------------------------------------------- sweeping

  #sweepKey(key: KeySlice, nowSeconds: number): void | Promise<void> {
    if (this.#failure !== undefined || this.#closing !== undefined || this.#waiting.isFull || this.#waiting.has(key)) return;
    if (this.#attemptSweep(key, nowSeconds) !== Attempt.load) return;
    return new Promise((resolve) => this.#wait(key, { kind: "sweep", nowSeconds, resolve }));
  }

  /** An expired item becomes a tombstone of the same version, a tombstone whose time is over leaves for good. */
  #attemptSweep(key: KeySlice, nowSeconds: number): Attempt {
    const { cache } = this.#keyspace;
    const hash = cache.hash(key.bytes, key.start, key.end);
    try {
      if (!this.#lookUp(hash, key)) return Attempt.load;
    } catch (error) {
      // Told and counted where it was read; there is nothing to sweep in it.
      if (error instanceof FlareError) return Attempt.done;
      throw error;
    }
    const current = this.#current;
    if (!isDue(current.kind, current.flags, current.expire, nowSeconds, this.#settings.tombstoneRetentionSeconds))
      return Attempt.done;
    if (current.kind === CurrentKind.value) {
      const decision = this.#decision;
      decision.change = Change.remove;
      decision.flags = nowSeconds;
      decision.expire = 0;
      decision.version = current.version;
      return this.#carryOut(hash, key, decision, undefined);
    }
    // Not logged: should it be lost, the tombstone is found again.
    const size = cache.recordBytes(CurrentKind.tombstone, key.end - key.start, 0, 0);
    const state = RecordState.dirty | RecordState.tombstone | RecordState.purged;
    if (!this.#append(hash, key, size, state, 0, 0, 0, 0)) return Attempt.room;
    this.#commits?.begin();
    return Attempt.done;
  }

  // --------------------------------------------------------------------------------------------------- walking

  async #readSlice(
    after: Uint8Array | undefined,
    options: CursorOptions,
    keysMax: number,
    bytesMax: number,
  ): Promise<CursorSlice> {
    if (this.#closing !== undefined) throw closed();
    const { generation } = this.#keyspace;
    const first = engineKeyOf(generation, options.prefix ?? EMPTY);
    const start = after === undefined ? { from: first } : { after: engineKeyOf(generation, after) };
    const pairs = await this.#engine.scan(start, upperBound(first), keysMax, bytesMax);
    const nowSeconds = Math.floor(this.#runtime.clock.nowMs() / 1000);
    const items: StoredItem[] = [];
    for (const [engineKey, value] of pairs) {
      const key = { bytes: engineKey, start: GENERATION_BYTES, end: engineKey.length };
      if (!this.#readForWalk(key, value)) continue;
      const { kind, expire } = this.#current;
      if (kind === CurrentKind.absent || (kind === CurrentKind.tombstone && !options.includeTombstones)) continue;
      if (kind === CurrentKind.value && isExpired(expire, nowSeconds) && !options.includeExpired) continue;
      items.push(storedItem(this.#current));
    }
    return { items, lastKey: pairs.at(-1)?.[0].slice(GENERATION_BYTES) };
  }

  /** Fills `#current` from the arena, else from what the engine gave, which does not go into the arena. */
  #readForWalk(key: KeySlice, value: Uint8Array): boolean {
    const { cache } = this.#keyspace;
    const location = cache.find(cache.hash(key.bytes, key.start, key.end), key.bytes, key.start, key.end);
    if (location !== 0) {
      cache.read(location, this.#current);
      return true;
    }
    const record = this.#record;
    try {
      readEngineValue(value, key.bytes, key.start, key.end, record);
    } catch (error) {
      if (!(error instanceof FlareError) || error.code !== "CORRUPT") throw error;
      this.#reportCorrupt(key);
      return false;
    }
    const { kind, flags, expire, version, marks } = record;
    privateEntry(this.#current, kind, key, flags, expire, version, marks, 0, value, ENGINE_HEADER_BYTES, value.length);
    return true;
  }

  // ------------------------------------------------------------------------------------------ start and finish

  async #recover(directory: string, options: StorageOptions): Promise<void> {
    const { onProgress } = options;
    const recovery = await recoverLog(
      this.#runtime,
      directory,
      (reader) => this.#replay(reader),
      (bytesDone, bytesTotal, records) => onProgress?.({ phase: "recover", bytesDone, bytesTotal, records }),
    );
    this.#corruptRecords += recovery.corruptRecords;
    const { logSegmentBytes, fsync, fsyncIntervalMs } = this.#settings;
    this.#log = ChangeLog.open(this.#runtime, directory, logSegmentBytes, recovery.segments, recovery.nextSequence);
    this.#commits = new CommitGroup(this.#runtime, this.#log, fsync, fsyncIntervalMs, {
      onAppended: () => this.#onAppended(),
      onAppendFailed: (error) => this.#onAppendFailed(error),
      onFailure: (error) => this.#onFailure(error),
    });
    if (recovery.records > 0) this.#runtime.log.write("notice", `${recovery.records} change(s) read again from the log`);
    onProgress?.({ phase: "open", bytesDone: 0, bytesTotal: 0, records: recovery.records });
    // Even without a change in them the old segments should go.
    if (recovery.segments.length > 0) this.#checkpointer.request();
  }

  /** Carries out a logged change again. The engine may have it already, or a later state of its key: the end is the same. */
  #replay(reader: LogReader): void | Promise<void> {
    if (reader.generation < this.#keyspace.generation) return;
    if (reader.kind === LogKind.flush || reader.generation > this.#keyspace.generation) {
      if (reader.generation > this.#keyspace.generation) this.#replaceKeyspace(reader.generation);
      if (reader.kind === LogKind.flush) return;
    }
    const key = { bytes: reader.bytes, start: reader.keyStart, end: reader.keyEnd };
    if (!this.#replayAt(reader, key)) return this.#replayLater(reader, key);
  }

  #replayAt(reader: LogReader, key: KeySlice): boolean {
    const { cache } = this.#keyspace;
    const hash = cache.hash(key.bytes, key.start, key.end);
    try {
      if (!this.#lookUp(hash, key)) return false;
    } catch (error) {
      // The log has what the engine cannot read any more.
      if (!(error instanceof FlareError) || error.code !== "CORRUPT") throw error;
    }
    const isTombstone = reader.kind === LogKind.delete;
    const valueLength = reader.valueEnd - reader.valueStart;
    const size = cache.recordBytes(
      isTombstone ? CurrentKind.tombstone : CurrentKind.value,
      key.end - key.start,
      reader.flags,
      valueLength,
    );
    if (size > cache.recordBytesMax) {
      throw new FlareError(
        "INVALID_OPTION",
        `memoryBytesMax is too small for an item of ${valueLength} bytes in the change log`,
      );
    }
    const state = RecordState.dirty | (isTombstone ? RecordState.tombstone : stateOfMarks(reader.marks, false));
    if (!this.#append(hash, key, size, state, reader.flags, reader.expire, reader.version, valueLength)) return false;
    copyBytes(this.#written.bytes, this.#written.valueStart, reader.bytes, reader.valueStart, reader.valueEnd);
    return true;
  }

  async #replayLater(reader: LogReader, key: KeySlice): Promise<void> {
    for (;;) {
      if (!this.#engine.syncReads) this.#loaded = { bytes: await this.#engine.get(this.#engineKey(key)) };
      const isDone = this.#replayAt(reader, key);
      this.#loaded = undefined;
      if (isDone) return;
      await this.#checkpointer.run();
    }
  }

  #start(): void {
    this.#sweeper.start();
    this.#startCheckpointTimer();
  }

  #startCheckpointTimer(): void {
    this.#checkpointTimer = this.#runtime.clock.setTimer(() => {
      if (this.#keyspace.cache.dirtyBytes > 0) this.#checkpointer.request();
      this.#startCheckpointTimer();
    }, this.#settings.checkpointIntervalMs);
  }

  async #close(): Promise<void> {
    const { clock, log } = this.#runtime;
    if (this.#checkpointTimer !== undefined) clock.clearTimer(this.#checkpointTimer);
    this.#checkpointer.close();
    try {
      await this.#sweeper.close();
      await this.#commits?.close();
      await this.#checkpointer.run();
      await this.#commits?.close();
    } catch (error) {
      // What is not in the engine is in the log and comes back at the next start.
      log.write("error", `not everything could be brought into the engine: ${(error as Error).message}`);
    }
    try {
      await this.#engine.close();
    } catch (error) {
      log.write("error", (error as Error).message);
    } finally {
      if (this.#roomTimer !== undefined) clock.clearTimer(this.#roomTimer);
      for (const queue of this.#waiting.keys()) this.#abandon(queue, closed());
      this.#log?.close();
      await this.#lock?.release();
    }
  }
}

/** Locks and prepares a data directory. */
async function prepareDirectory(runtime: Runtime, dataDir: string): Promise<FileLock> {
  const { files } = runtime;
  await files.makeDirectory(dataDir);
  const lock = await files.lock(files.join(dataDir, "LOCK.flare"));
  try {
    const path = files.join(dataDir, "FORMAT");
    const format = await files.read(path);
    if (format === undefined) await files.replace(path, fromLatin1(FORMAT_TEXT));
    else if (latin1(format) !== FORMAT_TEXT) {
      throw new FlareError(
        "UNSUPPORTED",
        `"${path}" says "${latin1(format).trim()}", this version reads "${FORMAT_TEXT.trim()}"`,
      );
    }
    await files.makeDirectory(files.join(dataDir, "log"));
    await files.syncDirectory(dataDir);
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openEngine(runtime: Runtime, options: StorageOptions): Promise<Engine> {
  const { dataDir, engine } = options;
  if (typeof engine === "object") {
    return Engine.open(engine, {
      name: "custom",
      durable: dataDir !== undefined,
      copiesWrites: false,
      viewsByDefault: false,
      owned: false,
    });
  }
  if (dataDir === undefined) {
    const { openMemoryEngine } = await import("./memory_engine.ts");
    return openMemoryEngine();
  }
  const { openLevelEngine } = await import("./level_engine.ts");
  return openLevelEngine(runtime.files.join(dataDir, "engine"));
}

/** Writes that need to know nothing of what they replace. */
function replacesUnseen(mutation: Mutation): boolean {
  if (mutation.kind === MutationKind.set) return mutation.terms?.compare === undefined;
  if (mutation.kind === MutationKind.restore) return true;
  return mutation.kind === MutationKind.delete && mutation.version !== 0 && mutation.terms?.compare === undefined;
}

function writeNumber(target: Uint8Array, value: Decision["number"]): number {
  const text = String(value);
  for (let i = 0; i < text.length; i++) target[i] = text.charCodeAt(i);
  return text.length;
}

function failedApplied(error: string): Applied {
  return { result: MutationResult.failed, entry: emptyEntry(), number: 0, error };
}

function closed(): FlareError {
  return new FlareError("CLOSED", "storage is closed");
}

function engineKeyOf(generation: number, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(GENERATION_BYTES + key.length);
  bytes.set(generationStart(generation));
  bytes.set(key, GENERATION_BYTES);
  return bytes;
}

/** The smallest key above all that begin with `prefix`, which holds a byte below 255. */
function upperBound(prefix: Uint8Array): Uint8Array {
  let end = prefix.length;
  while (prefix[end - 1] === 255) end--;
  const bytes = prefix.slice(0, end);
  bytes[end - 1] = (bytes[end - 1] as number) + 1;
  return bytes;
}

function storedItem(entry: CachedEntry): StoredItem {
  const tombstone = entry.kind === CurrentKind.tombstone;
  return {
    key: entry.bytes.slice(entry.keyStart, entry.keyEnd),
    value: tombstone ? EMPTY : entry.bytes.slice(entry.valueStart, entry.valueEnd),
    flags: entry.flags,
    expire: entry.expire,
    version: entry.version,
    marks: entry.marks,
    tombstone,
  };
}
