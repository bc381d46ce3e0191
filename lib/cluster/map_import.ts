/**
 * Replaces the node map by one from a file: an export, or a `flare.xml` of whatever origin. The next map has a higher version
 * than both, so that every node takes it. Pure.
 */

import { increment, type Uint64 } from "../base/uint64.ts";
import { type ClusterNode, createNode, NodeRole, NodeState } from "./node.ts";
import { createNodeMap, findNode, liveMaster, type NodeMap, refuse, type Transition } from "./node_map.ts";

/** What somebody who imports a map has seen and accepts. */
export interface ImportTerms {
  /** The version of the map that is replaced; another one is refused, because the warnings were about this one. */
  readonly seen: Uint64;
  /** The imported map may be older than the one it replaces. */
  readonly allowsOlder: boolean;
}

/** The text after `SERVER_ERROR` if a map is not imported; the reason follows. */
export const IMPORT_FAILURE = "failed to import the node map";

/** The next map. What the current one knows of a node's data stays: it is newer. */
export function importMap(current: NodeMap, imported: NodeMap, { seen, allowsOlder }: ImportTerms): Transition {
  if (current.version !== seen) return refuseImport(`it has version ${current.version} now, and not ${seen}`);
  if (imported.version < current.version && !allowsOlder) {
    return refuseImport(`it has version ${current.version}, which is newer than version ${imported.version}`);
  }
  const nodes = imported.nodes.map((node) => {
    const data = findNode(current, node.key)?.data ?? node.data;
    return data === node.data ? node : createNode({ ...node, data });
  });
  const version = increment(imported.version > current.version ? imported.version : current.version);
  const map = createNodeMap(version, nodes, Math.max(imported.nextThreadType, current.nextThreadType));
  // Who is master no longer must know before who becomes it.
  const masters = current.nodes.filter(isMaster);
  const former = masters.filter(({ key, partition }) => !isMasterOf(findNode(map, key), partition)).map(({ key }) => key);
  return { ok: true, map, changes: { stored: true, first: former.length === 0 ? [] : [former], skip: undefined } };
}

/** What an import may destroy, in sentences. */
export function importWarnings(current: NodeMap, imported: NodeMap): string[] {
  const warnings: string[] = [];
  if (imported.version < current.version) {
    warnings.push(`the map in the file is older: it has version ${imported.version}, the cluster's ${current.version}`);
  }
  for (const { key, partition } of current.nodes.filter(isMaster)) {
    const next = liveMaster(imported, partition);
    if (next?.key === key) continue;
    const consequence = next === undefined ? "its keys are out of reach" : `what ${next.key} does not have of it is lost`;
    warnings.push(`partition ${partition} loses its master ${key}: ${consequence}`);
  }
  for (const { key, role, state } of imported.nodes) {
    if (role !== NodeRole.slave || state !== NodeState.active) continue;
    const before = findNode(current, key);
    if (before?.state === NodeState.active && before.role !== NodeRole.proxy) continue;
    warnings.push(`${key} becomes an active slave without a copy: it may lack writes until its master takes it out`);
  }
  const gone = current.nodes.filter(({ key, state }) => state !== NodeState.down && findNode(imported, key) === undefined);
  for (const { key } of gone) warnings.push(`${key} is not in the file: it is out of the cluster until it is restarted`);
  return warnings;
}

function refuseImport(reason: string): Transition {
  return refuse(`${IMPORT_FAILURE}: ${reason}`, "nothing is changed");
}

function isMaster(node: ClusterNode): boolean {
  return node.role === NodeRole.master && node.state !== NodeState.down;
}

function isMasterOf(node: ClusterNode | undefined, partition: number): boolean {
  return node !== undefined && isMaster(node) && node.partition === partition;
}
