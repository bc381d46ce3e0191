/**
 * The log of the three adapters: one line per message to the standard error or to a file, written synchronously, so that the
 * last lines of a crashing process are not lost. A blocked log must not block the server: lines that cannot be written are
 * counted, and the next line includes the count.
 */

import { closeSync, openSync, writeSync } from "node:fs";
import { escapeControls } from "../../base/escape_controls.ts";
import { DEFAULT_LOG_LEVEL, isAtLeast } from "../../base/log_levels.ts";
import { ioFault } from "../files/io_fault.ts";
import type { Log, LogLevel } from "../runtime.ts";
import type { RuntimeOptions } from "../runtime_options.ts";
import { RepeatedLines } from "./repeated_lines.ts";

const STDERR = 2;

/**
 * A log that writes `2026-01-02T03:04:05.678Z notice flared message` to `logPath`, else to the standard error (`descriptor` for
 * tests). @throws FlareError IO_ERROR if the file cannot be opened; `reopen` throws the same and keeps the open file
 */
export function createProgramLog(options: RuntimeOptions = {}, descriptor: number = STDERR): Log {
  const { logPath, programName = "flare", logLevel = DEFAULT_LOG_LEVEL } = options;
  const repeated = new RepeatedLines();
  let current = logPath === undefined ? descriptor : openLog(logPath);
  let linesLost = 0;
  const write = (level: LogLevel, message: string): void => {
    if (!isAtLeast(level, logLevel)) return;
    const now = new Date();
    const text = isAtLeast(level, "warning") ? repeated.take(message, now.getTime()) : message;
    if (text === undefined) return;
    const loss = linesLost === 0 ? "" : `[${linesLost} lines lost] `;
    try {
      writeLine(current, `${now.toISOString()} ${level} ${programName} ${loss}${escapeControls(text)}\n`);
      linesLost = 0;
    } catch {
      linesLost++;
    }
  };
  if (logPath === undefined) return { write };
  return {
    write,
    reopen(): void {
      const opened = openLog(logPath);
      closeSync(current);
      current = opened;
    },
  };
}

function openLog(path: string): number {
  try {
    return openSync(path, "a");
  } catch (error) {
    throw ioFault(error, "open the log file", path);
  }
}

function writeLine(descriptor: number, line: string): void {
  const bytes = new TextEncoder().encode(line);
  for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written);
}
