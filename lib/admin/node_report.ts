/** Converts the servers' `stats` to data: a node's report, its threads. Pure: no connection, no clock. */

import { type ClusterNode, NodeRole } from "../cluster/node.ts";
import type { Figures } from "../protocol/stat_lines.ts";

/** A node of the map with its statistics. */
export interface NodeReport {
  readonly node: ClusterNode;
  /** Undefined if the node did not answer. */
  readonly figures: NodeFigures | undefined;
}

/** The statistics of a node that answered. */
export interface NodeFigures {
  readonly items: number;
  readonly connections: number;
  /** Age of the node's oldest queue entry in seconds. */
  readonly behindSeconds: number;
  /** Share of the requested keys that were found, 0 … 1; undefined without requests. */
  readonly hitRate: number | undefined;
  readonly bytes: number;
  readonly uptimeSeconds: number;
  /** Without `flare-`. */
  readonly version: string;
  readonly cmdGet: number;
  readonly cmdSet: number;
}

/** One thread of `stats threads`. */
export interface ThreadReport {
  readonly id: number;
  readonly type: number;
  readonly peer: string;
  readonly operation: string;
  readonly state: string;
  readonly uptimeSeconds: number;
  readonly queue: number;
  readonly behindSeconds: number;
}

/** A node's statistics from `stats` and `stats threads`. */
export function parseFigures(general: Figures, threads: Figures): NodeFigures {
  const number = (name: string): number => Number(general.get(name) ?? 0);
  const cmdGet = number("cmd_get");
  return {
    items: number("curr_items"),
    connections: number("curr_connections"),
    behindSeconds: parseThreads(threads).reduce((largest, thread) => Math.max(largest, thread.behindSeconds), 0),
    hitRate: cmdGet > 0 ? number("get_hits") / cmdGet : undefined,
    bytes: number("bytes"),
    uptimeSeconds: number("uptime"),
    version: (general.get("version") ?? "").replace(/^flare-/, ""),
    cmdGet,
    cmdSet: number("cmd_set"),
  };
}

/** The threads of `stats threads`, in the server's order. */
export function parseThreads(figures: Figures): ThreadReport[] {
  const ids = new Set<string>();
  for (const name of figures.keys()) ids.add(name.slice(0, name.indexOf(":")));
  return [...ids].map((id) => {
    const text = (field: string): string => (figures.get(`${id}:${field}`) ?? "").trim();
    return {
      id: Number(id),
      type: Number(text("type")),
      peer: text("peer"),
      operation: text("op"),
      state: text("state"),
      uptimeSeconds: Number(text("uptime")),
      queue: Number(text("queue")),
      behindSeconds: Number(text("behind")),
    };
  });
}

/** Proxies first, then by partition, masters before slaves. */
export function byPartition(left: ClusterNode, right: ClusterNode): number {
  if (left.partition !== right.partition) return left.partition - right.partition;
  if (left.role !== right.role)
    return (left.role === NodeRole.proxy ? -1 : left.role) - (right.role === NodeRole.proxy ? -1 : right.role);
  return left.key < right.key ? -1 : left.key > right.key ? 1 : 0;
}
