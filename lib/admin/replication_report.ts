/**
 * Who has what of each partition, from the `stats replication` of all nodes: what is said of a slave is what its master says,
 * or what it says itself if the master does not answer. Pure: no connection, no clock.
 */

import { type ClusterNode, NodeRole } from "../cluster/node.ts";
import type { Figures } from "../protocol/stat_lines.ts";

/** A node of the map and what is known of its replication; undefined = not known, or not said of its role. */
export interface ReplicationReport {
  /** The node, as the map has it. */
  readonly node: ClusterNode;
  /** `async`, `sync` or `legacy`. */
  readonly guarantees: string | undefined;
  /** Its `fsync`. */
  readonly fsync: string | undefined;
  /** Of a slave: whether it is in the in-sync set. */
  readonly inSync: boolean | undefined;
  /** Why a slave is not in the set. */
  readonly whyNot: string | undefined;
  /** The version of the node map by which it last saw its partition change. */
  readonly epoch: number | undefined;
  /** Of a master: its newest change; of a slave: the newest one of its master that it has. */
  readonly sequence: number | undefined;
  /** How many changes a slave lacks. */
  readonly lagEntries: number | undefined;
  /** How many bytes of the change log that is; known at the master only. */
  readonly lagBytes: number | undefined;
  /** For how long it has lacked the oldest of them. */
  readonly lagSeconds: number | undefined;
  /** How long ago its lease was renewed. */
  readonly leaseAgeSeconds: number | undefined;
}

/** @param figures by node; nodes that did not answer, or do not have these statistics, are missing */
export function replicationReports(nodes: readonly ClusterNode[], figures: ReadonlyMap<string, Figures>): ReplicationReport[] {
  const masters = new Map<number, Figures | undefined>();
  for (const { role, partition, key } of nodes) {
    if (role === NodeRole.master && !masters.has(partition)) masters.set(partition, figures.get(key));
  }
  return nodes.map((node) => {
    const own = figures.get(node.key);
    const master = node.role === NodeRole.slave ? masters.get(node.partition) : undefined;
    const text = (name: string): string | undefined => master?.get(`${node.key}:${name}`) ?? own?.get(`replication_${name}`);
    const number = (value: string | undefined): number | undefined => (value === undefined ? undefined : Number(value));
    const inSync = text("in_sync");
    return {
      node,
      guarantees: own?.get("replication_guarantees"),
      fsync: own?.get("replication_fsync"),
      inSync: inSync === undefined ? undefined : inSync === "yes",
      whyNot: inSync === "no" ? text("why_not")?.replaceAll("%20", " ") : undefined,
      epoch: number(own?.get("replication_epoch")),
      sequence: number(text("sequence")),
      lagEntries: number(text("lag_entries")),
      lagBytes: number(text("lag_bytes")),
      lagSeconds: number(text("lag_seconds")),
      leaseAgeSeconds: number(own?.get("replication_lease_age_seconds")),
    };
  });
}
