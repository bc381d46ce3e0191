/** The refusal of damaged data: which file, what is wrong with it, what to do. */

import { FlareError } from "./errors.ts";

/** The error for a file of a data directory; `what` follows its name. */
export function dataDamage(path: string, what: string, cause?: unknown): FlareError {
  const advice =
    "put it back from a backup, or start with an empty data directory and copy from another node or restore a dump";
  return new FlareError("CORRUPT", `"${path}" ${what}; ${advice}`, { cause });
}
