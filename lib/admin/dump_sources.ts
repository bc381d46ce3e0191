/** Which nodes a dump of a cluster reads, and which part of each, so that it has every item once. Pure. */

import { FlareError } from "../base/errors.ts";
import type { DumpRange } from "../client/dump.ts";
import { NodeRole, NodeState } from "../cluster/node.ts";
import { findNode, type NodeMap } from "../cluster/node_map.ts";
import { buildPartitionMap, type PartitionMap } from "../cluster/partition_map.ts";

/** What to dump. */
export interface DumpSelection {
  /** Keys of nodes; none = the master of every partition. */
  readonly nodes: readonly string[];
  /** Everything on the nodes, including items they no longer own; default false. */
  readonly raw?: boolean;
  /** Only this partition … */
  readonly partition?: number;
  /** … out of this many; default the current number. */
  readonly partitionSize?: number;
  /** Per node; 0 or undefined = no limit. */
  readonly bytesPerSecond?: number;
}

/** One node to read, and which part of it. */
export interface DumpSource {
  /** `host:port`. */
  readonly node: string;
  readonly range: DumpRange;
}

/** The nodes to read, in the order of their partitions. @throws FlareError REFUSED | INVALID_OPTION */
export function dumpSources(map: NodeMap, partitionCountMax: number, selection: DumpSelection): DumpSource[] {
  const partitions = buildPartitionMap(map, partitionCountMax);
  const { partition, partitionSize } = selection;
  if (partitionSize !== undefined && partition === undefined) {
    throw new FlareError("INVALID_OPTION", `"partition-size" needs a "partition"`);
  }
  if (partition !== undefined && partition >= (partitionSize ?? partitions.active.length)) {
    throw new FlareError(
      "INVALID_OPTION",
      `there is no partition ${partition} out of ${partitionSize ?? partitions.active.length}`,
    );
  }
  const nodes =
    selection.nodes.length > 0 ? selection.nodes : masters(partitions, partitionSize === undefined ? partition : undefined);
  return nodes.map((node) => ({ node, range: rangeOf(map, partitions, node, selection) }));
}

function masters(partitions: PartitionMap, only: number | undefined): string[] {
  const wanted = partitions.active.filter(({ index }) => only === undefined || index === only);
  if (wanted.length === 0) throw new FlareError("REFUSED", "the cluster has no partition yet");
  return wanted.map(({ index, master }) => {
    if (master === undefined) throw new FlareError("REFUSED", `partition ${index} has no master that is up`);
    return master.key;
  });
}

function rangeOf(map: NodeMap, partitions: PartitionMap, node: string, selection: DumpSelection): DumpRange {
  const limit = selection.bytesPerSecond === undefined ? {} : { bytesPerSecond: selection.bytesPerSecond };
  if (selection.raw === true) return limit;
  const { partition, partitionSize = partitions.active.length } = selection;
  if (partition !== undefined) return { ...limit, partition, partitionSize };
  const entry = findNode(map, node);
  // A proxy owns nothing: its items are old, and only useful as a whole.
  if (entry === undefined || entry.role === NodeRole.proxy || entry.partition >= partitionSize) return limit;
  return entry.state === NodeState.down ? limit : { ...limit, partition: entry.partition, partitionSize };
}
