/**
 * flared: wires storage, cluster, connections and commands of one node together, and runs its life: open the storage, bind the
 * address, join, serve, follow the node map, hand over, stop.
 */

import { MIB } from "../base/byte_units.ts";
import { FlareError } from "../base/errors.ts";
import { booleanField, checkFields, type FieldsOf } from "../base/given_fields.ts";
import { formatHostPort, type HostPort } from "../base/host_port.ts";
import { reloadedOptions } from "../base/option_schema.ts";
import { KEY_HASHES } from "../cluster/key_hash.ts";
import { KeyResolver } from "../cluster/key_resolver.ts";
import { describeNode, mapEvents, mapEventText } from "../cluster/map_events.ts";
import { NodeRole, NodeState, nodeKey } from "../cluster/node.ts";
import { findNode, type NodeMap } from "../cluster/node_map.ts";
import { placeLabel } from "../cluster/place_label.ts";
import { reconstructionFor } from "../cluster/role_change.ts";
import { Routing } from "../cluster/routing.ts";
import { Access } from "../net/auth/access.ts";
import { adminAddress } from "../net/auth/access_options.ts";
import { withLogin } from "../net/auth/login_transport.ts";
import { checkRuntime } from "../net/given_runtime.ts";
import { healthRoutes, notReady, type Readiness } from "../net/http/health.ts";
import { HttpService } from "../net/http/http_service.ts";
import type { PeerOptions } from "../net/peer/peer_link.ts";
import { PeerPool } from "../net/peer/peer_pool.ts";
import { Server } from "../net/server.ts";
import { DaemonTls } from "../net/tls/daemon_tls.ts";
import { WorkerRegistry } from "../net/worker.ts";
import { encodeForward } from "../protocol/forward_request.ts";
import { InSyncReplicas } from "../replication/in_sync_replicas.ts";
import { Lease } from "../replication/lease.ts";
import { MovedKeys } from "../replication/moved_keys.ts";
import { Replicator } from "../replication/replicator.ts";
import { Follower } from "../replication/stream/follower.ts";
import { replicationTypeOf, Visibility } from "../replication/visibility.ts";
import type { Address, Runtime, TlsClient } from "../runtime/runtime.ts";
import { HotKeys } from "../stats/hot_keys.ts";
import { metricsRoute } from "../stats/metrics/metrics_route.ts";
import type { Storage } from "../storage/storage.ts";
import { WebService, webRoutes } from "../web/web_service.ts";
import { LogArchive } from "./archive/log_archive.ts";
import { AdminCommands } from "./commands/admin_commands.ts";
import { CompareCommands } from "./commands/compare_commands.ts";
import { DumpCommands } from "./commands/dump_commands.ts";
import { FlushCommands } from "./commands/flush_commands.ts";
import { KeyListings } from "./commands/key_listings.ts";
import { LaneCommands } from "./commands/lane_commands.ts";
import { MetaCommands } from "./commands/meta_commands.ts";
import { ReadCommands } from "./commands/read_commands.ts";
import { RejoinCommands } from "./commands/rejoin_commands.ts";
import { ScanCommands } from "./commands/scan_commands.ts";
import { StatsReports } from "./commands/stats_reports.ts";
import { StreamCommands } from "./commands/stream_commands.ts";
import { TtlCommand } from "./commands/ttl_command.ts";
import { WriteCommands } from "./commands/write_commands.ts";
import { AntiEntropy } from "./comparison/anti_entropy.ts";
import { KeyRepair } from "./comparison/key_repair.ts";
import { OwnItems } from "./comparison/own_items.ts";
import { ReplicaComparison } from "./comparison/replica_comparison.ts";
import { ClusterFlush } from "./flush/cluster_flush.ts";
import { PartitionFlush } from "./flush/partition_flush.ts";
import type { ReachMap } from "./forward/moved.ts";
import { OtherCluster } from "./forward/other_cluster.ts";
import { ReadForward } from "./forward/read_forward.ts";
import { WriteForward } from "./forward/write_forward.ts";
import { DataHistory } from "./life/data_history.ts";
import { Handover } from "./life/handover.ts";
import { IndexLink, type Joined } from "./life/index_link.ts";
import { leaveCluster } from "./life/leave_cluster.ts";
import { MapCheck } from "./life/map_check.ts";
import { nodeReadiness } from "./life/readiness.ts";
import { Reconstructor } from "./life/reconstructor.ts";
import { Takeover } from "./life/takeover.ts";
import { TimeWatcher } from "./life/time_watcher.ts";
import type { NodeComponents } from "./node_components.ts";
import { NodeHandler } from "./node_handler.ts";
import { type NodeSettings, nodeOptionTable, nodeServerOptions } from "./node_options.ts";
import type { NodeServerOptions } from "./node_server_options.ts";
import { type NodeServerParts, nodeServerPartFields, openStorage } from "./node_storage.ts";
import type { NodeServer, StopOptions } from "./public_node.ts";
import { ClusterScan } from "./scan/cluster_scan.ts";
import { OwnPart } from "./scan/own_part.ts";
import { CrawlerSettings } from "./stats/crawler_settings.ts";
import { type NodeSource, nodeMetrics, nodeSource } from "./stats/node_metrics.ts";
import { NodeStats } from "./stats/node_stats.ts";
import { Watchers } from "./stats/watchers.ts";

const CONNECT_TIMEOUT_MS = 2000;
/** How long a busy, but living node may be silent on a connection. */
const PEER_REPLY_TIMEOUT_MS = 30000;
const PEER_QUEUE_BYTES_MAX = 64 * MIB;
/** Largest answer of another node besides one value: lists of keys, pages of a scan. */
const LISTING_BYTES_MAX = 64 * MIB;
const DRAIN_MS = 5000;
/** How long after a partition becomes active all its former owners know. */
const SETTLE_MS = 1000;

const stopFields: FieldsOf<StopOptions> = { announce: booleanField };

export class RunningNode implements NodeServer {
  readonly key: string;
  readonly addresses: readonly [Address, ...Address[]];
  readonly #runtime: Runtime;
  readonly #components: NodeComponents;
  readonly #givenAtStart: NodeSettings;
  readonly #server: Server;
  readonly #http: HttpService;
  readonly #link: IndexLink;
  readonly #partitionCountMax: number;
  readonly #resolver: KeyResolver;
  readonly #movedKeys: MovedKeys;
  /** The number of partitions by which the moved keys were removed, or are about to be. */
  #partitionsSwept = 1;
  readonly #reconstructor: Reconstructor;
  readonly #mapCheck: MapCheck;
  readonly #takeover: Takeover;
  readonly #antiEntropy: AntiEntropy;
  readonly #archive: LogArchive | undefined;
  readonly #reports: StatsReports;
  readonly #web: WebService | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(
    runtime: Runtime,
    givenAtStart: NodeSettings,
    components: NodeComponents,
    server: Server,
    http: HttpService,
    addresses: readonly [Address, ...Address[]],
    link: IndexLink,
    resolver: KeyResolver,
    newestMap: NodeMap | undefined,
  ) {
    this.#runtime = runtime;
    this.#components = components;
    this.#givenAtStart = givenAtStart;
    this.#server = server;
    this.#http = http;
    this.addresses = addresses;
    this.#link = link;
    this.#partitionCountMax = resolver.partitionCountMax;
    this.#resolver = resolver;
    this.#movedKeys = new MovedKeys(runtime.clock, runtime.log, components.storage);
    this.#reconstructor = new Reconstructor(components, resolver, link, CONNECT_TIMEOUT_MS);
    this.#mapCheck = new MapCheck(runtime, link, {
      nodeMap: () => this.nodeMap,
      install: (map) => this.#install(map),
    });
    this.key = components.selfKey;
    components.replicator.onMap();
    // A scheduled flush that is overdue runs before the first request.
    components.partitionFlush.arm();
    const reachMap: ReachMap = (version) => this.#mapCheck.reach(version);
    this.#takeover = new Takeover(components, reachMap, CONNECT_TIMEOUT_MS);
    const reads = new ReadForward(components, reachMap);
    const write = new WriteCommands(components, new WriteForward(components, reachMap), this.#takeover);
    const meta = new MetaCommands(components, reads, write);
    const ownPart = new OwnPart(components, resolver);
    const clusterScan = new ClusterScan(components, ownPart);
    const scan = new ScanCommands(components, clusterScan, ownPart, meta);
    const ownItems = new OwnItems(components, resolver);
    const repair = new KeyRepair(components, ownItems);
    const comparison = new ReplicaComparison(components, ownItems, repair);
    this.#antiEntropy = new AntiEntropy(components, comparison);
    this.#antiEntropy.start();
    components.otherCluster.configure(components.options);
    this.#archive = openArchive(components);
    this.#stampLog();
    this.#reports = new StatsReports(components, this.#antiEntropy, this.#archive, () => server);
    this.#web = this.#startWeb();
    components.watchers.attach(server, components.storage);
    this.#removeMovedKeys();
    if (newestMap !== undefined) this.#install(newestMap);
    server.open(
      new NodeHandler(components, this.#takeover, {
        read: new ReadCommands(components, reads),
        write,
        stream: new StreamCommands(components),
        ttl: new TtlCommand(components, reads),
        meta,
        dump: new DumpCommands(components, resolver),
        scan,
        lane: new LaneCommands(server.sessions, components.selfKey),
        listings: new KeyListings(components, clusterScan, () => scan.newScan()),
        flush: new FlushCommands(components, new ClusterFlush(components), () => this.#reconstructor.restart()),
        watchers: components.watchers,
        stats: this.#reports,
        admin: new AdminCommands(
          components,
          (map) => this.#install(map),
          this.#takeover,
          () => this.#reconstructor.distrust(),
        ),
        compare: new CompareCommands(ownItems, comparison),
        rejoin: new RejoinCommands(components, repair),
      }),
    );
  }

  /**
   * Starts a node server; it resolves when clients are served.
   * @throws FlareError INVALID_OPTION | ADDRESS_IN_USE | DATA_DIR_LOCKED | IO_ERROR | CORRUPT | CONNECTION_FAILED | REFUSED
   */
  static async start(machine: Runtime, given: Partial<NodeSettings>, parts: NodeServerParts = {}): Promise<RunningNode> {
    checkRuntime(machine);
    checkFields(nodeServerPartFields, parts);
    const checked = nodeServerOptions(given);
    const access = await Access.open(machine, checked);
    const runtime = withLogin(machine, () => access.clusterCredentials);
    const workers = new WorkerRegistry();
    const server = new Server(runtime, workers, {
      maxConnections: checked.maxConnection,
      serversInProcess: parts.serversInProcess ?? 1,
      idleTimeoutMs: checked.netReadTimeoutMs,
      requestMemoryBytesMax: checked.requestMemoryBytesMax,
      backlog: checked.backLog,
      limits: checked,
      access,
      slow: checked,
    });
    // The address is bound before the node talks to the index server, and the data is opened after that.
    const tls = new DaemonTls(runtime, server, checked, checked.sslPort);
    await tls.renew();
    const address = await tls.listen({ host: checked.bind, port: checked.serverPort }, checked.enableSsl);
    const addresses: [Address, ...Address[]] = [address];
    let storage: Storage | undefined;
    let node: RunningNode | undefined;
    const http = new HttpService(runtime, server, checked, {
      ...healthRoutes(() => {
        if (node !== undefined) return node.#readiness;
        return notReady(storage === undefined ? "it is opening its data" : "it is joining its cluster");
      }),
      ...metricsRoute(nodeMetrics, () => (node === undefined ? undefined : node.#source)),
      ...webRoutes(() => (node === undefined ? undefined : node.#web)),
    });
    try {
      if (checked.serverSocket !== "") addresses.push(await server.listen({ path: checked.serverSocket }));
      if (checked.sslPort !== 0) addresses.push(await tls.listen({ host: checked.bind, port: checked.sslPort }, true));
      const admin = adminAddress(checked);
      if (admin !== undefined) addresses.push(await tls.listen(admin, checked.enableSsl, { admin: true }));
      await http.listen(checked, tls);
      const options = {
        ...checked,
        serverName: checked.serverName === "" ? runtime.process.hostName() : checked.serverName,
        serverPort: "port" in address ? address.port : checked.serverPort,
      };
      storage = await openStorage(runtime, options, parts);
      const peerOptions: PeerOptions = {
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        replyTimeoutMs: Math.max(PEER_REPLY_TIMEOUT_MS, options.peerReadTimeoutMs),
        silenceTimeoutMs: options.peerReadTimeoutMs,
        queueBytesMax: PEER_QUEUE_BYTES_MAX,
        replyBytesMax: options.valueBytesMax + options.lineBytesMax + LISTING_BYTES_MAX,
        tls,
      };
      const self = { host: options.serverName, port: options.serverPort };
      const link = new IndexLink(runtime, options.indexServers, self, {
        ...peerOptions,
        replyTimeoutMs: CONNECT_TIMEOUT_MS * 5,
      });
      const history = await DataHistory.open(runtime, storage, options.dataDir);
      // Other nodes learn of this one when it joins and may connect before the join is answered.
      server.expect(nodeKey(options.serverName, options.serverPort));
      const joined = await link.join(history.identity);
      const resolver = new KeyResolver(joined.meta);
      const components = buildComponents(
        runtime,
        options,
        storage,
        joined,
        resolver,
        workers,
        peerOptions,
        tls,
        link,
        history.seed,
      );
      node = new RunningNode(runtime, checked, components, server, http, addresses, link, resolver, joined.newest);
      await history.noteJoined();
      const { replicationType } = components.visibility;
      const promises = `replication ${components.inSync.isLegacy ? "legacy" : replicationType}, fsync ${options.fsync}`;
      runtime.log.write("notice", `node "${node.key}" serves, engine ${storage.manifest.engine}, ${promises}`);
      return node;
    } catch (error) {
      await server.stop(0);
      await storage?.close();
      throw error;
    }
  }

  get address(): HostPort {
    const { serverName, serverPort } = this.#components.options;
    return { host: serverName, port: serverPort };
  }

  get url(): string {
    const { host, port } = this.address;
    return `${this.#components.options.enableSsl ? "memcacheds" : "memcached"}://${formatHostPort(host, port)}`;
  }

  /** The port clients connect to. */
  get port(): number {
    return this.#components.options.serverPort;
  }

  get items(): number {
    return this.storage.stats().items;
  }

  /** The TLS settings for clients of this cluster's nodes; undefined = plain. */
  get tlsClient(): TlsClient | undefined {
    return this.#components.tls.client;
  }

  /** Whether it is stopping or has stopped. */
  get isStopping(): boolean {
    return this.#stopping !== undefined;
  }

  get #readiness(): Readiness {
    return nodeReadiness(this.#components, this.isStopping);
  }

  /** What the metrics show now. */
  get #source(): NodeSource {
    return nodeSource(this.#components, this.#reports, this.#server, this.#readiness);
  }

  get nodeMap(): NodeMap {
    return this.#components.routing.nodeMap;
  }

  get role(): NodeRole | undefined {
    return this.#components.routing.self?.role;
  }

  get options(): Required<NodeServerOptions> {
    return this.#components.options;
  }

  get storage(): Storage {
    return this.#components.storage;
  }

  async reload(given: Partial<NodeSettings> = {}): Promise<void> {
    const options = nodeServerOptions(reloadedOptions(nodeOptionTable, this.#components.options, given, this.#givenAtStart));
    this.#components.options = options;
    this.#link.servers = options.indexServers;
    if (this.#archive !== undefined) this.#archive.options = options;
    this.#components.inSync.options = options;
    this.#components.replicator.options = options;
    this.#components.visibility.replicationType = replicationTypeOf(options.replicationType, this.#components.inSync);
    this.#components.otherCluster.configure(options);
    this.#components.timeWatcher.reload(options);
    this.#components.storage.resizeMemory(options.memoryBytesMax);
    this.#dropLanes(this.nodeMap);
    await this.#http.reload(options);
    await this.#components.tls.reload(options);
    this.#web?.reload();
    await this.#server.reload({
      maxConnections: options.maxConnection,
      idleTimeoutMs: options.netReadTimeoutMs,
      slow: options,
      access: options,
    });
  }

  stop(options: StopOptions = {}): Promise<void> {
    checkFields(stopFields, options);
    this.#stopping ??= this.#stop(options.announce ?? true);
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(announce: boolean): Promise<void> {
    this.#runtime.log.write("notice", `node "${this.key}" stops`);
    this.#components.watchers.happened("type=stop");
    this.#mapCheck.stop();
    this.#link.stop();
    this.#reconstructor.end();
    this.#movedKeys.stop();
    this.#antiEntropy.stop();
    this.#components.partitionFlush.stop();
    if (announce) await leaveCluster(this.#components, this.#link, this.#server);
    this.#components.watchers.close();
    this.#components.timeWatcher.stop();
    this.#web?.stop();
    await this.#server.stop(DRAIN_MS);
    this.#components.inSync.stop();
    this.#components.replicator.streams.stop();
    this.#components.peers.close();
    this.#components.scanPeers.close();
    this.#components.otherCluster.close();
    await this.#archive?.stop();
    await this.#components.storage.close();
    this.#runtime.log.write("notice", `node "${this.key}" has stopped`);
  }

  #install(map: NodeMap): void {
    const { routing, handover } = this.#components;
    const previous = routing.nodeMap;
    const first = previous.nodes.length === 0 && previous.version === 0;
    const created = routing.partitionMap.preparing?.index;
    routing.install(map);
    if (created !== undefined && routing.partitionMap.active[created] !== undefined) this.#takeover.onActive(created);
    this.#mapCheck.mapChanged();
    this.#components.inSync.mapChanged();
    if (routing.settling) this.#runtime.clock.setTimer(() => routing.settle(), SETTLE_MS);
    this.#dropLanes(map);
    this.#components.replicator.onMap();
    this.#components.lease.onMap();
    this.#stampLog();
    if (handover.holding && !routing.hasSuccessor) handover.end();
    this.#logMap(first ? undefined : previous, map);
    this.#components.watchers.happened(`type=node_map version=${map.version}`);
    const plan = reconstructionFor(first ? undefined : previous, map, this.key, this.#partitionCountMax);
    // The first partition's master, and one that replaces a lost master, have no source to copy from and nothing to report.
    const pointless = plan?.sources.length === 0 && routing.self?.state === NodeState.active;
    if (plan !== undefined && !pointless) this.#reconstructor.begin(plan);
    else if (routing.self?.role === NodeRole.proxy) this.#reconstructor.end();
    this.#removeMovedKeys();
    this.#components.otherCluster.onMap();
    this.#components.partitionFlush.arm();
    this.#web?.mapChanged();
  }

  #startWeb(): WebService | undefined {
    const components = this.#components;
    const { runtime, options, routing, tls } = components;
    const { tokens } = this.#http;
    if (options.httpPort === 0) return undefined;
    const web = new WebService({
      runtime,
      kind: "node",
      address: this.address,
      get indexServers() {
        return components.options.indexServers;
      },
      get nodeMap() {
        return routing.nodeMap;
      },
      get changesAllowed() {
        return tokens.isSet;
      },
      get tlsClient() {
        return tls.client;
      },
      own: { slow: (reply) => this.#reports.slowFigures(reply), hot: (reply) => this.#reports.hotFigures(reply) },
    });
    web.start();
    return web;
  }

  /** Only what is archived needs times. */
  #stampLog(): void {
    if (this.#archive !== undefined) this.storage.stampLog(placeLabel(this.#components.routing));
  }

  /** Logs the changes in a map, node by node, our own at level notice; for the first map only our own role. */
  #logMap(previous: NodeMap | undefined, map: NodeMap): void {
    const { log } = this.#runtime;
    if (previous !== undefined) {
      for (const event of mapEvents(previous, map)) {
        const isOwn = (event.after ?? event.before)?.key === this.key;
        // The index server logs them all.
        log.write(isOwn ? "notice" : "info", mapEventText(map.version, event));
        if (isOwn && event.kind === "lost" && !this.isStopping) log.write("warning", takenForDown(this.key));
      }
      return;
    }
    const self = findNode(map, this.key);
    const place = self === undefined ? "this node is not among them" : `this node is ${describeNode(self)}`;
    log.write("notice", `node map ${map.version} with ${map.nodes.length} nodes in use: ${place}`);
  }

  /** Closes the connections to nodes that have left or are down. */
  #dropLanes(map: NodeMap): void {
    const { peers, scanPeers, otherCluster } = this.#components;
    const kept = new Set(map.nodes.filter(({ state }) => state !== NodeState.down).map((node) => node.key));
    if (otherCluster.node !== undefined) kept.add(otherCluster.node.key);
    peers.retain(kept);
    scanPeers.retain(kept);
  }

  /**
   * Schedules the removal of keys that other partitions own now: when there are more partitions than before, and whenever this
   * node becomes active, because an earlier walk may not have come to its end.
   */
  #removeMovedKeys(): void {
    const { routing, keyHash, options } = this.#components;
    const self = routing.self;
    if (self === undefined || self.partition < 0 || self.state !== NodeState.active) {
      this.#partitionsSwept = 1;
      return this.#movedKeys.stop();
    }
    const count = routing.partitionMap.active.length;
    if (count <= this.#partitionsSwept) return;
    this.#partitionsSwept = count;
    this.#movedKeys.start((key) => this.#resolver.resolve(keyHash(key, 0, key.length), count) !== self.partition, {
      delayMs: options.movedKeysDelayMs,
      intervalUs: options.reconstructionIntervalUs,
      bytesPerSecond: options.reconstructionBwlimitBytesPerSecond,
    });
  }
}

/** Begins to archive the log, if that is wanted. */
function openArchive({ lease, options, runtime, selfKey, storage }: NodeComponents): LogArchive | undefined {
  if (options.logArchive === "") return undefined;
  const archive = new LogArchive(runtime, storage, { key: selfKey, isSure: () => lease.isHeld }, options);
  storage.holdLog(archive);
  void archive.run();
  return archive;
}

function buildComponents(
  runtime: Runtime,
  options: NodeSettings,
  storage: Storage,
  joined: Joined,
  resolver: KeyResolver,
  workers: WorkerRegistry,
  peerOptions: PeerOptions,
  tls: DaemonTls,
  link: IndexLink,
  seed: number,
): NodeComponents {
  const selfKey = `${options.serverName}:${options.serverPort}`;
  const keyHash = KEY_HASHES[joined.meta.keyHashAlgorithm];
  if (keyHash === undefined) throw new FlareError("UNSUPPORTED", `key hash "${joined.meta.keyHashAlgorithm}" is unknown`);
  const routing = new Routing(joined.map, { selfKey, resolver, proxyPriorNetmask: options.proxyPriorNetmask });
  const introduction = { nodeKey: selfKey, forwardLine: forwardLineOf(selfKey, routing) };
  const peers = new PeerPool(runtime, workers, options.proxyConcurrency, peerOptions, introduction);
  const scanPeers = new PeerPool(runtime, workers, 1, peerOptions);
  const inSync = new InSyncReplicas(runtime, routing, link, joined.meta.keepsInSyncSet, options);
  const self = { key: selfKey, peer: peerOptions };
  const follower = new Follower(runtime.clock, routing, storage);
  const replicator = new Replicator(runtime, routing, peers, storage, inSync, workers, self, follower.lease, options);
  const lease = new Lease(runtime.clock, routing, inSync, replicator.streams, follower);
  const otherCluster = new OtherCluster(runtime, storage, workers, routing, keyHash, resolver, peerOptions, replicator.streams);
  return {
    runtime,
    options,
    storage,
    routing,
    keyHash,
    peers,
    scanPeers,
    inSync,
    replicator,
    follower,
    lease,
    visibility: new Visibility(storage, replicator, follower, lease, replicationTypeOf(options.replicationType, inSync)),
    otherCluster,
    workers,
    tls,
    selfKey,
    stats: new NodeStats(),
    hotKeys: new HotKeys(runtime.clock, seed),
    handover: new Handover(runtime.clock),
    partitionFlush: new PartitionFlush(runtime, routing, peers, storage, inSync, replicator, selfKey),
    crawler: new CrawlerSettings(),
    watchers: new Watchers(runtime.clock),
    timeWatcher: new TimeWatcher(runtime.clock, runtime.log, storage, options),
  };
}

/** For a node that runs. */
function takenForDown(key: string): string {
  const why = `the index server does not reach it at "${key}", or an operator took it out of service`;
  return `this node is down in the node map: ${why}`;
}

/** The `forward` line by the current node map. */
function forwardLineOf(selfKey: string, routing: Routing): () => Uint8Array {
  let version = routing.nodeMap.version;
  let bytes = encodeForward(selfKey, version);
  return () => {
    if (routing.nodeMap.version !== version) {
      version = routing.nodeMap.version;
      bytes = encodeForward(selfKey, version);
    }
    return bytes;
  };
}
