/**
 * One entry of the node map: a node, its role and its state, with the numbers and names Flare uses on the wire and in its
 * commands. Plain data; `node_map.ts` has the rules for changing roles and states.
 */

import type { DataIdentity } from "./data_identity.ts";

/** The roles, with their numbers in NODE lines. */
export const NodeRole = { master: 0, slave: 1, proxy: 2 } as const;
/** One of `NodeRole`. */
export type NodeRole = (typeof NodeRole)[keyof typeof NodeRole];

/** The states, with their numbers in NODE lines. */
export const NodeState = { active: 0, prepare: 1, down: 2, ready: 3 } as const;
/** One of `NodeState`. */
export type NodeState = (typeof NodeState)[keyof typeof NodeState];

/** The partition of a node without one. */
export const PARTITION_NONE = -1;

/** An entry of the node map; immutable. */
export interface ClusterNode {
  /** Name as registered; names are never resolved to compare them. */
  readonly host: string;
  /** 1 … 65535. */
  readonly port: number;
  /** `host:port`, the node's identity. */
  readonly key: string;
  /** What it is there for. */
  readonly role: NodeRole;
  /** How far it is. */
  readonly state: NodeState;
  /** 0 …, or `PARTITION_NONE`. */
  readonly partition: number;
  /** Weight for reads within the partition, 0 … 2^31-1; the largest slave is promoted first. */
  readonly balance: number;
  /** Identifies the threads that serve this node in the original, 16 …; unique in a node map, never reused. */
  readonly threadType: number;
  /** The data identity it reported at its last join; absent: none. Only index servers have it. */
  readonly data?: DataIdentity | undefined;
}

const ROLE_NAMES = ["master", "slave", "proxy"] as const;
const STATE_NAMES = ["active", "prepare", "down", "ready"] as const;

/** `master`, `slave` or `proxy`. */
export function roleName(role: NodeRole): string {
  return ROLE_NAMES[role];
}

/** `active`, `prepare`, `down` or `ready`. */
export function stateName(state: NodeState): string {
  return STATE_NAMES[state];
}

/** The role called `name`, or undefined. */
export function parseRole(name: string): NodeRole | undefined {
  return Object.hasOwn(NodeRole, name) ? NodeRole[name as keyof typeof NodeRole] : undefined;
}

/** The state called `name`, or undefined. */
export function parseState(name: string): NodeState | undefined {
  return Object.hasOwn(NodeState, name) ? NodeState[name as keyof typeof NodeState] : undefined;
}

/** The identity of a node. @example nodeKey("10.0.0.1", 12121) // "10.0.0.1:12121" */
export function nodeKey(host: string, port: number): string {
  return `${host}:${port}`;
}

/** A frozen node with its key. */
export function createNode(fields: Omit<ClusterNode, "key">): ClusterNode {
  return Object.freeze({ ...fields, key: nodeKey(fields.host, fields.port) });
}
