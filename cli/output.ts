/**
 * What the programs of an operator write: results on stdout, at the pace of whoever reads them, or into a file; and
 * progress on stderr, on one line if that is a terminal.
 */

import { fstatSync } from "node:fs";
import { open } from "node:fs/promises";
import process from "node:process";
import { FlareError } from "../lib/base/errors.ts";
import { ExitStatus } from "./main.ts";

/** Where bytes go. */
export interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  /** Everything is written and, in a file, on the disk. */
  close(): Promise<void>;
}

/** Ends the program quietly when nobody reads its output any more, as `flare dump | head` wants it. */
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

/** Writes bytes to stdout and waits until they are taken. */
export function writeOut(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** A file, or stdout if there is no path or it is `-`. @throws FlareError IO_ERROR */
export async function openSink(path: string | undefined): Promise<Sink> {
  if (path === undefined || path === "-") return { write: writeOut, close: () => Promise.resolve() };
  const failed = (cause: unknown): never => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("IO_ERROR", `"${path}" cannot be written: ${reason}`, { cause });
  };
  const file = await open(path, "w").catch(failed);
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at).catch(failed)).bytesWritten;
    },
    async close() {
      // A pipe or a device cannot be synced.
      if (fstatSync(file.fd).isFile()) await file.sync().catch(failed);
      await file.close();
    },
  };
}

/** Lines about progress on stderr. */
export class ProgressLine {
  readonly #everyMs: number;
  #shownMs: number;
  #length = 0;

  /** @param everyMs no more than one line in so many milliseconds */
  constructor(everyMs = 1000) {
    this.#everyMs = everyMs;
    this.#shownMs = performance.now();
  }

  /** Shows a text that a later one replaces, unless the last is too young. */
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
