/**
 * Where a request runs: here, on another node, or nowhere. Everything that can be known beforehand is worked out when a
 * node map is installed; a request costs two table look-ups and creates nothing. Pure; it knows its own node's key, no
 * connection and no storage. The index server's pushes come in by `install`, in one step for all requests that follow.
 */

import type { KeyResolver } from "../partition/key_resolver.ts";
import type { ClusterNode } from "./node.ts";
import { NodeState } from "./node.ts";
import type { NodeMap } from "./node_map.ts";
import { findNode } from "./node_map.ts";
import type { Partition, PartitionMap } from "./partition_map.ts";
import { buildPartitionMap } from "./partition_map.ts";

/** The request runs on this node. */
export const LOCAL = 0;
/** The cluster has no partition yet: writes fail, reads miss. */
export const NO_PARTITION = 1;
/** The partition has no node that could answer: writes fail, reads miss. */
export const PROXY_FAILURE = 2;
/** Where a request runs: one of the three constants above, or the node to ask. */
export type Route = typeof LOCAL | typeof NO_PARTITION | typeof PROXY_FAILURE | ClusterNode;

export interface RoutingOptions {
  /** Our own `host:port`. */
  readonly selfKey: string;
  readonly resolver: KeyResolver;
  /** `proxy-prior-netmask`: reads prefer nodes whose IPv4 address shares this many leading bits with ours, 0 (off) … 32. */
  readonly proxyPriorNetmask?: number;
}

const NO_NODES: readonly ClusterNode[] = Object.freeze([]);

export class Routing {
  readonly #selfKey: string;
  readonly #resolver: KeyResolver;
  readonly #netmask: number;
  #nodeMap: NodeMap;
  #partitionMap: PartitionMap;
  #active: readonly Lane[] = [];
  #preparing: Lane | undefined;

  constructor(nodeMap: NodeMap, options: RoutingOptions) {
    this.#selfKey = options.selfKey;
    this.#resolver = options.resolver;
    this.#netmask = options.proxyPriorNetmask ?? 0;
    this.#nodeMap = nodeMap;
    this.#partitionMap = buildPartitionMap(nodeMap, options.resolver.partitionCountMax);
    this.install(nodeMap);
  }

  /** The map in use. */
  get nodeMap(): NodeMap {
    return this.#nodeMap;
  }

  /** The partitions of the map in use. */
  get partitionMap(): PartitionMap {
    return this.#partitionMap;
  }

  /** Our own entry in the map in use, if it has one. */
  get self(): ClusterNode | undefined {
    return findNode(this.#nodeMap, this.#selfKey);
  }

  /** Partitions a key may fall into, a preparing one included. Up to 1, all hashes have one route and none need be computed. */
  get partitionCount(): number {
    return this.#active.length + (this.#preparing === undefined ? 0 : 1);
  }

  /** Replaces the map; whether its version may replace ours is the caller's question (`acceptsVersion`). */
  install(nodeMap: NodeMap): void {
    const partitionMap = buildPartitionMap(nodeMap, this.#resolver.partitionCountMax);
    this.#nodeMap = nodeMap;
    this.#partitionMap = partitionMap;
    this.#active = partitionMap.active.map((partition) => new Lane(partition, this.#selfKey, this.#netmask));
    this.#preparing =
      partitionMap.preparing === undefined ? undefined : new Lane(partitionMap.preparing, this.#selfKey, this.#netmask);
  }

  /**
   * The route of a read of a key with this hash. `random` is any integer ≥ 0; evenly distributed ones spread reads by balance.
   */
  routeRead(hash: number, random: number): Route {
    const lane = this.#laneOf(hash);
    if (lane === undefined) return NO_PARTITION;
    return lane.readsHere ? LOCAL : lane.pickReader(random);
  }

  /** The route of a write; `fromNode`: it came with a proxy prefix, from another node that thinks we are concerned. */
  routeWrite(hash: number, fromNode: boolean): Route {
    const lane = this.#laneOf(hash);
    if (lane === undefined) return NO_PARTITION;
    if (lane.isMaster) return LOCAL;
    if (fromNode && (lane.isMember || (this.#preparing?.isMember === true && this.#isMoving(hash)))) return LOCAL;
    return lane.partition.master ?? PROXY_FAILURE;
  }

  /**
   * The nodes that get a copy of a write that has just run here, a frozen array: the slaves of the partition we are
   * master of, also of a preparing one if the write came from its present owner (`fromNode`).
   */
  replicasOf(hash: number, fromNode: boolean): readonly ClusterNode[] {
    const lane = this.#laneOf(hash);
    if (lane === undefined) return NO_NODES;
    if (lane.isMaster) return lane.partition.slaves;
    const preparing = this.#preparing;
    return fromNode && preparing?.isMaster === true && this.#isMoving(hash) ? preparing.partition.slaves : NO_NODES;
  }

  /** The slaves of a partition, active or preparing, in any state but down; a frozen array. */
  replicaTargets(partition: number): readonly ClusterNode[] {
    const lane = this.#active[partition] ?? (this.#preparing?.partition.index === partition ? this.#preparing : undefined);
    return lane === undefined ? NO_NODES : lane.partition.slaves;
  }

  /** The master of the partition being created, if the key moves there and we are its present owner: it gets the write, too. */
  preparingMasterOf(hash: number): ClusterNode | undefined {
    const preparing = this.#preparing;
    if (preparing === undefined || !this.#isMoving(hash)) return undefined;
    return this.#laneOf(hash)?.isMaster === true ? preparing.partition.master : undefined;
  }

  #laneOf(hash: number): Lane | undefined {
    const count = this.#active.length;
    return this.#active[count <= 1 ? 0 : this.#resolver.resolve(hash, count)];
  }

  /** Whether the key will belong to the preparing partition (there is one). */
  #isMoving(hash: number): boolean {
    const count = this.#active.length;
    return this.#resolver.resolve(hash, count + 1) === count;
  }
}

/** One partition as this node sees it, all decisions taken beforehand. */
class Lane {
  readonly partition: Partition;
  readonly isMaster: boolean;
  /** Master or slave, in any state but down. */
  readonly isMember: boolean;
  readonly readsHere: boolean;
  readonly #readers: readonly ClusterNode[];
  readonly #weightTotal: number;

  constructor(partition: Partition, selfKey: string, netmask: number) {
    this.partition = partition;
    this.isMaster = partition.master?.key === selfKey;
    const self = this.isMaster ? partition.master : partition.slaves.find((slave) => slave.key === selfKey);
    this.isMember = self !== undefined;
    this.readsHere = this.isMaster || (self !== undefined && self.state === NodeState.active && self.balance > 0);
    const near = netmask === 0 ? NO_NODES : partition.readers.filter((node) => sharesNetwork(node.key, selfKey, netmask));
    this.#readers = near.length > 0 ? near : partition.readers;
    this.#weightTotal = this.#readers.reduce((sum, node) => sum + weightOf(node), 0);
  }

  pickReader(random: number): Route {
    if (this.#readers.length === 0) return PROXY_FAILURE;
    let rest = random % this.#weightTotal;
    for (let i = 0; i < this.#readers.length; i++) {
      const node = this.#readers[i] as ClusterNode;
      rest -= weightOf(node);
      if (rest < 0) return node;
    }
    return PROXY_FAILURE;
  }
}

/** A reader without balance is a master that stands alone. */
function weightOf(reader: ClusterNode): number {
  return reader.balance > 0 ? reader.balance : 1;
}

function sharesNetwork(leftKey: string, rightKey: string, bits: number): boolean {
  const left = ipv4Address(leftKey);
  const right = ipv4Address(rightKey);
  if (left === undefined || right === undefined) return false;
  const shift = 32 - Math.min(32, bits);
  return shift === 32 || left >>> shift === right >>> shift;
}

/** The IPv4 address before the port of a node key as an unsigned number; undefined for a name. */
function ipv4Address(key: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3}):/.exec(key)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((address, part) => address * 256 + part, 0);
}
