/**
 * Writes changes from the arena to the engine: dirty entries in coalesced batches, one after another. Once the last of them is
 * synced, their log segments are removed. A failed batch is retried, after reopening the engine if necessary; arena and log
 * keep everything until then. Runs alongside requests, one batch per turn.
 */

import type { FlareError } from "../../base/errors.ts";
import { endOfTurn } from "../../base/sleep.ts";
import { CurrentKind } from "../../item/decide.ts";
import type { Clock, Log, Timer } from "../../runtime/runtime.ts";
import { emptyEntry } from "../arena/cached_entry.ts";
import type { Keyspace } from "../arena/keyspace.ts";
import type { Keyspaces } from "../arena/keyspaces.ts";
import { engineKindOfState, RecordState } from "../arena/record_state.ts";
import type { Engine, EngineOperation } from "../engine/engine.ts";
import {
  ENGINE_HEADER_BYTES,
  type EngineMeta,
  encodeMeta,
  GENERATION_BYTES,
  META_KEY,
  writeEngineKey,
  writeEngineValue,
} from "../engine/engine_record.ts";

const SLAB_BYTES_KEPT_MAX = 1 << 22;
const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 5000;
/** Short, because writes are refused until there is space again. */
const RETRY_DISK_FULL_MS = 500;
/** Failures in a row after which a closing storage gives up. */
const CLOSING_ATTEMPTS = 3;
/** How long an engine may accept no changes before it counts as stuck. */
const STUCK_MS = 3000;

/** A position in the change log. */
export interface LogPlace {
  /** Of the next change. */
  readonly sequence: number;
  /** The newest finished segment, 0 = none; its changes come before the position. */
  readonly finishedSegment: number;
}

/** What a checkpoint needs of the storage. */
export interface CheckpointOwner {
  /** Appends pending changes to the log. */
  commit(): void;
  /** Begins a new log segment; returns the current position in the log. */
  rotateLog(): LogPlace;
  /** Resolves when the log is on disk; false: a sync has failed, and nothing is certain until a restart. */
  syncLog(): Promise<boolean>;
  /** All changes before a position in the log are durable in the engine. */
  onStored(place: LogPlace): Promise<void>;
  /** Checks that there is enough disk space to reopen a closed engine. @throws FlareError DISK_FULL | IO_ERROR */
  tryRoomToReopen(): Promise<void>;
  /** A part of the arena became evictable. */
  onRoom(): void;
  /** The engine failed to write a batch, or (undefined) it finally succeeded. */
  onEngineFault(error: FlareError | undefined): void;
}

export class Checkpointer {
  /** Completed checkpoints. */
  count = 0;
  /** When the last one ended, by the monotonic clock; before that the start. */
  endedMs: number;

  readonly #clock: Clock;
  readonly #log: Log;
  readonly #engine: Engine;
  readonly #keyspaces: Keyspaces;
  readonly #owner: CheckpointOwner;
  readonly #view = emptyEntry();
  #slab = new Uint8Array(0);
  #storedGeneration: number;
  /** The log position in the engine's meta record. */
  #storedSequence: number;
  #storedPlan: number;
  #running: Promise<void> | undefined;
  #following: Promise<void> | undefined;
  #isWanted = false;
  #closing = false;
  #pause: { timer: Timer; end: () => void } | undefined;
  /** The engine's fault, while it accepts no changes, and whether it counts as stuck. */
  #fault: FlareError | undefined;
  #isStuck = false;
  #stuckTimer: Timer | undefined;
  /** Callers that wait for a checkpoint, but not for a stuck engine. */
  readonly #impatient = new Set<(fault: FlareError) => void>();
  #timer: Timer | undefined;

  /** `stored` is the engine's meta record. */
  constructor(clock: Clock, log: Log, engine: Engine, keyspaces: Keyspaces, owner: CheckpointOwner, stored: EngineMeta) {
    this.#clock = clock;
    this.endedMs = clock.monotonicMs();
    this.#log = log;
    this.#engine = engine;
    this.#keyspaces = keyspaces;
    this.#owner = owner;
    this.#storedGeneration = stored.generation;
    this.#storedSequence = stored.sequence;
    this.#storedPlan = stored.flushPlannedFor;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** The flush generation that is durable in the engine. */
  get storedGeneration(): number {
    return this.#storedGeneration;
  }

  /** Runs a checkpoint every `intervalMs` from now on, if there are changes. */
  start(intervalMs: number): void {
    this.#timer = this.#clock.setTimer(() => {
      if (this.#keyspaces.current.cache.dirtyBytes > 0) this.request();
      this.start(intervalMs);
    }, intervalMs);
  }

  /**
   * Starts a checkpoint, after the running one if there is one. Does nothing once the storage closes, which runs the last one
   * itself.
   */
  request(): void {
    if (this.#closing) return;
    if (this.#running !== undefined) {
      this.#isWanted = true;
      return;
    }
    this.run().catch((error: unknown) => this.#log.write("error", `checkpoint failed: ${(error as Error).message}`));
  }

  /** Resolves when everything applied before the call is in the engine. @throws FlareError when closing and the engine fails */
  run(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#checkpoint().finally(() => {
        this.#running = undefined;
        // Those who wait for the next one begin it: if another began before, they would have to wait for the one after it.
        if (this.#isWanted && this.#following === undefined) this.request();
      });
      return this.#running;
    }
    this.#following ??= this.#running
      .catch(() => undefined) // Its own callers get the error.
      .then(() => {
        this.#following = undefined;
        return this.run();
      });
    return this.#following;
  }

  /**
   * As `run`, for callers with a waiting client: gives up after a few seconds if the engine accepts no changes. @throws
   * FlareError the engine's
   */
  reach(): Promise<void> {
    if (this.#isStuck && this.#fault !== undefined) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => {
      this.#impatient.add(reject);
      this.run()
        .then(resolve, reject)
        .finally(() => this.#impatient.delete(reject));
    });
  }

  /** Stops the timer; from now on a failing engine is given up after a few attempts. */
  close(): void {
    this.#closing = true;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    if (this.#stuckTimer !== undefined) this.#clock.clearTimer(this.#stuckTimer);
    if (this.#pause !== undefined) {
      this.#clock.clearTimer(this.#pause.timer);
      this.#pause.end();
    }
  }

  async #checkpoint(): Promise<void> {
    this.#isWanted = false;
    while (!(await this.#attempt()));
  }

  /** One walk from the flush pointer to the current head; false if a flush made it pointless. */
  async #attempt(): Promise<boolean> {
    const owner = this.#owner;
    await this.#turn();
    owner.commit();
    const place = owner.rotateLog();
    const keyspace = this.#keyspaces.current;
    const { cache } = keyspace;
    const mark = cache.mark();
    // The log first: if the engine were ahead of it after a power cut, an older change from the log would overwrite a newer
    // one.
    await owner.syncLog();
    await this.#turn();
    owner.commit();
    if (this.#keyspaces.current !== keyspace) return false;
    let plan = this.#keyspaces.flushPlannedFor;
    let unsynced =
      keyspace.generation !== this.#storedGeneration || place.sequence !== this.#storedSequence || plan !== this.#storedPlan;
    let isCovered = true;
    for (;;) {
      // Nothing may be uncommitted here: an entry that a rollback could restore must not be skipped.
      cache.takeBatch(mark);
      const last = cache.batch.reachesMark;
      const operations = this.#encode(keyspace);
      owner.onRoom();
      if (operations.length > 0 || (last && unsynced)) {
        // What a newer change replaced is in no batch: that one must be on disk before recovery begins behind the older one.
        if (last) isCovered = await owner.syncLog();
        plan = this.#keyspaces.flushPlannedFor;
        operations.push({
          type: "put",
          key: META_KEY,
          value: encodeMeta({
            generation: keyspace.generation,
            items: keyspace.engineItems,
            tombstones: keyspace.engineTombstones,
            sequence: last && isCovered ? place.sequence : this.#storedSequence,
            flushPlannedFor: plan,
          }),
        });
        unsynced = true;
        await this.#write(operations, last);
      }
      await this.#turn();
      owner.commit();
      if (this.#keyspaces.current !== keyspace) return false;
      cache.completeBatch();
      if (last) break;
    }
    owner.onRoom();
    this.#storedGeneration = keyspace.generation;
    if (isCovered) this.#storedSequence = place.sequence;
    this.#storedPlan = plan;
    this.count++;
    this.endedMs = this.#clock.monotonicMs();
    if (isCovered && (!unsynced || (await this.#settle()))) await owner.onStored(place);
    return true;
  }

  /** False: the log must be kept for now; the next checkpoint retries. */
  async #settle(): Promise<boolean> {
    try {
      await this.#engine.settle();
      return true;
    } catch (error) {
      this.#log.write("error", `change log segments are kept for now: ${(error as FlareError).message}`);
      return false;
    }
  }

  /**
   * Resolves at the end of this event loop turn: requests come first, and no change is then between its `apply` and its
   * `onCommit`.
   */
  #turn(): Promise<void> {
    return endOfTurn(this.#clock);
  }

  #encode(keyspace: Keyspace): EngineOperation[] {
    const { cache, generation } = keyspace;
    const view = this.#view;
    const operations: EngineOperation[] = [];
    const slab = this.#engine.traits.copiesWrites ? this.#ensureSlab(this.#batchBytes(keyspace)) : undefined;
    let at = 0;
    for (let i = 0; i < cache.batch.count; i++) {
      const location = cache.batch.locations[i] as number;
      const state = cache.state(location);
      cache.read(location, view);
      keyspace.countEngine(engineKindOfState(state & ~RecordState.inFlight), view.kind);
      const keyLength = GENERATION_BYTES + view.keyEnd - view.keyStart;
      const valueLength = ENGINE_HEADER_BYTES + (view.kind === CurrentKind.value ? view.valueEnd - view.valueStart : 0);
      if (slab === undefined) at = 0;
      const target = slab ?? new Uint8Array(keyLength);
      writeEngineKey(target, at, generation, view.bytes, view.keyStart, view.keyEnd);
      const key = slab === undefined ? target : slab.subarray(at, at + keyLength);
      at += keyLength;
      if (view.kind === CurrentKind.absent) {
        operations.push({ type: "del", key });
        continue;
      }
      if (slab === undefined) at = 0;
      const holder = slab ?? new Uint8Array(valueLength);
      writeEngineValue(holder, at, view);
      operations.push({ type: "put", key, value: slab === undefined ? holder : slab.subarray(at, at + valueLength) });
      at += valueLength;
    }
    return operations;
  }

  /** An upper bound of the size of the batch's keys and values, in bytes. */
  #batchBytes(keyspace: Keyspace): number {
    const { cache } = keyspace;
    let bytes = 0;
    for (let i = 0; i < cache.batch.count; i++) {
      cache.read(cache.batch.locations[i] as number, this.#view);
      const { keyStart, keyEnd, valueStart, valueEnd } = this.#view;
      bytes += GENERATION_BYTES + keyEnd - keyStart + ENGINE_HEADER_BYTES + valueEnd - valueStart;
    }
    return bytes;
  }

  #ensureSlab(byteLength: number): Uint8Array {
    if (this.#slab.length < byteLength || this.#slab.length > SLAB_BYTES_KEPT_MAX) this.#slab = new Uint8Array(byteLength);
    return this.#slab;
  }

  async #write(operations: readonly EngineOperation[], sync: boolean): Promise<void> {
    let told: string | undefined;
    for (let failures = 0; ; ) {
      try {
        if (failures > 0) await this.#reopen();
        await this.#engine.write(operations, sync);
        if (failures > 0) {
          this.#log.write("notice", "engine accepts changes again");
          this.#noteFault(undefined);
        }
        return;
      } catch (error) {
        const fault = error as FlareError;
        failures++;
        if (fault.message !== told) this.#log.write("error", `${fault.message}; retrying`);
        told = fault.message;
        this.#noteFault(fault);
        if (this.#closing && failures >= CLOSING_ATTEMPTS) throw error;
        const lastMs = fault.code === "DISK_FULL" ? RETRY_DISK_FULL_MS : RETRY_LAST_MS;
        await this.#wait(Math.min(RETRY_FIRST_MS * 2 ** (failures - 1), lastMs));
      }
    }
  }

  #noteFault(fault: FlareError | undefined): void {
    this.#fault = fault;
    this.#owner.onEngineFault(fault);
    if (fault === undefined) {
      if (this.#stuckTimer !== undefined) this.#clock.clearTimer(this.#stuckTimer);
      this.#stuckTimer = undefined;
      this.#isStuck = false;
      return;
    }
    this.#stuckTimer ??= this.#clock.setTimer(() => {
      this.#isStuck = true;
      for (const reject of this.#impatient) reject(this.#fault as FlareError);
      this.#impatient.clear();
    }, STUCK_MS);
  }

  /**
   * Must follow a failed write before the next one: LevelDB's own log may end in the middle of the failed write, and everything
   * after such a place is lost. On a full disk the engine stays open, for reads.
   */
  async #reopen(): Promise<void> {
    await this.#owner.tryRoomToReopen();
    await this.#engine.reopen();
    this.#log.write("notice", "engine reopened after failed writes");
  }

  #wait(delayMs: number): Promise<void> {
    if (this.#closing) return this.#turn();
    return new Promise((resolve) => {
      const end = (): void => {
        this.#pause = undefined;
        resolve();
      };
      this.#pause = { timer: this.#clock.setTimer(end, delayMs), end };
    });
  }
}
