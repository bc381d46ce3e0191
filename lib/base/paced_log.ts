/**
 * Rate-limits a log line that any client can trigger: it is written at most once per interval, and the next one includes the
 * number of lines suppressed.
 */

import type { LogLevel, Runtime } from "../runtime/runtime.ts";

export class PacedLog {
  readonly #runtime: Runtime;
  readonly #level: LogLevel;
  readonly #intervalMs: number;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #left = 0;

  constructor(runtime: Runtime, level: LogLevel, intervalMs: number) {
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
    const more = this.#left === 0 ? "" : ` (and ${this.#left} more since the last such line)`;
    this.#runtime.log.write(this.#level, message + more);
    this.#writtenMs = nowMs;
    this.#left = 0;
  }
}
