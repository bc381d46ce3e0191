/**
 * Rate-limits repeated log lines: the same message is written at most once in ten seconds, with the number of lines suppressed
 * since. Pure: the caller passes the time.
 */

import { withSuppressed } from "../../base/paced_log.ts";

const INTERVAL_MS = 10_000;
/** How many different messages are remembered. */
const MESSAGES_MAX = 100;

interface Seen {
  readonly writtenMs: number;
  /** How often it was suppressed since. */
  left: number;
}

export class RepeatedLines {
  readonly #seen = new Map<string, Seen>();

  /** The line to write for a message, undefined = none. */
  take(message: string, nowMs: number): string | undefined {
    const seen = this.#seen.get(message);
    const sinceMs = seen === undefined ? Number.POSITIVE_INFINITY : nowMs - seen.writtenMs;
    // A clock that was set back must not suppress anything.
    if (seen !== undefined && sinceMs >= 0 && sinceMs < INTERVAL_MS) {
      seen.left++;
      return undefined;
    }
    this.#seen.delete(message);
    this.#seen.set(message, { writtenMs: nowMs, left: 0 });
    if (this.#seen.size > MESSAGES_MAX) this.#seen.delete(this.#seen.keys().next().value as string);
    return withSuppressed(message, seen?.left ?? 0);
  }
}
