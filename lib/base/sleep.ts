/** A pause by the clock of the runtime. */

import type { Clock } from "../runtime/runtime.ts";

/** Resolves after `delayMs` milliseconds. `keepsProcess`: the process does not end meanwhile, false unless given. */
export function sleep(clock: Pick<Clock, "setTimer">, delayMs: number, keepsProcess = false): Promise<void> {
  return new Promise((resolve) => clock.setTimer(resolve, delayMs, keepsProcess));
}
