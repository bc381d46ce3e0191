/** Converts the servers' `stats` to data: a node's report, its threads. Finds an active node. Pure: no connection, no clock. */

import { FlareError } from "../base/errors.ts";
import { type ClusterNode, NodeRole, NodeState } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import type { Figures } from "../protocol/stat_lines.ts";

/** A node of the map with its statistics. */
export interface NodeReport {
  /** The node as the node map has it. */
  readonly node: ClusterNode;
  /** Undefined if the node did not answer. */
  readonly figures: NodeFigures | undefined;
}

/** The statistics of a node that answered. */
export interface NodeFigures {
  /** Items the node holds. */
  readonly items: number;
  /** Open connections. */
  readonly connections: number;
  /** Age of the node's oldest queue entry in seconds. */
  readonly behindSeconds: number;
  /** Share of the requested keys that were found, 0 … 1; undefined without requests. */
  readonly hitRate: number | undefined;
  /** Bytes of the items the node holds. */
  readonly bytes: number;
  /** Bytes of the items that are in memory; undefined if the node does not say it (a C++ one). */
  readonly memoryBytes: number | undefined;
  /** Seconds since the node started. */
  readonly uptimeSeconds: number;
  /** Without `flare-`. */
  readonly version: string;
  /** Keys read since the start. */
  readonly cmdGet: number;
  /** Of these keys, those that were found. */
  readonly getHits: number;
  /** Writes since the start. */
  readonly cmdSet: number;
}

/** One thread of `stats threads`. */
export interface ThreadReport {
  /** Its number, as `kill` takes it. */
  readonly id: number;
  /** What it does, as a number of `stats threads`. */
  readonly type: number;
  /** `host:port` of the other side. */
  readonly peer: string;
  /** The command it carries out; empty while it waits. */
  readonly operation: string;
  /** `wait`, `execute` and so on. */
  readonly state: string;
  /** Seconds since it began. */
  readonly uptimeSeconds: number;
  /** Requests that wait in it. */
  readonly queue: number;
  /** Age in seconds of the oldest of them. */
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
    memoryBytes: general.has("mem_requested") ? number("mem_requested") : undefined,
    uptimeSeconds: number("uptime"),
    version: (general.get("version") ?? "").replace(/^flare-/, ""),
    cmdGet,
    getHits: number("get_hits"),
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

/** The key of an active node. @throws FlareError REFUSED if there is none */
export function activeNode({ nodes }: NodeMap): string {
  const node = [...nodes].sort(byPartition).find(({ state }) => state === NodeState.active);
  if (node === undefined) throw new FlareError("REFUSED", "no node of the cluster is active");
  return node.key;
}
