/** `stats` and its forms, one method each. */

import { VERSION } from "../../base/version.ts";
import type { ClientSession } from "../../net/connection/client_session.ts";
import type { Server } from "../../net/server.ts";
import { BinaryReply } from "../../protocol/binary/binary_reply.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import { statsConnections } from "../../stats/connection_stats.ts";
import { statsGeneral } from "../../stats/general_stats.ts";
import { statsHot } from "../../stats/hot_stats.ts";
import { statsLatency } from "../../stats/latency_stats.ts";
import { statsSlow } from "../../stats/slow_stats.ts";
import type { StatSink } from "../../stats/stat_sink.ts";
import { statsNodes, statsThreads } from "../../stats/stats_commands.ts";
import type { LogArchive } from "../archive/log_archive.ts";
import type { AntiEntropy } from "../comparison/anti_entropy.ts";
import type { OtherCluster } from "../forward/other_cluster.ts";
import type { NodeComponents } from "../node_components.ts";
import { nodeOptionTable } from "../node_options.ts";
import { Counters } from "../stats/counters.ts";
import { ItemSizes } from "../stats/item_sizes.ts";
import { memcachedSettings } from "../stats/memcached_settings.ts";
import { statsFurther, statsItems, statsSlabs } from "../stats/memcached_stats.ts";
import { statsReplicas } from "../stats/replication_stats.ts";

/** What it takes of a node server. */
type Parts = Pick<
  NodeComponents,
  | "crawler"
  | "follower"
  | "hotKeys"
  | "inSync"
  | "lease"
  | "options"
  | "otherCluster"
  | "peers"
  | "replicator"
  | "routing"
  | "runtime"
  | "stats"
  | "storage"
  | "visibility"
  | "watchers"
  | "workers"
>;

export class StatsReports {
  readonly #parts: Parts;
  readonly #antiEntropy: AntiEntropy;
  readonly #archive: LogArchive | undefined;
  readonly #server: () => Server;
  readonly #startedMs: number;
  readonly #counters: Counters;
  /** `stats sizes` and its switch. */
  readonly sizes: ItemSizes;

  constructor(parts: Parts, antiEntropy: AntiEntropy, archive: LogArchive | undefined, server: () => Server) {
    this.#parts = parts;
    this.#antiEntropy = antiEntropy;
    this.#archive = archive;
    this.#server = server;
    this.#startedMs = parts.runtime.clock.monotonicMs();
    this.#counters = new Counters(parts, server);
    this.sizes = new ItemSizes(parts.runtime.clock, parts.storage);
  }

  general(reply: TextReply): void {
    this.generalFigures(reply);
    reply.end();
  }

  /** The lines of the general `stats`. */
  generalFigures(reply: StatSink): void {
    const { runtime, workers, routing, storage, options } = this.#parts;
    const { items, bytesOnDisk } = storage.stats();
    const counts = this.#counters.since();
    const figures = { ...counts, currItems: items, bytes: bytesOnDisk, limitMaxbytes: options.memoryBytesMax };
    statsGeneral(runtime, this.#server(), workers, this.#startedMs, VERSION, routing.nodeMap.version, figures, reply);
    statsFurther(counts, this.#parts, this.#server(), reply);
  }

  /** `stats detail on|off`. */
  detail(what: string | undefined, reply: TextReply): void {
    if (what !== "on" && what !== "off") return reply.line("CLIENT_ERROR usage: stats detail on|off|dump");
    this.#parts.watchers.counting = what === "on";
    reply.line("OK");
  }

  detailDump(reply: TextReply): void {
    const text = this.#parts.watchers.prefixes.dump();
    if (reply instanceof BinaryReply) reply.stat("detailed", text);
    else reply.segment.putText(text);
    reply.end();
  }

  threads(words: readonly string[], reply: TextReply): void {
    const { runtime, workers, routing } = this.#parts;
    const self = routing.self;
    const slaves =
      self === undefined || routing.partitionMap.active[self.partition]?.master?.key !== self.key
        ? []
        : routing.replicaTargets(self.partition);
    statsThreads(words, workers, new Set(slaves.map((node) => node.threadType)), runtime.clock.monotonicMs(), reply);
  }

  #logArchive(reply: StatSink): void {
    const archive = this.#archive;
    if (archive === undefined) return;
    const { clock } = this.#parts.runtime;
    // Of a node whose archive has not been written yet, since its start.
    const sinceMs = archive.reachedMs === 0 ? clock.monotonicMs() - this.#startedMs : clock.nowMs() - archive.reachedMs;
    reply.stat("log_archive_lag_seconds", Math.max(0, Math.round(sinceMs / 1000)));
    reply.stat("log_archive_missing", archive.missing);
    reply.stat("log_archive_failures", archive.failures);
    reply.stat("log_archive_state", archive.fault === undefined ? "ok" : "failing");
  }

  /** What is promised, and how far the replicas are; copies on their way and failed ones; what the comparison has found. */
  replication(reply: TextReply): void {
    this.replicationFigures(reply);
    reply.end();
  }

  /** The lines of `stats replication`. */
  replicationFigures(reply: StatSink): void {
    const { peers, replicator, otherCluster } = this.#parts;
    reply.stat("replication_queue", peers.queue);
    reply.stat("replication_failures", replicator.failures);
    reply.stat("replication_dropped", replicator.dropped);
    reply.stat("replication_refused", replicator.refused);
    statsReplicas(this.#parts, reply);
    reply.stat("anti_entropy_rounds", this.#antiEntropy.rounds);
    reply.stat("anti_entropy_items", this.#antiEntropy.items);
    reply.stat("anti_entropy_differences", this.#antiEntropy.differences);
    reply.stat("anti_entropy_repairs", this.#antiEntropy.repairs);
    this.#logArchive(reply);
    this.#otherCluster(otherCluster, reply);
  }

  /** What another cluster has of this node's partition. */
  #otherCluster({ replication, node }: Pick<OtherCluster, "replication" | "node">, reply: StatSink): void {
    const position = replication?.position;
    const lag = replication?.lag;
    const isForward = node !== undefined;
    reply.stat("cluster_replication_state", replication?.phase ?? (isForward ? "forward" : "off"));
    reply.stat("cluster_replication_standstill", (replication?.standstill ?? "none").replaceAll(/\s/g, "%20"));
    reply.stat("cluster_replication_position", position === undefined ? "none" : `${position.history}:${position.sequence}`);
    reply.stat("cluster_replication_lag_entries", lag?.entries ?? 0);
    reply.stat("cluster_replication_lag_bytes", lag?.bytes ?? 0);
    reply.stat("cluster_replication_lag_seconds", lag?.seconds ?? 0);
    reply.stat("cluster_replication_queue", replication?.queue ?? 0);
    reply.stat("cluster_replication_queue_bytes", replication?.queuedBytes ?? 0);
    reply.stat("cluster_replication_dropped", replication?.dropped ?? 0);
    reply.stat("cluster_replication_refused", replication?.refused ?? 0);
  }

  /** The effective settings under the options' names; those that memcached has appear under its names, too. */
  settings(reply: TextReply): void {
    const { options, watchers, crawler } = this.#parts;
    for (const [name, value] of memcachedSettings(options, watchers.counting, this.sizes.enabled, crawler))
      reply.stat(name, value);
    for (const [field, option] of Object.entries(nodeOptionTable)) {
      const value = options[field as keyof typeof options];
      // A space would add a word, and clients that split such lines fail.
      reply.stat(option.name, (option.format as (value: unknown) => string)(value).replaceAll(" ", "%20"));
    }
    reply.end();
  }

  nodes(reply: TextReply): void {
    statsNodes(this.#parts.routing.nodeMap, reply);
  }

  items(reply: TextReply): void {
    this.itemFigures(reply);
    reply.end();
  }

  /** The lines of `stats items`. */
  itemFigures(reply: StatSink): void {
    statsItems(this.#counters.since(), this.#parts, reply);
  }

  slabs(reply: TextReply): void {
    statsSlabs(this.#counters.since(), this.#parts, reply);
  }

  /** How long requests took, by command and size. */
  latency(reply: TextReply): void {
    statsLatency(this.#server().times, reply);
    reply.end();
  }

  /** Requests that took long, the newest ones. */
  slow(reply: TextReply): void {
    this.slowFigures(reply);
    reply.end();
  }

  /** The lines of `stats slow`. */
  slowFigures(reply: StatSink): void {
    const { slow } = this.#server();
    if (slow !== undefined) statsSlow(slow, reply);
  }

  /** Which keys are asked for most now. */
  hot(reply: TextReply): void {
    this.hotFigures(reply);
    reply.end();
  }

  /** The lines of `stats hot`. */
  hotFigures(reply: StatSink): void {
    statsHot(this.#parts.hotKeys.report(), reply);
  }

  connections(reply: TextReply, session: ClientSession): void | Promise<void> {
    return statsConnections(this.#server(), this.#parts.runtime.clock.monotonicMs(), reply, session);
  }

  reset(reply: TextReply): void {
    this.#counters.reset();
    this.#server().slow?.clear();
    this.#parts.hotKeys.clear();
    this.#parts.watchers.prefixes.clear();
    reply.line("RESET");
  }
}
