/**
 * The in-sync set of a partition: its active slaves. Each of them has every acknowledged write, so any of them may be promoted.
 * The master removes a slave that missed a write before it acknowledges the write, and adds it again after a copy. Both are
 * compare-and-set: the master names the version of the map it decided on, and another one refuses it. Pure: the transitions of
 * the index server, and the words of its answers.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { parseUint64, type Uint64 } from "../base/uint64.ts";
import { type ClusterNode, NodeRole, NodeState, stateName } from "./node.ts";
import { accept, findNode, type NodeMap, refuse, type Transition, unchanged } from "./node_map.ts";

/** What the index server answers to a change of the in-sync set. */
export type SetAnswer =
  /** The map has the change. */
  | { readonly kind: "changed" }
  /** The slave was out before. */
  | { readonly kind: "out" }
  /** The map has another version, this one. */
  | { readonly kind: "outdated"; readonly version: Uint64 }
  /** The index server, or the slave, knows no in-sync set. */
  | { readonly kind: "legacy" }
  /** Anything else, in words. */
  | { readonly kind: "refused"; readonly text: string };

/** Begins the refusal for a slave that would not copy again by itself. */
const LEGACY = "legacy slave";
const NOT_CHANGED = "the in-sync set was not changed";

/**
 * Removes an active slave: its state becomes prepare, and it copies the partition again. It keeps its balance, which counts for
 * nothing until it is active. It gets the map first, so that it answers no reads when the master goes on.
 */
export function removeFromSet(map: NodeMap, key: string, version: Uint64): Transition {
  const slave = slaveAt(map, key, version);
  if (typeof slave === "string") return refuse(slave, NOT_CHANGED);
  if (slave.state !== NodeState.active) return refuse(`"${key}" is in state ${stateName(slave.state)}`, NOT_CHANGED);
  if (slave.data === undefined) {
    return refuse(`${LEGACY} "${key}"`, "it reported no data when it joined: it would not copy again by itself");
  }
  return accept(map, [Object.freeze({ ...slave, state: NodeState.prepare })], [[key]]);
}

/** Adds a slave whose copy is complete: its state becomes active. */
export function addToSet(map: NodeMap, key: string, version: Uint64): Transition {
  const slave = slaveAt(map, key, version);
  if (typeof slave === "string") return refuse(slave, NOT_CHANGED);
  if (slave.state === NodeState.active) return unchanged(map);
  return accept(map, [Object.freeze({ ...slave, state: NodeState.active })]);
}

/** Reads the index server's answer to either of them. */
export function parseSetAnswer(line: string): SetAnswer {
  if (line === "OK") return { kind: "changed" };
  if (line === "ERROR" || line.startsWith(`SERVER_ERROR ${LEGACY} `)) return { kind: "legacy" };
  if (/ is (in state \w+|not a slave)$/.test(line)) return { kind: "out" };
  const digits = fromLatin1(/^SERVER_ERROR node map version is (\d+), not /.exec(line)?.[1] ?? "");
  const version = parseUint64(digits, 0, digits.length);
  return version === undefined ? { kind: "refused", text: line } : { kind: "outdated", version };
}

/** The slave `key` of a map of this version, or the refusal. */
function slaveAt(map: NodeMap, key: string, version: Uint64): ClusterNode | string {
  if (map.version !== version) return `node map version is ${map.version}, not ${version}`;
  const node = findNode(map, key);
  const isSlave = node?.role === NodeRole.slave && node.state !== NodeState.down;
  return isSlave ? node : `"${key}" is not a slave`;
}
