/**
 * A whole cluster in one process: an index server, or several, and its nodes over real sockets, in the requested shape. For
 * tests, for applications that need a cluster, and for `flare up`. It uses the servers only as an operator could.
 */

import { FlareError } from "../base/errors.ts";
import { type HostPort, parseHost } from "../base/host_port.ts";
import { sleep } from "../base/sleep.ts";
import { Client } from "../client/client.ts";
import type { ConnectionOptions } from "../client/client_options.ts";
import { clientTlsOf } from "../client/client_tls.ts";
import { type ClusterNode, NodeRole, NodeState } from "../cluster/node.ts";
import { findNode, type NodeMap } from "../cluster/node_map.ts";
import { FileCoordinator } from "../index_server/file_coordinator.ts";
import { type NodeFormWord, nodeChange } from "../index_server/index_commands.ts";
import { indexServerOptions } from "../index_server/index_options.ts";
import { type RunningIndex, startIndexServer } from "../index_server/index_server.ts";
import { MemoryCoordinator } from "../index_server/memory_coordinator.ts";
import type { HttpOptions } from "../net/http/http_options.ts";
import { tlsOptionsOf } from "../net/tls/server_tls.ts";
import type { NodeSettings } from "../node_server/node_options.ts";
import { RunningNode } from "../node_server/node_server.ts";
import type { NodeServer } from "../node_server/public_node.ts";
import type { FileLock, Runtime } from "../runtime/runtime.ts";
import { type ClusterPaths, type ClusterShape, clusterPaths, plannedShape, rememberShape } from "./cluster_memory.ts";
import { type ClusterOptions, clusterOptionTable } from "./cluster_options.ts";
import { findFreePorts, isWildcard, rememberNodes, renameNodes } from "./node_addresses.ts";
import type { Cluster } from "./public_cluster.ts";
import { SharedCoordinator } from "./shared_coordinator.ts";

const POLL_MS = 10;
const SHAPE_TIMEOUT_MS = 3600000;
/** A node that was marked down during its start is up again after a few pings of the index server. */
const SPARE_TIMEOUT_MS = 30000;
const PROGRESS_MS = 1000;

/** The parts of a cluster before its nodes start. */
interface ClusterParts {
  readonly indexServers: readonly [RunningIndex, ...RunningIndex[]];
  /** Of the initial nodes; 0 = any free one. */
  readonly ports: readonly number[];
  /** The name by which the servers reach each other. */
  readonly name: string;
  /** Absent without a data directory. */
  readonly paths: ClusterPaths | undefined;
  readonly lock: FileLock | undefined;
}

export class LocalCluster implements Cluster {
  readonly indexServers: readonly [RunningIndex, ...RunningIndex[]];
  readonly #nodes: RunningNode[] = [];
  readonly #parts: ClusterParts;
  readonly #runtime: Runtime;
  readonly #options: ClusterOptions;

  private constructor(runtime: Runtime, options: ClusterOptions, parts: ClusterParts) {
    this.#runtime = runtime;
    this.#options = options;
    this.#parts = parts;
    this.indexServers = parts.indexServers;
  }

  /**
   * Starts a cluster; resolves when every node has its role.
   * @throws FlareError INVALID_OPTION | ADDRESS_IN_USE | DATA_DIR_LOCKED | IO_ERROR | CORRUPT
   */
  static async start(runtime: Runtime, given: ClusterOptions): Promise<LocalCluster> {
    const bind = plainHost("bind", given.bind ?? clusterOptionTable.bind.default);
    const options = { ...given, bind };
    const { access = {} } = options;
    if (access.authFile && !access.clusterUser && !access.authExempt) {
      throw new FlareError("INVALID_OPTION", '"auth-file" needs "cluster-user": the servers have to log in to each other');
    }
    const paths = options.dataDir ? clusterPaths(runtime, options.dataDir) : undefined;
    // Creates nothing for an impossible shape.
    await plannedShape(runtime, options);
    if (paths !== undefined) await runtime.files.makeDirectory(paths.index);
    const lock = await (paths === undefined ? undefined : runtime.files.lock(paths.lock));
    let cluster: LocalCluster | undefined;
    try {
      const shape = await plannedShape(runtime, options);
      const name = options.serverName
        ? plainHost("serverName", options.serverName)
        : isWildcard(bind)
          ? runtime.process.hostName()
          : bind;
      let ports = Array.from({ length: shape.nodes }, (_, number) => (options.port ? options.port + number : 0));
      if (paths !== undefined) {
        if (!options.port) ports = await findFreePorts(runtime, bind, shape.nodes);
        const addresses = ports.map((port) => ({ host: name, port }));
        await rememberShape(runtime, paths, shape, false);
        await renameNodes(runtime, paths.nodes, paths.index, addresses);
      }
      const indexServers = await startIndexServers(runtime, options, name, paths, shape.nodes);
      cluster = new LocalCluster(runtime, options, { ports, indexServers, name, paths, lock });
      const held = cluster.#map.nodes.filter(({ role }) => role === NodeRole.slave);
      for (let number = 0; number < shape.nodes; number++) await cluster.addNode();
      await cluster.#fill(shape, held);
      if (paths !== undefined) await rememberShape(runtime, paths, shape, true);
      return cluster;
    } catch (error) {
      if (cluster !== undefined) await cluster.stop();
      else await lock?.release();
      throw error;
    }
  }

  get nodes(): readonly [RunningNode, ...RunningNode[]] {
    const [first, ...others] = this.#nodes;
    if (first === undefined) throw new FlareError("CLOSED", "the cluster has no node yet");
    return [first, ...others];
  }

  get index(): RunningIndex {
    return this.indexServers[0];
  }

  get indexAddress(): HostPort {
    return this.index.address;
  }

  get indexAddresses(): readonly [HostPort, ...HostPort[]] {
    const [first, ...others] = this.indexServers;
    return [first.address, ...others.map(({ address }) => address)];
  }

  get addresses(): readonly [HostPort, ...HostPort[]] {
    const [first, ...others] = this.nodes;
    return [first.address, ...others.map(({ address }) => address)];
  }

  client(options: ConnectionOptions = {}): Client {
    const node = this.nodes.find(({ isStopping }) => !isStopping) ?? this.nodes[0];
    const { tlsClient } = node;
    const tls = tlsClient === undefined ? {} : { tls: clientTlsOf(tlsClient) };
    return new Client({ runtime: this.#runtime, ...node.address, ...tls, ...options });
  }

  async addNode(): Promise<RunningNode> {
    const { bind = clusterOptionTable.bind.default, onProgress } = this.#options;
    const { paths, name, ports } = this.#parts;
    const number = this.#nodes.length;
    const memory = (this.#options.storage ?? (paths === undefined ? "memory" : "level")) === "memory";
    const port = ports[number] ?? (this.#options.port ? this.#options.port + number : 0);
    const given: Partial<NodeSettings> = {
      bind,
      serverName: name,
      serverPort: port,
      indexServers: this.indexAddresses,
      storageType: memory ? "memory" : "level",
      ...(paths === undefined ? {} : { dataDir: paths.node(number) }),
      ...(this.#options.replicationType === undefined ? {} : { replicationType: this.#options.replicationType }),
      ...(this.#options.memoryBytesMax === undefined ? {} : { memoryBytesMax: this.#options.memoryBytesMax }),
      ...(this.#options.fsync === undefined ? {} : { fsync: this.#options.fsync }),
      ...httpOf(this.#options, this.indexServers.length + number),
      ...this.#options.access,
      ...(this.#options.tls === undefined ? {} : tlsOptionsOf(this.#options.tls)),
      ...this.#options.node,
    };
    const engine = this.#options.engine?.(number);
    let reportedMs = this.#runtime.clock.monotonicMs();
    const node = await RunningNode.start(this.#runtime, given, {
      ...(engine === undefined ? {} : { engine }),
      serversInProcess: Math.max(ports.length, number) + 1,
      onProgress: ({ phase, bytesDone, bytesTotal, records }) => {
        const nowMs = this.#runtime.clock.monotonicMs();
        if (nowMs - reportedMs < PROGRESS_MS) return;
        reportedMs = nowMs;
        onProgress?.(`node ${number}: ${phase} ${bytesDone} of ${bytesTotal} bytes, ${records} records`);
      },
    });
    this.#nodes.push(node);
    if (paths !== undefined && number >= ports.length) await rememberNodes(this.#runtime, paths.nodes, this.addresses);
    return node;
  }

  async setRole(node: NodeServer, role: "master" | "slave" | "proxy", balance: number, partition: number): Promise<void> {
    const { host, port } = node.address;
    await this.#change("role", [host, String(port), role, String(balance), String(partition)]);
  }

  async waitFor(node: NodeServer, done: (entry: ClusterNode) => boolean, timeoutMs = SHAPE_TIMEOUT_MS): Promise<void> {
    const { clock } = this.#runtime;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const entry = findNode(this.#map, node.key);
      const known = findNode(node.nodeMap, node.key);
      if (entry !== undefined && done(entry) && known !== undefined && done(known)) return;
      if (clock.monotonicMs() > deadlineMs)
        throw new FlareError("TIMED_OUT", `node "${node.key}" did not reach the expected role and state`);
      await sleep(clock, POLL_MS);
    }
  }

  async addSlave(node: NodeServer, partition: number): Promise<void> {
    await this.setRole(node, "slave", 0, partition);
    await this.waitFor(node, ({ role, state }) => {
      if (findNode(this.#map, node.key)?.role === NodeRole.proxy) {
        throw new FlareError("REFUSED", `node "${node.key}" did not become a slave: its copy failed, see its log`);
      }
      return role === NodeRole.slave && state === NodeState.active;
    });
    await this.setRole(node, "slave", 1, partition);
    await this.waitFor(node, ({ balance }) => balance === 1);
  }

  async addPartition(node: NodeServer, partition: number): Promise<void> {
    await this.setRole(node, "master", 1, partition);
    await this.waitFor(node, ({ state }) => state === NodeState.ready || state === NodeState.active);
    const { host, port } = node.address;
    await this.#change("state", [host, String(port), "active"]);
    await this.waitFor(node, ({ role, state }) => role === NodeRole.master && state === NodeState.active);
  }

  async reload(): Promise<void> {
    for (const index of this.indexServers) await index.reload();
    for (const node of this.#nodes) await node.reload();
  }

  async stop(): Promise<void> {
    // The index servers stop first: no slave should be promoted because the whole cluster stops.
    await Promise.all(this.indexServers.map((index) => index.stop()));
    await Promise.all(this.#nodes.map((node) => node.stop({ announce: false })));
    await this.#parts.lock?.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** The index server that leads; the first one if none does. */
  get #leader(): RunningIndex {
    return this.indexServers.find(({ leadership }) => leadership.isLeading) ?? this.index;
  }

  get #map(): NodeMap {
    return this.#leader.nodeMap;
  }

  /**
   * Assigns the missing roles; a restarted cluster keeps its own. @param held the previous slaves: a slave that joins again is
   * a proxy at first
   */
  async #fill({ partitions, slaves }: ClusterShape, held: readonly ClusterNode[]): Promise<void> {
    for (let partition = 0; partition < partitions; partition++) {
      const members = (): readonly ClusterNode[] => this.#map.nodes.filter((node) => node.partition === partition);
      const master = members().find(({ role }) => role === NodeRole.master);
      if (master === undefined) await this.addPartition(await this.#spare(partition, held), partition);
      else await this.#waitForMaster(master);
      const before = held.filter((node) => node.partition === partition).length;
      const wanted = this.#options.slaves ?? Math.max(slaves, before);
      while (members().filter(({ role }) => role === NodeRole.slave).length < wanted) {
        await this.addSlave(await this.#spare(partition, held), partition);
      }
    }
    // Every node must have the last map before the first client request.
    for (const node of this.nodes) await this.waitFor(node, () => node.nodeMap.version >= this.#map.version);
  }

  async #waitForMaster(master: ClusterNode): Promise<void> {
    const node = this.nodes.find(({ key }) => key === master.key);
    if (node === undefined) {
      // An operator gave the role to a node of another process, which may start later.
      const text = `the master of partition ${master.partition} is in another process: "${master.key}"`;
      return this.#options.onProgress?.(text);
    }
    await this.waitFor(node, ({ state }) => state === NodeState.active);
  }

  /**
   * A node for a role in a partition: the previous one, else one without a role. A node that is briefly down will return.
   * @throws FlareError REFUSED | TIMED_OUT
   */
  async #spare(partition: number, held: readonly ClusterNode[]): Promise<RunningNode> {
    const { clock } = this.#runtime;
    const deadlineMs = clock.monotonicMs() + SPARE_TIMEOUT_MS;
    const placeOf = ({ key }: RunningNode): number | undefined => held.find((node) => node.key === key)?.partition;
    for (;;) {
      const proxies = this.nodes.filter((node) => (findNode(this.#map, node.key)?.role ?? NodeRole.proxy) === NodeRole.proxy);
      const spares = proxies.filter((node) => findNode(this.#map, node.key)?.state === NodeState.active);
      const spare =
        spares.find((node) => placeOf(node) === partition) ?? spares.find((node) => placeOf(node) === undefined) ?? spares[0];
      if (spare !== undefined) return spare;
      if (proxies.length === 0) throw new FlareError("REFUSED", `no node is free for partition ${partition}: increase "nodes"`);
      if (clock.monotonicMs() > deadlineMs)
        throw new FlareError("TIMED_OUT", `no node became active for partition ${partition}`);
      await sleep(clock, POLL_MS);
    }
  }

  async #change(form: NodeFormWord, words: readonly string[]): Promise<void> {
    const command = ["node", form, ...words].join(" ");
    const asked = nodeChange(form, words, this.#leader.meta.partitionSize - 1);
    const origin = { command, from: "program", cause: `"${command}" from the program` };
    const answer = asked === undefined ? "ERROR" : (await this.#leader.change({ ...asked, ...origin })).trimEnd();
    if (answer !== "OK") throw new FlareError("REFUSED", `index server answered "${answer}" to "${command}"`);
  }
}

/** Starts the index servers of a cluster; several share one map. */
async function startIndexServers(
  runtime: Runtime,
  options: ClusterOptions & { readonly bind: string },
  name: string,
  paths: ClusterPaths | undefined,
  nodes: number,
): Promise<readonly [RunningIndex, ...RunningIndex[]]> {
  const count = options.indexCount ?? clusterOptionTable.indexCount.default;
  const port = options.indexPort ?? clusterOptionTable.indexPort.default;
  if (port > 0 && port < count) {
    throw new FlareError("INVALID_OPTION", `option "index-port": "${port}" leaves no room below it for ${count} index servers`);
  }
  const map = paths === undefined ? new MemoryCoordinator() : new FileCoordinator(runtime, paths.index);
  const shared = new SharedCoordinator(runtime.clock, map);
  const started: RunningIndex[] = [];
  try {
    for (let number = 0; number < count; number++) {
      const settings = indexServerOptions({
        bind: options.bind,
        serverName: name,
        serverPort: port === 0 ? 0 : port - number,
        monitorIntervalMs: options.monitorIntervalMs ?? clusterOptionTable.monitorIntervalMs.default,
        ...options.access,
        ...(options.tls === undefined ? {} : tlsOptionsOf(options.tls)),
        ...httpOf(options, number),
        // The first one has the lock of the directory; the map is shared.
        ...(paths === undefined || number > 0 ? { indexDb: "memory://" } : { dataDir: paths.index }),
      });
      const coordinator = count === 1 ? map : shared.share();
      started.push(await startIndexServer(runtime, settings, coordinator, nodes + count));
    }
  } catch (error) {
    for (const index of started) await index.stop();
    throw error;
  }
  return started as [RunningIndex, ...RunningIndex[]];
}

/** The HTTP options of a server: each has a port of its own, the index servers before the nodes. */
function httpOf({ httpPort = 0, httpBind, httpHosts, httpTokenFile }: ClusterOptions, number: number): Partial<HttpOptions> {
  return {
    httpPort: httpPort === 0 ? 0 : httpPort + number,
    ...(httpBind === undefined ? {} : { httpBind }),
    ...(httpHosts === undefined ? {} : { httpHosts }),
    ...(httpTokenFile === undefined ? {} : { httpTokenFile }),
  };
}

/** A host without brackets. @throws FlareError INVALID_OPTION */
function plainHost(name: string, text: string): string {
  const host = parseHost(text);
  if (host === undefined) throw new FlareError("INVALID_OPTION", `"${name}": "${text}" is not a host name or an IP address`);
  return host;
}
