/**
 * Parses `flush_all`, and encodes the form used between our own nodes: `node flush`, which the C++ Flare and older nodes answer
 * with ERROR, so that none of them executes a scheduled flush at once. Pure.
 */

import { parseWholeNumber } from "../base/whole_number.ts";
import { EXPIRE_MAX, EXPTIME_RELATIVE_MAX } from "../item/entry.ts";

/** When to flush: at once, at a second of the wall clock, or (`none`) never, which cancels the schedule. */
export type FlushTime = "now" | "none" | number;

/** What to flush: only the receiving node, the partition it is master of, or its whole cluster. */
export type FlushScope = "node" | "partition" | "cluster";

/** Asks a node for the second of its scheduled flush. */
export const FLUSH_QUERY = "node flush\r\n";

const TIME_WORD = /^[+-]?\d{1,19}$/;

/**
 * The time a client's argument stands for, by memcached's rules: 0 and less is now, up to 30 days is relative, more is
 * absolute, and an absolute second before the server started is never. Undefined if it is not a time.
 *
 * Flare differs: the original ignores the argument and drops everything at once.
 */
export function parseFlushTime(word: string, nowSeconds: number, startedSeconds: number): FlushTime | undefined {
  if (!TIME_WORD.test(word)) return undefined;
  const seconds = Number(word);
  // Such a time cannot be stored, and its sender certainly does not mean "now".
  if (seconds > EXPIRE_MAX) return undefined;
  if (seconds <= 0) return "now";
  if (seconds <= EXPTIME_RELATIVE_MAX) return nowSeconds + seconds;
  if (seconds <= startedSeconds) return "none";
  return seconds <= nowSeconds ? "now" : seconds;
}

/** The line that requests a flush from another node. */
export function encodeFlush(time: FlushTime, scope: FlushScope): string {
  return `node flush ${time} ${scope}\r\n`;
}

/** Parses the words after `node flush`; undefined if they are malformed, "query" if there are none. */
export function parseFlush(words: readonly string[]): { time: FlushTime; scope: FlushScope } | "query" | undefined {
  const [when, scope] = words;
  if (when === undefined) return "query";
  if (words.length !== 2 || (scope !== "node" && scope !== "partition" && scope !== "cluster")) return undefined;
  if (when === "now" || when === "none") return { time: when, scope };
  const time = parseWholeNumber(when, EXPIRE_MAX) ?? 0;
  return time > 0 ? { time, scope } : undefined;
}

/** The answer to a query. */
export function flushPlanLine(plannedFor: number): string {
  return `FLUSH ${plannedFor}`;
}

/** Parses the answer to a query to its second, 0 = none is scheduled; undefined: another answer. */
export function parseFlushPlan(line: string): number | undefined {
  const digits = /^FLUSH (\d{1,10})$/.exec(line)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
