/**
 * What a node has to do when a new map changes its role: nothing, or copy a partition. Pure: two maps in, a decision out;
 * `replication/` does the copying.
 */

import type { ClusterNode } from "./node.ts";
import { NodeRole, NodeState } from "./node.ts";
import type { NodeMap } from "./node_map.ts";
import { findNode } from "./node_map.ts";
import { buildPartitionMap } from "./partition_map.ts";

/** A copy to be made: from each of `sources` the keys of `partition` in a cluster of `partitionSize` partitions. */
export interface Reconstruction {
  /** The role the copy is for: afterwards a slave requests the state active from the index server, a master the state ready. */
  readonly role: typeof NodeRole.master | typeof NodeRole.slave;
  readonly partition: number;
  readonly partitionSize: number;
  /** The partition's master for a slave, every active master for a new master; may be empty. */
  readonly sources: readonly ClusterNode[];
  /** Partitions to copy from that have no master now: without them the copy would be incomplete. */
  readonly missing: readonly number[];
  /** A slave that was active, and was removed from the in-sync set: it copies until it is active again. */
  readonly isReturn: boolean;
}

/**
 * The copy the node `selfKey` must make when `next` replaces `previous`; undefined if none. A first map (`previous` undefined)
 * requires none: a restarted node serves what it has.
 *
 * Flare differs: the original reacts only to a change from proxy. If it missed the map in which a slave was briefly a proxy, it
 * never copies and stays in state prepare for ever; here any change to prepare counts.
 */
export function reconstructionFor(
  previous: NodeMap | undefined,
  next: NodeMap,
  selfKey: string,
  partitionCountMax: number,
): Reconstruction | undefined {
  const before = previous === undefined ? undefined : findNode(previous, selfKey);
  const self = findNode(next, selfKey);
  if (before === undefined || self === undefined || self.role === NodeRole.proxy) return undefined;
  const joined = before.role === NodeRole.proxy && self.state !== NodeState.down;
  const prepares = self.state === NodeState.prepare && before.state !== NodeState.prepare;
  if (!joined && !prepares) return undefined;

  const isReturn = before.role === NodeRole.slave && before.state === NodeState.active && self.role === NodeRole.slave;
  return reconstructionOf(next, self, partitionCountMax, isReturn);
}

/** The copy that the master or slave `self` makes by this map. */
export function reconstructionOf(
  map: NodeMap,
  self: ClusterNode,
  partitionCountMax: number,
  isReturn: boolean,
): Reconstruction {
  const { active, preparing } = buildPartitionMap(map, partitionCountMax);
  const partitionSize = preparing === undefined ? active.length : active.length + 1;
  const { partition } = self;
  if (self.role === NodeRole.master) {
    const sources = active.flatMap(({ master }) => (master === undefined || master.key === self.key ? [] : [master]));
    const missing = active.flatMap(({ index, master }) => (master === undefined ? [index] : []));
    return { role: NodeRole.master, partition, partitionSize, sources, missing, isReturn };
  }
  const isPreparing = preparing?.index === partition;
  const master = isPreparing ? preparing.master : active[partition]?.master;
  return {
    role: NodeRole.slave,
    partition,
    partitionSize: isPreparing ? active.length + 1 : active.length,
    sources: master === undefined ? [] : [master],
    missing: master === undefined ? [partition] : [],
    isReturn,
  };
}
