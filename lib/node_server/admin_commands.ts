/**
 * Everything a node server answers that is about itself: stats, show, ping, version, flush_all, kill, and the node map
 * the index server pushes.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { parseUint64 } from "../base/uint64.ts";
import { PROTOCOL_VERSION, VERSION } from "../base/version.ts";
import type { ClusterNode } from "../cluster/node.ts";
import { acceptsVersion, createNodeMap, type NodeMap } from "../cluster/node_map.ts";
import { parseNodeLine } from "../cluster/node_map_codec.ts";
import { statsGeneral } from "../net/general_stats.ts";
import type { Server } from "../net/server.ts";
import { killWorker, statsNodes, statsThreads, verbosity } from "../net/stats_commands.ts";
import type { Request } from "../protocol/request.ts";
import type { TextReply } from "../protocol/text_reply.ts";
import type { NodeContext } from "./node_context.ts";
import { nodeOptionTable } from "./node_options.ts";
import { showNodeVariables } from "./show_variables.ts";

export class AdminCommands {
  readonly #context: NodeContext;
  readonly #server: () => Server;
  readonly #install: (map: NodeMap) => void;
  readonly #startedMs: number;

  /** @param install takes a newer node map into use */
  constructor(context: NodeContext, server: () => Server, install: (map: NodeMap) => void) {
    this.#context = context;
    this.#server = server;
    this.#install = install;
    this.#startedMs = context.runtime.clock.monotonicMs();
  }

  version(reply: TextReply): void {
    reply.line(`VERSION ${PROTOCOL_VERSION}`);
  }

  verbosity(words: readonly string[], reply: TextReply): void {
    const line = verbosity(words);
    if (line !== undefined) reply.line(line);
  }

  ping(words: readonly string[], reply: TextReply): void {
    if (words.length > 0) return reply.line("ERROR");
    const { storage, handover, timeWatcher } = this.#context;
    if (handover.announced) return reply.line("SERVER_ERROR stopping");
    reply.line(storage.failure === undefined && !timeWatcher.tooSlow ? "OK" : "SERVER_ERROR storage error");
  }

  kill(words: readonly string[], reply: TextReply): void {
    reply.line(killWorker(words, this.#context.workers));
  }

  /** `flush_all [<delay>] [noreply]`: this node only and at once, as in Flare. */
  flushAll(words: readonly string[], reply: TextReply): void {
    const rest = words[0] !== undefined && /^-?\d{1,20}$/.test(words[0]) ? words.slice(1) : words;
    if (rest.some((word) => word !== "noreply" && word !== "async")) return reply.line("ERROR");
    const { storage } = this.#context;
    if (storage.failure !== undefined) return reply.line(`SERVER_ERROR ${storage.failure.message}`);
    storage.flushAll();
    if (rest.includes("noreply")) return;
    const start = reply.segment.length;
    reply.line("OK");
    reply.markUncommitted(start);
  }

  show(words: readonly string[], reply: TextReply): void {
    if (words[0] !== "variables") return reply.line("ERROR");
    for (const line of showNodeVariables(this.#context.options)) reply.line(line);
    reply.end();
  }

  stats(words: readonly string[], reply: TextReply): void {
    switch (words[0]) {
      case undefined:
        return this.#statsGeneral(reply);
      case "nodes":
        return statsNodes(this.#context.routing.nodeMap, reply);
      case "threads":
        return this.#statsThreads(words.slice(1), reply);
      case "settings":
        return this.#statsSettings(reply);
      case "replication":
        return this.#statsReplication(reply);
      case "items":
      case "slabs":
      case "sizes":
        // There are no slab classes: entries of all sizes share one arena.
        return reply.end();
      default:
        return reply.line("ERROR");
    }
  }

  /** `node sync`: a node map pushed by the index server, taken unless it is older than ours. */
  nodeSync(request: Request, reply: TextReply): void {
    if (request.words[0] !== "sync") return reply.line("ERROR");
    const nodes = request.lines.map(parseNodeLine);
    if (nodes.includes(undefined)) return reply.line("CLIENT_ERROR format error");
    const text = fromLatin1(request.words[1] ?? "0");
    const version = parseUint64(text, 0, text.length);
    if (version === undefined) return reply.line("ERROR");
    if (!acceptsVersion(this.#context.routing.nodeMap.version, version)) return reply.line("SERVER_ERROR node sync error");
    this.#install(createNodeMap(version, nodes as ClusterNode[], 0));
    reply.line("OK");
  }

  #statsGeneral(reply: TextReply): void {
    const { runtime, workers, routing, storage, stats } = this.#context;
    const { items, bytesOnDisk } = storage.stats();
    const figures = { ...stats, currItems: items, bytes: bytesOnDisk };
    statsGeneral(runtime, this.#server(), workers, this.#startedMs, VERSION, routing.nodeMap.version, figures, reply);
  }

  #statsThreads(words: readonly string[], reply: TextReply): void {
    const { runtime, workers, routing } = this.#context;
    const self = routing.self;
    const slaves =
      self === undefined || routing.partitionMap.active[self.partition]?.master?.key !== self.key
        ? []
        : routing.replicaTargets(self.partition);
    statsThreads(words, workers, new Set(slaves.map((node) => node.threadType)), runtime.clock.monotonicMs(), reply);
  }

  /** What is on its way to replicas and to another cluster, and what did not get there. */
  #statsReplication(reply: TextReply): void {
    const { peers, replicator, otherCluster } = this.#context;
    const { replication } = otherCluster;
    reply.stat("replication_queue", peers.queue);
    reply.stat("replication_failures", replicator.failures);
    reply.stat("replication_dropped", replicator.dropped);
    reply.stat("cluster_replication_queue", replication?.queue ?? 0);
    reply.stat("cluster_replication_queue_bytes", replication?.queuedBytes ?? 0);
    reply.stat("cluster_replication_dropped", replication?.dropped ?? 0);
    reply.stat("cluster_replication_refused", replication?.refused ?? 0);
    reply.end();
  }

  /** The effective settings, by the names of the options; those memcached has come under its names, too. */
  #statsSettings(reply: TextReply): void {
    const { options } = this.#context;
    reply.stat("maxbytes", options.memoryBytesMax);
    reply.stat("maxconns", options.maxConnection);
    reply.stat("tcpport", options.serverPort);
    reply.stat("inter", options.bind);
    reply.stat("domain_socket", options.serverSocket === "" ? "NULL" : options.serverSocket);
    reply.stat("tcp_backlog", options.backLog);
    reply.stat("item_size_max", options.valueBytesMax);
    reply.stat("idle_timeout", options.netReadTimeoutMs / 1000);
    for (const [field, option] of Object.entries(nodeOptionTable)) {
      const value = options[field as keyof typeof options];
      reply.stat(option.name, (option.format as (value: unknown) => string)(value));
    }
    reply.end();
  }
}
