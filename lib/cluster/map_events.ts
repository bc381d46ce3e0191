/**
 * The differences between two node maps as events, one for each changed node, and the log line of each event. Index servers log
 * the maps they store, nodes the maps they receive. Pure; the caller knows who asked.
 */

import { ANY_DATA } from "./data_identity.ts";
import { type ClusterNode, NodeRole, NodeState, PARTITION_NONE, roleName, stateName } from "./node.ts";
import type { NodeMap } from "./node_map.ts";
import { findNode } from "./node_map.ts";

/** The name of each event in the log, with its meaning. */
export const MAP_EVENTS = Object.freeze({
  added: "a new node joined",
  removed: "a node was taken out of the node map",
  promoted: "a slave became the master of its partition",
  lost: "a node went down: it does not answer, it is stopping, or an operator said so",
  returned: "a node that was down is active again",
  role: "a node has another role or partition",
  behind: "a slave missed a write: it answers no reads, cannot be promoted, and copies again",
  state: "a node has another state: prepare, ready or active",
  balance: "a node's share of the reads changed",
  accepted: "an operator accepted whatever data the node has when it joins",
  joined: "a known node joined, and nothing else changed",
});

export type MapEventKind = keyof typeof MAP_EVENTS;

/** One node's change. */
export interface MapEvent {
  readonly kind: MapEventKind;
  /** Absent: the node was not in the map. */
  readonly before?: ClusterNode;
  /** Absent: the node is no longer in the map. */
  readonly after?: ClusterNode;
}

/** One event for each node that differs, in the order of the keys; promotions come first. */
export function mapEvents(before: NodeMap, after: NodeMap): MapEvent[] {
  const events: MapEvent[] = [];
  for (const node of after.nodes) {
    const known = findNode(before, node.key);
    if (known === undefined) events.push({ kind: "added", after: node });
    else {
      const kind = kindOf(known, node);
      if (kind !== undefined) events.push({ kind, before: known, after: node });
    }
  }
  for (const node of before.nodes) {
    if (findNode(after, node.key) === undefined) events.push({ kind: "removed", before: node });
  }
  return events.sort((one, other) => Number(other.kind === "promoted") - Number(one.kind === "promoted"));
}

/** @example mapEventText(7, event) // node map 7: lost "10.0.0.1:12121": proxy, active, balance 0 -> proxy, down, balance 0 */
export function mapEventText(version: NodeMap["version"], event: MapEvent): string {
  return `node map ${version}: ${eventText(event)}`;
}

/** @example eventText(event) // lost "10.0.0.1:12121": proxy, active, balance 0 -> proxy, down, balance 0 */
export function eventText({ kind, before, after }: MapEvent): string {
  const states = [before, after].flatMap((node) => (node === undefined ? [] : [describeNode(node)]));
  const change = kind === "joined" || kind === "accepted" ? states.slice(-1) : states;
  return `${kind} "${(after ?? before)?.key}": ${change.join(" -> ")}`;
}

/** Role, partition, state and balance in words. */
export function describeNode({ role, partition, state, balance }: ClusterNode): string {
  const of = partition === PARTITION_NONE ? "" : ` of partition ${partition}`;
  return `${roleName(role)}${of}, ${stateName(state)}, balance ${balance}`;
}

/** The most important difference between two entries of one node. */
function kindOf(before: ClusterNode, after: ClusterNode): MapEventKind | undefined {
  if (before.role === NodeRole.slave && after.role === NodeRole.master) return "promoted";
  if (before.state !== after.state && after.state === NodeState.down) return "lost";
  if (before.state === NodeState.down && after.state === NodeState.active) return "returned";
  if (before.role !== after.role || before.partition !== after.partition) return "role";
  if (before.state === NodeState.active && after.state === NodeState.prepare) return "behind";
  if (before.state !== after.state) return "state";
  if (before.balance !== after.balance) return "balance";
  if (before.data !== after.data && after.data === ANY_DATA) return "accepted";
  return undefined;
}
