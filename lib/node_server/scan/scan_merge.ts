/**
 * From what each partition has to one page of the whole: in key order, each key once, and not further than every partition
 * has been looked at. Pure.
 */

import { compareBytes } from "../../base/bytes.ts";
import { type ScannedItem, type ScanPage, wireBytes } from "../../protocol/scan/scan_page.ts";

/** A page small enough is asked of every partition whole. */
const SHARED_LIMIT_MIN = 64;
/** Of larger ones each partition is asked for more than its fair part, because keys are spread by chance. */
const SHARE_SPARE = 1.5;

/** How many keys to ask of each of `count` partitions for a page of `limit`. */
export function shareOf(limit: number, count: number): number {
  if (count <= 1 || limit <= SHARED_LIMIT_MIN) return limit;
  return Math.min(limit, Math.max(SHARED_LIMIT_MIN, Math.ceil((limit * SHARE_SPARE) / count)));
}

/** The page of the whole; it ends early where a part ends early, but for the parts that have nothing more. */
export function mergePages(parts: readonly ScanPage[], limit: number, bytesMax: number): ScanPage {
  let end: Uint8Array | undefined;
  for (const { lastKey } of parts) {
    if (lastKey !== undefined && (end === undefined || compareBytes(lastKey, end) < 0)) end = lastKey;
  }
  // Runs that are sorted already: the built-in sort finds and merges them.
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
