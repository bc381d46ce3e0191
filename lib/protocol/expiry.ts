/**
 * Converts the times clients send to the times that are stored. memcached's rules; the node that first parses a command
 * converts, so that forwarded and replicated commands have absolute seconds.
 */

import { EXPIRE_MAX, EXPIRE_PAST, EXPTIME_RELATIVE_MAX } from "../item/entry.ts";

/**
 * The absolute second of an `exptime`: 0 stays 0 (never), up to 30 days is relative to now, more is absolute. Negative times,
 * and absolute ones beyond 2106, are in the past, as in memcached.
 */
export function absoluteExpire(exptime: number, nowSeconds: number): number {
  if (exptime === 0) return 0;
  if (exptime < 0 || exptime > EXPIRE_MAX) return EXPIRE_PAST;
  return exptime <= EXPTIME_RELATIVE_MAX ? nowSeconds + exptime : exptime;
}
