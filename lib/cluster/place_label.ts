/**
 * What a node is at a moment, as one short text: the label of the stamps in its change log, from which a restore to a point in
 * time learns whose log has the partition then. Pure.
 */

import type { Uint64 } from "../base/uint64.ts";
import { NodeRole, NodeState } from "./node.ts";
import type { Routing } from "./routing.ts";

const LABEL = /^(master|slave) (\d{1,5})\/(\d{1,5}) (\d{1,20})$/;

/** What a node is: an active replica of a partition. */
export interface Place {
  readonly isMaster: boolean;
  readonly partition: number;
  /** How many partitions there are. */
  readonly partitions: number;
  /** Of the node map that says so; of two masters the one with the newer map is it. */
  readonly mapVersion: bigint;
}

/** The label of a node by its own map: empty while it is not an active replica of an active partition. */
export function placeLabel({
  self,
  partitionMap: { active },
  nodeMap,
}: Pick<Routing, "self" | "partitionMap" | "nodeMap">): string {
  if (self === undefined || self.state !== NodeState.active || active[self.partition] === undefined) return "";
  if (self.role !== NodeRole.master && self.role !== NodeRole.slave) return "";
  return encodePlace(self.role === NodeRole.master, self.partition, active.length, nodeMap.version);
}

function encodePlace(isMaster: boolean, partition: number, partitions: number, mapVersion: Uint64): string {
  return `${isMaster ? "master" : "slave"} ${partition}/${partitions} ${mapVersion}`;
}

/** Reads a label; undefined: the node was none. */
export function decodePlace(label: string): Place | undefined {
  const [, role, partition, partitions, mapVersion] = LABEL.exec(label) ?? [];
  if (mapVersion === undefined) return undefined;
  return {
    isMaster: role === "master",
    partition: Number(partition),
    partitions: Number(partitions),
    mapVersion: BigInt(mapVersion),
  };
}
