/**
 * The state of the cluster: the nodes with their roles and states, under one version number that every stored change
 * increments. The functions below are the whole state machine of the index server: each takes a map and a request and returns
 * the next map or a refusal. Pure: no sockets, no storage, no time.
 */

import type { Uint64 } from "../base/uint64.ts";
import { increment } from "../base/uint64.ts";
import type { ClusterNode } from "./node.ts";
import { NodeRole, NodeState, PARTITION_NONE, roleName } from "./node.ts";

/** An immutable map of the cluster. */
export interface NodeMap {
  /** Goes up with every change. */
  readonly version: Uint64;
  /** In the byte order of their keys. */
  readonly nodes: readonly ClusterNode[];
  /** The `threadType` of the next new node. */
  readonly nextThreadType: number;
}

/** What the index server has to do for an accepted request, besides storing and broadcasting the new map. */
export interface NodeMapChanges {
  /** False: the request changes nothing, there is nothing to store or to send. */
  readonly stored: boolean;
  /** Groups of node keys: each must acknowledge the new map before the next one, and then everybody else, gets it. */
  readonly first: readonly (readonly string[])[];
  /** The key of a node that must not get the map because it is shutting down, if any. */
  readonly skip: string | undefined;
}

/** The outcome of a request: the next map, or a refusal. */
export type Transition =
  | {
      readonly ok: true;
      readonly map: NodeMap;
      readonly changes: NodeMapChanges;
      /** A warning for operators. */
      readonly warning?: string;
    }
  | {
      readonly ok: false;
      /** The text after `SERVER_ERROR`: the original's, which tools match. */
      readonly error: string;
      /** The rule it breaks, as text. */
      readonly reason: string;
    };

/** A `node role` request. */
export interface RoleRequest {
  readonly role: NodeRole;
  /** Any 32-bit integer; the allowed range depends on the transition. */
  readonly balance: number;
  /** Only used when the node's role is proxy. */
  readonly partition: number;
}

/** Lower thread types are the original's own threads. */
export const THREAD_TYPE_FIRST = 16;

/** A cluster without nodes, at version 0. */
export const EMPTY_NODE_MAP: NodeMap = createNodeMap(0, [], THREAD_TYPE_FIRST);

/** A frozen map; `nodes` in any order. */
export function createNodeMap(version: Uint64, nodes: readonly ClusterNode[], nextThreadType: number): NodeMap {
  return Object.freeze({ version, nodes: Object.freeze([...nodes].sort(byKey)), nextThreadType });
}

/** The node `key` (`host:port`), or undefined. */
export function findNode(map: NodeMap, key: string): ClusterNode | undefined {
  return map.nodes.find((node) => node.key === key);
}

/** Whether a node with version `own` installs a map of version `received`: versions never go back, but 0 is no map. */
export function acceptsVersion(own: Uint64, received: Uint64): boolean {
  return own === 0 || received >= own;
}

// ---------------------------------------------------------------------------------------------------- requests

/**
 * `node remove`: deletes a down node, unless it is a preserved master that was not replaced.
 *
 * Flare differs: for the original any other live node of the partition suffices, even a slave; the partition could then never
 * have a master again.
 */
export function removeNode(map: NodeMap, key: string): Transition {
  const node = findNode(map, key);
  if (node === undefined) return refuse("failed to remove node", isUnknown(key));
  if (node.state !== NodeState.down) return refuse("failed to remove node", `"${key}" is not down`);
  if (node.role === NodeRole.master && liveMaster(map, node.partition) === undefined) {
    return refuse(
      "failed to remove node",
      `partition ${node.partition} is waiting for its master "${key}", which was not replaced`,
    );
  }
  const nodes = map.nodes.filter((other) => other !== node);
  return { ok: true, map: createNodeMap(increment(map.version), nodes, map.nextThreadType), changes: STORED };
}

/**
 * `node role`: gives a node another role or balance; never more than `partitionCountMax` partitions. The masters that a node
 * will copy from get the map first.
 *
 * Flare differs: the original tells all at once, and changes of a master between its dump and the map are never copied.
 */
export function setRole(map: NodeMap, key: string, request: RoleRequest, partitionCountMax: number): Transition {
  const node = findNode(map, key);
  const changed =
    node === undefined
      ? isUnknown(key)
      : node.state === NodeState.down
        ? `"${key}" is down`
        : withRole(map, node, request, partitionCountMax);
  if (typeof changed === "string") return refuse("failed to set role (and balance)", changed);
  if (request.role === NodeRole.proxy) return beforeOthers(map, key, accept(map, changed));
  const copying = changed.find(({ state }) => state === NodeState.prepare);
  return accept(map, changed, copying === undefined || node?.role !== NodeRole.proxy ? [] : [mastersFor(map, copying)]);
}

/**
 * `node state`: `down` and `active` are `nodeDown` and `nodeUp`, `ready` ends a preparation, `prepare` cannot be requested. A
 * slave that is taken down may be healthy: it gets the map first.
 */
export function setState(map: NodeMap, key: string, state: NodeState): Transition {
  if (state === NodeState.down) return beforeOthers(map, key, nodeDown(map, key));
  if (state === NodeState.active) return nodeUp(map, key);
  const node = findNode(map, key);
  if (node === undefined) return refuse("failed to set state", isUnknown(key));
  if (state !== NodeState.ready) return refuse("failed to set state", "only a change of role starts a preparation");
  if (node.state !== NodeState.prepare) return refuse("failed to set state", `"${key}" is not in state prepare`);
  return accept(map, [change(node, { state: NodeState.ready })], [[key]]);
}

/**
 * A node is back, or has finished its preparation. A preserved master takes its partition back. When a new partition becomes
 * active, the current owners of its keys get the map first, its own nodes with everybody else: until then, its master accepts
 * writes and reads only from the current owners, so that there is never more than one authority for a key.
 *
 * Flare differs: the original tells the new master and its slaves first; for a while both masters accept writes.
 *
 * Flare differs: the original makes a preserved master a proxy as soon as any other node of its partition is not down, even a
 * slave that is still copying; no node could become master of that partition again. Here only a live master does that.
 */
export function nodeUp(map: NodeMap, key: string): Transition {
  const node = findNode(map, key);
  if (node === undefined) return refuse("failed to set state", isUnknown(key));
  const active = change(node, { state: NodeState.active });
  switch (node.state) {
    case NodeState.active:
      return unchanged(map);
    case NodeState.down:
      if (node.role === NodeRole.master && liveMaster(map, node.partition) === undefined) return accept(map, [active]);
      return accept(map, [toProxy(node, NodeState.active)]);
    case NodeState.prepare:
      if (node.role === NodeRole.slave) return accept(map, [active]);
      return refuse("failed to set state", `"${key}" is still copying the keys of its new partition`);
    case NodeState.ready:
      return accept(map, [active], node.role === NodeRole.slave ? [] : presentOwners(map, node));
  }
}

/** A node is gone, or is taken down: a slave is promoted for a master; a master without an active slave is preserved. */
export function nodeDown(map: NodeMap, key: string): Transition {
  const node = findNode(map, key);
  if (node === undefined) return refuse("failed to set state", isUnknown(key));
  if (node.state === NodeState.down) return unchanged(map);
  const down = toProxy(node, NodeState.down);
  if (node.role !== NodeRole.master) return accept(map, [down]);
  const slaves = liveSlaves(map, node.partition);
  if (node.state !== NodeState.active) return accept(map, [down, ...slaves.map((slave) => toProxy(slave, NodeState.active))]);
  const promoted = largestBalance(slaves.filter((slave) => slave.state === NodeState.active));
  if (promoted === undefined) return accept(map, [change(node, { state: NodeState.down })]);
  const master = change(promoted, { role: NodeRole.master, balance: promoted.balance === 0 ? 1 : promoted.balance });
  return accept(map, [down, master], [[master.key]]);
}

/** `shutdown`: a node reports that it is stopping; unless it was a master it does not need the new map. */
export function shutdown(map: NodeMap, key: string): Transition {
  const node = findNode(map, key);
  const outcome = nodeDown(map, key);
  if (node === undefined || !outcome.ok) return refuse("failed to shutdown", isUnknown(key));
  if (node.role === NodeRole.master || !outcome.changes.stored) return outcome;
  return { ...outcome, changes: { ...outcome.changes, skip: key } };
}

// -------------------------------------------------------------------------------------------------- role changes

/** The nodes that change when `node` (not down) gets its new role, empty for a no-op; or the broken rule. */
function withRole(map: NodeMap, node: ClusterNode, request: RoleRequest, partitionCountMax: number): ClusterNode[] | string {
  if (request.role === node.role) return node.role === NodeRole.proxy ? [] : withBalance(map, node, request.balance);
  switch (request.role) {
    case NodeRole.master:
      return node.role === NodeRole.proxy ? toMaster(map, node, request, partitionCountMax) : onlyProxies(node);
    case NodeRole.slave:
      return node.role === NodeRole.proxy ? toSlave(map, node, request) : onlyProxies(node);
    case NodeRole.proxy:
      return leavePartition(map, node);
  }
}

function toMaster(map: NodeMap, node: ClusterNode, request: RoleRequest, partitionCountMax: number): ClusterNode[] | string {
  const { partition, balance } = request;
  const activeCount = countActive(map);
  if (balance <= 0) return `a master needs a balance above 0, not ${balance}`;
  if (partition < 0 || partition > activeCount) {
    return `the next new partition must be ${activeCount}, not ${partition}: partitions are numbered without gaps`;
  }
  if (partition >= partitionCountMax) return `there can be no more than ${partitionCountMax} partitions`;
  const master = liveMaster(map, partition);
  if (master !== undefined) return `partition ${partition} already has the master "${master.key}"`;
  // The very first partition has no source to copy from, and a replaced master's data is gone.
  const state = partition === activeCount && partition > 0 ? NodeState.prepare : NodeState.active;
  return [change(node, { role: NodeRole.master, state, partition, balance })];
}

function toSlave(map: NodeMap, node: ClusterNode, request: RoleRequest): ClusterNode[] | string {
  const master = liveMaster(map, request.partition);
  if (master === undefined) return `partition ${request.partition} has no live master`;
  const balance = master.state === NodeState.active ? 0 : Math.max(0, request.balance);
  return [change(node, { role: NodeRole.slave, state: NodeState.prepare, partition: request.partition, balance })];
}

function withBalance(map: NodeMap, node: ClusterNode, balance: number): ClusterNode[] | string {
  if (balance < 0) return `a balance must be 0 or more, not ${balance}`;
  if (balanceSum(map, node.partition) - node.balance + balance <= 0) return noReader(node);
  if (node.role === NodeRole.slave && node.state !== NodeState.active) {
    const master = liveMaster(map, node.partition);
    if (master === undefined || master.state === NodeState.active) return `"${node.key}" is still copying its partition`;
  }
  return [change(node, { balance })];
}

function leavePartition(map: NodeMap, node: ClusterNode): ClusterNode[] | string {
  const proxy = toProxy(node, NodeState.active);
  if (node.role === NodeRole.slave) {
    const readable = node.state !== NodeState.active || balanceSum(map, node.partition) - node.balance > 0;
    return readable ? [proxy] : noReader(node);
  }
  if (node.state === NodeState.active) return `"${node.key}" is the master of partition ${node.partition}: take it down first`;
  return [proxy, ...liveSlaves(map, node.partition).map((slave) => toProxy(slave, NodeState.active))];
}

function onlyProxies({ key, role, partition }: ClusterNode): string {
  return `"${key}" is a ${roleName(role)} of partition ${partition}: only a proxy can get another role`;
}

function noReader({ partition }: ClusterNode): string {
  return `partition ${partition} could not be read: the sum of its balances would be 0`;
}

// ---------------------------------------------------------------------------------------------------- helpers

/** A new map that all nodes may get at once. */
export const STORED: NodeMapChanges = Object.freeze({ stored: true, first: Object.freeze([]), skip: undefined });
const UNCHANGED: NodeMapChanges = Object.freeze({ stored: false, first: Object.freeze([]), skip: undefined });

/** @param error the text after `SERVER_ERROR`; @param reason for operators */
export function refuse(error: string, reason: string): Transition {
  return { ok: false, error, reason };
}

function isUnknown(key: string): string {
  return `"${key}" is not in the node map`;
}

/** A request that changes nothing. */
export function unchanged(map: NodeMap): Transition {
  return { ok: true, map, changes: UNCHANGED };
}

/** The next map, with `changed` replacing the nodes with their keys. */
export function accept(map: NodeMap, changed: readonly ClusterNode[], first: NodeMapChanges["first"] = []): Transition {
  const nodes = keepReadable(map.nodes.map((node) => changed.find((other) => other.key === node.key) ?? node));
  return {
    ok: true,
    map: createNodeMap(increment(map.version), nodes, map.nextThreadType),
    changes: first.length === 0 ? STORED : { stored: true, first, skip: undefined },
  };
}

/**
 * Flare differs: when the last node with a balance leaves a partition, the original leaves its master at 0 and every read
 * through another node is a miss; here such a master gets balance 1.
 */
function keepReadable(nodes: readonly ClusterNode[]): readonly ClusterNode[] {
  return nodes.map((node) => {
    if (node.role !== NodeRole.master || node.state === NodeState.down || node.balance > 0) return node;
    const sum = nodes.reduce((total, other) => (other.partition === node.partition ? total + shareOf(other) : total), 0);
    return sum > 0 ? node : change(node, { balance: 1 });
  });
}

/** A slave that is copying answers no reads, whatever its balance. */
function shareOf({ role, state, balance }: ClusterNode): number {
  return role === NodeRole.slave && state !== NodeState.active ? 0 : balance;
}

function change(node: ClusterNode, fields: Partial<ClusterNode>): ClusterNode {
  return Object.freeze({ ...node, ...fields });
}

function toProxy(node: ClusterNode, state: NodeState): ClusterNode {
  return change(node, { role: NodeRole.proxy, state, partition: PARTITION_NONE, balance: 0 });
}

/** The master of a partition, unless it is down. */
export function liveMaster(map: NodeMap, partition: number): ClusterNode | undefined {
  return map.nodes.find(
    (node) => node.role === NodeRole.master && node.state !== NodeState.down && node.partition === partition,
  );
}

/**
 * A slave that leaves its partition gets the map before its master.
 *
 * Flare differs: the original tells all at once; for a while the slave still answers reads, but gets no more writes.
 */
function beforeOthers(map: NodeMap, key: string, outcome: Transition): Transition {
  const node = findNode(map, key);
  const reads = node?.role === NodeRole.slave && node.state === NodeState.active;
  if (!reads || !outcome.ok || !outcome.changes.stored) return outcome;
  return { ...outcome, changes: { ...outcome.changes, first: [[key]] } };
}

/** The masters that a new slave, or a new partition's master, copies from. */
function mastersFor(map: NodeMap, node: ClusterNode): string[] {
  const masters = map.nodes.filter(({ role, state }) => role === NodeRole.master && state !== NodeState.down);
  return masters
    .filter(({ state, partition }) =>
      node.role === NodeRole.slave ? partition === node.partition : state === NodeState.active,
    )
    .map(({ key }) => key);
}

/** The owners of the keys of a partition that becomes active: first those that only answer reads, then the masters. */
function presentOwners(map: NodeMap, master: ClusterNode): string[][] {
  const owners = map.nodes.filter(({ partition, state }) => {
    return partition >= 0 && partition !== master.partition && state !== NodeState.down;
  });
  const slaves = owners.filter(({ role }) => role === NodeRole.slave);
  const masters = owners.filter(({ role }) => role === NodeRole.master);
  return [slaves, masters].filter(({ length }) => length > 0).map((group) => group.map(({ key }) => key));
}

function liveSlaves(map: NodeMap, partition: number): ClusterNode[] {
  return map.nodes.filter(
    (node) => node.role === NodeRole.slave && node.state !== NodeState.down && node.partition === partition,
  );
}

/** Partitions with an active or a preserved master; they are numbered without gaps. */
function countActive(map: NodeMap): number {
  let count = 0;
  for (const node of map.nodes) {
    const serves = node.role === NodeRole.master && (node.state === NodeState.active || node.state === NodeState.down);
    if (serves && node.partition >= count) count = node.partition + 1;
  }
  return count;
}

/** The sum of the balances of all nodes of a partition, including down ones. */
function balanceSum(map: NodeMap, partition: number): number {
  return map.nodes.reduce((sum, node) => (node.partition === partition ? sum + node.balance : sum), 0);
}

/** The first node with the largest balance. */
function largestBalance(nodes: readonly ClusterNode[]): ClusterNode | undefined {
  let best: ClusterNode | undefined;
  for (const node of nodes) if (best === undefined || node.balance > best.balance) best = node;
  return best;
}

/** Keys hold one byte per character, so comparing strings compares bytes. */
function byKey(left: ClusterNode, right: ClusterNode): number {
  return left.key < right.key ? -1 : left.key > right.key ? 1 : 0;
}
