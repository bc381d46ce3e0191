/** The commands about the node itself: stats, show, ping, version, kill, and the node map that the index server pushes. */

import { fromLatin1 } from "../../base/bytes.ts";
import { parseUint64 } from "../../base/uint64.ts";
import { MEMCACHED_VERSION, PROTOCOL_VERSION, VERSION } from "../../base/version.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { acceptsVersion, createNodeMap, type NodeMap } from "../../cluster/node_map.ts";
import { parseNodeLine } from "../../cluster/node_map_codec.ts";
import type { ClientSession } from "../../net/connection/client_session.ts";
import type { Server } from "../../net/server.ts";
import { BinaryReply } from "../../protocol/binary/binary_reply.ts";
import type { Request } from "../../protocol/request.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import { statsConnections } from "../../stats/connection_stats.ts";
import { statsGeneral } from "../../stats/general_stats.ts";
import { killWorker, refreshCertificates, statsNodes, statsThreads, verbosity } from "../../stats/stats_commands.ts";
import { setMemoryLimit } from "../life/memory_limit.ts";
import { prepareSwitchOver } from "../life/switch_over.ts";
import type { NodeContext } from "../node_context.ts";
import { nodeOptionTable } from "../node_options.ts";
import { Counters } from "../stats/counters.ts";
import { ItemSizes } from "../stats/item_sizes.ts";
import { memcachedSettings } from "../stats/memcached_settings.ts";
import { statsFurther, statsItems, statsSlabs } from "../stats/memcached_stats.ts";
import { showNodeVariables } from "../stats/node_variables.ts";

export class AdminCommands {
  readonly #context: NodeContext;
  readonly #server: () => Server;
  readonly #install: (map: NodeMap) => void;
  readonly #startedMs: number;
  readonly #counters: Counters;
  /** `stats sizes` and its switch. */
  readonly sizes: ItemSizes;

  /** @param install installs a newer node map */
  constructor(context: NodeContext, server: () => Server, install: (map: NodeMap) => void) {
    this.#context = context;
    this.#server = server;
    this.#install = install;
    this.#startedMs = context.runtime.clock.monotonicMs();
    this.#counters = new Counters(context, server);
    this.sizes = new ItemSizes(context.runtime.clock, context.storage);
  }

  /** The version text of both protocols. */
  get versionText(): string {
    return this.#context.options.versionFormat === "memcached" ? MEMCACHED_VERSION : PROTOCOL_VERSION;
  }

  version(reply: TextReply): void {
    reply.line(`VERSION ${this.versionText}`);
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

  async refreshCertificates(words: readonly string[], reply: TextReply): Promise<void> {
    const line = await refreshCertificates(words, this.#context.tls);
    if (line !== undefined) reply.line(line);
  }

  show(words: readonly string[], reply: TextReply): void {
    if (words[0] !== "variables") return reply.line("ERROR");
    for (const line of showNodeVariables(this.#context.options)) reply.line(line);
    reply.end();
  }

  /** `cache_memlimit <MiB> [noreply]`. */
  cacheMemlimit(words: readonly string[], reply: TextReply): void {
    const line = setMemoryLimit(this.#context, words);
    if (line !== undefined) reply.line(line);
  }

  statsNodes(reply: TextReply): void {
    statsNodes(this.#context.routing.nodeMap, reply);
  }

  statsItems(reply: TextReply): void {
    statsItems(this.#counters.since(), this.#context, reply);
  }

  statsSlabs(reply: TextReply): void {
    statsSlabs(this.#counters.since(), this.#context, reply);
  }

  statsConnections(reply: TextReply, session: ClientSession): void | Promise<void> {
    return statsConnections(this.#server(), this.#context.runtime.clock.monotonicMs(), reply, session);
  }

  statsReset(reply: TextReply): void {
    this.#counters.reset();
    this.#context.watchers.prefixes.clear();
    reply.line("RESET");
  }

  /** `node sync`: a node map pushed by the index server, installed unless it is older than ours. */
  nodeSync(request: Request, reply: TextReply): void {
    const nodes = request.lines.map(parseNodeLine);
    if (nodes.includes(undefined)) return reply.line("CLIENT_ERROR format error");
    const text = fromLatin1(request.words[1] ?? "0");
    const version = parseUint64(text, 0, text.length);
    if (version === undefined) return reply.line("ERROR");
    if (!acceptsVersion(this.#context.routing.nodeMap.version, version)) return reply.line("SERVER_ERROR node sync error");
    this.#install(createNodeMap(version, nodes as ClusterNode[], 0));
    reply.line("OK");
  }

  /** `node handover <milliseconds>`: an operator wants to promote a slave in our place. */
  async nodeHandover(words: readonly string[], reply: TextReply): Promise<void> {
    reply.line(await prepareSwitchOver(this.#context, words));
  }

  statsGeneral(reply: TextReply): void {
    const { runtime, workers, routing, storage, options } = this.#context;
    const { items, bytesOnDisk } = storage.stats();
    const counts = this.#counters.since();
    const figures = { ...counts, currItems: items, bytes: bytesOnDisk, limitMaxbytes: options.memoryBytesMax };
    statsGeneral(runtime, this.#server(), workers, this.#startedMs, VERSION, routing.nodeMap.version, figures, reply);
    statsFurther(counts, this.#context, this.#server(), reply);
    reply.end();
  }

  /** `stats detail on|off`. */
  statsDetail(what: string | undefined, reply: TextReply): void {
    if (what !== "on" && what !== "off") return reply.line("CLIENT_ERROR usage: stats detail on|off|dump");
    this.#context.watchers.counting = what === "on";
    reply.line("OK");
  }

  statsDetailDump(reply: TextReply): void {
    const text = this.#context.watchers.prefixes.dump();
    if (reply instanceof BinaryReply) reply.stat("detailed", text);
    else reply.segment.putText(text);
    reply.end();
  }

  statsThreads(words: readonly string[], reply: TextReply): void {
    const { runtime, workers, routing } = this.#context;
    const self = routing.self;
    const slaves =
      self === undefined || routing.partitionMap.active[self.partition]?.master?.key !== self.key
        ? []
        : routing.replicaTargets(self.partition);
    statsThreads(words, workers, new Set(slaves.map((node) => node.threadType)), runtime.clock.monotonicMs(), reply);
  }

  /** Copies in flight to replicas and to another cluster, and failed ones. */
  statsReplication(reply: TextReply): void {
    const { peers, replicator, otherCluster } = this.#context;
    const { replication } = otherCluster;
    reply.stat("replication_queue", peers.queue);
    reply.stat("replication_failures", replicator.failures);
    reply.stat("replication_dropped", replicator.dropped);
    reply.stat("replication_refused", replicator.refused);
    reply.stat("cluster_replication_queue", replication?.queue ?? 0);
    reply.stat("cluster_replication_queue_bytes", replication?.queuedBytes ?? 0);
    reply.stat("cluster_replication_dropped", replication?.dropped ?? 0);
    reply.stat("cluster_replication_refused", replication?.refused ?? 0);
    reply.end();
  }

  /** The effective settings under the options' names; those that memcached has appear under its names, too. */
  statsSettings(reply: TextReply): void {
    const { options, watchers, crawler } = this.#context;
    for (const [name, value] of memcachedSettings(options, watchers.counting, this.sizes.enabled, crawler))
      reply.stat(name, value);
    for (const [field, option] of Object.entries(nodeOptionTable)) {
      const value = options[field as keyof typeof options];
      // A space would add a word, and clients that split such lines fail.
      reply.stat(option.name, (option.format as (value: unknown) => string)(value).replaceAll(" ", "%20"));
    }
    reply.end();
  }
}
