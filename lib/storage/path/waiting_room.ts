/**
 * Where operations wait that cannot be executed at once, until an engine read finishes or there is room in the arena. Per key
 * they run in call order. A write waits for room only for a limited time, and not at all while the disk is full.
 */

import { FlareError } from "../../base/errors.ts";
import type { EntryView, KeySlice } from "../../item/entry.ts";
import { type Applied, type Mutation, MutationResult } from "../../item/mutation.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";
import { emptyEntry } from "../arena/cached_entry.ts";
import type { Keyspaces } from "../arena/keyspaces.ts";
import { copyEntry } from "../arena/private_entry.ts";
import type { Checkpointer } from "../checkpoint/checkpointer.ts";
import type { StorageSettings } from "../storage_options.ts";
import { Attempt } from "./attempt.ts";
import type { KeyLookup } from "./key_lookup.ts";
import type { KeyWriter } from "./key_writer.ts";
import { copyMutation, type WaitingKey, WaitingKeys, type WaitingOperation } from "./waiting_keys.ts";

const WAITING_COUNT_MAX = 100000;
/** Limit for waiting values: 1/2 of the memory for items … */
const WAITING_PART = 2;
/** … but at least this. */
const WAITING_BYTES_MIN = 1 << 20;
const FULL = "too many requests are waiting for the engine";

export class WaitingRoom {
  readonly keys: WaitingKeys;
  /** Writes that failed because there was no room in time. */
  roomFailures = 0;

  readonly #clock: Clock;
  readonly #keyspaces: Keyspaces;
  readonly #lookup: KeyLookup;
  readonly #writer: KeyWriter;
  readonly #roomWaitMs: number;
  readonly #checkpointer: Checkpointer;
  /** Keys whose first operation is a write that waits for room. */
  #forRoom: WaitingKey[] = [];
  #roomTimer: Timer | undefined;
  #engineFault: FlareError | undefined;

  constructor(
    clock: Clock,
    keyspaces: Keyspaces,
    lookup: KeyLookup,
    writer: KeyWriter,
    settings: StorageSettings,
    checkpointer: Checkpointer,
  ) {
    this.#clock = clock;
    this.#keyspaces = keyspaces;
    this.#lookup = lookup;
    this.#writer = writer;
    this.#roomWaitMs = settings.roomWaitMs;
    this.#checkpointer = checkpointer;
    this.keys = new WaitingKeys(WAITING_COUNT_MAX, waitingBytesMax(settings.memoryBytesMax));
  }

  /** The memory for items was resized. */
  resize(memoryBytesMax: number): void {
    this.keys.bytesMax = waitingBytesMax(memoryBytesMax);
  }

  /** Queues a read; resolves to a private copy. */
  get(key: KeySlice, nowSeconds: number, peek: boolean): Promise<EntryView | undefined> {
    if (this.keys.isFull) return Promise.reject(new FlareError("LIMIT_EXCEEDED", FULL));
    return new Promise((resolve, reject) => this.#wait(key, { kind: "get", nowSeconds, peek, resolve, reject }));
  }

  /** Queues a write. */
  apply(mutation: Mutation, nowSeconds: number): Applied | Promise<Applied> {
    if (this.keys.isFull) return this.#writer.refuse(FULL);
    const copy = copyMutation(mutation);
    const deadlineMs = this.#clock.monotonicMs() + this.#roomWaitMs;
    return new Promise((resolve) => this.#wait(copy.key, { kind: "apply", mutation: copy, nowSeconds, deadlineMs, resolve }));
  }

  /** Queues a sweep of a key. */
  sweep(key: KeySlice, nowSeconds: number): Promise<void> {
    return new Promise((resolve) => this.#wait(key, { kind: "sweep", nowSeconds, resolve }));
  }

  /** Some of the arena became evictable: operations that wait for room continue in order. */
  onRoom(): void {
    const queues = this.#forRoom;
    this.#forRoom = [];
    for (let i = 0; i < queues.length; i++) {
      this.#proceed(queues[i] as WaitingKey);
      if (this.#forRoom.length === 0) continue;
      for (const rest of queues.slice(i + 1)) this.#forRoom.push(rest);
      break;
    }
    if (this.#forRoom.length > 0) this.#checkpointer.request();
  }

  /** The engine's reason for the lack of room; undefined = it accepts changes again. */
  onEngineFault(fault: FlareError | undefined): void {
    this.#engineFault = fault;
    if (fault !== undefined) this.#lookAgain();
  }

  /** Fails all waiting operations. */
  close(error: FlareError): void {
    if (this.#roomTimer !== undefined) this.#clock.clearTimer(this.#roomTimer);
    for (const queue of this.keys.keys()) this.#abandon(queue, error);
  }

  #wait(key: KeySlice, operation: WaitingOperation): void {
    const queue = this.keys.add(key, operation);
    if (queue !== undefined) this.#proceed(queue);
  }

  /** Runs a key's waiting operations until one must wait again. */
  #proceed(queue: WaitingKey): void {
    for (let operation = queue.operations[0]; operation !== undefined; operation = queue.operations[0]) {
      const attempt = this.#perform(queue, operation);
      if (attempt === Attempt.load) {
        this.#load(queue);
        return;
      }
      if (attempt === Attempt.room && operation.kind === "apply") {
        if (!this.#isHopeless(operation.deadlineMs)) {
          this.#forRoom.push(queue);
          this.#watchForRoom();
          return;
        }
        this.roomFailures++;
        operation.resolve(failedApplied(`memory is full of changes that are not in the engine yet${this.#reason()}`));
      }
      this.keys.shift(queue);
    }
  }

  #perform(queue: WaitingKey, operation: WaitingOperation): Attempt {
    const { key } = queue;
    if (operation.kind === "apply") {
      const attempt = this.#writer.attempt(operation.mutation, operation.nowSeconds);
      if (attempt === Attempt.done) operation.resolve(this.#writer.ownApplied());
      return attempt;
    }
    if (operation.kind === "sweep") {
      const attempt = this.#writer.attemptSweep(key, operation.nowSeconds);
      if (attempt === Attempt.load) return attempt;
      operation.resolve();
      return Attempt.done;
    }
    try {
      const hash = this.#keyspaces.current.cache.hash(key.bytes, key.start, key.end);
      if (!this.#lookup.lookUp(hash, key, operation.nowSeconds)) return Attempt.load;
      const entry = this.#lookup.live(operation.nowSeconds, operation.peek);
      operation.resolve(entry === undefined ? undefined : copyEntry(entry, emptyEntry()));
    } catch (error) {
      operation.reject(error as Error);
    }
    return Attempt.done;
  }

  #load(queue: WaitingKey): void {
    const { generation } = this.#keyspaces.current;
    this.#lookup.read(queue.key).then(
      (bytes) => {
        // After a flush the value read is obsolete.
        if (this.#keyspaces.current.generation === generation) this.#lookup.loaded = { bytes };
        this.#proceed(queue);
        this.#lookup.loaded = undefined;
      },
      (error: FlareError) => this.#abandon(queue, error),
    );
  }

  /** Fails a key's waiting operations with an error. */
  #abandon(queue: WaitingKey, error: FlareError): void {
    for (let operation = queue.operations[0]; operation !== undefined; operation = queue.operations[0]) {
      this.keys.shift(queue);
      if (operation.kind === "get") operation.reject(error);
      else if (operation.kind === "apply") operation.resolve(failedApplied(error.message));
      else operation.resolve();
    }
  }

  #watchForRoom(): void {
    if (this.#roomTimer !== undefined) return;
    this.#roomTimer = this.#clock.setTimer(() => {
      this.#roomTimer = undefined;
      this.#lookAgain();
      if (this.#forRoom.length > 0) this.#watchForRoom();
    }, this.#roomWaitMs);
  }

  /** Fails writes that will get no room; later operations of the same key keep waiting. */
  #lookAgain(): void {
    const queues = this.#forRoom;
    this.#forRoom = [];
    for (const queue of queues) this.#proceed(queue);
  }

  /** Whether it waited too long, or needs room that the engine cannot make on a full disk. */
  #isHopeless(deadlineMs: number): boolean {
    return this.#engineFault?.code === "DISK_FULL" || deadlineMs <= this.#clock.monotonicMs();
  }

  #reason(): string {
    return this.#engineFault === undefined ? "" : `: ${this.#engineFault.message}`;
  }
}

function waitingBytesMax(memoryBytesMax: number): number {
  return Math.max(memoryBytesMax / WAITING_PART, WAITING_BYTES_MIN);
}

function failedApplied(error: string): Applied {
  return { result: MutationResult.failed, entry: emptyEntry(), number: 0, error };
}
