/**
 * The metrics of a node, and where each is read: in the reports of `stats`, `stats items` and `stats replication`, in the
 * storage's statistics, and in the node's own place in the map.
 */

import { NodeRole, NodeState, roleName, stateName } from "../../cluster/node.ts";
import { MEASURED_COMMANDS } from "../../net/connection/slow_requests.ts";
import type { Readiness } from "../../net/http/health.ts";
import type { Server } from "../../net/server.ts";
import { commandName } from "../../protocol/command.ts";
import { CopyTask } from "../../replication/copy_task.ts";
import { type Metric, metric } from "../../stats/metrics/metric.ts";
import { fromStat, type ServerSource, serverMetrics } from "../../stats/metrics/server_metrics.ts";
import { StatFigures } from "../../stats/stat_sink.ts";
import type { StorageStats } from "../../storage/storage.ts";
import type { StatsReports } from "../commands/stats_reports.ts";
import type { NodeComponents } from "../node_components.ts";

/** What the metrics of a node read. */
export interface NodeSource extends ServerSource {
  readonly server: ServerSource["server"] & Pick<Server, "slow">;
  readonly parts: Pick<NodeComponents, "inSync" | "lease" | "routing" | "runtime" | "workers">;
  readonly stored: StorageStats;
  /** Writes fail until a restart. */
  readonly hasFailed: boolean;
}

type NodeMetric = Metric<NodeSource>;

/** memcached's commands that hit or miss. */
const COMMANDS = ["get", "delete", "incr", "decr", "cas", "touch"] as const;
const CAS_FIGURES = ["cas_misses", "cas_hits", "cas_badval"];
/** The one slab class, as `stats items` has it. */
const SLAB = "1";

const memcachedMetrics: readonly NodeMetric[] = [
  {
    name: "memcached_commands_total",
    kind: "counter",
    help: "Requests by command and outcome, those for other nodes' keys included",
    labels: ["command", "status"],
    read: ({ figures }, put) => {
      for (const command of COMMANDS) {
        put(figures.number(`${command}_hits`), command, "hit");
        put(figures.number(`${command}_misses`), command, "miss");
      }
      put(figures.number("cas_badval"), "cas", "badval");
      put(figures.number("cmd_flush"), "flush", "hit");
      // As the exporter counts: cmd_set has those with cas, too.
      const ofCas = CAS_FIGURES.reduce((sum, name) => sum + Number(figures.number(name) ?? 0), 0);
      put(Math.max(0, Number(figures.number("cmd_set") ?? 0) - ofCas), "set", "hit");
    },
  },
  fromStat("memcached_current_bytes", "gauge", "Bytes of the change log and the engine on disk", "bytes"),
  fromStat("memcached_limit_bytes", "gauge", "memory-limit: the memory for items", "limit_maxbytes"),
  fromStat("memcached_current_items", "gauge", "Items stored", "curr_items"),
  fromStat("memcached_items_total", "counter", "Items stored by requests", "total_items"),
  fromStat("memcached_items_evicted_total", "counter", "Items that left the memory; they stay stored", "evictions"),
  fromStat("memcached_item_too_large_total", "counter", "Items refused because they are too large", "store_too_large"),
  fromStat("memcached_item_no_memory_total", "counter", "Items refused because there was no memory", "store_no_memory"),
  fromStat("memcached_direct_reclaims_total", "counter", "Times a write had to make room in the memory", "direct_reclaims"),
  fromStat("memcached_malloced_bytes", "gauge", "Memory allocated for items", "total_malloced"),
  fromStat("memcached_max_connections", "gauge", "The limit of connections in effect", "max_connections"),
  fromStat("memcached_connections_rejected_total", "counter", "Connections refused at the limit", "rejected_connections"),
  fromStat("memcached_accepting_connections", "gauge", "Whether connections are accepted: always 1", "accepting_conns"),
  fromStat(
    "memcached_lru_crawler_starts_total",
    "counter",
    "Complete walks of the sweeper of expired items",
    "lru_crawler_starts",
  ),
  fromStat(
    "memcached_lru_crawler_items_checked_total",
    "counter",
    "Keys that the sweeper has checked",
    "crawler_items_checked",
  ),
  fromStat(
    "memcached_lru_crawler_reclaimed_total",
    "counter",
    "Expired items that the sweeper has removed",
    "crawler_reclaimed",
  ),
  fromStat("memcached_lru_crawler_moves_within_lru_total", "counter", "Items that an eviction spared", "moves_within_lru"),
  slab("memcached_slab_current_items", "gauge", "Items in memory", "number"),
  slab("memcached_slab_items_age_seconds", "gauge", "Time since the access to the item in memory unused for longest", "age"),
  slab("memcached_slab_mem_requested_bytes", "gauge", "Bytes of the records in memory", "mem_requested"),
  slab("memcached_slab_items_evicted_total", "counter", "Items that left the memory", "evicted"),
  slab("memcached_slab_items_evicted_nonzero_total", "counter", "Those of them with an expiry", "evicted_nonzero"),
  slab("memcached_slab_items_evicted_unfetched_total", "counter", "Those of them that were never read", "evicted_unfetched"),
  slab("memcached_slab_items_evicted_time_seconds", "gauge", "How long the last one had not been used", "evicted_time"),
  slab("memcached_slab_items_expired_unfetched_total", "counter", "Expired items that were never read", "expired_unfetched"),
  slab(
    "memcached_slab_items_crawler_reclaimed_total",
    "counter",
    "Expired items that the sweeper has removed",
    "crawler_reclaimed",
  ),
  slab("memcached_slab_items_outofmemory_total", "counter", "Items refused because there was no memory", "outofmemory"),
  {
    name: "memcached_slab_lru_hits_total",
    kind: "counter",
    help: "Hits; there is one list",
    labels: ["slab", "lru"],
    read: ({ figures }, put) => put(figures.number("items:1:hits_to_cold"), SLAB, "cold"),
  },
];

function slab(name: string, kind: "counter" | "gauge", help: string, stat: string): NodeMetric {
  return { name, kind, help, labels: ["slab"], read: ({ figures }, put) => put(figures.number(`items:1:${stat}`), SLAB) };
}

const requestMetrics: readonly NodeMetric[] = [
  {
    name: "flare_slow_requests_total",
    kind: "counter",
    help: "Requests for items that took slow-log-ms or longer",
    labels: ["command"],
    read: ({ server: { slow } }, put) => {
      // From the first scrape on, so that an increase from 0 is one.
      for (const command of MEASURED_COMMANDS) put(slow?.byCommand.get(command) ?? 0, commandName(command));
    },
  },
];

const clusterMetrics: readonly NodeMetric[] = [
  {
    name: "flare_role",
    kind: "gauge",
    help: "1 for the node's role in its map, 0 for the others",
    labels: ["role"],
    read: ({ parts: { routing } }, put) => {
      for (const role of Object.values(NodeRole)) put(Number(routing.self?.role === role), roleName(role));
    },
  },
  {
    name: "flare_state",
    kind: "gauge",
    help: "1 for the node's state in its map, 0 for the others",
    labels: ["state"],
    read: ({ parts: { routing } }, put) => {
      for (const state of Object.values(NodeState)) put(Number(routing.self?.state === state), stateName(state));
    },
  },
  metric("flare_partition", "gauge", "The node's partition, -1 without one", ({ parts }) => parts.routing.self?.partition),
  metric(
    "flare_partitions",
    "gauge",
    "Active partitions of the cluster",
    ({ parts }) => parts.routing.partitionMap.active.length,
  ),
  metric(
    "flare_lease_held",
    "gauge",
    "Whether the node may answer for its partition: its lease is held, or needs none",
    ({ figures }) => {
      return Number(figures.text("replication_lease") !== "lost");
    },
  ),
  fromStat(
    "flare_lease_age_seconds",
    "gauge",
    "Time since the lease began to count for the last time",
    "replication_lease_age_seconds",
  ),
  fromStat(
    "flare_epoch",
    "gauge",
    "The epoch of the partition: the version of the node map in which its nodes changed last",
    "replication_epoch",
  ),
];

const replicationMetrics: readonly NodeMetric[] = [
  metric("flare_replicas", "gauge", "Slaves of this master's partition", (source) => replicasOf(source)?.length),
  metric("flare_in_sync_replicas", "gauge", "Those of them that have every acknowledged write", (source) => {
    return replicasOf(source)?.filter((slave) => source.parts.inSync.isMember(slave)).length;
  }),
  replica("flare_replica_in_sync", "Whether a slave of this master has every acknowledged write", "in_sync"),
  replica("flare_replica_lag_entries", "Committed changes that a slave of this master has not confirmed", "lag_entries"),
  replica("flare_replica_lag_bytes", "Their bytes", "lag_bytes"),
  replica("flare_replica_lag_seconds", "The age of the oldest of them", "lag_seconds"),
  replica("flare_replica_lease_age_seconds", "Time since a slave confirmed this master for the last time", "lease_age_seconds"),
  fromStat("flare_replication_in_sync", "gauge", "Whether this slave has every acknowledged write", "replication_in_sync"),
  fromStat(
    "flare_replication_sequence",
    "gauge",
    "The number of the newest change of the master that is here",
    "replication_sequence",
  ),
  fromStat(
    "flare_replication_lag_entries",
    "gauge",
    "Changes of the master that this slave does not have yet",
    "replication_lag_entries",
  ),
  fromStat("flare_replication_lag_seconds", "gauge", "Time since this slave had everything", "replication_lag_seconds"),
  fromStat("flare_replication_queue", "gauge", "Requests on their way to other nodes", "replication_queue"),
  fromStat(
    "flare_replication_failures_total",
    "counter",
    "Copies of writes that a slave did not confirm",
    "replication_failures",
  ),
  fromStat("flare_replication_dropped_total", "counter", "Copies of writes that were dropped", "replication_dropped"),
  fromStat("flare_replication_refused_total", "counter", "Copies of writes that a slave refused", "replication_refused"),
  fromStat(
    "flare_replication_removals_total",
    "counter",
    "Slaves that this master took out of the in-sync set",
    "replication_removals",
  ),
  fromStat(
    "flare_replication_holds_total",
    "counter",
    "Times that writers had to wait for a slave too far behind",
    "replication_holds",
  ),
  fromStat("flare_replication_holding", "gauge", "Whether writers wait for a slave too far behind", "replication_holding"),
  metric(
    "flare_copy_items",
    "gauge",
    "Items that the running copy to this node has received",
    (source) => copyOf(source)?.items,
  ),
  metric("flare_copy_bytes", "gauge", "Their bytes", (source) => copyOf(source)?.bytes),
  metric("flare_copy_expected_items", "gauge", "About how many items it will receive", (source) => copyOf(source)?.expected),
  fromStat("flare_anti_entropy_rounds_total", "counter", "Complete comparisons with the slaves", "anti_entropy_rounds"),
  fromStat("flare_anti_entropy_items_total", "counter", "Items compared", "anti_entropy_items"),
  fromStat("flare_anti_entropy_differences_total", "counter", "Keys that a slave had differently", "anti_entropy_differences"),
  fromStat("flare_anti_entropy_repairs_total", "counter", "Those of them that were repaired", "anti_entropy_repairs"),
  fromStat(
    "flare_cluster_replication_lag_entries",
    "gauge",
    "Changes that the other cluster does not have yet",
    "cluster_replication_lag_entries",
  ),
  fromStat("flare_cluster_replication_lag_bytes", "gauge", "Their bytes", "cluster_replication_lag_bytes"),
  fromStat(
    "flare_cluster_replication_lag_seconds",
    "gauge",
    "The age of the oldest of them",
    "cluster_replication_lag_seconds",
  ),
  fromStat(
    "flare_cluster_replication_dropped_total",
    "counter",
    "Changes that the other cluster will not get",
    "cluster_replication_dropped",
  ),
  fromStat(
    "flare_cluster_replication_refused_total",
    "counter",
    "Changes that the other cluster refused",
    "cluster_replication_refused",
  ),
  fromStat("flare_log_archive_lag_seconds", "gauge", "How far the archive of the log is behind", "log_archive_lag_seconds"),
  fromStat("flare_log_archive_missing_total", "counter", "Changes that the archive will never have", "log_archive_missing"),
  fromStat("flare_log_archive_failures_total", "counter", "Failed attempts to write the archive", "log_archive_failures"),
];

function replica(name: string, help: string, field: string): NodeMetric {
  return {
    name,
    kind: "gauge",
    help,
    labels: ["replica"],
    read: ({ figures }, put) => {
      for (const [key, value] of figures.fields(field)) put(value, key);
    },
  };
}

/** The slaves of a master; undefined: it is none. */
function replicasOf({ parts: { routing } }: NodeSource) {
  return routing.self?.role === NodeRole.master ? routing.replicaTargets(routing.self.partition) : undefined;
}

function copyOf({ parts: { workers } }: NodeSource) {
  const task = workers.list().find((worker) => worker instanceof CopyTask);
  return task?.progress;
}

const storageMetrics: readonly NodeMetric[] = [
  metric("flare_storage_failed", "gauge", "Whether writes fail until a restart", ({ hasFailed }) => Number(hasFailed)),
  metric("flare_log_bytes", "gauge", "Bytes of the change log", ({ stored }) => stored.logBytes),
  metric("flare_log_segments", "gauge", "Files of the change log", ({ stored }) => stored.logSegments),
  metric(
    "flare_log_append_errors_total",
    "counter",
    "Appends to the change log that failed",
    ({ stored }) => stored.appendErrors,
  ),
  metric("flare_log_fsyncs_total", "counter", "Syncs of the change log", ({ stored }) => stored.fsyncs),
  metric("flare_log_fsync_seconds", "histogram", "Times of the syncs of the change log", ({ stored }) => stored.syncTimes),
  metric(
    "flare_commit_seconds",
    "histogram",
    "From the first change of an event loop turn until all of it is committed, by the policy of fsync",
    ({ stored }) => stored.commitTimes,
  ),
  metric(
    "flare_engine_bytes",
    "gauge",
    "Bytes of the engine, as far as they are known",
    ({ stored }) => stored.bytesOnDisk - stored.logBytes,
  ),
  metric("flare_engine_reads_total", "counter", "Reads that the memory could not answer", ({ stored }) => stored.engineReads),
  metric("flare_checkpoints_total", "counter", "Checkpoints from the memory to the engine", ({ stored }) => stored.checkpoints),
  metric(
    "flare_checkpoint_age_seconds",
    "gauge",
    "Time since the last checkpoint ended, or since the start",
    ({ parts, stored }) => {
      return Math.max(0, parts.runtime.clock.monotonicMs() - stored.checkpointedMs) / 1000;
    },
  ),
  metric("flare_dirty_bytes", "gauge", "Bytes in memory that are not in the engine yet", ({ stored }) => stored.dirtyBytes),
  metric("flare_memory_bytes", "gauge", "Memory allocated for items", ({ stored }) => stored.arenaBytes),
  metric("flare_memory_items", "gauge", "Items in memory", ({ stored }) => stored.arenaItems),
  metric("flare_tombstones", "gauge", "Deletions that are kept", ({ stored }) => stored.tombstones),
  metric("flare_corrupt_records_total", "counter", "Records with a wrong checksum", ({ stored }) => stored.corruptRecords),
  metric("flare_damaged_tables", "gauge", "Tables of the engine with a damaged block", ({ stored }) => stored.damagedTables),
];

/** What the metrics of a node read, now. */
export function nodeSource(
  parts: NodeSource["parts"] & Pick<NodeComponents, "storage">,
  reports: Pick<StatsReports, "generalFigures" | "itemFigures" | "replicationFigures">,
  server: NodeSource["server"],
  readiness: Readiness,
): NodeSource {
  const figures = new StatFigures();
  reports.generalFigures(figures);
  reports.itemFigures(figures);
  reports.replicationFigures(figures);
  const { runtime, storage } = parts;
  const hasFailed = storage.failure !== undefined;
  return { figures, readiness, server, process: runtime.process, parts, stored: storage.stats(), hasFailed };
}

/** All metrics of a node, in the order in which they are shown. */
export const nodeMetrics: readonly NodeMetric[] = [
  ...serverMetrics,
  ...memcachedMetrics,
  ...requestMetrics,
  ...clusterMetrics,
  ...replicationMetrics,
  ...storageMetrics,
];
