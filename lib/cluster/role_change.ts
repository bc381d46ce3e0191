/**
 * What a node has to do because a new map gave it another place in the cluster: nothing, or copying a partition. Pure:
 * two maps in, a decision out; the copying itself is `replication/`.
 */

import type { ClusterNode } from "./node.ts";
import { NodeRole, NodeState } from "./node.ts";
import type { NodeMap } from "./node_map.ts";
import { findNode } from "./node_map.ts";
import { buildPartitionMap } from "./partition_map.ts";

/** A copy to be made: from each of `sources` what belongs to `partition` when there are `partitionSize` of them. */
export interface Reconstruction {
  /** The role the copy is for: a slave then asks the index server for the state active, a master for ready. */
  readonly role: typeof NodeRole.master | typeof NodeRole.slave;
  readonly partition: number;
  readonly partitionSize: number;
  /** The partition's master for a slave, every active master for a new master; may be empty. */
  readonly sources: readonly ClusterNode[];
  /** Partitions that should be copied from and have no master now: without them the copy would not be whole. */
  readonly missing: readonly number[];
}

/**
 * The copy the node `selfKey` must make when `next` replaces `previous`; undefined if none. A first map (`previous`
 * undefined) asks for nothing: a node that restarts serves what it has.
 *
 * Flare differs: the original looks only for a change from proxy. If it missed the map in which a slave was a proxy for a
 * moment, it never copies and stays in the state prepare for ever; here any step into prepare counts.
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

  const { active, preparing } = buildPartitionMap(next, partitionCountMax);
  const partitionSize = preparing === undefined ? active.length : active.length + 1;
  const { partition } = self;
  if (self.role === NodeRole.master) {
    const sources = active.flatMap(({ master }) => (master === undefined || master.key === selfKey ? [] : [master]));
    const missing = active.flatMap(({ index, master }) => (master === undefined ? [index] : []));
    return { role: NodeRole.master, partition, partitionSize, sources, missing };
  }
  const isPreparing = preparing?.index === partition;
  const master = isPreparing ? preparing.master : active[partition]?.master;
  return {
    role: NodeRole.slave,
    partition,
    partitionSize: isPreparing ? active.length + 1 : active.length,
    sources: master === undefined ? [] : [master],
    missing: master === undefined ? [partition] : [],
  };
}
