/** A pause on the runtime's clock. */

import type { Clock } from "../runtime/runtime.ts";

/** Resolves after `delayMs` milliseconds. `keepsProcess`: keeps the process alive, default false. */
export function sleep(clock: Pick<Clock, "setTimer">, delayMs: number, keepsProcess = false): Promise<void> {
  return new Promise((resolve) => clock.setTimer(resolve, delayMs, keepsProcess));
}
