/** Pauses on the runtime's clock. */

import type { Clock } from "../runtime/runtime.ts";

/** Resolves after `delayMs` milliseconds. `keepsProcess`: keeps the process alive, default false. */
export function sleep(clock: Pick<Clock, "setTimer">, delayMs: number, keepsProcess = false): Promise<void> {
  return new Promise((resolve) => clock.setTimer(resolve, delayMs, keepsProcess));
}

/** As `sleep`, but ends when `signal` is aborted; resolves to whether it is not. Keeps the process alive. */
export function pause(clock: Pick<Clock, "setTimer" | "clearTimer">, delayMs: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(false);
    const end = (): void => {
      clock.clearTimer(timer);
      signal?.removeEventListener("abort", end);
      resolve(signal?.aborted !== true);
    };
    const timer = clock.setTimer(end, delayMs, true);
    signal?.addEventListener("abort", end);
  });
}

/** Resolves at the end of this turn of the event loop, after the other sockets that are ready now. */
export function endOfTurn(clock: Pick<Clock, "defer">): Promise<void> {
  return new Promise((resolve) => clock.defer(resolve));
}
