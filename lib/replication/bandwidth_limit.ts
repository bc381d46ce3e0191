/**
 * Limits a stream of items to a rate in bytes per second, with a pause per item. Waits on the given clock, and stops at once
 * when the stream is abandoned.
 */

import type { Clock } from "../runtime/runtime.ts";

/** Shorter waits are accumulated: timers are not that precise. */
const WAIT_MS_MIN = 2;

export class BandwidthLimit {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  readonly #itemPauseMs: number;
  /** When everything passed so far is within the rate. */
  #freeAtMs: number;
  /** Ends the current pause. */
  #wake: (() => void) | undefined;
  #isOver = false;

  /** @param bytesPerSecond 0 = no limit; @param itemPauseUs pause after each item in microseconds, 0 = none */
  constructor(clock: Clock, bytesPerSecond: number, itemPauseUs: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#itemPauseMs = itemPauseUs / 1000;
    this.#freeAtMs = clock.monotonicMs();
  }

  /** Accounts for sent data; undefined = continue at once. One pause at a time. */
  spend(bytes: number, items: number): Promise<void> | undefined {
    const nowMs = this.#clock.monotonicMs();
    const costMs = items * this.#itemPauseMs + (this.#bytesPerSecond > 0 ? (bytes * 1000) / this.#bytesPerSecond : 0);
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + costMs;
    const waitMs = this.#freeAtMs - nowMs;
    if (waitMs < WAIT_MS_MIN || this.#isOver) return undefined;
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(resolve, waitMs);
      this.#wake = () => {
        this.#clock.clearTimer(timer);
        resolve();
      };
    });
  }

  /** The stream is abandoned: ends the current pause; there is no other. */
  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }
}
