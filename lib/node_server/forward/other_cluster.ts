/**
 * A node server's relation to another cluster, by the options `cluster-replication…`: none, send it copies of writes
 * (duplicate), or let it answer everything (forward). Follows reloads of the options; uses the own cluster's map only for the
 * keys this node is responsible for.
 */

import { formatHostPort } from "../../base/host_port.ts";
import type { KeyHash } from "../../cluster/key_hash.ts";
import type { KeyResolver } from "../../cluster/key_resolver.ts";
import { type ClusterNode, createNode, NodeRole, NodeState, PARTITION_NONE } from "../../cluster/node.ts";
import type { Routing } from "../../cluster/routing.ts";
import type { PeerOptions } from "../../net/peer/peer_link.ts";
import { type WorkerRegistry, WorkerType } from "../../net/worker.ts";
import type { OwnReplicas } from "../../replication/other_cluster/change_feed.ts";
import { ClusterReplication, type ClusterReplicationOptions } from "../../replication/other_cluster/cluster_replication.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Storage } from "../../storage/storage.ts";
import type { NodeSettings } from "../node_options.ts";

export class OtherCluster {
  /** Mode duplicate, else undefined. */
  replication: ClusterReplication | undefined;
  readonly #runtime: Runtime;
  readonly #storage: Storage;
  readonly #workers: WorkerRegistry;
  readonly #routing: Routing;
  readonly #keyHash: KeyHash;
  readonly #resolver: KeyResolver;
  readonly #peerOptions: PeerOptions;
  readonly #replicas: OwnReplicas;
  /** Mode forward: the node of the other cluster that answers every request, else undefined. */
  node: (ClusterNode & { readonly lanes: number; readonly isForeign: true }) | undefined;
  /** The settings of the current connections. */
  #settings = "";

  constructor(
    runtime: Runtime,
    storage: Storage,
    workers: WorkerRegistry,
    routing: Routing,
    keyHash: KeyHash,
    resolver: KeyResolver,
    peerOptions: PeerOptions,
    replicas: OwnReplicas,
  ) {
    this.#runtime = runtime;
    this.#storage = storage;
    this.#workers = workers;
    this.#routing = routing;
    this.#keyHash = keyHash;
    this.#resolver = resolver;
    this.#peerOptions = peerOptions;
    this.#replicas = replicas;
  }

  /** Applies new options; unchanged ones change nothing. */
  configure(options: NodeSettings): void {
    const { clusterReplicationServerName: host, clusterReplicationServerPort: port, clusterReplicationMode: mode } = options;
    const enabled = options.clusterReplication && host !== "";
    const settings = enabled ? `${mode} ${formatHostPort(host, port)}` : "";
    const speed = { intervalUs: options.reconstructionIntervalUs, bytesPerSecond: options.reconstructionBwlimitBytesPerSecond };
    if (this.replication !== undefined) this.replication.speed = speed;
    if (settings === this.#settings) return;
    this.close();
    this.#settings = settings;
    if (!enabled) return;
    this.#runtime.log.write("notice", `cluster replication to "${formatHostPort(host, port)}", mode ${mode}`);
    const concurrency = options.clusterReplicationConcurrency;
    if (mode === "forward") {
      const threadType = WorkerType.clusterReplication;
      const place = { role: NodeRole.proxy, state: NodeState.active, partition: PARTITION_NONE, balance: 0 };
      this.node = { ...createNode({ host, port, threadType, ...place }), lanes: concurrency, isForeign: true };
      return;
    }
    const replicationOptions: ClusterReplicationOptions = {
      host,
      port,
      concurrency,
      peerOptions: this.#peerOptions,
      queueBytesMax: options.clusterReplicationQueueBytesMax,
      owns: (key) => this.#owns(key),
      ownsAll: () => this.#partitions === 1,
      replicas: this.#replicas,
    };
    this.replication = new ClusterReplication(this.#runtime, this.#storage, this.#workers, replicationOptions, speed);
    this.onMap();
  }

  /** The node map was replaced: the master of a partition sends its changes. */
  onMap(): void {
    if (this.#routing.self?.role === NodeRole.master) this.replication?.start();
    else this.replication?.stop();
  }

  close(): void {
    this.replication?.close();
    this.replication = undefined;
    this.node = undefined;
    this.#settings = "";
  }

  /** Whether a key belongs to the partition we are master of. */
  #owns(key: Uint8Array): boolean {
    const { self } = this.#routing;
    if (self?.role !== NodeRole.master) return false;
    return this.#resolver.resolve(this.#keyHash(key, 0, key.length), this.#partitions) === self.partition;
  }

  /** The number of partitions, with the one that we prepare. */
  get #partitions(): number {
    const { self, partitionMap } = this.#routing;
    return Math.max(partitionMap.active.length, (self?.partition ?? 0) + 1);
  }
}
