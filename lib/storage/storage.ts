/**
 * The storage of a node: arena, change log, engine and the work between them behind one small interface. A read or write
 * of something in memory is synchronous and creates nothing; what must wait (an engine without synchronous reads, an
 * arena full of what the engine has not taken) waits per key, in call order. Knows items and versions; no protocol, no
 * cluster. This file joins the parts; a read goes on in key_lookup, a write in key_writer and from there to journal.
 */

import { dataDamage } from "../base/data_damage.ts";
import { FlareError } from "../base/errors.ts";
import { checkFields } from "../base/given_fields.ts";
import type { EntryView, KeySlice } from "../item/entry.ts";
import type { Applied, Mutation } from "../item/mutation.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ArenaLayout } from "./arena/entry_cache.ts";
import { Keyspaces } from "./arena/keyspaces.ts";
import { UndoList } from "./arena/undo_list.ts";
import { Checkpointer, type LogPlace } from "./checkpoint/checkpointer.ts";
import { Journal } from "./checkpoint/journal.ts";
import { SLICE_KEYS, Sweeper } from "./checkpoint/sweeper.ts";
import { DataDirectory } from "./directory/data_directory.ts";
import { newIdentity, nextIncarnation, type StorageIdentity } from "./directory/directory_record.ts";
import type { Engine } from "./engine/engine.ts";
import { checkEngineChoice, openEngine } from "./engine/engine_choice.ts";
import { decodeMeta, type EngineMeta, META_KEY } from "./engine/engine_record.ts";
import type { CommitListener } from "./log/commit_group.ts";
import { recoverLog } from "./log/log_recovery.ts";
import { LogReplay } from "./log_replay.ts";
import { Attempt } from "./path/attempt.ts";
import { Cursor, type CursorOptions } from "./path/cursor.ts";
import { KeyLookup } from "./path/key_lookup.ts";
import { KeyWriter } from "./path/key_writer.ts";
import { SliceReader } from "./path/slice_reader.ts";
import { WaitingRoom } from "./path/waiting_room.ts";
import { resolveStorageOptions, type StorageOptions, type StorageSettings, storageOptionTable } from "./storage_options.ts";

export type { StorageIdentity } from "./directory/directory_record.ts";
export type { CommitListener } from "./log/commit_group.ts";
export type { Cursor, CursorOptions, StoredItem } from "./path/cursor.ts";
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
  /** Tables of the engine with blocks that do not match their checksum. */
  readonly damagedTables: number;
  /** Whole ones so far. */
  readonly checkpoints: number;
  /** Items that left the arena for room, and what belongs to it, see `EntryCache`. */
  readonly evictions: number;
  readonly evictedUnfetched: number;
  readonly evictedActive: number;
  readonly evictedNonzero: number;
  readonly evictedIdleSeconds: number;
  readonly spared: number;
  readonly roomsMade: number;
  /** Items in the arena, and the bytes of its live records, tombstones included. */
  readonly arenaItems: number;
  readonly liveBytes: number;
  readonly arenaLayout: ArenaLayout;
  /** Reads that found an item whose time was over. */
  readonly expiredReads: number;
  /** Writes refused because the arena was full of what the engine had not taken. */
  readonly roomFailures: number;
  /** Of the search for what has expired: keys looked at, items it found, and those of them that nobody had read. */
  readonly sweptKeys: number;
  readonly sweptItems: number;
  readonly sweptUnfetched: number;
  /** Whole walks of that search so far. */
  readonly sweeps: number;
  readonly engineReads: number;
  readonly appendErrors: number;
  readonly fsyncs: number;
}

/** Of an engine that has nothing yet. */
const NO_META: EngineMeta = { generation: 0, items: 0, tombstones: 0, sequence: 1, flushPlannedFor: 0 };

export class Storage {
  readonly manifest: StorageManifest;

  readonly #runtime: Runtime;
  readonly #settings: StorageSettings;
  readonly #directory: DataDirectory | undefined;
  /** Of data that nothing keeps. */
  readonly #passing: StorageIdentity | undefined;
  readonly #engine: Engine;
  readonly #keyspaces: Keyspaces;
  readonly #undo: UndoList;
  readonly #lookup: KeyLookup;
  readonly #writer: KeyWriter;
  readonly #waiting: WaitingRoom;
  readonly #slices: SliceReader;
  readonly #checkpointer: Checkpointer;
  readonly #sweeper: Sweeper;
  /** Absent while the log is read again, and without a data directory always. */
  #journal: Journal | undefined;
  #failure: FlareError | undefined;
  #closing: Promise<void> | undefined;
  #engineBytes = 0;
  /** Of the change log, found at the start. */
  #corruptLogRecords = 0;

  private constructor(
    runtime: Runtime,
    settings: StorageSettings,
    directory: DataDirectory | undefined,
    engine: Engine,
    keyspaces: Keyspaces,
    meta: EngineMeta,
  ) {
    const { clock, log } = runtime;
    this.#runtime = runtime;
    this.#settings = settings;
    this.#directory = directory;
    this.#passing = directory === undefined ? nextIncarnation(newIdentity(runtime.random)) : undefined;
    this.#engine = engine;
    this.#keyspaces = keyspaces;
    this.manifest = {
      syncReads: engine.syncReads,
      ordered: true,
      durable: directory !== undefined,
      engine: engine.traits.name,
    };
    this.#undo = new UndoList(keyspaces);
    this.#lookup = new KeyLookup(engine, keyspaces, this.#undo, log);
    this.#checkpointer = new Checkpointer(
      clock,
      log,
      engine,
      keyspaces,
      {
        commit: () => this.#journal?.commits.commit(),
        rotateLog: () => this.#journal?.rotate() ?? { sequence: meta.sequence, finishedSegment: 0 },
        syncLog: async () => this.#journal?.commits.sync(),
        onStored: (place) => this.#onStored(place),
        tryRoomToReopen: async () => directory?.tryRoomToReopen(),
        onRoom: () => this.#onRoom(),
        onEngineFault: (fault) => this.#waiting.onEngineFault(fault),
      },
      meta,
    );
    this.#writer = new KeyWriter(keyspaces, this.#lookup, this.#undo, this.#checkpointer, settings);
    this.#waiting = new WaitingRoom(clock, keyspaces, this.#lookup, this.#writer, settings, this.#checkpointer);
    this.#slices = new SliceReader(clock, engine, keyspaces, this.#lookup);
    this.#sweeper = new Sweeper(
      runtime,
      engine,
      keyspaces,
      {
        storedGeneration: () => this.#checkpointer.storedGeneration,
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
    checkEngineChoice(options.engine, dataDir);
    const directory = dataDir === undefined ? undefined : await DataDirectory.open(runtime.files, runtime.random, dataDir);
    let engine: Engine | undefined;
    try {
      engine = await openEngine(runtime, options.engine, directory);
      const stored = await engine.getChecked(META_KEY);
      const meta = stored === undefined ? NO_META : decodeMeta(stored);
      const checkpoint = directory?.record.checkpoint ?? 1;
      if (checkpoint > 1 && meta.sequence < checkpoint) {
        const what = `has the changes before ${meta.sequence}, it had those before ${checkpoint}`;
        throw dataDamage((directory as DataDirectory).enginePath, what);
      }
      const generation = Math.max(meta.generation, 1);
      const keyspaces = new Keyspaces(runtime.random, settings.memoryBytesMax, { ...meta, generation });
      const storage = new Storage(runtime, settings, directory, engine, keyspaces, meta);
      if (directory !== undefined) await storage.#recover(directory, meta.sequence, options);
      storage.#sweeper.start();
      storage.#checkpointer.start(settings.checkpointIntervalMs);
      return storage;
    } catch (error) {
      await engine?.close();
      await directory?.release();
      throw error;
    }
  }

  /** Which data these are; without a data directory they are other ones with each opening. */
  get identity(): StorageIdentity {
    return this.#directory?.identity ?? (this.#passing as StorageIdentity);
  }

  /** Set by a fault that only a restart heals: writes answer `failed` from then on, reads go on. */
  get failure(): FlareError | undefined {
    return this.#failure;
  }

  /** True when something was applied and not yet appended to the log. */
  get hasUncommitted(): boolean {
    return this.#journal?.commits.hasPending === true;
  }

  /** Says which keys will be asked for next, the blank-separated words of `bytes[start, end)`: together they come faster. */
  warm(bytes: Uint8Array, start: number, end: number): void {
    this.#keyspaces.current.cache.warm(bytes, start, end);
  }

  /**
   * The live item under a key, undefined = none. The view is valid until the next call of any method. A promise only when
   * the engine must be read and cannot be read synchronously, or when earlier calls for this key wait; its view is a
   * private copy. `peek`: the item does not count as read.
   * @throws FlareError CORRUPT | IO_ERROR | LIMIT_EXCEEDED | CLOSED (a promise rejects with them)
   */
  get(key: KeySlice, nowSeconds: number, peek = false): EntryView | undefined | Promise<EntryView | undefined> {
    if (key.end - key.start > this.#settings.keyBytesMax) return undefined;
    const waiting = this.#waiting;
    if (!waiting.keys.isEmpty && waiting.keys.has(key)) return waiting.get(key, nowSeconds);
    const hash = this.#keyspaces.current.cache.hash(key.bytes, key.start, key.end);
    if (!this.#lookup.lookUp(hash, key, nowSeconds)) return waiting.get(key, nowSeconds);
    return this.#lookup.live(nowSeconds, peek);
  }

  /**
   * Carries out a write. One object is filled again with each call; a promise (as for `get`, or when the arena is full of
   * what the engine has not taken) gives one of its own. Per key, effects are in call order, always.
   */
  apply(mutation: Mutation, nowSeconds: number): Applied | Promise<Applied> {
    const refusal = this.#refusal(mutation);
    if (refusal !== undefined) return this.#writer.refuse(refusal);
    const waiting = this.#waiting;
    if (!waiting.keys.isEmpty && waiting.keys.has(mutation.key)) return waiting.apply(mutation, nowSeconds);
    if (this.#writer.attempt(mutation, nowSeconds) !== Attempt.done) return waiting.apply(mutation, nowSeconds);
    return this.#writer.applied;
  }

  /**
   * Drops everything, versions, tombstones and a planned flush included. A logged change like any other: when its commit
   * fails, everything is back.
   * @throws FlareError the `failure`, or CLOSED
   */
  flushAll(): void {
    this.#checkOpen();
    const generation = this.#keyspaces.current.generation + 1;
    this.#journal?.flush(generation, 0);
    this.#keyspaces.replace(generation);
    this.#keyspaces.flushPlannedFor = 0;
    this.#checkpointer.request();
  }

  /**
   * Remembers that everything is to be flushed from this second on (`flushAll` is its owner's to call); 0 = not any more.
   * A logged change like any other.
   * @throws FlareError the `failure`, or CLOSED
   */
  planFlush(seconds: number): void {
    this.#checkOpen();
    this.#journal?.flush(this.#keyspaces.current.generation, seconds);
    this.#keyspaces.flushPlannedFor = seconds;
  }

  /** The second for which a flush is planned, 0 = none is. */
  get flushPlannedFor(): number {
    return this.#keyspaces.flushPlannedFor;
  }

  /**
   * Calls `listener` once everything applied so far is committed by the policy: at the end of this turn, after the shared
   * sync with `always`; at once when nothing is uncommitted. In order of registration.
   */
  onCommit(listener: CommitListener): void {
    if (this.#journal === undefined) listener.onCommitted();
    else this.#journal.commits.onCommit(listener);
  }

  /** An ordered walk over the live items. */
  openCursor(options: CursorOptions = {}): Cursor {
    return new Cursor(
      {
        checkpoint: () => this.checkpoint(),
        readSlice: async (after, cursorOptions, keysMax, bytesMax) => {
          if (this.#closing !== undefined) throw closed();
          return this.#slices.read(after, cursorOptions, keysMax, bytesMax);
        },
      },
      options,
    );
  }

  /** Looks for expired items at about so many keys, before the time of the next look. @throws FlareError IO_ERROR */
  async sweep(keys: number): Promise<void> {
    for (let done = 0; done < keys && this.#closing === undefined; done += SLICE_KEYS) await this.#sweeper.sweepSlice();
  }

  stats(): StorageStats {
    const { cache, items, tombstones } = this.#keyspaces.current;
    const changes = this.#journal?.changes;
    const logBytes = changes?.bytes ?? 0;
    return {
      items,
      tombstones,
      bytesOnDisk: logBytes + this.#engineBytes,
      arenaBytes: cache.allocatedBytes,
      arenaBytesMax: cache.bytesMax,
      dirtyBytes: cache.dirtyBytes,
      logBytes,
      logSegments: changes?.segments ?? 0,
      corruptRecords: this.#corruptLogRecords + this.#lookup.corruptRecords,
      damagedTables: this.#engine.damagedTables,
      checkpoints: this.#checkpointer.count,
      ...this.#keyspaces.counts,
      evictedIdleSeconds: cache.evictedIdleSeconds,
      arenaItems: cache.count - cache.tombstones,
      liveBytes: cache.liveBytes,
      arenaLayout: cache.layout,
      expiredReads: this.#lookup.expiredReads,
      roomFailures: this.#waiting.roomFailures,
      sweptKeys: this.#sweeper.keys,
      sweptItems: this.#writer.sweptItems,
      sweptUnfetched: this.#writer.sweptUnfetched,
      sweeps: this.#sweeper.walks,
      engineReads: this.#engine.reads,
      appendErrors: changes?.appendErrors ?? 0,
      fsyncs: changes?.fsyncs ?? 0,
    };
  }

  /**
   * Another `memory-limit`, in bytes. Above a smaller one memory is given back at once as far as the
   * engine has what is in it, the rest after the checkpoint that this begins.
   * @throws FlareError INVALID_OPTION
   */
  resizeMemory(bytesMax: number): void {
    checkFields(storageOptionTable, { memoryBytesMax: bytesMax });
    this.#keyspaces.cacheBytesMax = bytesMax;
    this.#waiting.resize(bytesMax);
    if (!this.#keyspaces.current.cache.shrink(this.#undo.isEmpty)) this.#checkpointer.request();
  }

  /** Whom to tell of each item that leaves the memory for room; it stays stored. The view is valid during the call. */
  set evictionListener(listener: ((entry: EntryView) => void) | undefined) {
    this.#keyspaces.evictionListener = listener;
  }

  /** The record lengths of all items in memory, told in steps that are to be spread over turns of the loop. */
  itemBytes(found: (recordBytes: number) => void): Iterator<void> {
    return this.#keyspaces.current.cache.itemBytes(found);
  }

  /**
   * Resolves when everything applied so far is in the engine and the log before it is gone. An engine that takes no changes is
   * waited for a few seconds.
   * @throws FlareError CLOSED | IO_ERROR | DISK_FULL
   */
  async checkpoint(): Promise<void> {
    if (this.#closing !== undefined) throw closed();
    await this.#checkpointer.reach();
  }

  /** Commits, brings everything into the engine, so that a restart is quick, and gives the directory free. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw closed();
  }

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

  #sweepKey(key: KeySlice, nowSeconds: number): void | Promise<void> {
    const { keys } = this.#waiting;
    if (this.#failure !== undefined || this.#closing !== undefined || keys.isFull || keys.has(key)) return;
    if (this.#writer.attemptSweep(key, nowSeconds) === Attempt.load) return this.#waiting.sweep(key, nowSeconds);
  }

  /** A part of the arena became evictable: what is above the limit goes first, then come those who wait. */
  #onRoom(): void {
    this.#keyspaces.current.cache.shrink(this.#undo.isEmpty);
    this.#waiting.onRoom();
  }

  /** Of a checkpoint: what the engine has for good is noted, then the log before it goes. */
  async #onStored({ sequence, finishedSegment }: LogPlace): Promise<void> {
    try {
      await this.#directory?.noteCheckpoint(sequence);
    } catch (error) {
      this.#runtime.log.write("warning", `a checkpoint is not noted: ${(error as FlareError).message}`);
    }
    try {
      await this.#journal?.changes.removeThrough(finishedSegment);
      this.#engineBytes = (await this.#engine.approximateBytes()) ?? 0;
    } catch (error) {
      this.#runtime.log.write("warning", `after a checkpoint: ${(error as FlareError).message}`);
    }
  }

  /** A segment counts as there once the record says so. */
  #onSynced(): void {
    this.#directory?.noteSegment(this.#journal?.changes.syncedSegment ?? 0).catch((error: Error) => {
      this.#runtime.log.write("warning", `a new log segment is not noted: ${error.message}`);
    });
  }

  #onFailure(error: FlareError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#runtime.log.write("error", `storage takes no more writes: ${error.message}`);
  }

  /** Reads the change log again and goes on behind it. */
  async #recover(directory: DataDirectory, engineSequence: number, { onProgress }: StorageOptions): Promise<void> {
    const { clock, log } = this.#runtime;
    const replay = new LogReplay(
      this.#keyspaces,
      this.#lookup,
      this.#writer,
      this.#checkpointer,
      this.#engine.syncReads,
      Math.floor(clock.nowMs() / 1000),
    );
    const recovery = await recoverLog(
      this.#runtime,
      directory.logPath,
      { ...directory.record, engineSequence },
      (reader) => replay.replay(reader),
      (bytesDone, bytesTotal, records) => onProgress?.({ phase: "recover", bytesDone, bytesTotal, records }),
    );
    this.#corruptLogRecords = recovery.corruptRecords;
    const journal = new Journal(this.#runtime, directory.logPath, this.#settings, recovery, this.#undo, {
      onSynced: () => this.#onSynced(),
      onSegmentFull: () => this.#checkpointer.request(),
      onFailure: (error) => this.#onFailure(error),
    });
    this.#journal = journal;
    this.#writer.journal = journal;
    await journal.changes.sync();
    const { syncedSegment } = journal.changes;
    await directory.noteOpen(recovery.wholeFrom === 0 ? syncedSegment : recovery.wholeFrom, syncedSegment);
    if (recovery.records > 0) log.write("notice", `${recovery.records} change(s) read again from the log`);
    onProgress?.({ phase: "open", bytesDone: 0, bytesTotal: 0, records: recovery.records });
    // Even without a change in them the old segments should go.
    if (recovery.segments.length > 0) this.#checkpointer.request();
  }

  async #close(): Promise<void> {
    const { log } = this.#runtime;
    let isComplete = false;
    this.#checkpointer.close();
    try {
      await this.#sweeper.close();
      await this.#journal?.commits.close();
      await this.#checkpointer.run();
      await this.#journal?.commits.close();
      await this.#journal?.commits.sync();
      await this.#engine.settle();
      isComplete = this.#failure === undefined;
    } catch (error) {
      // What is not in the engine is in the log and comes back at the next start.
      log.write("error", `not everything could be brought into the engine: ${(error as Error).message}`);
    }
    try {
      await this.#engine.close();
      this.#journal?.changes.close();
      if (isComplete) await this.#directory?.noteStopped();
    } catch (error) {
      log.write("error", (error as Error).message);
    } finally {
      this.#waiting.close(closed());
      this.#journal?.changes.close();
      await this.#directory?.release();
    }
  }
}

function closed(): FlareError {
  return new FlareError("CLOSED", "storage is closed");
}
