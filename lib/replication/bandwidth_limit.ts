/**
 * Slows a stream of items down to a rate: so many bytes a second, and a pause per item. The waiting goes through the clock
 * it is given, and ends at once when the stream is given up.
 */

import type { Clock } from "../runtime/runtime.ts";

/** Shorter waits are saved up: timers are not that exact. */
const WAIT_MS_MIN = 2;

export class BandwidthLimit {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  readonly #itemPauseMs: number;
  /** When everything let through so far will have been paid for. */
  #freeAtMs: number;
  /** Ends the pause under way. */
  #wake: (() => void) | undefined;
  #isOver = false;

  /** @param bytesPerSecond 0 = no limit; @param itemPauseUs pause after each item in microseconds, 0 = none */
  constructor(clock: Clock, bytesPerSecond: number, itemPauseUs: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#itemPauseMs = itemPauseUs / 1000;
    this.#freeAtMs = clock.monotonicMs();
  }

  /** Accounts for what was sent; undefined = go on at once. One pause at a time. */
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

  /** The stream is given up: the pause under way ends now, and there is no other. */
  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }
}
