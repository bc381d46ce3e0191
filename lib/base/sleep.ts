/** Pauses on the runtime's clock. */

import type { Clock } from "../runtime/runtime.ts";

/** Resolves after `delayMs` milliseconds. `keepsProcess`: keeps the process alive, default false. */
export function sleep(clock: Pick<Clock, "setTimer">, delayMs: number, keepsProcess = false): Promise<void> {
  return new Promise((resolve) => clock.setTimer(resolve, delayMs, keepsProcess));
}

/** Resolves at the end of this turn of the event loop, after the other sockets that are ready now. */
export function endOfTurn(clock: Pick<Clock, "defer">): Promise<void> {
  return new Promise((resolve) => clock.defer(resolve));
}
