/**
 * A cluster in a simulated world: an index server, or several, and nodes, each on a host of its own, started, killed and
 * started again as an operator's service manager does it. It uses what the library offers and nothing below.
 */

import type { NodeMap } from "../cluster/node_map.ts";
import { indexServerOptions } from "../index_server/index_options.ts";
import { type RunningIndex, startIndexServer } from "../index_server/index_server.ts";
import { INDEX_PORT, NODE_PORT } from "../net/daemon_options.ts";
import { RunningNode } from "../node_server/node_server.ts";
import type { NodeServerOptions } from "../node_server/node_server_options.ts";
import { SimService } from "./sim_coordinator.ts";
import { SimEngine } from "./sim_engine.ts";
import type { SimHost } from "./sim_host.ts";
import type { SimProcess } from "./sim_process.ts";
import type { SimWorld } from "./sim_world.ts";

/** A pause before the service manager starts a daemon again that ended by itself. */
const RESTART_MS = 1000;
export const DATA_DIR = "/flare";
/** Of several index servers. */
export const LEADER_LEASE_MS = 3000;

/** One daemon on one host. */
export class SimDaemon<Server extends { stop(): Promise<void> }> {
  readonly host: SimHost;
  readonly #boot: (process: SimProcess) => Promise<Server>;
  #server: Server | undefined;
  #wanted = false;

  constructor(host: SimHost, boot: (process: SimProcess) => Promise<Server>) {
    this.host = host;
    this.#boot = boot;
  }

  /** The running server; undefined while it starts, stops or is dead. */
  get server(): Server | undefined {
    return this.#server;
  }

  /** Starts it now, and again whenever it ends by itself. */
  start(): void {
    this.#wanted = true;
    this.#server = undefined;
    const process = this.host.start();
    this.host.world.note(`${this.host.name} starts`);
    this.#boot(process).then(
      (server) => {
        if (process.alive) this.#server = server;
      },
      (error: Error) => {
        this.host.world.note(`${this.host.name} cannot start: ${error.message}`);
        this.host.world.clock.schedule(() => {
          if (this.#wanted && this.host.process === process) this.start();
        }, RESTART_MS * 1000);
      },
    );
  }

  /** Stops it as SIGTERM does; resolves when it is gone. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#wanted = false;
    this.#server = undefined;
    await server?.stop();
    this.host.kill();
  }

  kill(): void {
    this.#end(() => this.host.kill());
  }

  cutPower(): void {
    this.#end(() => this.host.cutPower());
  }

  #end(how: () => void): void {
    this.#wanted = false;
    this.#server = undefined;
    how();
  }
}

export interface SimClusterOptions {
  readonly replicationType: "async" | "sync";
  /** Whether the nodes' engines can be read synchronously. */
  readonly syncReads: boolean;
  readonly fsync: "always" | "interval" | "os";
  /** Any other option of the nodes. */
  readonly node?: Partial<NodeServerOptions>;
  /** Several share a service with the map, and elect a leader; default 1, whose map is in a file. */
  readonly indexMachines?: number;
}

export class SimCluster {
  readonly world: SimWorld;
  /** The first index server. */
  readonly index: SimDaemon<RunningIndex>;
  readonly indexServers: readonly SimDaemon<RunningIndex>[];
  /** What several index servers share. */
  readonly service: SimService | undefined;
  readonly nodes: SimDaemon<RunningNode>[] = [];
  readonly #options: SimClusterOptions;
  #second: SimDaemon<RunningIndex> | undefined;

  constructor(world: SimWorld, options: SimClusterOptions) {
    this.world = world;
    this.#options = options;
    const count = options.indexMachines ?? 1;
    this.service = count > 1 ? new SimService(world) : undefined;
    const { service } = this;
    this.index = indexDaemon(world.host("index.sim"), DATA_DIR, service);
    const others = Array.from({ length: count - 1 }, (_, i) => indexDaemon(world.host(`index${i + 2}.sim`), DATA_DIR, service));
    this.indexServers = [this.index, ...others];
  }

  /** A second index server that uses the first one's map; nobody has started it. */
  secondIndex(): SimDaemon<RunningIndex> {
    const { world, index } = this;
    this.#second ??= indexDaemon(world.host("index2.sim", index.host.disk), "/flare2");
    return this.#second;
  }

  /** Every daemon. */
  get daemons(): readonly SimDaemon<RunningIndex | RunningNode>[] {
    return [...this.indexServers, ...this.nodes] as SimDaemon<RunningIndex | RunningNode>[];
  }

  /** The index server that leads; undefined while none of several does. */
  get leader(): SimDaemon<RunningIndex> | undefined {
    if (this.service === undefined) return this.index;
    return this.indexServers.find(({ server }) => server?.leadership.isLeading === true);
  }

  /** The map of the index server that leads; undefined while none does. */
  get map(): NodeMap | undefined {
    return this.leader?.server?.nodeMap;
  }

  /** Starts all index servers. */
  startIndex(): void {
    for (const index of this.indexServers) index.start();
  }

  /** The version of each node's map; undefined where the node does not run. */
  get mapVersions(): readonly (NodeMap["version"] | undefined)[] {
    return this.nodes.map(({ server }) => server?.nodeMap.version);
  }

  /** Adds a host with a node; it is started. */
  addNode(): SimDaemon<RunningNode> {
    const host = this.world.host(`node${this.nodes.length + 1}.sim`);
    const node = new SimDaemon(host, (process) => this.#startNode(process));
    this.nodes.push(node);
    node.start();
    return node;
  }

  /** Where a client may connect. */
  addressOf(node: SimDaemon<RunningNode>): { readonly host: string; readonly port: number } {
    return { host: node.host.name, port: NODE_PORT };
  }

  /** The node with this `host:port`. */
  nodeOf(key: string): SimDaemon<RunningNode> | undefined {
    return this.nodes.find(({ host }) => key === `${host.name}:${NODE_PORT}`);
  }

  #startNode(process: SimProcess): Promise<RunningNode> {
    const { replicationType, fsync, syncReads, node } = this.#options;
    const { host } = process;
    return RunningNode.start(
      process,
      {
        bind: "0.0.0.0",
        serverName: host.name,
        serverPort: NODE_PORT,
        indexServers: this.indexServers.map(({ host: { name } }) => ({ host: name, port: INDEX_PORT })),
        dataDir: DATA_DIR,
        replicationType,
        fsync,
        netReadTimeoutMs: 10_000,
        checkpointIntervalMs: 3000,
        movedKeysDelayMs: 1000,
        memoryBytesMax: 1 << 20,
        ...node,
      },
      { engine: new SimEngine(process, host.disk.engine("data"), syncReads) },
    );
  }
}

/**
 * @param dataDir of this index server alone; the map is the same for all
 * @param service absent: the map is in a file
 */
function indexDaemon(host: SimHost, dataDir: string, service?: SimService): SimDaemon<RunningIndex> {
  return new SimDaemon(host, (process) =>
    startIndexServer(
      process,
      indexServerOptions({
        bind: "0.0.0.0",
        serverName: host.name,
        serverPort: INDEX_PORT,
        dataDir,
        indexDb: `file://${DATA_DIR}`,
        leaderLeaseMs: LEADER_LEASE_MS,
        monitorIntervalMs: 1000,
        monitorReadTimeoutMs: 1000,
        monitorThreshold: 3,
      }),
      service?.coordinator(process),
    ),
  );
}
