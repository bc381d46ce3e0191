/**
 * The clock of the three adapters, on `node:timers`, which all of them have. Timers are unref'd: sockets keep a process alive,
 * timers do not. Longer delays than `DELAY_MS_MAX` are limited to it.
 */

import { performance } from "node:perf_hooks";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { DELAY_MS_MAX } from "../../base/number_bounds.ts";
import type { Clock, Timer } from "../runtime.ts";

export const NODE_CLOCK: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(callback: () => void, delayMs: number, keepsProcess = false): Timer {
    const timer = setTimeout(callback, Math.min(delayMs, DELAY_MS_MAX));
    return keepsProcess ? timer : timer.unref();
  },
  clearTimer(timer: Timer): void {
    clearTimeout(timer as NodeJS.Timeout);
  },
  defer(callback: () => void): void {
    setImmediate(callback);
  },
};
