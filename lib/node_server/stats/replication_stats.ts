/**
 * What `stats replication` says of a partition and its replicas: what is promised, who is in sync, how far behind everybody is,
 * as this node knows it. A master has lines for each slave, as `stats nodes` has.
 */

import { type ClusterNode, NodeRole, NodeState, stateName } from "../../cluster/node.ts";
import type { StatSink } from "../../stats/stat_sink.ts";
import type { NodeComponents } from "../node_components.ts";

/** What it takes of a node server. */
type Parts = Pick<
  NodeComponents,
  "follower" | "inSync" | "lease" | "options" | "replicator" | "routing" | "storage" | "visibility"
>;

export function statsReplicas(parts: Parts, reply: StatSink): void {
  const { inSync, lease, options, replicator, routing, visibility } = parts;
  const { streams } = replicator;
  reply.stat("replication_guarantees", inSync.isLegacy || streams.hasUnknown ? "legacy" : visibility.replicationType);
  reply.stat("replication_fsync", options.fsync);
  reply.stat("replication_epoch", replicator.epoch.value);
  reply.stat("replication_removals", inSync.removals);
  reply.stat("replication_holds", streams.lag.holds);
  reply.stat("replication_holding", yesNo(streams.lag.isHolding));
  reply.stat("replication_lease", lease.state);
  statSeconds(reply, "replication_lease_age_seconds", lease.ageMs);
  const { self } = routing;
  if (self?.role === NodeRole.slave) ofSlave(parts, self, reply);
  else if (self?.role === NodeRole.master) ofMaster(parts, self, reply);
}

function ofSlave({ follower }: Parts, self: ClusterNode, reply: StatSink): void {
  statInSync(reply, "replication_", self.state === NodeState.active, notActive(self));
  const { lag, sequence } = follower;
  if (sequence !== undefined) reply.stat("replication_sequence", sequence);
  if (lag === undefined) return;
  reply.stat("replication_lag_entries", lag.entries);
  statSeconds(reply, "replication_lag_seconds", lag.ms);
}

function ofMaster({ inSync, replicator: { streams }, routing, storage }: Parts, self: ClusterNode, reply: StatSink): void {
  reply.stat("replication_sequence", storage.committedSequence);
  for (const slave of routing.replicaTargets(self.partition)) {
    const { key } = slave;
    statInSync(reply, `${key}:`, inSync.isMember(slave), inSync.whyOut(key) ?? notActive(slave));
    const lag = streams.lagOf(key);
    reply.stat(`${key}:stream`, streams.stateOf(key));
    if (lag !== undefined) {
      reply.stat(`${key}:sequence`, storage.committedSequence - lag.entries);
      reply.stat(`${key}:lag_entries`, lag.entries);
      reply.stat(`${key}:lag_bytes`, lag.bytes);
      statSeconds(reply, `${key}:lag_seconds`, lag.ms);
    }
    statSeconds(reply, `${key}:lease_age_seconds`, streams.leaseAgeOf(key));
  }
}

function statInSync(reply: StatSink, prefix: string, isInSync: boolean, reason: string): void {
  reply.stat(`${prefix}in_sync`, yesNo(isInSync));
  // A space would add a word, and clients that split such lines fail.
  if (!isInSync) reply.stat(`${prefix}why_not`, reason.replaceAll(" ", "%20"));
}

function notActive({ state }: ClusterNode): string {
  return state === NodeState.down ? "it is down" : `it is in state ${stateName(state)}: it has not everything yet`;
}

/** Nothing if it is not known. */
function statSeconds(reply: StatSink, name: string, ms: number | undefined): void {
  if (ms !== undefined && Number.isFinite(ms)) reply.stat(name, (Math.max(0, ms) / 1000).toFixed(3));
}

function yesNo(is: boolean): "yes" | "no" {
  return is ? "yes" : "no";
}
