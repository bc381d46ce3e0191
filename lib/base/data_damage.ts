/** The refusal of data that are not whole: which file, what is wrong with it, what to do. */

import { FlareError } from "./errors.ts";

/** The fault for a file of a data directory; `what` goes on behind its name. */
export function dataDamage(path: string, what: string, cause?: unknown): FlareError {
  const advice =
    "put it back from a backup, or start with an empty data directory and copy from another node or restore a dump";
  return new FlareError("CORRUPT", `"${path}" ${what}; ${advice}`, { cause });
}
