/**
 * What the cluster is: the nodes with their roles and states, under one version number that grows by one with every
 * stored change. The functions below are the whole state machine of the index server: each takes a map and a request
 * and gives the next map or a refusal; none changes what it was given. They know no sockets, no storage and no time.
 */

import type { Uint64 } from "../base/uint64.ts";
import { increment } from "../base/uint64.ts";
import type { ClusterNode } from "./node.ts";
import { NodeRole, NodeState, PARTITION_NONE, roleName } from "./node.ts";

/** An immutable map of the cluster. */
export interface NodeMap {
  readonly version: Uint64;
  /** In the byte order of their keys. */
  readonly nodes: readonly ClusterNode[];
  /** The `threadType` of the next new node. */
  readonly nextThreadType: number;
}

/** What the index server has to do about an accepted request, beside storing and broadcasting the new map. */
export interface NodeMapChanges {
  /** False: the request was met already, there is nothing to store or to send. */
  readonly stored: boolean;
  /** Groups of node keys: each has to acknowledge the new map before the next one, and then everybody else, hears of it. */
  readonly first: readonly (readonly string[])[];
  /** Key of the one node that is not to be told, if any: it is going away. */
  readonly skip: string | undefined;
}

/** The outcome of a request: the next map, or a refusal. */
export type Transition =
  | {
      readonly ok: true;
      readonly map: NodeMap;
      readonly changes: NodeMapChanges;
      /** What people should know about it. */
      readonly warning?: string;
    }
  | {
      readonly ok: false;
      /** The text behind `SERVER_ERROR`: the original's, which tools match. */
      readonly error: string;
      /** Which rule it breaks, for people. */
      readonly reason: string;
    };

/** What `node role` asks for. */
export interface RoleRequest {
  readonly role: NodeRole;
  /** Any 32-bit integer; what is allowed depends on the transition. */
  readonly balance: number;
  /** Only looked at when the node leaves the role proxy. */
  readonly partition: number;
}

/** Thread types below are taken by the original's own threads. */
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

/** Whether a node that holds version `own` installs a map of version `received`: it never goes back, but 0 holds nothing. */
export function acceptsVersion(own: Uint64, received: Uint64): boolean {
  return own === 0 || received >= own;
}

// ---------------------------------------------------------------------------------------------------- requests

/**
 * `node remove`: deletes a node that is down, unless it is a preserved master nobody has replaced.
 *
 * Flare differs: the original lets any other live node of the partition stand in, also a slave; then the partition
 * would be left without a master that could ever return.
 */
export function removeNode(map: NodeMap, key: string): Transition {
  const node = findNode(map, key);
  if (node === undefined) return refuse("failed to remove node", isUnknown(key));
  if (node.state !== NodeState.down) return refuse("failed to remove node", `"${key}" is not down`);
  if (node.role === NodeRole.master && liveMaster(map, node.partition) === undefined) {
    return refuse(
      "failed to remove node",
      `partition ${node.partition} waits for its master "${key}", which nobody has replaced`,
    );
  }
  const nodes = map.nodes.filter((other) => other !== node);
  return { ok: true, map: createNodeMap(increment(map.version), nodes, map.nextThreadType), changes: STORED };
}

/**
 * `node role`: gives a node another role or balance; never more than `partitionCountMax` partitions. The masters a node is
 * going to copy from hear of it first.
 *
 * Flare differs: the original tells all at once, and what a master changes between its dump and the map is never copied.
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
 * `node state`: `down` and `active` are `nodeDown` and `nodeUp`, `ready` ends a preparation, `prepare` cannot be asked for.
 * A slave that is ordered down may be well: it hears of it first.
 */
export function setState(map: NodeMap, key: string, state: NodeState): Transition {
  if (state === NodeState.down) return beforeOthers(map, key, nodeDown(map, key));
  if (state === NodeState.active) return nodeUp(map, key);
  const node = findNode(map, key);
  if (node === undefined) return refuse("failed to set state", isUnknown(key));
  if (state !== NodeState.ready) return refuse("failed to set state", "a preparation begins with a role, not with a state");
  if (node.state !== NodeState.prepare) return refuse("failed to set state", `"${key}" prepares nothing`);
  return accept(map, [change(node, { state: NodeState.ready })], [[key]]);
}

/**
 * A node is there again, or has finished its preparation. A preserved master takes its partition back. When a new
 * partition becomes active, those that have its keys hear of it first, its own nodes with everybody else: until they do,
 * its master takes writes and reads from the present owners only, so that there is never more than one authority for a key.
 *
 * Flare differs: the original tells the new master and its slaves first; for a while it and the old one both take writes.
 *
 * Flare differs: the original makes a preserved master a proxy as soon as any other node of its partition is not down,
 * also a slave that was still copying; nobody could become master of that partition again. Here only a live master does that.
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
      return refuse("failed to set state", `"${key}" still copies the keys of its new partition`);
    case NodeState.ready:
      return accept(map, [active], node.role === NodeRole.slave ? [] : presentOwners(map, node));
  }
}

/** A node is gone (or shall be): a slave takes a master's place; a master without an active slave is preserved. */
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

/** `shutdown`: a node says that it is stopping; unless it was a master it need not hear what becomes of it. */
export function shutdown(map: NodeMap, key: string): Transition {
  const node = findNode(map, key);
  const outcome = nodeDown(map, key);
  if (node === undefined || !outcome.ok) return refuse("failed to shutdown", isUnknown(key));
  if (node.role === NodeRole.master || !outcome.changes.stored) return outcome;
  return { ...outcome, changes: { ...outcome.changes, skip: key } };
}

// -------------------------------------------------------------------------------------------------- role changes

/** The nodes that change when `node` (not down) gets its new role, empty for an accepted no-op; or the rule that it breaks. */
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
    return `the next new partition is ${activeCount}, not ${partition}: they are numbered without gaps`;
  }
  if (partition >= partitionCountMax) return `there can be no more than ${partitionCountMax} partitions`;
  const master = liveMaster(map, partition);
  if (master !== undefined) return `partition ${partition} has the master "${master.key}"`;
  // The first partition of all has nobody to copy from, and a replaced master's data are gone.
  const state = partition === activeCount && partition > 0 ? NodeState.prepare : NodeState.active;
  return [change(node, { role: NodeRole.master, state, partition, balance })];
}

function toSlave(map: NodeMap, node: ClusterNode, request: RoleRequest): ClusterNode[] | string {
  const master = liveMaster(map, request.partition);
  if (master === undefined) return `partition ${request.partition} has no master that is there`;
  const balance = master.state === NodeState.active ? 0 : Math.max(0, request.balance);
  return [change(node, { role: NodeRole.slave, state: NodeState.prepare, partition: request.partition, balance })];
}

function withBalance(map: NodeMap, node: ClusterNode, balance: number): ClusterNode[] | string {
  if (balance < 0) return `a balance is 0 or more, not ${balance}`;
  if (balanceSum(map, node.partition) - node.balance + balance <= 0) return noReader(node);
  if (node.role === NodeRole.slave && node.state !== NodeState.active) {
    const master = liveMaster(map, node.partition);
    if (master === undefined || master.state === NodeState.active) return `"${node.key}" still copies its partition`;
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
  return `"${key}" is a ${roleName(role)} of partition ${partition}: only a proxy gets another role`;
}

function noReader({ partition }: ClusterNode): string {
  return `nobody would read partition ${partition}: the sum of its balances would be 0`;
}

// ---------------------------------------------------------------------------------------------------- helpers

/** A new map, of which nobody has to hear before the others. */
export const STORED: NodeMapChanges = Object.freeze({ stored: true, first: Object.freeze([]), skip: undefined });
const UNCHANGED: NodeMapChanges = Object.freeze({ stored: false, first: Object.freeze([]), skip: undefined });

/** @param error the text behind `SERVER_ERROR`; @param reason for people */
export function refuse(error: string, reason: string): Transition {
  return { ok: false, error, reason };
}

function isUnknown(key: string): string {
  return `"${key}" is not in the node map`;
}

/** A request that was met already. */
export function unchanged(map: NodeMap): Transition {
  return { ok: true, map, changes: UNCHANGED };
}

/** The next map, with `changed` in the place of the nodes with their keys. */
export function accept(map: NodeMap, changed: readonly ClusterNode[], first: NodeMapChanges["first"] = []): Transition {
  const nodes = keepReadable(map.nodes.map((node) => changed.find((other) => other.key === node.key) ?? node));
  return {
    ok: true,
    map: createNodeMap(increment(map.version), nodes, map.nextThreadType),
    changes: first.length === 0 ? STORED : { stored: true, first, skip: undefined },
  };
}

/**
 * Flare differs: when the last node with a balance leaves a partition, the original leaves the master with 0 and every
 * read through another node becomes a miss; here such a master gets a balance of 1.
 */
function keepReadable(nodes: readonly ClusterNode[]): readonly ClusterNode[] {
  return nodes.map((node) => {
    if (node.role !== NodeRole.master || node.state === NodeState.down || node.balance > 0) return node;
    const sum = nodes.reduce((total, other) => (other.partition === node.partition ? total + other.balance : total), 0);
    return sum > 0 ? node : change(node, { balance: 1 });
  });
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
 * A slave that leaves its partition hears of it before its master does.
 *
 * Flare differs: the original tells all at once; for a while the slave still answers reads, and gets no writes any more.
 */
function beforeOthers(map: NodeMap, key: string, outcome: Transition): Transition {
  const node = findNode(map, key);
  const reads = node?.role === NodeRole.slave && node.state === NodeState.active;
  if (!reads || !outcome.ok || !outcome.changes.stored) return outcome;
  return { ...outcome, changes: { ...outcome.changes, first: [[key]] } };
}

/** The masters a node copies from that becomes a slave, or master of a new partition. */
function mastersFor(map: NodeMap, node: ClusterNode): string[] {
  const masters = map.nodes.filter(({ role, state }) => role === NodeRole.master && state !== NodeState.down);
  return masters
    .filter(({ state, partition }) =>
      node.role === NodeRole.slave ? partition === node.partition : state === NodeState.active,
    )
    .map(({ key }) => key);
}

/** Who has the keys of a partition that becomes active: first those that only answer reads, then the masters. */
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

/** The balances of all nodes of a partition, those that are down included. */
function balanceSum(map: NodeMap, partition: number): number {
  return map.nodes.reduce((sum, node) => (node.partition === partition ? sum + node.balance : sum), 0);
}

/** The first of those with the largest balance. */
function largestBalance(nodes: readonly ClusterNode[]): ClusterNode | undefined {
  let best: ClusterNode | undefined;
  for (const node of nodes) if (best === undefined || node.balance > best.balance) best = node;
  return best;
}

/** Keys hold one byte per character, so comparing strings compares bytes. */
function byKey(left: ClusterNode, right: ClusterNode): number {
  return left.key < right.key ? -1 : left.key > right.key ? 1 : 0;
}
