/**
 * A whole cluster in one process: an index server and its nodes over real sockets, in the shape asked for. For tests,
 * for applications that want a cluster of their own, and for `flare up`. What it knows of the servers is what any
 * operator could do.
 */

import { FlareError } from "../base/errors.ts";
import { parseHost } from "../base/host_port.ts";
import { type ClusterNode, NodeRole, NodeState } from "../cluster/node.ts";
import { findNode } from "../cluster/node_map.ts";
import { nodeChange } from "../index_server/index_commands.ts";
import { indexServerOptions } from "../index_server/index_options.ts";
import { type IndexServer, startIndexServer } from "../index_server/index_server.ts";
import type { NodeServerOptions } from "../node_server/node_options.ts";
import { NodeServer } from "../node_server/node_server.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ClusterOptions } from "./cluster_options.ts";
import { findFreePorts, renameNodes } from "./node_addresses.ts";

const POLL_MS = 10;
const SHAPE_TIMEOUT_MS = 3600000;
const PROGRESS_MS = 1000;

/** A running cluster. */
export class LocalCluster {
  readonly index: IndexServer;
  readonly nodes: NodeServer[] = [];
  /** Of the nodes the cluster started with; 0 = any free one. */
  readonly #ports: readonly number[];
  readonly #runtime: Runtime;
  readonly #options: ClusterOptions;

  private constructor(runtime: Runtime, options: ClusterOptions, ports: readonly number[], index: IndexServer) {
    this.#runtime = runtime;
    this.#options = options;
    this.#ports = ports;
    this.index = index;
  }

  /**
   * Starts a cluster; it resolves when every node has the place asked for.
   * @throws FlareError INVALID_OPTION | ADDRESS_IN_USE | DATA_DIR_LOCKED | IO_ERROR | CORRUPT
   */
  static async start(runtime: Runtime, given: ClusterOptions): Promise<LocalCluster> {
    const { bind: givenBind = "127.0.0.1" } = given;
    const bind = parseHost(givenBind);
    if (bind === undefined)
      throw new FlareError("INVALID_OPTION", `"bind": "${givenBind}" is not a host name or an IP address`);
    const options = { ...given, bind };
    const { partitions = 1, slaves = 0 } = options;
    const needed = partitions * (1 + slaves);
    const count = options.nodes ?? needed;
    if (count < needed) {
      throw new FlareError(
        "INVALID_OPTION",
        `"${count}" nodes are not enough for "${partitions}" partitions with "${slaves}" slaves`,
      );
    }
    const { dataDir, access = {} } = options;
    if (access.authFile && !access.clusterUser && !access.authExempt) {
      throw new FlareError("INVALID_OPTION", '"auth-file" needs "cluster-user": the servers have to log in to each other');
    }
    let ports = Array.from({ length: count }, (_, number) => (options.port ? options.port + number : 0));
    if (dataDir !== undefined) {
      if (!options.port) ports = await findFreePorts(runtime, bind, count);
      await runtime.files.makeDirectory(runtime.files.join(dataDir, "index"));
      const paths = [runtime.files.join(dataDir, "nodes"), runtime.files.join(dataDir, "index", "flare.xml")] as const;
      await renameNodes(
        runtime,
        ...paths,
        ports.map((port) => ({ host: bind, port })),
      );
    }
    const index = await startIndexServer(
      runtime,
      indexServerOptions({
        bind,
        serverName: bind,
        serverPort: options.indexPort ?? 0,
        monitorIntervalMs: options.monitorIntervalMs ?? 1000,
        ...access,
        ...(options.tls === undefined ? {} : { ...options.tls, enableSsl: true }),
        ...(dataDir === undefined ? { indexDb: "memory://" } : { dataDir: runtime.files.join(dataDir, "index") }),
      }),
      undefined,
      count + 1,
    );
    const cluster = new LocalCluster(runtime, options, ports, index);
    try {
      for (let number = 0; number < count; number++) await cluster.addNode();
      await cluster.#shape(partitions, slaves);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** `host:port` of the index server. */
  get indexAddress(): { readonly host: string; readonly port: number } {
    const [address] = this.index.addresses;
    if (address === undefined || !("port" in address)) throw new FlareError("CLOSED", "index server does not listen");
    return address;
  }

  /** Where clients connect: any node gives the same answer. */
  get addresses(): { readonly host: string; readonly port: number }[] {
    return this.nodes.map((node) => ({ host: node.options.serverName, port: node.port }));
  }

  /** Starts one more node, a proxy at first. */
  async addNode(): Promise<NodeServer> {
    const { bind = "127.0.0.1", dataDir, onProgress } = this.#options;
    const number = this.nodes.length;
    const memory = (this.#options.storage ?? (dataDir === undefined ? "memory" : "level")) === "memory";
    const port = this.#ports[number] ?? (this.#options.port ? this.#options.port + number : 0);
    const given: Partial<NodeServerOptions> = {
      bind,
      serverName: bind,
      serverPort: port,
      indexServers: [this.indexAddress],
      storageType: memory ? "memory" : "level",
      ...(dataDir === undefined ? {} : { dataDir: this.#runtime.files.join(dataDir, `node-${number}`) }),
      ...(this.#options.replicationType === undefined ? {} : { replicationType: this.#options.replicationType }),
      ...(this.#options.memoryBytesMax === undefined ? {} : { memoryBytesMax: this.#options.memoryBytesMax }),
      ...(this.#options.fsync === undefined ? {} : { fsync: this.#options.fsync }),
      ...this.#options.access,
      ...(this.#options.tls === undefined ? {} : { ...this.#options.tls, enableSsl: true }),
      ...this.#options.node,
    };
    const engine = this.#options.engine?.(number);
    let reportedMs = this.#runtime.clock.monotonicMs();
    const node = await NodeServer.start(this.#runtime, given, {
      ...(engine === undefined ? {} : { engine }),
      serversInProcess: Math.max(this.#ports.length, number) + 1,
      onProgress: ({ phase, bytesDone, bytesTotal, records }) => {
        const nowMs = this.#runtime.clock.monotonicMs();
        if (nowMs - reportedMs < PROGRESS_MS) return;
        reportedMs = nowMs;
        onProgress?.(`node ${number}: ${phase} ${bytesDone} of ${bytesTotal} bytes, ${records} records`);
      },
    });
    this.nodes.push(node);
    return node;
  }

  /** Gives a node a role as `node role` does. @throws FlareError REFUSED */
  async setRole(node: NodeServer, role: "master" | "slave" | "proxy", balance: number, partition: number): Promise<void> {
    const { serverName, serverPort } = node.options;
    await this.#change(["role", serverName, String(serverPort), role, String(balance), String(partition)]);
  }

  /** Resolves when the node's entry in the node map is as `done` wants it. @throws FlareError TIMED_OUT */
  async waitFor(node: NodeServer, done: (entry: ClusterNode) => boolean, timeoutMs = SHAPE_TIMEOUT_MS): Promise<void> {
    const { clock } = this.#runtime;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const entry = findNode(this.index.map, node.key);
      const known = findNode(node.nodeMap, node.key);
      if (entry !== undefined && done(entry) && known !== undefined && done(known)) return;
      if (clock.monotonicMs() > deadlineMs)
        throw new FlareError("TIMED_OUT", `node "${node.key}" did not become what it should`);
      await new Promise<void>((resolve) => clock.setTimer(resolve, POLL_MS));
    }
  }

  /** Makes a node the slave of a partition and waits until it has copied everything. */
  async addSlave(node: NodeServer, partition: number): Promise<void> {
    await this.setRole(node, "slave", 0, partition);
    await this.waitFor(node, ({ role, state }) => {
      if (findNode(this.index.map, node.key)?.role === NodeRole.proxy) {
        throw new FlareError("REFUSED", `node "${node.key}" did not become a slave: its copy failed, its log tells why`);
      }
      return role === NodeRole.slave && state === NodeState.active;
    });
    await this.setRole(node, "slave", 1, partition);
    await this.waitFor(node, ({ balance }) => balance === 1);
  }

  /** Makes a node the master of the next partition and waits until it owns its keys. */
  async addPartition(node: NodeServer, partition: number): Promise<void> {
    await this.setRole(node, "master", 1, partition);
    await this.waitFor(node, ({ state }) => state === NodeState.ready || state === NodeState.active);
    const { serverName, serverPort } = node.options;
    await this.#change(["state", serverName, String(serverPort), "active"]);
    await this.waitFor(node, ({ role, state }) => role === NodeRole.master && state === NodeState.active);
  }

  /** Reads the files its settings name once more: the users. */
  async reload(): Promise<void> {
    await this.index.reload(this.index.options);
    for (const node of this.nodes) await node.reload(node.options);
  }

  /** Stops everything in order. Data that is kept is found again by the next start. */
  async stop(): Promise<void> {
    // The index server goes first: nobody shall take over from a node because the whole cluster stops.
    await this.index.stop();
    await Promise.all(this.nodes.map((node) => node.stop(false)));
  }

  /** Fills every place that is empty; what a restarted cluster remembers stays. */
  async #shape(partitions: number, slaves: number): Promise<void> {
    const stored = 1 + Math.max(-1, ...this.index.map.nodes.map(({ partition }) => partition));
    if (stored > partitions) {
      const text = `the data directory holds a cluster of "${stored}" partitions, "${partitions}" are asked for`;
      throw new FlareError("INVALID_OPTION", `${text}; a cluster cannot get smaller`);
    }
    for (let partition = 0; partition < partitions; partition++) {
      const members = (): readonly ClusterNode[] => this.index.map.nodes.filter((node) => node.partition === partition);
      const master = members().find(({ role }) => role === NodeRole.master);
      if (master === undefined) await this.addPartition(this.#spare(), partition);
      else await this.#waitForMaster(master);
      while (members().filter(({ role }) => role === NodeRole.slave).length < slaves) {
        await this.addSlave(this.#spare(), partition);
      }
    }
    // Every node has to know the last map before the first client asks.
    for (const node of this.nodes) await this.waitFor(node, () => node.nodeMap.version >= this.index.map.version);
  }

  async #waitForMaster(master: ClusterNode): Promise<void> {
    const node = this.nodes.find(({ key }) => key === master.key);
    if (node === undefined)
      throw new FlareError("REFUSED", `master "${master.key}" of partition ${master.partition} is not among the nodes`);
    await this.waitFor(node, ({ state }) => state === NodeState.active);
  }

  #spare(): NodeServer {
    const spare = this.nodes.find((node) => {
      const entry = findNode(this.index.map, node.key);
      return entry?.role === NodeRole.proxy && entry.state === NodeState.active;
    });
    if (spare === undefined) throw new FlareError("REFUSED", "no node is free for another role");
    return spare;
  }

  async #change(words: readonly string[]): Promise<void> {
    const change = nodeChange(words, this.index.meta.partitionSize - 1);
    const answer = change === undefined ? "ERROR" : (await this.index.change(change)).trimEnd();
    if (answer !== "OK") throw new FlareError("REFUSED", `index server answered "${answer}" to "node ${words.join(" ")}"`);
  }
}
