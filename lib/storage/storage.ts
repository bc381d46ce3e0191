/**
 * The storage of a node: arena, change log, engine and the work between them behind one small interface. A read or write of an
 * entry in memory is synchronous and allocates nothing; operations that must wait (an engine without synchronous reads, an
 * arena full of records that are not in the engine) wait per key, in call order. Knows items and versions; no protocol, no
 * cluster. This file joins the parts; a read continues in key_lookup, a write in key_writer and from there in journal.
 */

import { dataDamage } from "../base/data_damage.ts";
import { FlareError } from "../base/errors.ts";
import { checkFields } from "../base/given_fields.ts";
import type { Histogram } from "../base/histogram.ts";
import type { EntryView, KeySlice } from "../item/entry.ts";
import { isKeyTooLong } from "../item/key_length.ts";
import type { Applied, Mutation } from "../item/mutation.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { emptyEntry } from "./arena/cached_entry.ts";
import type { ArenaLayout } from "./arena/entry_cache.ts";
import { Keyspaces } from "./arena/keyspaces.ts";
import { copyEntry } from "./arena/private_entry.ts";
import { UndoList } from "./arena/undo_list.ts";
import { Checkpointer, type LogPlace } from "./checkpoint/checkpointer.ts";
import { Journal, type JournalOwner, type LogFollower } from "./checkpoint/journal.ts";
import { SLICE_KEYS, Sweeper } from "./checkpoint/sweeper.ts";
import { DataDirectory } from "./directory/data_directory.ts";
import { newIdentity, nextIncarnation, type StorageIdentity } from "./directory/directory_record.ts";
import type { Engine } from "./engine/engine.ts";
import { checkEngineChoice, openEngine } from "./engine/engine_choice.ts";
import { decodeMeta, type EngineMeta, META_KEY } from "./engine/engine_record.ts";
import type { CommitListener } from "./log/commit_group.ts";
import { Deliveries, type Delivery } from "./log/deliveries.ts";
import { LogCursor } from "./log/log_cursor.ts";
import { FlushCause } from "./log/log_record.ts";
import { recoverLog } from "./log/log_recovery.ts";
import type { LogSegment } from "./log/log_segment.ts";
import { type CommonState, NO_HISTORY, type Position, Positions } from "./log/positions.ts";
import { volatileFiles } from "./log/volatile_files.ts";
import { LogReplay } from "./log_replay.ts";
import { Attempt } from "./path/attempt.ts";
import { Cursor, type CursorOptions } from "./path/cursor.ts";
import { KeyLookup } from "./path/key_lookup.ts";
import { KeyWriter } from "./path/key_writer.ts";
import { SliceReader } from "./path/slice_reader.ts";
import { Snapshot } from "./path/snapshot.ts";
import { WaitingRoom } from "./path/waiting_room.ts";
import {
  FsyncPolicy,
  resolveStorageOptions,
  type StorageOptions,
  type StorageSettings,
  storageOptionTable,
} from "./storage_options.ts";

export type { LogFollower } from "./checkpoint/journal.ts";
export type { StorageIdentity } from "./directory/directory_record.ts";
export type { CommitListener } from "./log/commit_group.ts";
export type { Delivery } from "./log/deliveries.ts";
export type { LogBlock } from "./log/log_block.ts";
export type { LogCursor } from "./log/log_cursor.ts";
export { FlushCause } from "./log/log_record.ts";
export type { LogSegment } from "./log/log_segment.ts";
export type { CommonState, Position } from "./log/positions.ts";
export type { Cursor, CursorOptions, StoredItem } from "./path/cursor.ts";
export type { Snapshot } from "./path/snapshot.ts";
export type { StorageOptions } from "./storage_options.ts";

/** What a storage can do. */
export interface StorageManifest {
  /** `get` and `apply` answer at once (except under back-pressure). */
  readonly syncReads: boolean;
  /** `openCursor` walks in key order. */
  readonly ordered: boolean;
  /** It survives the process. */
  readonly durable: boolean;
  /** `level`, `memory` or `custom`. */
  readonly engine: string;
}

/** A reader of the log for whom it is kept. */
export interface LogHold {
  /** The reader has all records up to this one. */
  readonly sequence: number;
  /** How much is kept at most for it. */
  readonly bytesMax: number;
}

/** Statistics of a storage. */
export interface StorageStats {
  /** Stored items, including expired ones that are not swept yet, without tombstones. */
  readonly items: number;
  readonly tombstones: number;
  /** The change log and, if its size is known, the engine. */
  readonly bytesOnDisk: number;
  readonly arenaBytes: number;
  readonly arenaBytesMax: number;
  /** Of entries that are not in the engine yet. */
  readonly dirtyBytes: number;
  readonly logBytes: number;
  readonly logSegments: number;
  /** Records with a wrong checksum, in the log and in the engine. */
  readonly corruptRecords: number;
  /** Engine tables that have blocks with a wrong checksum. */
  readonly damagedTables: number;
  /** Completed checkpoints. */
  readonly checkpoints: number;
  /** When the last one ended, by the monotonic clock; before that the start. */
  readonly checkpointedMs: number;
  /** Items evicted from the arena, and related counts, see `EntryCache`. */
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
  /** Reads that found an expired item. */
  readonly expiredReads: number;
  /** Writes refused because the arena was full of records that were not in the engine. */
  readonly roomFailures: number;
  /** The sweeper's counts: keys checked, expired items found, and those of them that were never read. */
  readonly sweptKeys: number;
  readonly sweptItems: number;
  readonly sweptUnfetched: number;
  /** Complete walks of the sweeper. */
  readonly sweeps: number;
  readonly engineReads: number;
  readonly appendErrors: number;
  readonly fsyncs: number;
  /** From the first change of an event loop turn until all of it is committed; undefined without a log. */
  readonly commitTimes: Histogram | undefined;
  /** Of syncs of the log; undefined without one. */
  readonly syncTimes: Histogram | undefined;
}

/** Of an empty engine. */
const NO_META: EngineMeta = { generation: 0, items: 0, tombstones: 0, sequence: 1, flushPlannedFor: 0 };

export class Storage {
  readonly manifest: StorageManifest;

  readonly #runtime: Runtime;
  readonly #settings: StorageSettings;
  readonly #directory: DataDirectory | undefined;
  /** The identity of data that is not persistent. */
  readonly #passing: StorageIdentity | undefined;
  readonly #engine: Engine;
  readonly #keyspaces: Keyspaces;
  readonly #undo: UndoList;
  readonly #positions = new Positions();
  readonly #deliveries = new Deliveries();
  readonly #lookup: KeyLookup;
  readonly #writer: KeyWriter;
  readonly #waiting: WaitingRoom;
  readonly #slices: SliceReader;
  readonly #checkpointer: Checkpointer;
  readonly #sweeper: Sweeper;
  /** Absent during recovery, and without a data directory until somebody follows the log. */
  #journal: Journal | undefined;
  #failure: FlareError | undefined;
  #closing: Promise<void> | undefined;
  #engineBytes = 0;
  /** The newest log segment whose changes are all in the engine. */
  #storedSegment = 0;
  #hold: LogHold | undefined;
  /** The last removal of segments. */
  #disposing: Promise<void> = Promise.resolve();
  /** Of the change log, found at startup. */
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
        syncLog: async () => {
          await this.#journal?.commits.sync();
          return this.#failure === undefined;
        },
        onStored: (place) => this.#onStored(place),
        tryRoomToReopen: async () => directory?.tryRoomToReopen(),
        onRoom: () => this.#onRoom(),
        onEngineFault: (fault) => {
          if (fault?.code === "DISK_FULL") this.#makeSpace();
          this.#waiting.onEngineFault(fault);
        },
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
   * Opens a storage: takes the directory's lock, opens the engine and replays the change log. @throws FlareError INVALID_OPTION
   * | DATA_DIR_LOCKED | UNSUPPORTED | CORRUPT | DISK_FULL | IO_ERROR
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
        const what = `has the changes before ${meta.sequence}, but had those before ${checkpoint}`;
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

  /** The identity of the data; without a data directory a new one with each opening. */
  get identity(): StorageIdentity {
    return this.#directory?.identity ?? (this.#passing as StorageIdentity);
  }

  /** Set by a failure that only a restart resolves: writes then answer `failed`, reads continue. */
  get failure(): FlareError | undefined {
    return this.#failure;
  }

  /** True if a change was applied and is not appended to the log yet. */
  get hasUncommitted(): boolean {
    return this.#journal?.commits.hasPending === true;
  }

  /** Prefetches the keys that will be read next, the space-separated words of `bytes[start, end)`. */
  warm(bytes: Uint8Array, start: number, end: number): void {
    this.#keyspaces.current.cache.warm(bytes, start, end);
  }

  /**
   * The live item under a key, undefined = none. The view is valid until the next call of any method. A promise only if the
   * engine must be read and has no synchronous reads, or if earlier calls for this key are waiting; its view is a private copy.
   * `peek`: the item does not count as read.
   * @throws FlareError CORRUPT | IO_ERROR | LIMIT_EXCEEDED | CLOSED (a promise rejects with them)
   */
  get(key: KeySlice, nowSeconds: number, peek = false): EntryView | undefined | Promise<EntryView | undefined> {
    if (isKeyTooLong(key.end - key.start, this.#settings.keyBytesMax)) return undefined;
    const waiting = this.#waiting;
    if (!waiting.keys.isEmpty && waiting.keys.has(key)) return waiting.get(key, nowSeconds, peek);
    const hash = this.#keyspaces.current.cache.hash(key.bytes, key.start, key.end);
    if (!this.#lookup.lookUp(hash, key, nowSeconds)) return waiting.get(key, nowSeconds, peek);
    return this.#lookup.live(nowSeconds, peek);
  }

  /** As `get`, with a private copy of the item. */
  async read(key: KeySlice, nowSeconds: number, peek = false): Promise<EntryView | undefined> {
    const found = this.get(key, nowSeconds, peek);
    // Those that wait for the engine have one already.
    return found instanceof Promise || found === undefined ? found : copyEntry(found, emptyEntry());
  }

  /**
   * Executes a write. Every call fills the same object; a promise (as for `get`, or if the arena is full of records that are
   * not in the engine) resolves to its own. Per key, effects are always in call order.
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
   * Drops everything, including versions, tombstones and a scheduled flush. A logged change like any other: if its commit
   * fails, everything is restored.
   * @throws FlareError the `failure`, or CLOSED
   */
  flushAll(cause: FlushCause = FlushCause.request): void {
    this.#checkOpen();
    const generation = this.#keyspaces.current.generation + 1;
    this.#journal?.flush(generation, 0, cause);
    this.#writer.recent.noteAll(this.lastSequence);
    this.#keyspaces.replace(generation);
    this.#keyspaces.flushPlannedFor = 0;
    this.#checkpointer.request();
  }

  /**
   * Records the second for which a flush is scheduled (the owner must call `flushAll`); 0 cancels it. A logged change like any
   * other.
   * @throws FlareError the `failure`, or CLOSED
   */
  planFlush(seconds: number): void {
    this.#checkOpen();
    this.#journal?.flush(this.#keyspaces.current.generation, seconds, FlushCause.request);
    this.#keyspaces.flushPlannedFor = seconds;
  }

  /** The second for which a flush is planned, 0 = none is. */
  get flushPlannedFor(): number {
    return this.#keyspaces.flushPlannedFor;
  }

  /**
   * Calls `listener` once everything applied so far is committed by the policy: at the end of this turn, with `always` after
   * the shared sync; at once if nothing is uncommitted. In order of registration.
   */
  onCommit(listener: CommitListener): void {
    if (this.#journal === undefined) listener.onCommitted();
    else this.#journal.commits.onCommit(listener);
  }

  /** The sequence of the newest change; those of a follower's blocks are compared with it. */
  get lastSequence(): number {
    return this.#journal?.changes.lastSequence ?? 0;
  }

  /** As `lastSequence`, without marks and plans of flushes; 0 = none since the opening. */
  get changedSequence(): number {
    return this.#journal?.changes.changedSequence ?? 0;
  }

  /** How often changes were rolled back because they could not be appended; their listeners may hear of it later. */
  get rollbacks(): number {
    return this.#journal?.changes.appendErrors ?? 0;
  }

  /** The sequence of the newest change that is committed by the policy. */
  get committedSequence(): number {
    return this.#journal?.commits.committedSequence ?? 0;
  }

  /** The sequence of the change that a read of this key depends on, or of a newer one. */
  sequenceOf({ bytes, start, end }: KeySlice): number {
    return this.#writer.recent.of(this.#keyspaces.current.cache.hash(bytes, start, end));
  }

  /** Passes the changes from the end of this turn on to a follower, in the order of the log. */
  follow(follower: LogFollower): void {
    this.#openJournal().follow(follower);
  }

  /** The opposite of `follow`. */
  unfollow(follower: LogFollower): void {
    this.#journal?.unfollow(follower);
  }

  /** The name of the log since this opening. Two storages never share one. */
  get history(): string {
    return this.#openJournal().changes.history;
  }

  /**
   * Records that this storage now has exactly what another one's log has up to a position: a change like any other. What is
   * written after it here is not in that log.
   */
  markPosition(position: Position): void {
    this.#openJournal().mark(position);
  }

  /** Records that another cluster has everything up to a position: a change like any other, which replicas get, too. */
  noteDelivery(delivery: Delivery): void {
    this.#openJournal().deliver(delivery);
  }

  /** Up to where another cluster, by its address, has everything; undefined: unknown. */
  deliveredTo(target: string): Position | undefined {
    return this.#deliveries.of(target);
  }

  /** The position of a record of the log; undefined: the log does not reach back there. */
  positionAt(sequence: number): Position | undefined {
    const segment = this.#openJournal().changes.files.findLast(({ firstSequence }) => firstSequence <= Math.max(sequence, 1));
    return segment === undefined || segment.history === NO_HISTORY ? undefined : { history: segment.history, sequence };
  }

  /** Positions of states that this storage has had, in its own log and in others', newest first. */
  get positions(): readonly Position[] {
    const { changes } = this.#openJournal();
    return this.#positions.named(changes.files, changes.lastSequence);
  }

  /** The newest state that this storage and one with these positions have both had; undefined if none is known. */
  commonState(theirs: readonly Position[]): CommonState | undefined {
    const { changes } = this.#openJournal();
    return this.#positions.common(theirs, changes.files, changes.lastSequence);
  }

  /** Whether a storage with this position has something of our own log that we have lost. */
  lacks(position: Position): boolean {
    const { changes } = this.#openJournal();
    return this.#positions.lacks(position, changes.files, changes.lastSequence);
  }

  /** Reads the log from a sequence on; a storage without a data directory has none to read. */
  readLog(first: number): LogCursor {
    const { changes } = this.#openJournal();
    if (this.#directory !== undefined) return new LogCursor(this.#runtime.files, () => changes.files, first);
    return new LogCursor(volatileFiles, () => [], first);
  }

  /** The files of the log, oldest first, as far as they are written now. */
  get logFiles(): readonly LogSegment[] {
    return this.#journal?.changes.files ?? [];
  }

  /** Keeps the log for a reader, until the disk is full: `hold` says at any time what it has. */
  holdLog(hold: LogHold): void {
    this.#hold = hold;
  }

  /** From now on the log says what is written in which second, and that this node was then what `label` says. */
  stampLog(label: string): void {
    this.#journal?.stamp(label);
  }

  /** The current flush generation: it grows with each flush. */
  get generation(): number {
    return this.#keyspaces.current.generation;
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

  /**
   * The items and tombstones at a moment of this call; see `Snapshot.open`. The caller must close it.
   * @throws FlareError UNSUPPORTED | REFUSED | CORRUPT | IO_ERROR | CLOSED
   */
  openSnapshot(): Promise<Snapshot> {
    const storage = this;
    return Snapshot.open(this.#runtime.clock, this.#engine, this.#keyspaces, this.#lookup, {
      checkpoint: () => this.checkpoint(),
      commit: () => this.#journal?.commits.commit(),
      committed: () => new Promise((resolve) => this.onCommit({ onCommitted: resolve })),
      get position() {
        return { history: storage.#journal?.changes.history ?? NO_HISTORY, sequence: storage.lastSequence };
      },
    });
  }

  /**
   * Checks about this number of keys for expired items now, without waiting for the next interval. @throws FlareError IO_ERROR
   */
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
      logSegments: this.#directory === undefined ? 0 : (changes?.segments ?? 0),
      corruptRecords: this.#corruptLogRecords + this.#lookup.corruptRecords,
      damagedTables: this.#engine.damagedTables,
      checkpoints: this.#checkpointer.count,
      checkpointedMs: this.#checkpointer.endedMs,
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
      commitTimes: this.#journal?.commits.commitTimes,
      syncTimes: this.#journal?.commits.syncTimes,
    };
  }

  /**
   * Changes `memory-limit`, in bytes. Memory above a smaller limit is freed at once as far as its records are in the engine,
   * the rest after the checkpoint that this starts.
   * @throws FlareError INVALID_OPTION
   */
  resizeMemory(bytesMax: number): void {
    checkFields(storageOptionTable, { memoryBytesMax: bytesMax });
    this.#keyspaces.cacheBytesMax = bytesMax;
    this.#waiting.resize(bytesMax);
    if (!this.#keyspaces.current.cache.shrink(this.#undo.isEmpty)) this.#checkpointer.request();
  }

  /** Called for each item evicted from memory; it stays stored. The view is valid during the call. */
  set evictionListener(listener: ((entry: EntryView) => void) | undefined) {
    this.#keyspaces.evictionListener = listener;
  }

  /** Reports the record lengths of all items in memory, in steps that the caller spreads over event loop turns. */
  itemBytes(found: (recordBytes: number) => void): Iterator<void> {
    return this.#keyspaces.current.cache.itemBytes(found);
  }

  /**
   * Resolves when everything applied so far is in the engine and the log before it is removed. Waits only a few seconds for an
   * engine that accepts no changes.
   * @throws FlareError CLOSED | IO_ERROR | DISK_FULL
   */
  async checkpoint(): Promise<void> {
    if (this.#closing !== undefined) throw closed();
    await this.#checkpointer.reach();
  }

  /** Commits, writes everything to the engine, so that a restart is quick, and releases the directory. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw closed();
  }

  /** Why a write cannot be accepted at all. */
  #refusal(mutation: Mutation): string | undefined {
    if (this.#failure !== undefined) return this.#failure.message;
    if (this.#closing !== undefined) return "storage is closed";
    const { keyBytesMax, valueBytesMax } = this.#settings;
    if (isKeyTooLong(mutation.key.end - mutation.key.start, keyBytesMax)) return `key exceeds ${keyBytesMax} bytes`;
    if (mutation.valueEnd - mutation.valueStart > valueBytesMax) return `value exceeds ${valueBytesMax} bytes`;
    return undefined;
  }

  #sweepKey(key: KeySlice, nowSeconds: number): void | Promise<void> {
    const { keys } = this.#waiting;
    if (this.#failure !== undefined || this.#closing !== undefined || keys.isFull || keys.has(key)) return;
    if (this.#writer.attemptSweep(key, nowSeconds) === Attempt.load) return this.#waiting.sweep(key, nowSeconds);
  }

  /** A part of the arena became evictable: first frees memory above the limit, then resumes waiting operations. */
  #onRoom(): void {
    this.#keyspaces.current.cache.shrink(this.#undo.isEmpty);
    this.#waiting.onRoom();
  }

  /** After a checkpoint: records what is durable in the engine, then removes the log before it. */
  async #onStored({ sequence, finishedSegment }: LogPlace): Promise<void> {
    try {
      await this.#directory?.noteCheckpoint(sequence);
    } catch (error) {
      this.#runtime.log.write("warning", `a checkpoint could not be recorded: ${(error as FlareError).message}`);
    }
    try {
      this.#storedSegment = finishedSegment;
      await this.#disposeLog(this.#settings.logRetentionBytes, this.#hold);
      this.#engineBytes = (await this.#engine.approximateBytes()) ?? 0;
    } catch (error) {
      this.#runtime.log.write("warning", `after a checkpoint: ${(error as FlareError).message}`);
    }
  }

  /** Removes the segments of the log that are in the engine, except the newest ones of about this size, and what is held. */
  #disposeLog(keptBytesMax: number, hold?: LogHold): Promise<void> {
    const changes = this.#journal?.changes;
    this.#disposing = this.#disposing
      .catch(() => undefined) // Its caller gets the error.
      .then(() => {
        const number = changes?.disposable(this.#storedSegment, keptBytesMax) ?? 0;
        const read = hold === undefined ? number : (changes?.readThrough(hold.sequence, hold.bytesMax) ?? 0);
        return changes?.removeThrough(Math.min(number, read));
      });
    return this.#disposing;
  }

  /** What is only kept for replicas, or held, goes. */
  #makeSpace(): void {
    this.#disposeLog(0).catch((error: Error) => this.#runtime.log.write("warning", `on a full disk: ${error.message}`));
  }

  /** A segment must exist once the record says so. */
  #onSynced(): void {
    this.#directory?.noteSegment(this.#journal?.changes.syncedSegment ?? 0).catch((error: Error) => {
      this.#runtime.log.write("warning", `a new log segment could not be recorded: ${error.message}`);
    });
  }

  #onFailure(error: FlareError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#runtime.log.write("error", `storage refuses writes until a restart: ${error.message}`);
  }

  /** Replays the change log and continues after it. */
  async #recover(directory: DataDirectory, engineSequence: number, { onProgress }: StorageOptions): Promise<void> {
    const { clock, log } = this.#runtime;
    const replay = new LogReplay(
      this.#keyspaces,
      this.#lookup,
      this.#writer,
      this.#checkpointer,
      this.#engine.syncReads,
      Math.floor(clock.nowMs() / 1000),
      this.#positions,
      this.#deliveries,
    );
    const recovery = await recoverLog(
      this.#runtime,
      directory.logPath,
      { ...directory.record, engineSequence },
      (reader) => replay.replay(reader),
      (bytesDone, bytesTotal, records) => onProgress?.({ phase: "recover", bytesDone, bytesTotal, records }),
    );
    this.#corruptLogRecords = recovery.corruptRecords;
    const { firstMissing, nextSequence } = recovery;
    // In the log before anything else, so that it is known as long as what it speaks of.
    if (firstMissing !== undefined) this.#positions.addGap(firstMissing, nextSequence - 1);
    const journal = new Journal(this.#runtime, directory.logPath, this.#settings, recovery, this.#undo, ...this.#notes, {
      flushes: this.#flushes,
      onSynced: () => this.#onSynced(),
      onSegmentFull: () => this.#checkpointer.request(),
      onDiskFull: () => this.#makeSpace(),
      onFailure: (error) => this.#onFailure(error),
    });
    this.#journal = journal;
    this.#writer.journal = journal;
    await journal.changes.sync();
    const { syncedSegment } = journal.changes;
    await directory.noteOpen(recovery.wholeFrom === 0 ? syncedSegment : recovery.wholeFrom, syncedSegment);
    if (recovery.records > 0) log.write("notice", `${recovery.records} change(s) replayed from the log`);
    onProgress?.({ phase: "open", bytesDone: 0, bytesTotal: 0, records: recovery.records });
    // Even without changes in them the old segments should be removed.
    if (recovery.segments.length > 0) this.#checkpointer.request();
  }

  get #notes(): readonly [Positions, Deliveries] {
    return [this.#positions, this.#deliveries];
  }

  get #flushes(): JournalOwner["flushes"] {
    const keyspaces = this.#keyspaces;
    return {
      get generation() {
        return keyspaces.current.generation;
      },
      get flushPlannedFor() {
        return keyspaces.flushPlannedFor;
      },
    };
  }

  /** A storage without a data directory has a log only once somebody asks for it. */
  #openJournal(): Journal {
    this.#journal ??= this.#openVolatileJournal();
    return this.#journal;
  }

  #openVolatileJournal(): Journal {
    const { clock, log, random } = this.#runtime;
    const settings = {
      fsync: FsyncPolicy.os,
      fsyncIntervalMs: 0,
      logSegmentBytes: Number.POSITIVE_INFINITY,
    };
    const recovery = { segments: [], nextSequence: 1 };
    const journal = new Journal(
      { clock, log, random, files: volatileFiles },
      "",
      settings,
      recovery,
      this.#undo,
      ...this.#notes,
      {
        flushes: this.#flushes,
        onSynced: () => undefined,
        onSegmentFull: () => undefined,
        onDiskFull: () => undefined,
        onFailure: (error) => this.#onFailure(error),
      },
    );
    this.#writer.journal = journal;
    return journal;
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
      // Changes that are not in the engine are in the log and will be replayed at the next start.
      log.write("error", `some changes could not be written to the engine: ${(error as Error).message}`);
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
