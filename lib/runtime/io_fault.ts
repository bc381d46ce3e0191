/**
 * Turns what `node:fs` throws into the library's faults: a full disk or quota is `DISK_FULL`, everything else
 * `IO_ERROR`.
 */

import { FlareError } from "../base/errors.ts";

/** The system's name of an error (`ENOENT`), or undefined for other errors. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** The fault for `error`, which came up while doing `action` (as in `cannot <action> "<path>"`). */
export function ioFault(error: unknown, action: string, path: string): FlareError {
  const code = systemCode(error);
  const diskFull = code === "ENOSPC" || code === "EDQUOT";
  // Clients see this one.
  const reason = diskFull ? `no space left (${code})` : (code ?? (error instanceof Error ? error.message : String(error)));
  return new FlareError(diskFull ? "DISK_FULL" : "IO_ERROR", `cannot ${action} "${path}": ${reason}`, {
    cause: error,
    retriable: diskFull,
  });
}
