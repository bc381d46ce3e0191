/** How much CPU time processes of this machine have used: Linux says it in /proc. */

import { latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { FileSystem } from "../../runtime/runtime.ts";

/** What a tick of /proc is, on every Linux: USER_HZ is 100 there. */
const TICK_SECONDS = 0.01;
/** Of the fields behind the name: time in the program, and in the system for it. */
const [USER_TIME, SYSTEM_TIME] = [11, 12];

/** CPU seconds of a process since its start, all threads together. @throws FlareError INVALID_OPTION if there is none */
export async function processCpuSeconds(files: Pick<FileSystem, "read">, pid: number): Promise<number> {
  const path = `/proc/${pid}/stat`;
  const bytes = await files.read(path);
  const seconds = bytes === undefined ? undefined : parseCpuSeconds(latin1(bytes));
  if (seconds !== undefined) return seconds;
  throw new FlareError(
    "INVALID_OPTION",
    `option "pids": "${pid}" is no process of this machine, or the system has no "${path}"`,
  );
}

/** The seconds in a line of /proc/…/stat; undefined if it is none. */
export function parseCpuSeconds(line: string): number | undefined {
  // The name, in parentheses, may contain spaces and parentheses.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[USER_TIME]) + Number(fields[SYSTEM_TIME]);
  return Number.isFinite(ticks) ? ticks * TICK_SECONDS : undefined;
}
