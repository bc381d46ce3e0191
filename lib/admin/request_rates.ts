/** Requests per second of each node, from two rounds of reports. Pure. */

import type { NodeReport } from "./node_report.ts";
import type { NodeRates } from "./report_tables.ts";

/** The rates by node key; nodes that did not answer twice, or were restarted in between, have none. */
export function requestRates(
  before: readonly NodeReport[],
  after: readonly NodeReport[],
  elapsedMs: number,
): Map<string, NodeRates> {
  const rates = new Map<string, NodeRates>();
  for (const { node, figures } of after) {
    const earlier = before.find((report) => report.node.key === node.key)?.figures;
    if (figures === undefined || earlier === undefined || elapsedMs <= 0) continue;
    const reads = figures.cmdGet - earlier.cmdGet;
    const writes = figures.cmdSet - earlier.cmdSet;
    const hits = figures.getHits - earlier.getHits;
    if (reads < 0 || writes < 0 || hits < 0) continue;
    const perSecond = (count: number): number => Math.round((count * 1000) / elapsedMs);
    const hitRate = reads > 0 ? Math.min(1, hits / reads) : undefined;
    rates.set(node.key, { reads: perSecond(reads), writes: perSecond(writes), hitRate });
  }
  return rates;
}
