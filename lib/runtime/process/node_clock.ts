/**
 * The clock of the three adapters, on `node:timers`, which all of them have. Timers are unref'd: sockets keep a process alive,
 * timers do not.
 */

import { performance } from "node:perf_hooks";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import type { Clock, Timer } from "../runtime.ts";

/** The longest delay that the platforms support (about 24.8 days); longer ones are limited to it. */
const DELAY_MAX_MS = 0x7fffffff;

export const NODE_CLOCK: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(callback: () => void, delayMs: number, keepsProcess = false): Timer {
    const timer = setTimeout(callback, Math.min(delayMs, DELAY_MAX_MS));
    return keepsProcess ? timer : timer.unref();
  },
  clearTimer(timer: Timer): void {
    clearTimeout(timer as NodeJS.Timeout);
  },
  defer(callback: () => void): void {
    setImmediate(callback);
  },
};
