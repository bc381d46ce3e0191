/**
 * The node map by partition: the master, the slaves, the readers and their weights. Derived once per node map and frozen. Pure;
 * it does not know which node is our own (`routing.ts` does).
 */

import type { ClusterNode } from "./node.ts";
import { NodeRole, NodeState } from "./node.ts";
import type { NodeMap } from "./node_map.ts";

/** One partition and its nodes. */
export interface Partition {
  readonly index: number;
  /** The master, unless it is down (a preserved partition). */
  readonly master: ClusterNode | undefined;
  /** Slaves in any state but down: all of them receive replication. */
  readonly slaves: readonly ClusterNode[];
  /** Nodes that answer reads: the master and the active slaves with a balance; the master alone if no node has one. */
  readonly readers: readonly ClusterNode[];
}

/** All partitions of a node map. */
export interface PartitionMap {
  /** The partitions that hold keys now, by number, including one whose master is down. */
  readonly active: readonly Partition[];
  /** The one partition being created, if any; its number is the count of active ones. */
  readonly preparing: Partition | undefined;
}

/** Groups the nodes of a map by partition; ignores partitions numbered `partitionCountMax` or higher. */
export function buildPartitionMap(map: NodeMap, partitionCountMax: number): PartitionMap {
  const activeCount = countActive(map, partitionCountMax);
  const active = Array.from({ length: activeCount }, (_, index) => buildPartition(map, index));
  const next = activeCount < partitionCountMax ? buildPartition(map, activeCount) : undefined;
  return Object.freeze({ active: Object.freeze(active), preparing: next?.master === undefined ? undefined : next });
}

function countActive(map: NodeMap, partitionCountMax: number): number {
  let count = 0;
  for (const node of map.nodes) {
    const serves = node.role === NodeRole.master && (node.state === NodeState.active || node.state === NodeState.down);
    if (serves && node.partition < partitionCountMax) count = Math.max(count, node.partition + 1);
  }
  return count;
}

function buildPartition(map: NodeMap, index: number): Partition {
  const members = map.nodes.filter((node) => node.partition === index && node.state !== NodeState.down);
  const master = members.find((node) => node.role === NodeRole.master);
  const slaves = members.filter((node) => node.role === NodeRole.slave);
  const readers = members
    .filter((node) => node === master || (node.role === NodeRole.slave && node.state === NodeState.active))
    .filter((node) => node.balance > 0);
  if (readers.length === 0 && master !== undefined) readers.push(master);
  return Object.freeze({ index, master, slaves: Object.freeze(slaves), readers: Object.freeze(readers) });
}
