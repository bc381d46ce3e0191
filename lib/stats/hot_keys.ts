/**
 * Which keys are asked for most now. One request in a hundred is looked at, on average, after a random gap, so that no pattern
 * of requests is seen too often or never; all its keys count. Weights halve every minute: what was hot is forgotten. A request
 * that another node has passed on counts here too, but apart, so that a sum over the cluster has each request of a client once,
 * at the node that it was sent to.
 */

import { hashMurmur } from "../cluster/key_hash.ts";
import { Command, CommandShape, shapeOf } from "../protocol/command.ts";
import type { Request } from "../protocol/request.ts";
import type { Clock } from "../runtime/runtime.ts";
import { KeySketch } from "./key_sketch.ts";

/** One of this many requests is looked at, on average. */
export const SAMPLE_INTERVAL = 100;
/** After this long a sample counts half. */
export const HALF_LIFE_MS = 60_000;
/** Keys with a counter. */
export const COUNTERS = 128;
/** Beyond this weight of a new sample all weights are scaled: after 20 minutes. */
const WEIGHT_MAX = 1e6;
const SPACE = 0x20;

/** Samples by what they are: weighted, so that one from a minute ago is half a sample. */
export interface SampleCounts {
  /** Requests of clients for values, and all other ones of clients. */
  readonly reads: number;
  readonly writes: number;
  /** Those that other nodes have passed on. */
  readonly readsOfNodes: number;
  readonly writesOfNodes: number;
}

/** How often a key was seen. */
export interface HotKey extends SampleCounts {
  /** The key, or its first 250 bytes. */
  readonly key: Uint8Array;
  /** The length of the whole key. */
  readonly keyBytes: number;
  /** How many more there may have been, at most. */
  readonly error: number;
}

/** What a node knows of its hot keys. */
export interface HotReport {
  /** One of this many requests was looked at, on average. */
  readonly interval: number;
  /** Counts by `interval / seconds` are requests per second. */
  readonly seconds: number;
  /** Keys looked at since the start, or `stats reset`. */
  readonly sampled: number;
  readonly total: SampleCounts;
  /** How often a key was seen at most that is not among `keys`. */
  readonly unlistedMax: number;
  /** Those seen at least once lately, most often first. */
  readonly keys: readonly HotKey[];
}

/** The kinds of the sketch: a write is 1 more than a read, of a node 2 more than of a client. */
const WRITE = 1;
const OF_NODE = 2;
const KINDS = 4;

export class HotKeys {
  /** Keys looked at since the start, or `clear`. */
  sampled = 0;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #sketch = new KeySketch(COUNTERS, KINDS);
  #sinceMs: number;
  /** When a sample weighs 1. */
  #baseMs: number;
  #random: number;
  #left: number;

  /** @param seed decides the gaps between the samples */
  constructor(clock: Pick<Clock, "monotonicMs">, seed: number) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
    this.#baseMs = this.#sinceMs;
    // The generator does not leave 0.
    this.#random = seed | 0 || 1;
    this.#left = this.#gap();
  }

  /** Whether the request that has just arrived is to be looked at: then call `sample`. */
  isDue(): boolean {
    return --this.#left <= 0;
  }

  /** Counts the keys of a request. */
  sample(request: Request): void {
    this.#left = this.#gap();
    const shape = shapeOf(request.command);
    if (shape === CommandShape.words || shape === CommandShape.block) return;
    const isOfNode = request.prefix !== undefined || request.forwardedBy !== undefined;
    const kind = (isRead(request.command, shape) ? 0 : WRITE) + (isOfNode ? OF_NODE : 0);
    const weight = this.#weight();
    if (shape !== CommandShape.retrieval && shape !== CommandShape.touchRetrieval) {
      const { bytes, start, end } = request.mutation.key;
      return this.#add(bytes, start, end, kind, weight);
    }
    const { bytes, keysEnd } = request;
    for (let at = request.keysStart; at < keysEnd; at++) {
      const start = at;
      while (at < keysEnd && bytes[at] !== SPACE) at++;
      if (at > start) this.#add(bytes, start, at, kind, weight);
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.sampled = 0;
    this.#sketch.clear();
    this.#sinceMs = this.#clock.monotonicMs();
    this.#baseMs = this.#sinceMs;
  }

  /** What is known now. */
  report(): HotReport {
    const scale = 1 / this.#weight();
    const keys: HotKey[] = [];
    let unlistedMax = this.#sketch.uncountedMax * scale;
    for (const { key, keyBytes, error, weights } of this.#sketch) {
      const counts = countsOf(weights, scale);
      const seen = sumOf(counts);
      if (seen >= 1) keys.push({ key: key.slice(), keyBytes, error: error * scale, ...counts });
      else unlistedMax = Math.max(unlistedMax, seen + error * scale);
    }
    keys.sort((left, right) => sumOf(right) - sumOf(left));
    const lifeSeconds = HALF_LIFE_MS / Math.LN2 / 1000;
    const age = (this.#clock.monotonicMs() - this.#sinceMs) / HALF_LIFE_MS;
    return {
      interval: SAMPLE_INTERVAL,
      seconds: lifeSeconds * (1 - 2 ** -age),
      sampled: this.sampled,
      total: countsOf(this.#sketch.totals, scale),
      unlistedMax,
      keys,
    };
  }

  #add(bytes: Uint8Array, start: number, end: number, kind: number, weight: number): void {
    this.sampled++;
    this.#sketch.add(bytes, start, end, hashMurmur(bytes, start, end), kind, weight);
  }

  /** What a sample of now weighs: instead of making old ones lighter, new ones are heavier. */
  #weight(): number {
    const nowMs = this.#clock.monotonicMs();
    const weight = 2 ** ((nowMs - this.#baseMs) / HALF_LIFE_MS);
    if (weight < WEIGHT_MAX) return weight;
    this.#sketch.scale(1 / weight);
    this.#baseMs = nowMs;
    return 1;
  }

  /** Requests up to the next sample: 1 to twice the interval, each as likely as the others (xorshift32). */
  #gap(): number {
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random = random;
    return 1 + ((random >>> 0) % (2 * SAMPLE_INTERVAL - 1));
  }
}

/** All samples of a key, or of all keys. */
export function sumOf({ reads, writes, readsOfNodes, writesOfNodes }: SampleCounts): number {
  return reads + writes + readsOfNodes + writesOfNodes;
}

function countsOf(weights: Float64Array, scale: number): SampleCounts {
  const [reads = 0, writes = 0, readsOfNodes = 0, writesOfNodes = 0] = weights.map((weight) => weight * scale);
  return { reads, writes, readsOfNodes, writesOfNodes };
}

/** Whether a command asks for a value, whatever else it does. */
function isRead(command: Command, shape: CommandShape): boolean {
  if (shape === CommandShape.retrieval || shape === CommandShape.touchRetrieval || shape === CommandShape.key) return true;
  return command === Command.mg || command === Command.me;
}
