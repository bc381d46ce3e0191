/**
 * What the servers say of themselves, from the figures of `stats` to data: the node map, a node's report, its threads.
 * Pure: no connection, no clock.
 */

import { FlareError } from "../base/errors.ts";
import type { Uint64 } from "../base/uint64.ts";
import { type ClusterNode, createNode, NodeRole, parseRole, parseState } from "../cluster/node.ts";
import { createNodeMap, type NodeMap, THREAD_TYPE_FIRST } from "../cluster/node_map.ts";
import { parseAddress } from "./node_targets.ts";

/** The figures of one `stats` command. */
export type Figures = ReadonlyMap<string, string>;

/** A node of the map together with what it says of itself. */
export interface NodeReport {
  readonly node: ClusterNode;
  /** Undefined when the node did not answer. */
  readonly figures: NodeFigures | undefined;
}

/** The figures of a node that answered. */
export interface NodeFigures {
  readonly items: number;
  readonly connections: number;
  /** Age in seconds of the oldest thing queued in the node. */
  readonly behindSeconds: number;
  /** Part of the requested keys that were found, 0 … 1; undefined when none was asked for. */
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

/**
 * The node map from the figures of `stats nodes` and its version from those of `stats` (0 where it is not told).
 * @throws FlareError CORRUPT
 */
export function parseNodeMap(nodes: Figures, general: Figures): NodeMap {
  const fields = new Map<string, Map<string, string>>();
  for (const [name, value] of nodes) {
    const colon = name.lastIndexOf(":");
    const key = name.slice(0, colon);
    fields.set(key, (fields.get(key) ?? new Map()).set(name.slice(colon + 1), value));
  }
  const parsed = [...fields].map(([key, values]) => parseNode(key, values));
  const next = parsed.reduce((largest, node) => Math.max(largest, node.threadType + 1), THREAD_TYPE_FIRST);
  return createNodeMap(parseVersion(general.get("node_map_version") ?? "0"), parsed, next);
}

/** A node's own figures, from `stats` and `stats threads`. */
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

function parseNode(key: string, values: Figures): ClusterNode {
  const role = parseRole(values.get("role") ?? "");
  const state = parseState(values.get("state") ?? "");
  const numbers = ["partition", "balance", "thread_type"].map((field) => Number(values.get(field) ?? Number.NaN));
  const [partition, balance, threadType] = numbers;
  if (role === undefined || state === undefined || !numbers.every(Number.isInteger)) {
    throw new FlareError("CORRUPT", `malformed "stats nodes" about node "${key}"`);
  }
  const { host, port } = parseAddress(key);
  return createNode({
    host,
    port,
    role,
    state,
    partition: partition as number,
    balance: balance as number,
    threadType: threadType as number,
  });
}

function parseVersion(text: string): Uint64 {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : /^\d+$/.test(text) ? BigInt(text) : 0;
}
