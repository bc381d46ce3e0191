/** Tells network errors from negative answers. Pure. */

import { FlareError } from "../base/errors.ts";

/** Whether an error means that the other side could not be reached or does not answer. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof FlareError && (error.code === "CONNECTION_FAILED" || error.code === "TIMED_OUT");
}
