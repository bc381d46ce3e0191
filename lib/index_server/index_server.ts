/**
 * Assembles an index server: settings in, a running server out. It owns only the order of starting and stopping; the files
 * beside it do the rest.
 */

import { FlareError } from "../base/errors.ts";
import type { HostPort } from "../base/host_port.ts";
import { reloadedOptions } from "../base/option_schema.ts";
import type { MapRecord } from "../cluster/map_record.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import type { ClusterMeta } from "../cluster/node_map_codec.ts";
import type { StoredMap } from "../cluster/stored_map.ts";
import { Access } from "../net/auth/access.ts";
import { adminAddress } from "../net/auth/access_options.ts";
import { withLogin } from "../net/auth/login_transport.ts";
import { backLogOption } from "../net/daemon_options.ts";
import { healthRoutes, type Readiness } from "../net/http/health.ts";
import { HttpService } from "../net/http/http_service.ts";
import { Server, type ServerOptions } from "../net/server.ts";
import { DaemonTls } from "../net/tls/daemon_tls.ts";
import { WorkerRegistry } from "../net/worker.ts";
import type { Address, FileLock, Runtime } from "../runtime/runtime.ts";
import { metricsRoute } from "../stats/metrics/metrics_route.ts";
import { StatFigures } from "../stats/stat_sink.ts";
import { WebService, webRoutes } from "../web/web_service.ts";
import type { BroadcasterOptions } from "./broadcaster.ts";
import type { Coordinator } from "./coordinator.ts";
import { chooseCoordinator } from "./coordinator_choice.ts";
import type { CommandedChange, MapChange } from "./index_commands.ts";
import { IndexHandler } from "./index_handler.ts";
import { type IndexSource, indexMetrics } from "./index_metrics.ts";
import { type IndexSettings, indexOptionTable, indexServerOptions } from "./index_options.ts";
import { indexReadiness } from "./index_readiness.ts";
import { type IndexHost, IndexReplies, type Leadership } from "./index_replies.ts";
import type { IndexServerOptions } from "./index_server_options.ts";
import { showIndexVariables } from "./index_variables.ts";
import { LeaderRelay } from "./leader_relay.ts";
import { NodeMapService } from "./node_map_service.ts";
import type { IndexServer } from "./public_index.ts";
import { overridingLines, type Partitioning, withStored } from "./stored_partitioning.ts";

/** How long requests in flight may take when the server stops. */
const STOP_GRACE_MS = 1000;

/**
 * Starts an index server; it serves when the promise resolves.
 * @param coordinator the store of the node map; default: as `index-db` says
 * @param serversInProcess servers, including this one, that share the process's limit of open files
 * @throws FlareError INVALID_OPTION | ADDRESS_IN_USE | DATA_DIR_LOCKED | CORRUPT | IO_ERROR
 */
export async function startIndexServer(
  runtime: Runtime,
  options: IndexSettings,
  coordinator?: Coordinator,
  serversInProcess = 1,
): Promise<RunningIndex> {
  const access = await Access.open(runtime, options);
  const store = coordinator ?? (await chooseCoordinator(runtime, options));
  const server = new RunningIndex(runtime, options, store, access, serversInProcess);
  try {
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

export class RunningIndex implements IndexServer, IndexHost {
  readonly runtime: Runtime;
  readonly workers = new WorkerRegistry();
  readonly server: Server;
  readonly tls: DaemonTls;
  readonly #http: HttpService;
  #web: WebService | undefined;
  readonly #replies: IndexReplies;
  readonly #service: NodeMapService;
  readonly #relay: LeaderRelay;
  readonly #addresses: Address[] = [];
  readonly #givenAtStart: IndexSettings;
  readonly #coordinator: Coordinator;
  #meta: ClusterMeta;
  #options: IndexSettings;
  #lock: FileLock | undefined;

  constructor(runtime: Runtime, options: IndexSettings, coordinator: Coordinator, access: Access, serversInProcess: number) {
    this.runtime = withLogin(runtime, () => access.clusterCredentials);
    this.#givenAtStart = options;
    this.#options = options;
    this.#coordinator = coordinator;
    this.#meta = metaOf(options);
    this.server = new Server(runtime, this.workers, { ...serverOptions(options, access), serversInProcess });
    this.tls = new DaemonTls(runtime, this.server, options);
    this.#replies = new IndexReplies(this);
    this.#http = new HttpService(runtime, this.server, options, {
      ...healthRoutes(() => this.#readiness),
      ...metricsRoute(indexMetrics, () => this.#source),
      ...webRoutes(() => this.#web),
    });
    const monitoring = broadcasterOptions(options, this.tls);
    this.#service = new NodeMapService(this.runtime, this.workers, coordinator, monitoring, options.leaderLeaseMs);
    this.#relay = new LeaderRelay(this.runtime, this.workers, this.tls);
  }

  /** @throws FlareError CLOSED before the start */
  get addresses(): readonly [Address, ...Address[]] {
    const [first, ...others] = this.#addresses;
    if (first === undefined) throw new FlareError("CLOSED", "the index server does not listen");
    return [first, ...others];
  }

  get address(): HostPort {
    return { host: this.#serverName, port: this.#options.serverPort };
  }

  get options(): Required<IndexServerOptions> {
    return this.#options;
  }

  get meta(): ClusterMeta {
    return this.#meta;
  }

  get nodeMap(): NodeMap {
    return this.#service.map;
  }

  get leadership(): Leadership {
    const { term, replacedBy, failingSeconds, isLeading, leader, mark } = this.#service;
    return { term, replacedBy, failingSeconds, isLeading, leader, mark };
  }

  get place(): string {
    return this.#coordinator.place;
  }

  /** @throws FlareError ADDRESS_IN_USE | DATA_DIR_LOCKED | CORRUPT | IO_ERROR */
  async start(): Promise<void> {
    const { dataDir, bind, serverPort, serverSocket, enableSsl } = this.#options;
    const { files } = this.runtime;
    await this.tls.renew();
    if (dataDir !== "") {
      await files.makeDirectory(dataDir);
      this.#lock = await files.lock(files.join(dataDir, "flarei.lock"));
    }
    await this.#http.listen(this.#options, this.tls);
    await this.#service.open(this.address);
    await this.#readPartitioning();
    this.server.open(new IndexHandler(this.#replies));
    const address = await this.tls.listen({ host: bind, port: serverPort }, enableSsl);
    this.#addresses.push(address);
    if ("port" in address) this.#options = { ...this.#options, serverPort: address.port };
    if (serverSocket !== "") this.#addresses.push(await this.server.listen({ path: serverSocket }));
    const admin = adminAddress(this.#options);
    if (admin !== undefined) this.#addresses.push(await this.tls.listen(admin, enableSsl, { admin: true }));
    // Those who elect it have to reach it.
    await this.#service.start(this.address);
    this.#startWeb();
  }

  #startWeb(): void {
    if (this.#options.httpPort === 0) return;
    const { runtime, address, tls } = this;
    const nodeMap = (): NodeMap => this.nodeMap;
    const { tokens } = this.#http;
    this.#web = new WebService({
      runtime,
      kind: "index",
      address,
      indexServers: [address],
      get nodeMap() {
        return nodeMap();
      },
      get changesAllowed() {
        return tokens.isSet;
      },
      get tlsClient() {
        return tls.client;
      },
    });
    this.#service.onMap = () => this.#web?.mapChanged();
    this.#web.start();
  }

  /** Takes over what is stored about partitioning beside the map. @throws FlareError INVALID_OPTION */
  async #readPartitioning(): Promise<void> {
    const stored = await this.#coordinator.partitioning?.();
    if (stored === undefined) return;
    const merged = withStored(this.#options, stored);
    for (const line of overridingLines(this.#options, merged)) this.runtime.log.write("notice", line);
    this.#meta = metaOf(merged);
  }

  async reload(given: Partial<IndexSettings> = {}): Promise<void> {
    const options = indexServerOptions(reloadedOptions(indexOptionTable, this.#options, given, this.#givenAtStart));
    this.#options = options;
    this.#service.reload(broadcasterOptions(options, this.tls));
    await this.#http.reload(options);
    await this.tls.reload(options);
    this.#web?.reload();
    await this.server.reload({
      maxConnections: options.maxConnection,
      idleTimeoutMs: options.netReadTimeoutMs,
      access: options,
    });
  }

  async stop(): Promise<void> {
    this.#web?.stop();
    await this.server.stop(STOP_GRACE_MS);
    await this.#service.stop();
    await this.#lock?.release();
    this.#lock = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  variables(): readonly string[] {
    return showIndexVariables({ ...this.#options, serverName: this.#serverName });
  }

  async change(change: CommandedChange): Promise<string> {
    const leader = this.#service.isLeading ? undefined : this.#service.otherLeader;
    if (leader === undefined) return this.lead(change);
    const answer = await this.#relay.pass(leader, change);
    // Who asks here next sees what was changed.
    await this.#service.refresh();
    return answer;
  }

  storedMap(): Promise<StoredMap> {
    return this.#service.storedMap();
  }

  history(): Promise<readonly MapRecord[]> {
    return this.#service.history();
  }

  lead(change: MapChange): Promise<string> {
    return this.#service.change(change);
  }

  get #readiness(): Readiness {
    return indexReadiness(this.leadership, this.nodeMap.nodes.length);
  }

  /** What the metrics show now. */
  get #source(): IndexSource {
    const { server, nodeMap, runtime } = this;
    const figures = new StatFigures();
    this.#replies.generalFigures(figures);
    const readiness = this.#readiness;
    return { figures, readiness, server, process: runtime.process, nodeMap, failures: this.#service.monitorFailures };
  }

  get #serverName(): string {
    return this.#options.serverName || this.runtime.process.hostName();
  }
}

function metaOf(settings: Partitioning): ClusterMeta {
  return Object.freeze({
    partitionSize: settings.partitionSize,
    keyHashAlgorithm: settings.keyHashAlgorithm,
    hint: settings.partitionModularHint,
    virtual: settings.partitionModularVirtual,
    takesNodeData: true,
    keepsInSyncSet: true,
  });
}

function broadcasterOptions(options: IndexSettings, tls: DaemonTls): BroadcasterOptions {
  return {
    tls,
    intervalMs: options.monitorIntervalMs,
    threshold: options.monitorThreshold,
    readTimeoutMs: options.monitorReadTimeoutMs,
  };
}

function serverOptions(options: IndexSettings, access: Access): ServerOptions {
  return {
    maxConnections: options.maxConnection,
    idleTimeoutMs: options.netReadTimeoutMs,
    requestMemoryBytesMax: options.requestMemoryBytesMax,
    backlog: backLogOption.default,
    access,
    // An index server accepts no keys and no values.
    limits: {
      lineBytesMax: options.lineBytesMax,
      keyBytesMax: 1,
      valueBytesMax: 1,
      outputHighWaterBytes: options.outputHighWaterBytes,
    },
  };
}
