/**
 * flared: wires storage, cluster, connections and commands of one node together, and runs its life: open what is
 * stored, take the address, join, serve, follow the node map, hand over, stop.
 */

import { FlareError } from "../base/errors.ts";
import { NodeRole, NodeState } from "../cluster/node.ts";
import { findNode, type NodeMap } from "../cluster/node_map.ts";
import { buildPartitionMap } from "../cluster/partition_map.ts";
import { type Reconstruction, reconstructionFor } from "../cluster/role_change.ts";
import { Routing } from "../cluster/routing.ts";
import { Access } from "../net/access.ts";
import { adminAddress } from "../net/access_options.ts";
import { DaemonTls } from "../net/daemon_tls.ts";
import { loggingIn } from "../net/logging_in.ts";
import type { PeerOptions } from "../net/peer.ts";
import { PeerPool } from "../net/peer_pool.ts";
import { Server } from "../net/server.ts";
import { WorkerRegistry } from "../net/worker.ts";
import { KEY_HASHES } from "../partition/key_hash.ts";
import { KeyResolver } from "../partition/key_resolver.ts";
import { CopyTask } from "../replication/copy_task.ts";
import { MovedKeys } from "../replication/moved_keys.ts";
import { Replicator } from "../replication/replicator.ts";
import type { Address, Runtime } from "../runtime/runtime.ts";
import { Storage, type StorageOptions } from "../storage/storage.ts";
import { AdminCommands } from "./admin_commands.ts";
import { ClusterScan } from "./cluster_scan.ts";
import { CrawlerSettings } from "./crawler_settings.ts";
import { DumpCommands } from "./dump_commands.ts";
import { Handover } from "./handover.ts";
import { IndexLink, type Joined } from "./index_link.ts";
import { KeyListings } from "./key_listings.ts";
import { MetaCommands } from "./meta_commands.ts";
import type { NodeContext } from "./node_context.ts";
import { NodeHandler } from "./node_handler.ts";
import { type NodeServerOptions, nodeServerOptions } from "./node_options.ts";
import { NodeStats } from "./node_stats.ts";
import { OtherCluster } from "./other_cluster.ts";
import { OwnPart } from "./own_part.ts";
import { ReadCommands } from "./read_commands.ts";
import { ScanCommands } from "./scan_commands.ts";
import { TimeWatcher } from "./time_watcher.ts";
import { Watchers } from "./watchers.ts";
import { WriteCommands } from "./write_commands.ts";

const CONNECT_TIMEOUT_MS = 2000;
/** A page of a scan is a short piece of work, and another replica may be quicker. */
const SCAN_REPLY_TIMEOUT_MS = 30000;
const PEER_QUEUE_BYTES_MAX = 64 * 1048576;
/** What an answer of another node may take beside one value: lists of keys, pages of a scan. */
const LISTING_BYTES_MAX = 64 * 1048576;
const DRAIN_MS = 5000;
const PROGRESS_MS = 1000;
/** When a node leaves, its writes under way, the choice of the next master and others' last requests may take so long each. */
const HANDOVER_MS = 2000;
/** What other nodes have sent before they got the map without us arrives within this time. */
const LEAVE_MS_MIN = 100;
const LEAVE_POLL_MS = 20;
/** When a partition has become active, all its former owners know after so long. */
const SETTLE_MS = 1000;
/** A copy that breaks off is begun anew so often, after a pause, before the node becomes a proxy again. */
const COPY_ATTEMPTS = 3;
const COPY_PAUSE_MS = 1000;

/** What only a program can give, beside the options. */
export interface NodeServerParts {
  /** Any abstract-level database instead of what `storage-type` names. */
  readonly engine?: StorageOptions["engine"];
  readonly onProgress?: StorageOptions["onProgress"];
}

/** A running node server. */
export class NodeServer {
  /** `host:port` by which the cluster knows this node. */
  readonly key: string;
  /** Where it listens. */
  readonly addresses: readonly Address[];
  readonly #runtime: Runtime;
  readonly #context: NodeContext;
  readonly #server: Server;
  readonly #link: IndexLink;
  readonly #partitionCountMax: number;
  readonly #resolver: KeyResolver;
  readonly #movedKeys: MovedKeys;
  #copy: CopyTask | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(
    runtime: Runtime,
    context: NodeContext,
    server: Server,
    addresses: readonly Address[],
    link: IndexLink,
    resolver: KeyResolver,
  ) {
    this.#runtime = runtime;
    this.#context = context;
    this.#server = server;
    this.addresses = addresses;
    this.#link = link;
    this.#partitionCountMax = resolver.partitionCountMax;
    this.#resolver = resolver;
    this.#movedKeys = new MovedKeys(runtime.clock, runtime.log, context.storage);
    this.key = context.selfKey;
    const write = new WriteCommands(context);
    const meta = new MetaCommands(context, write);
    const ownPart = new OwnPart(context, resolver);
    const clusterScan = new ClusterScan(context, ownPart);
    const scan = new ScanCommands(context, clusterScan, ownPart, meta);
    server.open(
      new NodeHandler(context, {
        read: new ReadCommands(context),
        write,
        meta,
        dump: new DumpCommands(context, resolver),
        scan,
        listings: new KeyListings(context, clusterScan, () => scan.newScan()),
        admin: new AdminCommands(
          context,
          () => server,
          (map) => this.#install(map),
        ),
      }),
    );
    context.otherCluster.configure(context.options);
    context.watchers.attach(server, context.storage);
  }

  /**
   * Starts a node server; it resolves when clients are served.
   * @throws FlareError INVALID_OPTION | ADDRESS_IN_USE | DATA_DIR_LOCKED | IO_ERROR | CORRUPT | CONNECTION_FAILED | REFUSED
   */
  static async start(machine: Runtime, given: Partial<NodeServerOptions>, parts: NodeServerParts = {}): Promise<NodeServer> {
    const checked = nodeServerOptions(given);
    const access = await Access.open(machine, checked);
    const runtime = loggingIn(machine, () => access.clusterCredentials);
    const workers = new WorkerRegistry();
    const server = new Server(runtime, workers, {
      maxConnections: checked.maxConnection,
      idleTimeoutMs: checked.netReadTimeoutMs,
      requestMemoryBytesMax: checked.requestMemoryBytesMax,
      backlog: checked.backLog,
      limits: checked,
      access,
    });
    // The address is taken before anything is promised to the index server, and the data are opened after it.
    const tls = new DaemonTls(runtime, server, checked, checked.sslPort);
    await tls.renew();
    const address = await tls.listen({ host: checked.bind, port: checked.serverPort }, checked.enableSsl);
    const addresses = [address];
    let storage: Storage | undefined;
    try {
      if (checked.serverSocket !== "") addresses.push(await server.listen({ path: checked.serverSocket }));
      if (checked.sslPort !== 0) addresses.push(await tls.listen({ host: checked.bind, port: checked.sslPort }, true));
      const admin = adminAddress(checked);
      if (admin !== undefined) addresses.push(await tls.listen(admin, checked.enableSsl, { admin: true }));
      const options = {
        ...checked,
        serverName: checked.serverName === "" ? runtime.process.hostName() : checked.serverName,
        serverPort: "port" in address ? address.port : checked.serverPort,
      };
      storage = await Storage.open(runtime, storageOptions(options, { onProgress: progressLog(runtime), ...parts }));
      const peerOptions: PeerOptions = {
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        replyTimeoutMs: options.netReadTimeoutMs,
        queueBytesMax: PEER_QUEUE_BYTES_MAX,
        replyBytesMax: options.valueBytesMax + options.lineBytesMax + LISTING_BYTES_MAX,
        tls,
      };
      const self = { host: options.serverName, port: options.serverPort };
      const link = new IndexLink(runtime, options.indexServers, self, {
        ...peerOptions,
        replyTimeoutMs: CONNECT_TIMEOUT_MS * 5,
      });
      const joined = await link.join();
      const resolver = new KeyResolver(joined.meta);
      const context = buildContext(runtime, options, storage, joined, resolver, workers, peerOptions, tls);
      const node = new NodeServer(runtime, context, server, addresses, link, resolver);
      runtime.log.write("notice", `node "${node.key}" serves, engine ${storage.manifest.engine}, fsync ${options.fsync}`);
      return node;
    } catch (error) {
      await server.stop(0);
      await storage?.close();
      throw error;
    }
  }

  /** The port clients connect to. */
  get port(): number {
    return this.#context.options.serverPort;
  }

  /** The node map in use. */
  get nodeMap(): NodeMap {
    return this.#context.routing.nodeMap;
  }

  /** Our role in the node map in use, undefined while we are not in it. */
  get role(): NodeRole | undefined {
    return this.#context.routing.self?.role;
  }

  get options(): NodeServerOptions {
    return this.#context.options;
  }

  get storage(): Storage {
    return this.#context.storage;
  }

  /** Takes new values of the options that are marked reloadable; the others keep theirs. Certificates are read again, too. */
  async reload(given: NodeServerOptions): Promise<void> {
    // The name and the port are this node's identity, found out at the start.
    const { serverName, serverPort } = this.#context.options;
    const options = { ...given, serverName, serverPort };
    this.#context.options = options;
    this.#link.servers = options.indexServers;
    this.#context.replicator.options = options;
    this.#context.otherCluster.configure(options);
    this.#context.timeWatcher.reload(options);
    this.#context.storage.resizeMemory(options.memoryBytesMax);
    this.#dropLanes(this.nodeMap);
    await this.#context.tls.reload(options);
    await this.#server.reload({
      maxConnections: options.maxConnection,
      idleTimeoutMs: options.netReadTimeoutMs,
      access: options,
    });
  }

  /**
   * Stops in order: the index server is told, so that a slave takes over; requests received are answered; everything
   * is written. Calling it again waits for the same end.
   * @param announce false: the cluster as a whole is stopping and nobody shall take over
   */
  stop(announce = true): Promise<void> {
    this.#stopping ??= this.#stop(announce);
    return this.#stopping;
  }

  async #stop(announce: boolean): Promise<void> {
    this.#runtime.log.write("notice", `node "${this.key}" stops`);
    this.#context.watchers.happened("type=stop");
    this.#link.stop();
    this.#copy?.kill();
    this.#movedKeys.stop();
    if (announce) await this.#handOver();
    this.#context.watchers.close();
    this.#context.timeWatcher.stop();
    await this.#server.stop(DRAIN_MS);
    this.#context.peers.close();
    this.#context.scanPeers.close();
    this.#context.otherCluster.close();
    await this.#context.storage.close();
    this.#runtime.log.write("notice", `node "${this.key}" has stopped`);
  }

  /**
   * Leaves the cluster while it is still being served: reads are answered by other replicas from now on; a master
   * with a slave finishes its writes and holds further requests until the slave has taken over.
   */
  async #handOver(): Promise<void> {
    const { routing, handover, replicator, storage } = this.#context;
    routing.setLeaving(true);
    const replaceable = this.#isReplaceableMaster();
    if (replaceable) {
      handover.begin();
      const committed = new Promise<void>((resolve) => storage.onCommit({ onCommitted: () => resolve() }));
      const finished = Promise.all([handover.finished(), committed]).then(() => replicator.idle());
      if (!(await handover.within(HANDOVER_MS, finished))) {
        this.#runtime.log.write("warning", `writes under way did not end within ${HANDOVER_MS} ms`);
      }
    }
    handover.announced = true;
    if (await this.#link.tellShutdown()) {
      if (replaceable) await handover.within(HANDOVER_MS, handover.over);
      handover.end();
      await this.#letNodesGo();
    } else {
      this.#runtime.log.write("warning", "no index server could be told of the shutdown");
      routing.setLeaving(false);
    }
    handover.end();
  }

  /**
   * Every node has the new map now and closes its lanes as soon as they are answered. What it sent before is answered: of a
   * request that is left unanswered nobody knows whether it was carried out.
   */
  async #letNodesGo(): Promise<void> {
    const { clock } = this.#runtime;
    const startMs = clock.monotonicMs();
    for (;;) {
      await new Promise<void>((resolve) => clock.setTimer(resolve, LEAVE_POLL_MS));
      const waitedMs = clock.monotonicMs() - startMs;
      const isAlone = waitedMs >= LEAVE_MS_MIN && [...this.#server.sessions].every(({ isNode }) => !isNode);
      if (isAlone || waitedMs >= HANDOVER_MS) return;
    }
  }

  #isReplaceableMaster(): boolean {
    const { self, partitionMap } = this.#context.routing;
    const partition = self === undefined ? undefined : partitionMap.active[self.partition];
    if (partition?.master?.key !== this.key) return false;
    return partition.slaves.some(({ state }) => state === NodeState.active);
  }

  #install(map: NodeMap): void {
    const { routing, handover } = this.#context;
    const previous = routing.nodeMap;
    const first = previous.nodes.length === 0 && previous.version === 0;
    routing.install(map);
    if (routing.settling) this.#runtime.clock.setTimer(() => routing.settle(), SETTLE_MS);
    this.#dropLanes(map);
    if (handover.holding && !this.#isReplaceableMaster()) handover.end();
    this.#runtime.log.write("info", `node map ${map.version} in use`);
    this.#context.watchers.happened(`type=node_map version=${map.version}`);
    const plan = reconstructionFor(first ? undefined : previous, map, this.key, this.#partitionCountMax);
    // The first partition's master, and one that replaces a lost master, have nobody to copy from and nothing to report.
    const pointless = plan?.sources.length === 0 && routing.self?.state === NodeState.active;
    if (plan !== undefined && !pointless) void this.#reconstruct(plan);
    else if (routing.self?.role === NodeRole.proxy) this.#endCopy();
    this.#removeMovedKeys(first ? 0 : countPartitions(previous, this.#partitionCountMax));
    const wasMaster = findNode(previous, this.key)?.role === NodeRole.master;
    if (!wasMaster && routing.self?.role === NodeRole.master) this.#context.otherCluster.onBecameMaster();
  }

  /** Closes the connections to nodes that have left or are down: nobody waits for those any longer. */
  #dropLanes(map: NodeMap): void {
    const { peers, scanPeers, otherCluster } = this.#context;
    const kept = new Set(map.nodes.filter(({ state }) => state !== NodeState.down).map((node) => node.key));
    if (otherCluster.node !== undefined) kept.add(otherCluster.node.key);
    peers.retain(kept);
    scanPeers.retain(kept);
  }

  /** Plans the removal of what other partitions own now, if there are more of them than before. */
  #removeMovedKeys(partitionsBefore: number): void {
    const { routing, keyHash, options } = this.#context;
    const self = routing.self;
    if (self === undefined || self.partition < 0 || self.state !== NodeState.active) return this.#movedKeys.stop();
    const count = routing.partitionMap.active.length;
    if (count <= partitionsBefore || count <= 1) return;
    this.#movedKeys.start((key) => this.#resolver.resolve(keyHash(key, 0, key.length), count) !== self.partition, {
      delayMs: options.movedKeysDelayMs,
      intervalUs: options.reconstructionIntervalUs,
      bytesPerSecond: options.reconstructionBwlimitBytesPerSecond,
    });
  }

  #endCopy(): void {
    this.#copy?.kill();
    this.#copy = undefined;
  }

  /** Copies what the plan says and tells the index server how it went. */
  async #reconstruct(plan: Reconstruction, attempt = 1): Promise<void> {
    this.#copy?.kill();
    const { options, storage, workers } = this.#context;
    const copy = new CopyTask(this.#runtime, workers, storage, plan, {
      intervalUs: options.reconstructionIntervalUs,
      bytesPerSecond: options.reconstructionBwlimitBytesPerSecond,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      tls: this.#context.tls,
      silenceMs: options.netReadTimeoutMs,
      valueBytesMax: options.valueBytesMax,
      selfKey: this.key,
    });
    this.#copy = copy;
    const { watchers } = this.#context;
    watchers.happened(`type=copy status=begun attempt=${attempt}`);
    try {
      await copy.run();
      watchers.happened("type=copy status=complete");
    } catch (error) {
      watchers.happened("type=copy status=failed");
      if (this.#copy !== copy || this.#stopping !== undefined) return;
      this.#runtime.log.write("error", `copy failed: ${(error as Error).message}`);
      if (attempt < COPY_ATTEMPTS && error instanceof FlareError && error.retriable) {
        await new Promise<void>((resolve) => this.#runtime.clock.setTimer(resolve, COPY_PAUSE_MS));
        if (this.#copy === copy && this.#stopping === undefined) await this.#reconstruct(plan, attempt + 1);
      } else {
        await this.#link.tellProxy();
      }
      return;
    }
    // A newer map may have made this copy pointless meanwhile. As long as it has not, somebody has to be told: an index server
    // that cannot store its map now can do so later.
    const state = plan.role === NodeRole.master ? "ready" : "active";
    while (this.#copy === copy && this.#stopping === undefined && !(await this.#link.tellState(state))) {
      if (this.#context.routing.self?.state !== NodeState.prepare) return;
      await new Promise<void>((resolve) => this.#runtime.clock.setTimer(resolve, COPY_PAUSE_MS));
    }
  }
}

function countPartitions(map: NodeMap, partitionCountMax: number): number {
  return buildPartitionMap(map, partitionCountMax).active.length;
}

/** Tells in the log, once a second, how far a long recovery is. */
function progressLog({ clock, log }: Runtime): NonNullable<StorageOptions["onProgress"]> {
  let nextMs = clock.monotonicMs() + PROGRESS_MS;
  return ({ phase, bytesDone, bytesTotal, records }) => {
    if (clock.monotonicMs() < nextMs) return;
    nextMs = clock.monotonicMs() + PROGRESS_MS;
    log.write("notice", `opening the storage: ${phase}, ${bytesDone} of ${bytesTotal} bytes, ${records} records`);
  };
}

function storageOptions(options: NodeServerOptions, parts: NodeServerParts): StorageOptions {
  return {
    ...(options.dataDir === "" || (options.storageType === "memory" && parts.engine === undefined)
      ? {}
      : { dataDir: options.dataDir }),
    engine: parts.engine ?? (options.storageType === "memory" ? "memory" : "level"),
    memoryBytesMax: options.memoryBytesMax,
    fsync: options.fsync,
    fsyncIntervalMs: options.fsyncIntervalMs,
    logSegmentBytes: options.logSegmentBytes,
    checkpointIntervalMs: options.checkpointIntervalMs,
    tombstoneRetentionSeconds: options.tombstoneRetentionSeconds,
    keyBytesMax: options.keyBytesMax,
    valueBytesMax: options.valueBytesMax,
    ...(parts.onProgress === undefined ? {} : { onProgress: parts.onProgress }),
  };
}

function buildContext(
  runtime: Runtime,
  options: NodeServerOptions,
  storage: Storage,
  joined: Joined,
  resolver: KeyResolver,
  workers: WorkerRegistry,
  peerOptions: PeerOptions,
  tls: DaemonTls,
): NodeContext {
  const selfKey = `${options.serverName}:${options.serverPort}`;
  const keyHash = KEY_HASHES[joined.meta.keyHashAlgorithm];
  if (keyHash === undefined) throw new FlareError("UNSUPPORTED", `key hash "${joined.meta.keyHashAlgorithm}" is unknown`);
  const routing = new Routing(joined.map, { selfKey, resolver, proxyPriorNetmask: options.proxyPriorNetmask });
  const peers = new PeerPool(runtime, workers, options.proxyConcurrency, peerOptions);
  const scanPeers = new PeerPool(runtime, workers, 1, {
    ...peerOptions,
    replyTimeoutMs: Math.min(peerOptions.replyTimeoutMs, SCAN_REPLY_TIMEOUT_MS),
  });
  const replicator = new Replicator(routing, peers, storage, runtime.log, selfKey, options);
  const otherCluster = new OtherCluster(runtime, storage, workers, routing, keyHash, resolver, peerOptions);
  return {
    runtime,
    options,
    storage,
    routing,
    keyHash,
    peers,
    scanPeers,
    replicator,
    otherCluster,
    workers,
    tls,
    selfKey,
    stats: new NodeStats(),
    handover: new Handover(runtime.clock),
    crawler: new CrawlerSettings(),
    watchers: new Watchers(runtime.clock),
    timeWatcher: new TimeWatcher(runtime.clock, runtime.log, storage, options),
  };
}
