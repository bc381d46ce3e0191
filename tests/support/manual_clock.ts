/** A clock that is moved by hand. */

import type { Clock, Timer } from "../../lib/runtime/runtime.ts";

interface ManualTimer {
  readonly callback: () => void;
  readonly dueMs: number;
}

export class ManualClock implements Clock {
  /** Wall clock minus monotonic clock. */
  offsetMs = 1_800_000_000_000;
  #nowMs = 0;
  readonly #timers = new Set<ManualTimer>();
  readonly #defer: (callback: () => void) => void;

  /** @param defer runs something in a later turn */
  constructor(defer: (callback: () => void) => void) {
    this.#defer = defer;
  }

  nowMs(): number {
    return this.offsetMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = { callback, dueMs: this.#nowMs + delayMs };
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: Timer): void {
    this.#timers.delete(timer as ManualTimer);
  }

  defer(callback: () => void): void {
    this.#defer(callback);
  }

  /** How long the timers still have. */
  get delaysMs(): number[] {
    return [...this.#timers].map(({ dueMs }) => dueMs - this.#nowMs);
  }

  /** Moves to the next timer that is due by `untilMs` and runs it; false, and at `untilMs`, if there is none. */
  step(untilMs: number): boolean {
    let next: ManualTimer | undefined;
    for (const timer of this.#timers)
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    this.#nowMs = Math.max(this.#nowMs, next === undefined ? untilMs : next.dueMs);
    if (next === undefined) return false;
    this.#timers.delete(next);
    next.callback();
    return true;
  }
}
