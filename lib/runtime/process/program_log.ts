/**
 * The log of the three adapters: one line per message to the standard error or to a file, written synchronously, so that the
 * last lines of a crashing process are not lost. A blocked log must not block the server: lines that cannot be written are
 * counted, and the next line includes the count.
 */

import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import { escapeControls } from "../../base/escape_controls.ts";
import { DEFAULT_LOG_FORMAT, DEFAULT_LOG_LEVEL, isAtLeast } from "../../base/log_levels.ts";
import { ioFault } from "../files/io_fault.ts";
import type { Log, LogLevel } from "../runtime.ts";
import type { RuntimeOptions } from "../runtime_options.ts";
import { RepeatedLines } from "./repeated_lines.ts";
import { hasColours } from "./terminal_colours.ts";

const STDERR = 2;

/** The colour of a level in a terminal; others have none. */
const COLOURS: Readonly<Partial<Record<LogLevel, number>>> = { error: 31, warning: 33, debug: 2 };

/**
 * A log that writes `2026-01-02T03:04:05.678Z notice flared message`, or the same as JSON, to `logPath`, else to the standard
 * error (`descriptor` for tests).
 * @throws FlareError IO_ERROR if the file cannot be opened; `reopen` throws the same and keeps the open file
 */
export function createProgramLog(options: RuntimeOptions = {}, descriptor: number = STDERR): Log {
  const { logPath, programName = "flare", logFormat = DEFAULT_LOG_FORMAT } = options;
  const lineOf = logFormat === "json" ? jsonLine : logPath === undefined && isColoured(descriptor) ? colouredLine : textLine;
  let threshold = options.logLevel ?? DEFAULT_LOG_LEVEL;
  const repeated = new RepeatedLines();
  let current = logPath === undefined ? descriptor : openLog(logPath);
  let linesLost = 0;
  const write = (level: LogLevel, message: string): void => {
    if (!isAtLeast(level, threshold)) return;
    const now = new Date();
    const text = isAtLeast(level, "warning") ? repeated.take(message, now.getTime()) : message;
    if (text === undefined) return;
    try {
      writeLine(current, `${lineOf({ time: now.toISOString(), level, program: programName, message: text, linesLost })}\n`);
      linesLost = 0;
    } catch {
      linesLost++;
    }
  };
  const setLevel = (level: LogLevel): void => {
    threshold = level;
  };
  if (logPath === undefined) return { write, setLevel };
  return {
    write,
    setLevel,
    reopen(): void {
      const opened = openLog(logPath);
      closeSync(current);
      current = opened;
    },
  };
}

/** What a line says. */
interface LogLine {
  readonly time: string;
  readonly level: LogLevel;
  readonly program: string;
  readonly message: string;
  /** Lines before this one that could not be written. */
  readonly linesLost: number;
}

function textLine({ time, level, program, message, linesLost }: LogLine): string {
  return `${time} ${level} ${program} ${linesLost === 0 ? "" : `[${linesLost} lines lost] `}${escapeControls(message)}`;
}

function colouredLine(line: LogLine): string {
  const colour = COLOURS[line.level];
  return colour === undefined ? textLine(line) : `\x1b[${colour}m${textLine(line)}\x1b[0m`;
}

function jsonLine({ time, level, program, message, linesLost }: LogLine): string {
  return JSON.stringify({ time, level, program, pid: process.pid, message, ...(linesLost === 0 ? {} : { linesLost }) });
}

/** Whether a descriptor is a terminal with colours. */
function isColoured(descriptor: number): boolean {
  return hasColours({ isTTY: isatty(descriptor) });
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
