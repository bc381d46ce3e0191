/**
 * The node map in an index server's statistics: `stats nodes` lists the nodes, `stats` has the version. The original has the
 * same. Pure.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { parseUint64, type Uint64 } from "../base/uint64.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import { type ClusterNode, createNode, parseRole, parseState } from "./node.ts";
import { createNodeMap, type NodeMap, THREAD_TYPE_FIRST } from "./node_map.ts";

/** The version of the node map in `stats`; undefined if absent, as before Flare 1.3.1. */
export function nodeMapVersion(general: Figures): Uint64 | undefined {
  const digits = fromLatin1(general.get("node_map_version") ?? "");
  return parseUint64(digits, 0, digits.length);
}

/**
 * The node map from `stats nodes` and its version from `stats` (0 if absent).
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
  return createNodeMap(nodeMapVersion(general) ?? 0, parsed, next);
}

function parseNode(key: string, values: Figures): ClusterNode {
  const colon = key.lastIndexOf(":");
  const host = key.slice(0, colon);
  const role = parseRole(values.get("role") ?? "");
  const state = parseState(values.get("state") ?? "");
  const numbers = ["partition", "balance", "thread_type"].map((field) => Number(values.get(field) ?? Number.NaN));
  const [partition, balance, threadType] = numbers;
  const isComplete = colon > 0 && numbers.every(Number.isInteger) && /^\d{1,5}$/.test(key.slice(colon + 1));
  if (role === undefined || state === undefined || !isComplete) {
    throw new FlareError("CORRUPT", `malformed "stats nodes" for node "${key}"`);
  }
  return createNode({
    host,
    port: Number(key.slice(colon + 1)),
    role,
    state,
    partition: partition as number,
    balance: balance as number,
    threadType: threadType as number,
  });
}
