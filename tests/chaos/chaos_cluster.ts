/**
 * A cluster of real processes, each on a host and a disk of its own: an index server and nodes. Shows the index server's map
 * and what version of it each node has, as they were a moment ago.
 */

import { join } from "node:path";
import type { NodeMap } from "../../lib/cluster/node_map.ts";
import { nodeMapVersion } from "../../lib/cluster/node_map_stats.ts";
import { INDEX_PORT, NODE_PORT } from "../../lib/net/daemon_options.ts";
import { ClusterAdmin } from "../../mod.ts";
import { LoopDisk } from "../support/loop_disk.ts";
import { commandOn, type RuntimeName } from "../support/spawn.ts";
import { SwitchedNetwork } from "../support/switched_network.ts";
import { ChaosServer } from "./chaos_server.ts";
import { ChaosWorld } from "./chaos_world.ts";

/** What the programs are, and how they are set up. */
export interface ClusterOptions {
  readonly seed: string;
  /** For disks, sockets and logs. */
  readonly directory: string;
  readonly nodes: number;
  readonly runtime: RuntimeName;
  /** Where other sources than this repository's are. */
  readonly sources?: string | undefined;
  readonly replication: "async" | "sync";
  readonly fsync: "always" | "interval" | "os";
  /** Gets every line of notes at once. */
  onNote(line: string): void;
}

const DISK_MIB = 64;
const LOOK_MS = 200;
const REPLY_MS_MAX = 1000;
const INDEX_ARGS = ["--monitor-interval", "1", "--monitor-threshold", "3", "--monitor-read-timeout", "1000"];
/** Small, so that checkpoints and new log segments happen in a short run. */
const NODE_ARGS = ["--memory-limit", "16", "--log-segment-size", "1", "--checkpoint-interval", "3", "--moved-keys-delay", "1"];

export class ChaosCluster {
  readonly world: ChaosWorld;
  readonly network: SwitchedNetwork;
  readonly index: ChaosServer;
  readonly indexServers: readonly ChaosServer[];
  readonly nodes: readonly ChaosServer[];
  map: NodeMap | undefined;
  mapVersions: readonly (NodeMap["version"] | undefined)[] = [];
  readonly #admin: ClusterAdmin;
  #cleared = false;

  private constructor(world: ChaosWorld, network: SwitchedNetwork, servers: readonly ChaosServer[]) {
    const [index, ...nodes] = servers;
    this.world = world;
    this.network = network;
    this.index = index as ChaosServer;
    this.indexServers = [this.index];
    this.nodes = nodes;
    const timeouts = { connectTimeoutMs: REPLY_MS_MAX, replyTimeoutMs: REPLY_MS_MAX };
    const indexServer = { host: this.index.host.name, port: INDEX_PORT };
    this.#admin = new ClusterAdmin({ runtime: world.runtime, indexServer, ...timeouts });
  }

  /** Makes the network and the disks and starts the servers; every node is a proxy then. */
  static async start(options: ClusterOptions): Promise<ChaosCluster> {
    const { directory } = options;
    const network = await SwitchedNetwork.create();
    const numbers = Array.from({ length: 1 + options.nodes }, (_, i) => i + 1);
    const nameOf = (number: number): string => (number === 1 ? "index" : `node${number - 1}`);
    const sockets = new Map(numbers.map((number) => [network.address(number), join(directory, `${nameOf(number)}.sock`)]));
    const world = new ChaosWorld(options.seed, (host) => sockets.get(host) as string, options.onNote);
    const servers: ChaosServer[] = [];
    try {
      for (const number of numbers) {
        await network.addHost(number);
        const name = nameOf(number);
        const disk = await LoopDisk.create(join(directory, name), DISK_MIB);
        const address = network.address(number);
        const program = number === 1 ? "flarei" : "flared";
        const args = [
          ...["--data-dir", join(disk.directory, "data"), "--server-socket", sockets.get(address) as string],
          ...["--bind", "0.0.0.0", "--server-name", address, "--server-port", String(number === 1 ? INDEX_PORT : NODE_PORT)],
          ...(number === 1 ? INDEX_ARGS : nodeArgs(options, network.address(1))),
        ];
        const command = network.on(number, [...commandOn(options.runtime, `cli/${program}.ts`, options.sources), ...args]);
        const logFile = join(directory, `${name}.log`);
        servers.push(new ChaosServer({ name, number, address, disk, command, logFile, note: (what) => world.note(what) }));
      }
      await Promise.all(servers.map((server) => server.start()));
    } catch (error) {
      await clear(network, servers);
      throw error;
    }
    const cluster = new ChaosCluster(world, network, servers);
    void cluster.#watch();
    return cluster;
  }

  get servers(): readonly ChaosServer[] {
    return [this.index, ...this.nodes];
  }

  /** Where a client may connect. */
  addressOf({ host }: ChaosServer): { readonly host: string; readonly port: number } {
    return { host: host.name, port: NODE_PORT };
  }

  /** The server with this `host:port` in the map. */
  nodeOf(key: string): ChaosServer | undefined {
    return this.nodes.find(({ host }) => key === `${host.name}:${NODE_PORT}`);
  }

  /** Ends everything. */
  async clear(): Promise<void> {
    this.#cleared = true;
    this.#admin.close();
    await clear(this.network, this.servers);
  }

  async #watch(): Promise<void> {
    while (!this.#cleared) {
      [this.map, this.mapVersions] = await Promise.all([
        this.#admin.nodeMap().catch(() => undefined),
        Promise.all(this.nodes.map((node) => this.#mapVersion(node))),
      ]);
      await this.world.sleep(LOOK_MS);
    }
  }

  async #mapVersion({ host }: ChaosServer): Promise<NodeMap["version"] | undefined> {
    try {
      return nodeMapVersion(await this.#admin.client(`${host.name}:${NODE_PORT}`).stats());
    } catch {
      return undefined;
    }
  }
}

async function clear(network: SwitchedNetwork, servers: readonly ChaosServer[]): Promise<void> {
  for (const { disk } of servers) await disk.thaw();
  await Promise.all(servers.map((server) => server.kill()));
  for (const { disk } of servers) await disk.clear();
  await network.clear();
}

function nodeArgs({ replication, fsync }: ClusterOptions, index: string): readonly string[] {
  return [...NODE_ARGS, "--index-servers", `${index}:${INDEX_PORT}`, "--replication-type", replication, "--fsync", fsync];
}
