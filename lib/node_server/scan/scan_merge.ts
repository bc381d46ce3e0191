/**
 * Merges the partitions' parts to one page: in key order, each key once, and no further than every partition has been read.
 * Pure.
 */

import { compareBytes } from "../../base/bytes.ts";
import { type ScannedItem, type ScanPage, wireBytes } from "../../protocol/scan/scan_page.ts";

/** For a page up to this size every partition is asked for all of it. */
const SHARED_LIMIT_MIN = 64;
/** For larger ones each partition is asked for more than its fair share, because keys are distributed randomly. */
const SHARE_SPARE = 1.5;

/** How many keys to request from each of `count` partitions for a page of `limit`. */
export function shareOf(limit: number, count: number): number {
  if (count <= 1 || limit <= SHARED_LIMIT_MIN) return limit;
  return Math.min(limit, Math.max(SHARED_LIMIT_MIN, Math.ceil((limit * SHARE_SPARE) / count)));
}

/** The merged page; it ends where the shortest part ends, except for parts that have nothing more. */
export function mergePages(parts: readonly ScanPage[], limit: number, bytesMax: number): ScanPage {
  let end: Uint8Array | undefined;
  for (const { lastKey } of parts) {
    if (lastKey !== undefined && (end === undefined || compareBytes(lastKey, end) < 0)) end = lastKey;
  }
  // The parts are sorted runs, which the built-in sort detects and merges.
  const sorted = parts.flatMap(({ items }) => items).sort((left, right) => compareBytes(left.key, right.key));
  const items: ScannedItem[] = [];
  let bytes = 0;
  for (const item of sorted) {
    if (end !== undefined && compareBytes(item.key, end) > 0) break;
    if (items.length === limit || bytes >= bytesMax) return { items, lastKey: items.at(-1)?.key };
    items.push(item);
    bytes += wireBytes(item);
  }
  return { items, lastKey: end };
}
