/** The commands about the node itself: show, ping, version, kill, and the node map that the index server pushes. */

import { fromLatin1 } from "../../base/bytes.ts";
import { parseUint64 } from "../../base/uint64.ts";
import { MEMCACHED_VERSION, PROTOCOL_VERSION } from "../../base/version.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { acceptsVersion, createNodeMap, type NodeMap } from "../../cluster/node_map.ts";
import { parseNodeLine } from "../../cluster/node_map_codec.ts";
import type { Request } from "../../protocol/request.ts";
import { BAD_NODE_MAP, STOPPING } from "../../protocol/text/refusal_lines.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import { STILL_BEHIND } from "../../replication/in_sync_replicas.ts";
import { killWorker, refreshCertificates, verbosity } from "../../stats/stats_commands.ts";
import { setMemoryLimit } from "../life/memory_limit.ts";
import { prepareSwitchOver } from "../life/switch_over.ts";
import type { Takeover } from "../life/takeover.ts";
import type { NodeComponents } from "../node_components.ts";
import { showNodeVariables } from "../stats/node_variables.ts";

/** What it takes of a node server. */
type Parts = Pick<
  NodeComponents,
  | "handover"
  | "inSync"
  | "options"
  | "replicator"
  | "routing"
  | "runtime"
  | "storage"
  | "timeWatcher"
  | "tls"
  | "watchers"
  | "workers"
  | "visibility"
>;

export class AdminCommands {
  readonly #parts: Parts;
  readonly #install: (map: NodeMap) => void;
  readonly #takeover: Pick<Takeover, "yieldTo">;
  readonly #recopy: () => void;

  /**
   * @param install installs a newer node map
   * @param takeover of keys by a new partition
   * @param recopy makes the next copy a whole one
   */
  constructor(parts: Parts, install: (map: NodeMap) => void, takeover: Pick<Takeover, "yieldTo">, recopy: () => void) {
    this.#parts = parts;
    this.#install = install;
    this.#takeover = takeover;
    this.#recopy = recopy;
  }

  /** The version text of both protocols. */
  get versionText(): string {
    return this.#parts.options.versionFormat === "memcached" ? MEMCACHED_VERSION : PROTOCOL_VERSION;
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
    const { storage, handover, timeWatcher } = this.#parts;
    if (handover.announced) return reply.line(STOPPING);
    reply.line(storage.failure === undefined && !timeWatcher.tooSlow ? "OK" : "SERVER_ERROR storage error");
  }

  kill(words: readonly string[], reply: TextReply): void {
    reply.line(killWorker(words, this.#parts.workers));
  }

  async refreshCertificates(words: readonly string[], reply: TextReply): Promise<void> {
    const line = await refreshCertificates(words, this.#parts.tls);
    if (line !== undefined) reply.line(line);
  }

  show(words: readonly string[], reply: TextReply): void {
    if (words[0] !== "variables") return reply.line("ERROR");
    for (const line of showNodeVariables(this.#parts.options, this.#parts.visibility.replicationType)) reply.line(line);
    reply.end();
  }

  /** `cache_memlimit <MiB> [noreply]`. */
  cacheMemlimit(words: readonly string[], reply: TextReply): void {
    const line = setMemoryLimit(this.#parts, words);
    if (line !== undefined) reply.line(line);
  }

  /** `node sync`: a node map pushed by the index server, installed unless it is older than ours. */
  nodeSync(request: Request, reply: TextReply): void {
    const nodes = request.lines.map(parseNodeLine);
    if (nodes.includes(undefined)) return reply.line(BAD_NODE_MAP);
    const text = fromLatin1(request.words[1] ?? "0");
    const version = parseUint64(text, 0, text.length);
    if (version === undefined) return reply.line("ERROR");
    if (!acceptsVersion(this.#parts.routing.nodeMap.version, version)) return reply.line("SERVER_ERROR node sync error");
    this.#install(createNodeMap(version, nodes as ClusterNode[], 0));
    reply.line("OK");
  }

  /** `node admit <host> <port>`: a slave of ours has completed its copy. */
  async nodeAdmit(words: readonly string[], reply: TextReply): Promise<void> {
    const [host, port] = words;
    if (host === undefined || port === undefined || words.length !== 2) return reply.line("ERROR");
    const { inSync, replicator, storage } = this.#parts;
    const key = `${host}:${port}`;
    // From its admission on, writes wait for it.
    const lack = replicator.streams.lack(key);
    if (lack !== undefined) return reply.line(`${STILL_BEHIND}: ${lack}`);
    const settled = async (): Promise<string | undefined> => {
      await replicator.settled(key);
      // A change that is in doubt here is sent nowhere, and a copy may have neither it nor what it replaced.
      return storage.failure === undefined ? undefined : `writes are in doubt here: ${storage.failure.message}`;
    };
    reply.line(await inSync.add(key, settled));
  }

  /** `node yield <host> <port> <version>`: by the map of this version the node takes over keys of this one. */
  async nodeYield(words: readonly string[], reply: TextReply): Promise<void> {
    const [host, port, text = ""] = words;
    const version = parseUint64(fromLatin1(text), 0, text.length);
    if (version === undefined || words.length !== 3) return reply.line("ERROR");
    reply.line(await this.#takeover.yieldTo(`${host}:${port}`, version));
  }

  /** `node recopy`: an operator does not trust what this node has. */
  nodeRecopy(reply: TextReply): void {
    this.#recopy();
    reply.line("OK");
  }

  /** `node handover <milliseconds>`: an operator wants to promote a slave in our place. */
  async nodeHandover(words: readonly string[], reply: TextReply): Promise<void> {
    reply.line(await prepareSwitchOver(this.#parts, words));
  }
}
