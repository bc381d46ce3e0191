/**
 * The output of the operator's programs: results on stdout, at the reader's pace, and progress on stderr, on one line if that
 * is a terminal. `output_file.ts` writes files.
 */

import process from "node:process";
import { ExitStatus } from "./main.ts";

/** Exits quietly when the reader closes the pipe, as in `flare dump | head`. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") process.stderr.write(`flare: cannot write to stdout: ${error.message}\n`);
    process.exit(error.code === "EPIPE" ? ExitStatus.ok : ExitStatus.failed);
  });
}

/** Writes lines to stdout. */
export async function printLines(lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await writeOut(new TextEncoder().encode(`${lines.join("\n")}\n`));
}

/** Writes data to stdout as JSON. */
export function printJson(data: unknown): Promise<void> {
  return printLines([JSON.stringify(data, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value), 2)]);
}

/** Writes bytes to stdout and waits until they are accepted. */
export function writeOut(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** Progress lines on stderr. */
export class ProgressLine {
  readonly #everyMs: number;
  #shownMs: number;
  #length = 0;

  /** @param everyMs at most one line per this many milliseconds */
  constructor(everyMs = 1000) {
    this.#everyMs = everyMs;
    this.#shownMs = performance.now();
  }

  /** Shows a text that a later one replaces, unless the last one is too recent. */
  show(text: () => string): void {
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < this.#everyMs) return;
    this.#shownMs = nowMs;
    if (process.stderr.isTTY) this.#replace(text());
    else process.stderr.write(`${text()}\n`);
  }

  /** Shows a text that stays. */
  say(text: string): void {
    if (this.#length > 0) this.#replace("");
    this.#length = 0;
    process.stderr.write(`${text}\n`);
  }

  #replace(text: string): void {
    process.stderr.write(`\r${text.padEnd(this.#length)}${text === "" ? "\r" : ""}`);
    this.#length = text.length;
  }
}
