/**
 * The operator of a cluster, simulated or real: gives the nodes their roles by the index server's commands, over the network,
 * and keeps the cluster in the shape that is wanted, whatever breaks. It looks at the index server's map as a tool would.
 */

import { isUndecided } from "../cluster/index_leader.ts";
import { type ClusterNode, NodeRole, NodeState } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { INDEX_PORT } from "../net/daemon_options.ts";
import { type ClientProcess, SimClient } from "./sim_client.ts";

/** What an operator sees of a cluster, and of the world it is in. */
export interface OperatedCluster {
  readonly world: {
    host(name: string): { start(): ClientProcess };
    sleep(delayMs: number): Promise<void>;
    note(line: string): void;
  };
  readonly indexServers: readonly { readonly host: { readonly name: string } }[];
  /** The index server's map; undefined while that does not answer. */
  readonly map: NodeMap | undefined;
  /** The version of each node's map; undefined where the node does not answer. */
  readonly mapVersions: readonly (NodeMap["version"] | undefined)[];
}

const ROUND_MS = 200;
const TIMEOUT_MS = 5000;

/** The shape of a cluster. */
export interface Shape {
  readonly partitions: number;
  /** Of each partition. */
  readonly slaves: number;
}

export class Operator {
  /** What is wanted; may be changed at any time. */
  shape: Shape = { partitions: 0, slaves: 0 };
  readonly #cluster: OperatedCluster;
  readonly #process: ClientProcess;
  #client: SimClient | undefined;
  /** The place of the index server that is asked. */
  #asked = 0;
  #stopped = false;

  constructor(cluster: OperatedCluster) {
    this.#cluster = cluster;
    this.#process = cluster.world.host("operator").start();
    void this.#work();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Whether the cluster has the shape that is wanted, every node knows it, and nothing is under way. */
  get settled(): boolean {
    const { map, mapVersions } = this.#cluster;
    if (map === undefined || mapVersions.some((version) => version !== map.version)) return false;
    if (map.nodes.length !== mapVersions.length || map.nodes.some(({ state }) => state !== NodeState.active)) return false;
    for (let partition = 0; partition < this.shape.partitions; partition++) {
      const members = map.nodes.filter((node) => node.partition === partition);
      if (members.filter(({ role }) => role === NodeRole.master).length !== 1) return false;
      const slaves = members.filter(({ role, balance }) => role === NodeRole.slave && balance > 0);
      if (slaves.length < this.shape.slaves) return false;
    }
    return true;
  }

  /** Changes the shape and waits until the cluster has it. */
  async reshape(shape: Shape): Promise<void> {
    this.shape = shape;
    while (!this.settled) await this.#cluster.world.sleep(ROUND_MS);
  }

  /** Says `node <words>` to an index server, another one than the last if that did not lead; true if it said OK. */
  async node(words: string): Promise<boolean> {
    const client = this.#connected();
    const answer = await client.request(`node ${words}\r\n`, "line");
    const text = answer.kind === "line" ? answer.line : answer.kind === "error" ? answer.error : answer.kind;
    this.#cluster.world.note(`operator: node ${words}: ${text}`);
    // Of several requests at a time one moves on.
    if (client === this.#client && (answer.kind === "error" || isUndecided(text))) {
      client.close();
      this.#client = undefined;
      this.#asked++;
    }
    return text === "OK";
  }

  /** Takes every slave out of its partition; the next rounds bring back what is wanted, with fresh copies. */
  async releaseSlaves(): Promise<void> {
    for (const node of this.#cluster.map?.nodes ?? []) {
      if (node.role === NodeRole.slave) await this.#role(node, "proxy", 0, -1);
    }
  }

  #connected(): SimClient {
    if (this.#client === undefined || this.#client.closed) {
      const { indexServers } = this.#cluster;
      const { name } = (indexServers[this.#asked % indexServers.length] as (typeof indexServers)[number]).host;
      this.#client = new SimClient(this.#process, name, INDEX_PORT, TIMEOUT_MS);
    }
    return this.#client;
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      await this.#round();
      await this.#cluster.world.sleep(ROUND_MS);
    }
  }

  /** Brings the cluster one step closer to its shape. */
  async #round(): Promise<void> {
    const nodes = this.#cluster.map?.nodes ?? [];
    const spares = nodes.filter(({ role, state }) => role === NodeRole.proxy && state === NodeState.active);
    for (let partition = 0; partition < this.shape.partitions; partition++) {
      const members = nodes.filter((node) => node.partition === partition);
      const master = members.find(({ role }) => role === NodeRole.master);
      if (master === undefined) {
        const spare = spares.shift();
        if (spare !== undefined) await this.#role(spare, "master", 1, partition);
        return;
      }
      if (master.state === NodeState.prepare) return;
      if (master.state === NodeState.ready) {
        await this.node(`state ${master.host} ${master.port} active`);
        return;
      }
      await this.#fillSlaves(members, spares, partition);
      if (master.state === NodeState.down) return;
    }
  }

  async #fillSlaves(members: readonly ClusterNode[], spares: ClusterNode[], partition: number): Promise<void> {
    const slaves = members.filter(({ role }) => role === NodeRole.slave);
    for (const slave of slaves) {
      if (slave.state === NodeState.active && slave.balance === 0) await this.#role(slave, "slave", 1, partition);
    }
    for (let missing = this.shape.slaves - slaves.length; missing > 0; missing--) {
      const spare = spares.shift();
      if (spare !== undefined) await this.#role(spare, "slave", 0, partition);
    }
  }

  #role({ host, port }: ClusterNode, role: string, balance: number, partition: number): Promise<boolean> {
    return this.node(`role ${host} ${port} ${role} ${balance} ${partition}`);
  }
}
