/**
 * What the connections of a load do together, phase by phase: store every key, then gets and sets of random keys, then remove
 * every key; and what came of it. Knows no connection.
 */

import { LogHistogram } from "../../base/log_histogram.ts";
import type { LoadItems } from "./load_items.ts";
import type { LoadOptions } from "./load_options.ts";

/** The kinds of requests. */
export const LoadRequest = { get: 0, set: 1, delete: 2 } as const;
export type LoadRequest = (typeof LoadRequest)[keyof typeof LoadRequest];

/** Requests under way on a connection while keys are stored and removed, at least. */
const BULK_DEPTH = 16;
/** How many wrong answers are kept as text. */
const SAMPLES_MAX = 5;
const SAMPLE_LENGTH_MAX = 120;

export type LoadPhase = "idle" | "store" | "load" | "remove";

export class LoadWork {
  readonly items: LoadItems;
  readonly latencies = new LogHistogram();
  requests = 0;
  gets = 0;
  sets = 0;
  keysRead = 0;
  misses = 0;
  /** Replies that are not what they must be. */
  wrong = 0;
  /** Replies that say that the server failed, and requests without a reply. */
  errors = 0;
  /** Connections that broke. */
  broken = 0;
  /** The first wrong replies and errors. */
  readonly samples: string[] = [];
  /** When the last reply came, by the monotonic clock. */
  lastReplyMs = 0;
  /** How many keys may be stored: all below this. */
  stored = 0;
  readonly #options: Pick<LoadOptions, "depth" | "getPercent" | "keys">;
  #phase: LoadPhase = "idle";
  #nextKey = 0;
  #endKey = 0;
  /** Keys of this phase whose request was lost. */
  readonly #again: number[] = [];
  /** Requests of this phase under way. */
  #underWay = 0;
  #random: number;
  #onDone: () => void = () => undefined;

  /** @param seed of the order of the requests */
  constructor(items: LoadItems, options: Pick<LoadOptions, "depth" | "getPercent" | "keys">, seed: number) {
    this.items = items;
    this.#options = options;
    this.#random = seed | 1;
  }

  get phase(): LoadPhase {
    return this.#phase;
  }

  /** Requests under way on each connection. */
  get depth(): number {
    return this.#phase === "load" ? this.#options.depth : Math.max(this.#options.depth, BULK_DEPTH);
  }

  /** How many of the keys of this phase are done. */
  get progress(): number {
    return this.#nextKey - this.#underWay - this.#again.length;
  }

  /** Begins a phase; resolves when all of its requests are answered. `load` has no end but `idle`. */
  begin(phase: LoadPhase): Promise<void> {
    this.#phase = phase;
    this.#nextKey = 0;
    this.#endKey = phase === "store" ? this.#options.keys : phase === "remove" ? this.stored : 0;
    this.#again.length = 0;
    return new Promise((resolve) => {
      this.#onDone = resolve;
      this.#look();
    });
  }

  /** Forgets what was counted, not what was wrong. */
  clear(): void {
    this.latencies.clear();
    this.requests = 0;
    this.gets = 0;
    this.sets = 0;
    this.keysRead = 0;
    this.misses = 0;
  }

  /** The kind of the next request; undefined = there is none now. The caller takes its keys with `nextKey`. */
  next(): LoadRequest | undefined {
    if (this.#phase === "load") {
      this.#underWay++;
      return this.#uint32() % 100 < this.#options.getPercent ? LoadRequest.get : LoadRequest.set;
    }
    if (this.#again.length === 0 && this.#nextKey >= this.#endKey) return undefined;
    this.#underWay++;
    return this.#phase === "store" ? LoadRequest.set : LoadRequest.delete;
  }

  nextKey(): number {
    if (this.#phase === "load") return this.#uint32() % this.#options.keys;
    const key = this.#again.pop() ?? this.#nextKey++;
    if (this.#phase === "store" && key >= this.stored) this.stored = key + 1;
    return key;
  }

  /** A request was answered, after this long. */
  answered(kind: LoadRequest, microseconds: number): void {
    this.requests++;
    if (kind === LoadRequest.get) this.gets++;
    else if (kind === LoadRequest.set) this.sets++;
    this.latencies.add(microseconds);
    this.#underWay--;
    if (this.#underWay === 0) this.#look();
  }

  /** A request has no answer: its connection broke. In a phase that does every key once it is done again. */
  lost(key: number, phase: LoadPhase): void {
    this.#underWay--;
    if (phase === this.#phase && phase !== "load") this.#again.push(key);
    else this.errors++;
    if (this.#underWay === 0) this.#look();
  }

  /** Something is not what it must be. */
  complain(kind: "errors" | "wrong" | "broken", text: () => string): void {
    this[kind]++;
    if (this.samples.length < SAMPLES_MAX) this.samples.push(text().slice(0, SAMPLE_LENGTH_MAX));
  }

  #look(): void {
    if (this.#underWay > 0 || this.#again.length > 0 || this.#nextKey < this.#endKey || this.#phase === "load") return;
    this.#onDone();
  }

  /** xorshift32. */
  #uint32(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return x >>> 0;
  }
}
