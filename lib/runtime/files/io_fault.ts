/**
 * Converts errors of `node:fs` to the library's: a full disk or quota is `DISK_FULL`, running out of file descriptors is
 * `LIMIT_EXCEEDED`, everything else `IO_ERROR`.
 */

import { FlareError, type FlareErrorCode } from "../../base/errors.ts";

/** Temporary shortages: nothing is broken, and a retry works when the shortage is over. */
const SHORTAGES: Readonly<Record<string, { readonly fault: FlareErrorCode; readonly words: string }>> = {
  ENOSPC: { fault: "DISK_FULL", words: "no space left" },
  EDQUOT: { fault: "DISK_FULL", words: "no space left" },
  EMFILE: { fault: "LIMIT_EXCEEDED", words: "too many open files" },
  ENFILE: { fault: "LIMIT_EXCEEDED", words: "too many open files" },
  EBUSY: { fault: "LIMIT_EXCEEDED", words: "too many open files, the file is in use by a sync" },
};

/** The system's name of an error (`ENOENT`), or undefined for other errors. */
export function systemCode(error: unknown): string | undefined {
  // A sync of Deno's works on a second descriptor; where there is none it takes the file for itself, and a write says this.
  if (error instanceof Error && error.message === "file busy") return "EBUSY";
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** The error for `error` during `action` (as in `cannot <action> "<path>"`). */
export function ioFault(error: unknown, action: string, path: string): FlareError {
  const code = systemCode(error);
  const shortage = code === undefined ? undefined : SHORTAGES[code];
  // Clients see these.
  const reason =
    shortage === undefined ? (code ?? (error instanceof Error ? error.message : String(error))) : `${shortage.words} (${code})`;
  return new FlareError(shortage?.fault ?? "IO_ERROR", `cannot ${action} "${path}": ${reason}`, {
    cause: error,
    retriable: shortage !== undefined,
  });
}
