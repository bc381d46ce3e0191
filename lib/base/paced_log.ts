/**
 * Rate-limits a log line that any client can trigger: it is written at most once per interval, and the next one includes the
 * number of lines suppressed.
 */

import type { LogLevel, Runtime } from "../runtime/runtime.ts";

/** A message with the number of lines like it that were suppressed before. */
export function withSuppressed(message: string, count: number): string {
  return count === 0 ? message : `${message} (and ${count} more since the last such line)`;
}

export class PacedLog {
  readonly #runtime: Pick<Runtime, "clock" | "log">;
  readonly #level: LogLevel;
  readonly #intervalMs: number;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #left = 0;

  constructor(runtime: Pick<Runtime, "clock" | "log">, level: LogLevel, intervalMs: number) {
    this.#runtime = runtime;
    this.#level = level;
    this.#intervalMs = intervalMs;
  }

  write(message: string): void {
    const nowMs = this.#runtime.clock.monotonicMs();
    if (nowMs - this.#writtenMs < this.#intervalMs) {
      this.#left++;
      return;
    }
    this.#runtime.log.write(this.#level, withSuppressed(message, this.#left));
    this.#writtenMs = nowMs;
    this.#left = 0;
  }
}
