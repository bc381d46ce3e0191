/**
 * The terminal as a screen that is drawn again and again, with keys: for live views. Uses the terminal's second screen, so that
 * what was there before is there again at the end, however the program ends.
 */

import { writeSync } from "node:fs";
import process from "node:process";

const ESCAPE = "\x1b";
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_TO_END_OF_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";
/** What a terminal is that does not say its size. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

/** What a user can do besides looking. */
export interface LiveEvents {
  /** A key: one character, or the bytes of a special key. */
  onKey(key: string): void;
  /** The terminal has another size: draw again. */
  onResize(): void;
  /** SIGINT, SIGTERM or SIGHUP: end. */
  onStop(): void;
}

export class LiveScreen {
  readonly #events: LiveEvents;
  #closed = false;
  readonly #onData = (chunk: Uint8Array | string): void => {
    const text = typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    // A special key is several bytes that begin with an escape; other keys may come together.
    for (const key of text.startsWith(ESCAPE) ? [text] : text) this.#events.onKey(key);
  };
  readonly #onExit = (): void => this.close();

  /** Enters the screen; `close` leaves it. */
  constructor(events: LiveEvents) {
    this.#events = events;
    if (process.stdin.isTTY) {
      // Keys come one by one, and Ctrl-C as a key.
      process.stdin.setRawMode(true);
      process.stdin.on("data", this.#onData);
      process.stdin.resume();
    }
    process.stdout.on("resize", events.onResize);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, events.onStop);
    process.on("exit", this.#onExit);
    write(ENTER);
  }

  /** Shows lines from the top; what does not fit is cut. The last line that fits may say so. */
  draw(lines: readonly string[]): void {
    const { columns, rows } = this.size;
    // Cleared first: behind a line that fills its row, the last character would go.
    const shown = lines.slice(0, rows).map((line) => CLEAR_TO_END_OF_LINE + cutLine(line, columns));
    write(HOME + shown.join("\r\n") + (shown.length < rows ? `\r\n${CLEAR_BELOW}` : ""));
  }

  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = process.stdout;
    return { columns: columns || DEFAULT_SIZE.columns, rows: rows || DEFAULT_SIZE.rows };
  }

  /** Leaves the screen and gives the keyboard back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    process.off("exit", this.#onExit);
    process.stdout.off("resize", this.#events.onResize);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, this.#events.onStop);
    if (process.stdin.isTTY) {
      process.stdin.off("data", this.#onData);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
    write(LEAVE);
  }
}

/** The first characters of a line that may have colours, which have no width. */
export function cutLine(line: string, width: number): string {
  let left = width;
  const cut = (text: string): string => {
    const shown = [...text].slice(0, left);
    left -= shown.length;
    return shown.join("");
  };
  const [plain = "", ...coloured] = line.split(ESCAPE);
  return cut(plain) + coloured.map((part) => cutColoured(part, cut)).join("");
}

/** What comes behind an escape: the rest of its sequence, which stays, and text. */
function cutColoured(part: string, cut: (text: string) => string): string {
  const end = part.indexOf("m") + 1;
  return ESCAPE + part.slice(0, end) + cut(part.slice(end));
}

/** Synchronously: at the end of the program nothing else gets out any more. */
function write(text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let written = 0; written < bytes.length; ) written += writeSync(1, bytes, written);
  } catch (error) {
    // The terminal is gone (EIO), or has no room now (EAGAIN): the next picture shows everything again.
    if (!["EIO", "EAGAIN", "EPIPE", "EBADF"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
