/**
 * Reads and writes the node map and the partitioning parameters as lines of text: `NODE …` (in `node add` replies and `node
 * sync` pushes) and `META …`. Lines have no CRLF and one character per byte. Validates a peer's input; an invalid line is an
 * ordinary result (undefined), not an error.
 */

import { PORT_MAX } from "../base/host_port.ts";
import { parseInt32 } from "../base/whole_number.ts";
import { KeyHashAlgorithm, parseKeyHashAlgorithm } from "./key_hash.ts";
import type { KeyResolverOptions } from "./key_resolver.ts";
import type { ClusterNode } from "./node.ts";
import { createNode, NodeRole, NodeState, PARTITION_NONE } from "./node.ts";
import type { NodeMap } from "./node_map.ts";

/** The content of `meta`: the partitioning parameters, and what the index server understands. */
export interface ClusterMeta extends KeyResolverOptions {
  /** How a key becomes a number. */
  readonly keyHashAlgorithm: KeyHashAlgorithm;
  /** `node add` may include the node's data identity. */
  readonly takesNodeData: boolean;
  /** `node state` may name the version of the map: see `in_sync_set.ts`. */
  readonly keepsInSyncSet: boolean;
}

/** The default values. */
export const META_DEFAULTS: ClusterMeta = Object.freeze({
  partitionSize: 1024,
  keyHashAlgorithm: KeyHashAlgorithm.simple,
  hint: 1,
  virtual: 4096,
  takesNodeData: false,
  keepsInSyncSet: false,
});

const NODE_DATA = "flare-kv-node-data";
const IN_SYNC_SET = "flare-kv-in-sync-set";

/** One NODE line with its CRLF. */
export function encodeNodeLine(node: ClusterNode): string {
  return `NODE ${node.host} ${node.port} ${node.role} ${node.state} ${node.partition} ${node.balance} ${node.threadType}\r\n`;
}

/** All NODE lines and `END`: the answer to `node add`. */
export function encodeNodeList(map: NodeMap): string {
  return `${map.nodes.map(encodeNodeLine).join("")}END\r\n`;
}

/** The push of a map to a node. */
export function encodeNodeSync(map: NodeMap): string {
  return `node sync ${map.version}\r\n${encodeNodeList(map)}`;
}

/** Parses a NODE line; ignores words after the seventh field. Undefined if it is malformed. */
export function parseNodeLine(line: string): ClusterNode | undefined {
  const words = line.split(" ").filter((word) => word !== "");
  const [first, host, ...numbers] = words;
  if (first !== "NODE" || host === undefined || numbers.length < 6) return undefined;
  const [port, role, state, partition, balance, threadType] = numbers.slice(0, 6).map(parseInt32);
  if (port === undefined || port < 0 || port > PORT_MAX) return undefined;
  if (role === undefined || role < NodeRole.master || role > NodeRole.proxy) return undefined;
  if (state === undefined || state < NodeState.active || state > NodeState.ready) return undefined;
  if (partition === undefined || partition < PARTITION_NONE) return undefined;
  if (balance === undefined || balance < 0 || threadType === undefined || threadType < 0) return undefined;
  return createNode({ host, port, role: role as NodeRole, state: state as NodeState, partition, balance, threadType });
}

/** The META lines and `END`; nodes skip unknown keys. */
export function encodeMeta(meta: ClusterMeta): string {
  return [
    `META partition-size ${meta.partitionSize}`,
    `META key-hash-algorithm ${meta.keyHashAlgorithm}`,
    "META partition-type modular",
    `META partition-modular-hint ${meta.hint}`,
    `META partition-modular-virtual ${meta.virtual}`,
    ...(meta.takesNodeData ? [`META ${NODE_DATA} 1`] : []),
    ...(meta.keepsInSyncSet ? [`META ${IN_SYNC_SET} 1`] : []),
    "END",
    "",
  ].join("\r\n");
}

/**
 * Parses the lines of a `meta` answer up to, not including, `END`. Ignores unknown keys and words after the value; missing keys
 * keep their defaults. Undefined if a line does not begin with META, or a value is malformed or unknown; `KeyResolver` checks
 * the ranges.
 */
export function parseMeta(lines: readonly string[]): ClusterMeta | undefined {
  const meta = { ...META_DEFAULTS };
  for (const line of lines) {
    const [first, key, value] = line.split(" ").filter((word) => word !== "");
    if (first !== "META") return undefined;
    if (!applyMeta(meta, key ?? "", value ?? "")) return undefined;
  }
  return Object.freeze(meta);
}

function applyMeta(meta: { -readonly [Name in keyof ClusterMeta]: ClusterMeta[Name] }, key: string, value: string): boolean {
  switch (key) {
    case "partition-type":
      return value === "modular";
    case NODE_DATA:
      meta.takesNodeData = value === "1";
      return true;
    case IN_SYNC_SET:
      meta.keepsInSyncSet = value === "1";
      return true;
    case "key-hash-algorithm": {
      const algorithm = parseKeyHashAlgorithm(value);
      meta.keyHashAlgorithm = algorithm ?? meta.keyHashAlgorithm;
      return algorithm !== undefined;
    }
    case "partition-size":
      return applyNumber(value, (number) => (meta.partitionSize = number));
    case "partition-modular-hint":
      return applyNumber(value, (number) => (meta.hint = number));
    case "partition-modular-virtual":
      return applyNumber(value, (number) => (meta.virtual = number));
    default:
      return true;
  }
}

function applyNumber(value: string, apply: (number: number) => void): boolean {
  const number = parseInt32(value);
  if (number !== undefined) apply(number);
  return number !== undefined;
}
