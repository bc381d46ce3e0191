/**
 * The log of the three adapters: one line per message to the standard error, written at once, so that the last words
 * of a process that dies are there. A standard error nobody reads must not take the server down: lines that cannot be
 * written are counted, and the count is told with the next line that can.
 */

import { writeSync } from "node:fs";
import type { Log, LogLevel } from "./runtime.ts";
import type { RuntimeOptions } from "./runtime_options.ts";

const STDERR = 2;
const RANK: Readonly<Record<LogLevel, number>> = { error: 0, warning: 1, notice: 2, info: 3, debug: 4 };

/** A log that writes `2026-01-02T03:04:05.678Z notice flared message` to the standard error (`descriptor` for tests). */
export function createStderrLog(options: RuntimeOptions = {}, descriptor: number = STDERR): Log {
  const threshold = RANK[options.logLevel ?? "notice"];
  const programName = options.programName ?? "flare";
  let linesLost = 0;
  return {
    write(level: LogLevel, message: string): void {
      if (RANK[level] > threshold) return;
      const head = `${new Date().toISOString()} ${level} ${programName} `;
      const loss = linesLost === 0 ? "" : `[${linesLost} lines lost] `;
      try {
        writeLine(descriptor, `${head}${loss}${escapeControls(message)}\n`);
        linesLost = 0;
      } catch {
        linesLost++;
      }
    },
  };
}

function writeLine(descriptor: number, line: string): void {
  const bytes = new TextEncoder().encode(line);
  for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written);
}

/** One message is one line, whatever a peer put into it. */
function escapeControls(message: string): string {
  return message.replace(/\p{Cc}/gu, (control) =>
    control === "\n" ? "\\n" : `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
