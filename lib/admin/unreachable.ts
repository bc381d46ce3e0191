/** Tells faults of the network from answers nobody likes. Pure. */

import { FlareError } from "../base/errors.ts";

/** Whether a fault means that the other side could not be reached or does not answer. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof FlareError && (error.code === "CONNECTION_FAILED" || error.code === "TIMED_OUT");
}
