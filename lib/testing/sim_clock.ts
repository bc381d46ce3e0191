/**
 * Virtual time: a queue of events in the order of their times (in whole microseconds; those of one moment in the order
 * they were asked for), and what is put off to the end of a moment. Nothing happens by itself: `SimWorld` takes the events
 * out one by one. `SimHostClock` is the clock of a machine, which may be wrong; `SimProcessClock` is what a process sees of it.
 */

import type { Clock, Timer } from "../runtime/runtime.ts";

export interface SimEvent {
  readonly atUs: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** A timer is due when this much is left: times are fractions. */
const LEFT_US_MAX = 0.01;
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

/** What a machine's clocks show: they outlive its processes, run fast or slow, and the wall clock jumps. */
export class SimHostClock {
  /** What the wall clock is off by. */
  wallOffsetMs = 0;
  readonly #clock: SimClock;
  #rate = 1;
  /** When the rate changed last, and what the clock showed then. */
  #sinceUs = 0;
  #shownUs = 0;

  constructor(clock: SimClock) {
    this.#clock = clock;
  }

  /** Microseconds by this clock since the beginning. */
  get nowUs(): number {
    return this.#shownUs + (this.#clock.nowUs - this.#sinceUs) * this.#rate;
  }

  get wallMs(): number {
    return EPOCH_MS + Math.floor(this.nowUs / 1000) + this.wallOffsetMs;
  }

  /** From now on the clock shows this many seconds per second. */
  set rate(rate: number) {
    this.#shownUs = this.nowUs;
    this.#sinceUs = this.#clock.nowUs;
    this.#rate = rate;
  }

  /** How long a time by this clock takes. */
  realUs(shownUs: number): number {
    return Math.ceil(shownUs / this.#rate);
  }
}

interface SimTimer {
  readonly callback: () => void;
  /** By the machine's clock. */
  readonly dueUs: number;
  event: SimEvent | undefined;
  cleared: boolean;
}

/** The clock of one process. */
export class SimProcessClock implements Clock {
  readonly #clock: SimClock;
  readonly #host: SimHostClock;
  readonly #process: Liveness;

  constructor(clock: SimClock, host: SimHostClock, process: Liveness) {
    this.#clock = clock;
    this.#host = host;
    this.#process = process;
  }

  nowMs(): number {
    return this.#host.wallMs;
  }

  monotonicMs(): number {
    return this.#host.nowUs / 1000;
  }

  /** As on a real system no timer is shorter than a millisecond. */
  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = { callback, dueUs: this.#host.nowUs + Math.max(1, delayMs) * 1000, event: undefined, cleared: false };
    this.#await(timer);
    return timer;
  }

  clearTimer(timer: Timer): void {
    const own = timer as SimTimer;
    own.cleared = true;
    if (own.event !== undefined) own.event.cancelled = true;
  }

  /** A clock that has become slower is waited for again: a timer may be late, never early. */
  #await(timer: SimTimer): void {
    const leftUs = timer.dueUs - this.#host.nowUs;
    timer.event = this.#clock.schedule(() => {
      if (timer.dueUs - this.#host.nowUs > LEFT_US_MAX) this.#await(timer);
      else this.#process.run(() => (timer.cleared ? undefined : timer.callback()));
    }, this.#host.realUs(leftUs));
  }

  defer(callback: () => void): void {
    this.#clock.defer(() => this.#process.run(callback));
  }
}
