/**
 * The in-sync set of a partition: its active slaves. Each of them has every acknowledged write, so any of them may be promoted.
 * The master removes a slave that missed a write before it acknowledges the write, and adds it again after a copy. The master
 * of a new partition is such a slave of all the masters whose keys it takes over: in state ready it has every acknowledged
 * write of them. All changes are compare-and-set: who asks for one names the version of the map it decided on, and another one
 * refuses it. Pure: the transitions of the index server, and the words of its answers.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { parseUint64, type Uint64 } from "../base/uint64.ts";
import { type ClusterNode, NodeRole, NodeState, stateName } from "./node.ts";
import { accept, findNode, type NodeMap, refuse, type Transition, unchanged } from "./node_map.ts";

/** What a change of the in-sync set makes of a node: out of it, the master of a new partition in it, a slave in it. */
export type SetState = "prepare" | "ready" | "active";

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
const NO_MEMBER = "is not a slave";

/**
 * Removes an active slave: its state becomes prepare, and it copies the partition again. It keeps its balance, which counts for
 * nothing until it is active. It gets the map first, so that it answers no reads when the master goes on. The master of a new
 * partition is removed in the same way; while it copies there is nothing to change, but it cannot become ready by the old map.
 */
export function removeFromSet(map: NodeMap, key: string, version: Uint64): Transition {
  const node = memberAt(map, key, version);
  if (typeof node === "string") return refuse(node, NOT_CHANGED);
  if (node.state !== NodeState.active && !isNewMaster(node)) {
    return refuse(`"${key}" is in state ${stateName(node.state)}`, NOT_CHANGED);
  }
  if (node.data === undefined) {
    return refuse(`${LEGACY} "${key}"`, "it reported no data when it joined: it would not copy again by itself");
  }
  return accept(map, [Object.freeze({ ...node, state: NodeState.prepare })], [[key]]);
}

/** Adds a slave whose copy is complete: its state becomes active. */
export function addToSet(map: NodeMap, key: string, version: Uint64): Transition {
  const slave = memberAt(map, key, version);
  if (typeof slave === "string") return refuse(slave, NOT_CHANGED);
  if (slave.role !== NodeRole.slave) return refuse(`"${key}" ${NO_MEMBER}`, NOT_CHANGED);
  if (slave.state === NodeState.active) return unchanged(map);
  return accept(map, [Object.freeze({ ...slave, state: NodeState.active })]);
}

/** The master of a new partition has its copy, and lacks no write of those who give it its keys: its state becomes ready. */
export function becomeReady(map: NodeMap, key: string, version: Uint64): Transition {
  const master = memberAt(map, key, version);
  if (typeof master === "string") return refuse(master, NOT_CHANGED);
  if (master.role !== NodeRole.master) return refuse(`"${key}" is not the master of a new partition`, NOT_CHANGED);
  if (master.state === NodeState.ready) return unchanged(map);
  return accept(map, [Object.freeze({ ...master, state: NodeState.ready })], [[key]]);
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

/** The slave, or master of a new partition, `key` of a map of this version, or the refusal. */
function memberAt(map: NodeMap, key: string, version: Uint64): ClusterNode | string {
  if (map.version !== version) return `node map version is ${map.version}, not ${version}`;
  const node = findNode(map, key);
  const isMember = node !== undefined && node.state !== NodeState.down && (node.role === NodeRole.slave || isNewMaster(node));
  return isMember ? node : `"${key}" ${NO_MEMBER}`;
}

/** Whether a node is the master of a partition that is being created. */
export function isNewMaster({ role, state }: ClusterNode): boolean {
  return role === NodeRole.master && (state === NodeState.prepare || state === NodeState.ready);
}
