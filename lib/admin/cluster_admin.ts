/**
 * The administration client: queries an index server and its nodes, and sends changes to the index server, over the wire
 * protocol only, so that it works with C++ clusters too. The verbs are pure plans (`change_verbs.ts`) and reports of what is
 * found here.
 */

import { FlareError } from "../base/errors.ts";
import { checkFields, type FieldsOf, field } from "../base/given_fields.ts";
import { formatHostPort, type HostPort } from "../base/host_port.ts";
import { LIBRARY_LOG_LEVEL } from "../base/log_levels.ts";
import { isHostPort } from "../base/option_schema.ts";
import { sleep } from "../base/sleep.ts";
import { Client } from "../client/client.ts";
import { type ConnectionOptions, connectionFields } from "../client/client_options.ts";
import { isLeaderless } from "../cluster/index_leader.ts";
import { decodeMapRecord, HISTORY_MAX, type MapRecord } from "../cluster/map_record.ts";
import type { ClusterNode } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { type ClusterMeta, META_DEFAULTS, parseMeta } from "../cluster/node_map_codec.ts";
import { parseNodeMap } from "../cluster/node_map_stats.ts";
import { INDEX_PORT } from "../net/daemon_options.ts";
import { runtimeField } from "../net/given_runtime.ts";
import type { PeerError } from "../net/peer/peer_link.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import { detectRuntime } from "../runtime/detect.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type Change, type ClusterView, type Preview, previewChange } from "./change.ts";
import { type ChangeEvent, type RunOptions, runChange } from "./change_runner.ts";
import { ClusterHost } from "./cluster_host.ts";
import { type IndexReport, indexReport } from "./index_report.ts";
import { byPartition, type NodeReport, parseFigures, parseThreads, type ThreadReport } from "./node_report.ts";
import { addressOf } from "./node_targets.ts";
import { type ReplicationReport, replicationReports } from "./replication_report.ts";
import { isUnreachable } from "./unreachable.ts";

/** The cluster's address and timeouts. */
export interface ClusterAdminOptions extends ConnectionOptions {
  /** Where the index server listens; default `{ host: "127.0.0.1", port: 12120 }`. */
  readonly indexServer?: HostPort;
  /** Where several index servers of the cluster listen, instead of `indexServer`: the first one that answers is asked. */
  readonly indexServers?: readonly HostPort[];
  /** What sockets, clocks and the log come from; default `detectRuntime({ logLevel: "warning" })`. */
  readonly runtime?: Runtime;
}

const adminFields: FieldsOf<ClusterAdminOptions> = {
  ...connectionFields,
  runtime: runtimeField,
  indexServer: field('an object like { host: "127.0.0.1", port: 12120 }', isHostPort),
  indexServers: field('an array of objects like { host: "127.0.0.1", port: 12120 }', isHostPorts),
};

function isHostPorts(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isHostPort);
}

const DEFAULT_INDEX_SERVER: HostPort = { host: "127.0.0.1", port: INDEX_PORT };
/** Attempts to read a consistent node map while its version changes. */
const MAP_ATTEMPTS = 5;
const ALIVE_POLL_MS = 500;
/** How a line with a record of the history begins. */
const RECORD = "MAP ";
/** How long a change waits for the index servers to have a leader … */
const LEADER_MS_MAX = 15_000;
/** … and the pause between two attempts. */
const LEADER_POLL_MS = 500;

/**
 * An operator of a cluster: asks the index server and the nodes, and changes the cluster, over the wire protocol only, so that
 * it works on clusters of the C++ Flare, too. What its methods throw is what `Client` throws.
 *
 * @example
 * ```ts
 * import { ClusterAdmin, slaveChange, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster();
 * const node = await cluster.addNode();
 * using admin = new ClusterAdmin({ indexServer: cluster.indexAddress });
 * const change = slaveChange([{ node: node.key, balance: 1, partition: 0 }]);
 * console.log((await admin.preview(change)).steps.length); // 4
 * for await (const event of admin.carryOut(change)) if (event.kind === "done") console.log(event.key === node.key); // true
 * console.log((await admin.nodeMap()).nodes.length); // 2
 * ```
 */
export class ClusterAdmin {
  /** What sockets, clocks and the log come from. */
  readonly runtime: Runtime;
  /** How its connections behave. */
  readonly connection: ConnectionOptions;
  readonly #indexServers: readonly HostPort[];
  /** The index server that answered last, by its place. */
  #current = 0;
  readonly #clients = new Map<string, Client>();

  /** Connects on the first request. @throws FlareError INVALID_OPTION */
  constructor(options: ClusterAdminOptions = {}) {
    checkFields(adminFields, options);
    const { indexServer, indexServers, runtime, ...connection } = options;
    if (indexServer !== undefined && indexServers !== undefined) {
      throw new FlareError("INVALID_OPTION", 'options "indexServer" and "indexServers" are both given: use only one');
    }
    this.runtime = runtime ?? detectRuntime({ logLevel: LIBRARY_LOG_LEVEL });
    this.#indexServers = indexServers ?? [indexServer ?? DEFAULT_INDEX_SERVER];
    this.connection = connection;
  }

  /** Closes all connections. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  /** The same as `close`, at the end of a block with `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** A client of any server by its `host:port`, one per server, closed together with this. @throws FlareError INVALID_OPTION */
  client(key: string): Client {
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const client = new Client({ ...this.connection, ...addressOf(key), runtime: this.runtime });
    this.#clients.set(key, client);
    return client;
  }

  /** The index servers, each by its `host:port`, in their order. */
  get indexKeys(): readonly string[] {
    return this.#indexServers.map(({ host, port }) => formatHostPort(host, port));
  }

  /** The client of the index server that answered last; of the first one before. */
  get index(): Client {
    return this.client(this.indexKeys[this.#current] as string);
  }

  /** The index server's node map. @throws FlareError */
  nodeMap(): Promise<NodeMap> {
    return this.#askIndex(async (index) => {
      for (let attempt = 0; ; attempt++) {
        const [before, nodes, after] = await Promise.all([index.stats(), index.stats("nodes"), index.stats()]);
        const settled = before.get("node_map_version") === after.get("node_map_version");
        if (settled || attempt === MAP_ATTEMPTS) return parseNodeMap(nodes, after);
      }
    });
  }

  /**
   * Sends a command that changes the node map to an index server; resolves to its answer. If one is away or knows no leader,
   * the next one gets it, for a while; if one may have executed it, no other one gets it.
   * @throws FlareError
   */
  async changeMap(command: string): Promise<string> {
    const { clock } = this.runtime;
    const endMs = clock.monotonicMs() + LEADER_MS_MAX;
    for (;;) {
      let undone: string | undefined;
      let failure: unknown;
      for (let tried = 0; tried < this.#indexServers.length; tried++) {
        const { index } = this;
        try {
          const line = await index.line(command);
          this.#debug(`${index.server} < ${command} > ${line}`);
          if (!isLeaderless(line)) return line;
          undone = line;
        } catch (error) {
          if (!isUnreachable(error) || (error as PeerError).mayHaveHappened) throw error;
          failure = error;
        }
        this.#askNext();
      }
      if (undone === undefined) throw failure;
      if (clock.monotonicMs() >= endMs) return undone;
      await sleep(clock, LEADER_POLL_MS, true);
    }
  }

  /** The cluster's partitioning parameters. @throws FlareError */
  async meta(): Promise<ClusterMeta> {
    const meta = parseMeta(await this.#askIndex((index) => index.lines("meta")));
    if (meta === undefined) throw new FlareError("CORRUPT", `"${this.index.server}" sent malformed key parameters`);
    return meta;
  }

  /** The input of plans. @throws FlareError */
  async view(): Promise<ClusterView> {
    const [map, meta] = await Promise.all([this.nodeMap(), this.meta().catch(originalMeta)]);
    return { map, partitionCountMax: meta.partitionSize - 1 };
  }

  /** What each index server says of itself and of the one that leads, in their order. */
  indexReports(): Promise<IndexReport[]> {
    return Promise.all(
      this.indexKeys.map(async (key) => {
        try {
          return indexReport(key, await this.client(key).stats());
        } catch (error) {
          if (!(error instanceof FlareError)) throw error;
          return indexReport(key, new Map(), error.message);
        }
      }),
    );
  }

  /**
   * The last maps that the index servers have stored, the oldest first: what changed, why and when.
   * @param count of them; at most 100 are kept @throws FlareError; REFUSED by a C++ index server
   */
  async mapHistory(count: number = HISTORY_MAX): Promise<MapRecord[]> {
    const lines = await this.#askIndex((index) => index.lines(`index history ${count}`));
    return lines.flatMap((line) => (line.startsWith(RECORD) ? (decodeMapRecord(line.slice(RECORD.length)) ?? []) : []));
  }

  /**
   * The node map as it is stored: the text of a `flare.xml`, with the term of the index server that stored it.
   * @throws FlareError; REFUSED by a C++ index server
   */
  async storedMap(): Promise<string> {
    return (await this.#askIndex((index) => index.lines("index map"))).join("\n");
  }

  /** The statistics of the given nodes, default all: proxies first, then by partition. @throws FlareError */
  async stats(keys: readonly string[] = []): Promise<NodeReport[]> {
    const { nodes } = await this.nodeMap();
    return Promise.all([...wantedNodes(nodes, keys)].sort(byPartition).map((node) => this.#report(node)));
  }

  /** Who has what of each partition; of the given nodes, default all, in the order of `stats`. @throws FlareError */
  async replication(keys: readonly string[] = []): Promise<ReplicationReport[]> {
    const { nodes } = await this.nodeMap();
    const wanted = wantedNodes(nodes, keys);
    const figures = new Map<string, Figures>();
    // A master knows most of its slaves.
    await Promise.all(
      nodes.map(async ({ key }) => {
        try {
          figures.set(key, await this.client(key).stats("replication"));
        } catch (error) {
          if (!(error instanceof FlareError)) throw error;
          this.#debug(`no statistics of the replication from "${key}": ${error.message}`);
        }
      }),
    );
    return replicationReports(nodes, figures)
      .filter(({ node }) => wanted.includes(node))
      .sort((left, right) => byPartition(left.node, right.node));
  }

  /** The threads of any server. @throws FlareError */
  async threads(key: string): Promise<ThreadReport[]> {
    return parseThreads(await this.client(key).stats("threads"));
  }

  /** Pings any server. @throws FlareError */
  ping(key: string): Promise<void> {
    return this.client(key).ping();
  }

  /** Resolves when a server answers, however long that takes. */
  async waitUntilAlive(key: string): Promise<void> {
    for (;;) {
      try {
        return await this.ping(key);
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        this.#debug(`"${key}" is not alive yet: ${error.message}`);
      }
      // There may be no open connection meanwhile, so the timer keeps the process alive.
      await sleep(this.runtime.clock, ALIVE_POLL_MS, true);
    }
  }

  /** What a change would do. @throws FlareError REFUSED */
  async preview(change: Change): Promise<Preview> {
    return previewChange(await this.view(), change);
  }

  /** Executes a change; it advances as its events are read. @throws FlareError completed steps are not undone */
  carryOut(change: Change, options: RunOptions = {}): AsyncGenerator<ChangeEvent> {
    return runChange(new ClusterHost(this), change, options);
  }

  /** The result of the first index server that can be reached, beginning with the one that answered last. */
  async #askIndex<T>(ask: (index: Client) => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried++) {
      const { index } = this;
      try {
        return await ask(index);
      } catch (error) {
        if (!isUnreachable(error) || tried === this.#indexServers.length) throw error;
        this.#debug(`index server "${index.server}" does not answer: ${(error as FlareError).message}`);
        this.#askNext();
      }
    }
  }

  #askNext(): void {
    this.#current = (this.#current + 1) % this.#indexServers.length;
  }

  async #report(node: ClusterNode): Promise<NodeReport> {
    try {
      const client = this.client(node.key);
      const [general, threads] = await Promise.all([client.stats(), client.stats("threads")]);
      return { node, figures: parseFigures(general, threads) };
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#debug(`no statistics from "${node.key}": ${error.message}`);
      return { node, figures: undefined };
    }
  }

  #debug(text: string): void {
    this.runtime.log.write("debug", text);
  }
}

/** The nodes with these keys, default all. @throws FlareError REFUSED */
function wantedNodes(nodes: readonly ClusterNode[], keys: readonly string[]): readonly ClusterNode[] {
  const unknown = keys.find((key) => !nodes.some((node) => node.key === key));
  if (unknown !== undefined) throw new FlareError("REFUSED", `"${unknown}" is not in the node map`);
  return nodes.filter((node) => keys.length === 0 || keys.includes(node.key));
}

/** The parameters of index servers from before `meta`. */
function originalMeta(error: unknown): ClusterMeta {
  if (error instanceof FlareError && error.code === "REFUSED") return META_DEFAULTS;
  throw error;
}
