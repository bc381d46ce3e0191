/**
 * Virtual time: a queue of events in the order of their times (in whole microseconds; those of one moment in the order
 * they were asked for), and what is put off to the end of a moment. Nothing happens by itself: `SimWorld` takes the events
 * out one by one. `SimProcessClock` is what a simulated process sees of it.
 */

import type { Clock, Timer } from "../../lib/runtime/runtime.ts";

export interface SimEvent {
  readonly atUs: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** When every simulation begins, milliseconds since 1970. */
const EPOCH_MS = 1_800_000_000_000;

export class SimClock {
  /** Virtual time since the beginning. */
  nowUs = 0;
  readonly #heap: SimEvent[] = [];
  #deferred: (() => void)[] = [];
  #order = 0;

  /** Calls back after `delayUs` (0 = in this moment, after what is due already). */
  schedule(callback: () => void, delayUs: number): SimEvent {
    const event = { atUs: this.nowUs + Math.max(0, Math.round(delayUs)), order: this.#order++, callback, cancelled: false };
    this.#push(event);
    return event;
  }

  /** Calls back when nothing else is due in this moment. */
  defer(callback: () => void): void {
    this.#deferred.push(callback);
  }

  /** What comes next, time moved on to it; undefined when nothing comes up to `untilUs`. */
  next(untilUs: number): (() => void) | undefined {
    let first = this.#heap[0];
    while (first?.cancelled === true) {
      this.#pop();
      first = this.#heap[0];
    }
    if (this.#deferred.length > 0 && (first === undefined || first.atUs > this.nowUs)) return this.#deferred.shift();
    if (first === undefined || first.atUs > untilUs) return undefined;
    this.#pop();
    this.nowUs = first.atUs;
    return first.callback;
  }

  #push(event: SimEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!comesBefore(event, heap[parent] as SimEvent)) break;
      heap[at] = heap[parent] as SimEvent;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as SimEvent;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && comesBefore(heap[child + 1] as SimEvent, heap[child] as SimEvent)) child++;
      if (!comesBefore(heap[child] as SimEvent, last)) break;
      heap[at] = heap[child] as SimEvent;
      at = child;
    }
    heap[at] = last;
  }
}

function comesBefore(left: SimEvent, right: SimEvent): boolean {
  return left.atUs < right.atUs || (left.atUs === right.atUs && left.order < right.order);
}

/** How a process is doing: what it asked for happens only while it lives, and late while it is paused. */
export interface Liveness {
  readonly alive: boolean;
  /** Runs `work` now, or when the process goes on; never if it is dead. */
  run(work: () => void): void;
}

/** The clock of one process. */
export class SimProcessClock implements Clock {
  /** What the wall clock is off by. */
  wallOffsetMs = 0;
  readonly #clock: SimClock;
  readonly #process: Liveness;

  constructor(clock: SimClock, process: Liveness) {
    this.#clock = clock;
    this.#process = process;
  }

  nowMs(): number {
    return EPOCH_MS + Math.floor(this.#clock.nowUs / 1000) + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#clock.nowUs / 1000;
  }

  /** As on a real system no timer is shorter than a millisecond. */
  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = this.#clock.schedule(() => {
      this.#process.run(() => {
        if (!timer.cancelled) callback();
      });
    }, Math.max(1, delayMs) * 1000);
    return timer;
  }

  clearTimer(timer: Timer): void {
    (timer as SimEvent).cancelled = true;
  }

  defer(callback: () => void): void {
    this.#clock.defer(() => this.#process.run(callback));
  }
}
