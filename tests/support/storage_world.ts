/**
 * What the tests of the storage share: a runtime with a manual clock (turns of the loop are real, time is not), and short
 * ways to write, read and wait.
 */

import { setImmediate } from "node:timers";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import type { FlareError } from "../../lib/base/errors.ts";
import type { Uint64 } from "../../lib/base/uint64.ts";
import type { EntryView, KeySlice } from "../../lib/item/entry.ts";
import { type Applied, type Mutation, MutationKind } from "../../lib/item/mutation.ts";
import type { FileSystem, LogLevel, Runtime } from "../../lib/runtime/runtime.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryFiles } from "./memory_files.ts";

export class StorageWorld {
  readonly files: FileSystem;
  readonly runtime: Runtime;
  readonly lines: { level: LogLevel; message: string }[] = [];
  readonly #clock = new ManualClock((callback) => void setImmediate(callback));

  /** `seed` decides what `runtime.random` gives. */
  constructor(files: FileSystem = new MemoryFiles(), seed = 12345) {
    this.files = files;
    let state = seed;
    this.nowMs = 1_700_000_000_000;
    this.runtime = {
      name: "simulated",
      clock: this.#clock,
      random: {
        uint32() {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          return state;
        },
      },
      files,
      log: { write: (level, message) => void this.lines.push({ level, message }) },
      get transport(): never {
        throw new Error("the storage opens no socket");
      },
      get process(): never {
        throw new Error("the storage does not look at its process");
      },
    };
  }

  /** The wall clock; setting it moves no timer. */
  get nowMs(): number {
    return this.#clock.nowMs();
  }

  set nowMs(ms: number) {
    this.#clock.offsetMs = ms - this.#clock.monotonicMs();
  }

  get nowSeconds(): number {
    return Math.floor(this.nowMs / 1000);
  }

  /** Moves the clock and runs the timers that come due, each followed by some turns of the loop. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + ms;
    while (this.#clock.step(untilMs)) await turns(10);
  }

  /** Log lines of a level. */
  messages(level: LogLevel): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message);
  }
}

/** Lets the loop turn. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

export function keyOf(text: string): KeySlice {
  const bytes = fromLatin1(text);
  return { bytes, start: 0, end: bytes.length };
}

/** A write request. */
export function mutation(kind: MutationKind, key: string, value = "", more: Partial<Mutation> = {}): Mutation {
  const bytes = fromLatin1(value);
  return {
    kind,
    key: keyOf(key),
    flags: 0,
    expire: 0,
    version: 0,
    value: bytes,
    valueStart: 0,
    valueEnd: bytes.length,
    delta: 0,
    ...more,
  };
}

export function set(key: string, value: string, more: Partial<Mutation> = {}): Mutation {
  return mutation(MutationKind.set, key, value, more);
}

/** What a test wants to know of an item. */
export interface Seen {
  readonly value: string;
  readonly flags: number;
  readonly expire: number;
  readonly version: Uint64;
}

export function seen(entry: EntryView): Seen {
  const head = latin1(entry.bytes, entry.headStart, entry.headEnd);
  const value = latin1(entry.bytes, entry.valueStart, entry.valueEnd);
  const key = latin1(entry.bytes, entry.keyStart, entry.keyEnd);
  const expected = `VALUE ${key} ${entry.flags} ${value.length}`;
  if (head !== expected) throw new Error(`head is "${head}", not "${expected}"`);
  const ends = latin1(entry.bytes, entry.headEnd, entry.headEnd + 2) + latin1(entry.bytes, entry.valueEnd, entry.valueEnd + 2);
  if (ends !== "\r\n\r\n") throw new Error("an entry is not framed by CRLF");
  return { value, flags: entry.flags, expire: entry.expire, version: entry.version };
}

export async function read(storage: Storage, key: string, nowSeconds: number): Promise<Seen | undefined> {
  const entry = await storage.get(keyOf(key), nowSeconds);
  return entry === undefined ? undefined : seen(entry);
}

/** Applies a write; the outcome is a copy. */
export async function write(storage: Storage, request: Mutation, nowSeconds: number): Promise<Applied> {
  const outcome = storage.apply(request, nowSeconds);
  return outcome instanceof Promise ? outcome : { ...outcome };
}

/** Resolves with the error, if any, when everything applied so far is committed. */
export function committed(storage: Storage): Promise<FlareError | undefined> {
  return new Promise((resolve) => storage.onCommit({ onCommitted: (error) => resolve(error) }));
}

/** Applies a write and waits for its commit. @throws Error unless it is applied and committed */
export async function writeDurably(storage: Storage, request: Mutation, nowSeconds: number): Promise<Applied> {
  const outcome = await write(storage, request, nowSeconds);
  const error = await committed(storage);
  if (error !== undefined) throw error;
  return outcome;
}
