/** A whole cluster in one line. Pure. */

import { NodeRole } from "../cluster/node.ts";
import type { NodeReport } from "./node_report.ts";

/** The content of `summary`. */
export interface ClusterSummary {
  /** `host:port` of the index server. */
  readonly cluster: string;
  readonly partitions: number;
  readonly nodes: number;
  readonly masters: number;
  readonly slaves: number;
  /** Of the masters, so that every item counts once. */
  readonly bytes: number;
  readonly items: number;
}

/** Sums up the nodes of a cluster. */
export function summarize(cluster: string, reports: readonly NodeReport[]): ClusterSummary {
  const masters = reports.filter(({ node }) => node.role === NodeRole.master);
  return {
    cluster,
    partitions: new Set(masters.map(({ node }) => node.partition)).size,
    nodes: reports.length,
    masters: masters.length,
    slaves: reports.filter(({ node }) => node.role === NodeRole.slave).length,
    bytes: masters.reduce((sum, { figures }) => sum + (figures?.bytes ?? 0), 0),
    items: masters.reduce((sum, { figures }) => sum + (figures?.items ?? 0), 0),
  };
}
