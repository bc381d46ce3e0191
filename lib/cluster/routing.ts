/**
 * Where a request runs: here, on another node, or nowhere. `install` precomputes everything when a node map arrives; a request
 * costs two table lookups and allocates nothing. Pure; it knows its own node's key, but no connections and no storage. A map
 * from the index server takes effect in one step, for all later requests.
 */

import { IPV4_PREFIX_BITS, isIpv4, parseIpAddress, sharesPrefix } from "../base/ip_address.ts";
import type { KeyResolver } from "./key_resolver.ts";
import type { ClusterNode } from "./node.ts";
import { NodeState, PARTITION_NONE } from "./node.ts";
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
/** Where a request runs: one of the three constants above, or the node to forward to. */
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
  #active: readonly PartitionView[] = [];
  #preparing: PartitionView | undefined;
  #ownMaster: string | undefined;
  #leaving = false;
  /** We serve the partition about to become active, and have everything: reads of its keys come from nodes with a newer map. */
  #readsMoving = false;
  /** The partitions before the newest one became active, while some of their owners may not know that yet. */
  #former: readonly PartitionView[] | undefined;
  /** We used to be a master, and are in no partition now. */
  #wasMaster = false;

  constructor(nodeMap: NodeMap, options: RoutingOptions) {
    this.#selfKey = options.selfKey;
    this.#resolver = options.resolver;
    this.#netmask = options.proxyPriorNetmask ?? 0;
    this.#nodeMap = nodeMap;
    this.#partitionMap = buildPartitionMap(nodeMap, options.resolver.partitionCountMax);
    this.install(nodeMap);
  }

  /** The current map. */
  get nodeMap(): NodeMap {
    return this.#nodeMap;
  }

  /** The partitions of the current map. */
  get partitionMap(): PartitionMap {
    return this.#partitionMap;
  }

  /** Our own entry in the current map, if there is one. */
  get self(): ClusterNode | undefined {
    return findNode(this.#nodeMap, this.#selfKey);
  }

  /** Whether we are the master of a partition, and a slave could be promoted. */
  get hasSuccessor(): boolean {
    const { self } = this;
    const partition = self === undefined ? undefined : this.#partitionMap.active[self.partition];
    if (partition?.master?.key !== this.#selfKey) return false;
    return partition.slaves.some(({ state }) => state === NodeState.active);
  }

  /**
   * Number of partitions, including a preparing one. If it is at most 1, all hashes have the same route and need not be
   * computed.
   */
  get partitionCount(): number {
    return this.#active.length + (this.#preparing === undefined ? 0 : 1);
  }

  /** Replaces the map; the caller checks its version (`acceptsVersion`). */
  install(nodeMap: NodeMap): void {
    const partitionMap = buildPartitionMap(nodeMap, this.#resolver.partitionCountMax);
    const isMember = (findNode(nodeMap, this.#selfKey)?.partition ?? PARTITION_NONE) !== PARTITION_NONE;
    this.#wasMaster = !isMember && (this.#wasMaster || this.#active.some((view) => view.isMaster));
    const grows = this.#preparing !== undefined && partitionMap.active.length === this.#active.length + 1;
    if (nodeMap !== this.#nodeMap)
      this.#former = grows && this.#active.some(({ isMember }) => isMember) ? this.#active : undefined;
    this.#nodeMap = nodeMap;
    this.#partitionMap = partitionMap;
    this.#active = partitionMap.active.map((partition) => this.#createView(partition));
    this.#preparing = partitionMap.preparing === undefined ? undefined : this.#createView(partitionMap.preparing);
    const own = findNode(nodeMap, this.#selfKey)?.partition ?? PARTITION_NONE;
    const ownView = this.#active[own] ?? (this.#preparing?.partition.index === own ? this.#preparing : undefined);
    this.#ownMaster = ownView?.partition.master?.key;
    this.#readsMoving = this.#preparing?.readsHere === true && this.#preparing.partition.master?.state === NodeState.ready;
  }

  /**
   * The route of a read of a key with this hash. `random` is any integer ≥ 0; uniform ones spread reads by balance.
   *
   * Flare differs: the nodes of a partition about to become active read its keys themselves. They have every acknowledged
   * write, and the current owner, which learns of the new partition first, must not get its own request back.
   */
  routeRead(hash: number, random: number): Route {
    const view = this.#viewOf(hash);
    if (view === undefined) return NO_PARTITION;
    if (view.readsHere || (this.#readsMoving && this.#isMoving(hash))) return LOCAL;
    return view.pickReader(random);
  }

  /** The route of a write; `fromNode`: it came with a proxy prefix, from another node that considers us responsible. */
  routeWrite(hash: number, fromNode: boolean): Route {
    const view = this.#viewOf(hash);
    if (view === undefined) return NO_PARTITION;
    if (view.isMaster) return LOCAL;
    const former = this.#formerViewOf(hash);
    if (former !== undefined && !former.isMaster) {
      if (fromNode && former.isMember) return LOCAL;
      if (former.partition.master !== undefined) return former.partition.master;
    }
    if (fromNode && (view.isMember || (this.#preparing?.isMember === true && this.#isMoving(hash)))) return LOCAL;
    return view.partition.master ?? PROXY_FAILURE;
  }

  /**
   * The nodes that get a copy of a write that has just run here, a frozen array: the slaves of the partition we are master of,
   * including a preparing one if the write came from its current owner (`fromNode`).
   */
  replicasOf(hash: number, fromNode: boolean): readonly ClusterNode[] {
    const view = this.#viewOf(hash);
    if (view === undefined) return NO_NODES;
    if (view.isMaster) return view.partition.slaves;
    const preparing = this.#preparing;
    return fromNode && preparing?.isMaster === true && this.#isMoving(hash) ? preparing.partition.slaves : NO_NODES;
  }

  /** The slaves of a partition, active or preparing, in any state but down; a frozen array. */
  replicaTargets(partition: number): readonly ClusterNode[] {
    const view = this.#active[partition] ?? (this.#preparing?.partition.index === partition ? this.#preparing : undefined);
    return view === undefined ? NO_NODES : view.partition.slaves;
  }

  /** The master of a key's partition, if we are its slave, and no key has just moved. */
  masterIfSlave(hash: number): ClusterNode | undefined {
    const view = this.#viewOf(hash);
    return view === undefined || !view.isMember || view.isMaster || this.settling ? undefined : view.partition.master;
  }

  /** The key of the master of our own partition, active or preparing. */
  get ownMaster(): string | undefined {
    return this.#ownMaster;
  }

  /** The master of the partition being created, if the key moves there and we are its current owner: it gets the write, too. */
  preparingMasterOf(hash: number): ClusterNode | undefined {
    const preparing = this.#preparing;
    if (preparing === undefined || !this.#isMoving(hash)) return undefined;
    return this.#viewOf(hash)?.isMaster === true ? preparing.partition.master : undefined;
  }

  /** We are about to stop and will soon get no more replication, so a slave stops answering reads itself. False cancels it. */
  setLeaving(leaving: boolean): void {
    this.#leaving = leaving;
    this.install(this.#nodeMap);
  }

  /**
   * A partition has just become active, and other owners of its keys may not know it yet: until `settle`, writes of a key go to
   * its former master, on which all nodes still agree, and which forwards them.
   */
  get settling(): boolean {
    return this.#former !== undefined;
  }

  settle(): void {
    this.#former = undefined;
  }

  /** The master of a key's partition. */
  masterOf(hash: number): ClusterNode | undefined {
    return this.#viewOf(hash)?.partition.master;
  }

  /** The next node for a read when those in `failed` did not answer: another reader of the key's partition, or the master. */
  routeReadAgain(hash: number, failed: readonly string[]): Route {
    const view = this.#viewOf(hash);
    if (view === undefined) return NO_PARTITION;
    return view.readsHere ? LOCAL : this.#otherReader(view, failed);
  }

  /** The node for all keys of an active partition, by the rules for reads; those in `failed` did not answer. */
  routePart(partition: number, random: number, failed: readonly string[]): Route {
    const view = this.#active[partition];
    if (view === undefined) return NO_PARTITION;
    if (view.readsHere) return LOCAL;
    return failed.length === 0 ? view.pickReader(random) : this.#otherReader(view, failed);
  }

  /** Whether we are the master of an active partition, or a slave that answers its reads. */
  readsPart(partition: number): boolean {
    return this.#active[partition]?.readsHere === true;
  }

  /** Whether we were the master of a key until recently: then even its new master may have sent us a write for it. */
  gaveAway(hash: number): boolean {
    return this.#wasMaster || this.#formerViewOf(hash)?.isMaster === true;
  }

  #otherReader({ partition: { readers, master } }: PartitionView, failed: readonly string[]): Route {
    const others = [...readers, ...(master === undefined ? [] : [master])];
    return others.find(({ key }) => key !== this.#selfKey && !failed.includes(key)) ?? PROXY_FAILURE;
  }

  #createView(partition: Partition): PartitionView {
    return new PartitionView(partition, this.#selfKey, this.#netmask, this.#leaving);
  }

  /** The former partition of a key that has just moved to the newest one; undefined for other keys, and when all is settled. */
  #formerViewOf(hash: number): PartitionView | undefined {
    const former = this.#former;
    const count = this.#active.length;
    if (former === undefined || this.#resolver.resolve(hash, count) !== count - 1) return undefined;
    return former[former.length <= 1 ? 0 : this.#resolver.resolve(hash, former.length)];
  }

  /**
   * The node that takes the key over and must get a write that ran here: the master of the partition being created, or, if that
   * became active while the write waited for the storage, the key's current owner.
   */
  successorOf(hash: number, fromNode: boolean): ClusterNode | undefined {
    const preparing = this.preparingMasterOf(hash);
    if (preparing !== undefined) return preparing;
    const route = this.routeWrite(hash, fromNode);
    return typeof route === "object" ? route : undefined;
  }

  #viewOf(hash: number): PartitionView | undefined {
    const count = this.#active.length;
    return this.#active[count <= 1 ? 0 : this.#resolver.resolve(hash, count)];
  }

  /** Whether the key will belong to the preparing partition (there is one). */
  #isMoving(hash: number): boolean {
    const count = this.#active.length;
    return this.#resolver.resolve(hash, count + 1) === count;
  }
}

/** One partition as this node sees it, with all decisions precomputed. */
class PartitionView {
  readonly partition: Partition;
  readonly isMaster: boolean;
  /** Master or slave, in any state but down. */
  readonly isMember: boolean;
  readonly readsHere: boolean;
  readonly #readers: readonly ClusterNode[];
  readonly #weightTotal: number;

  constructor(partition: Partition, selfKey: string, netmask: number, leaving: boolean) {
    this.partition = partition;
    this.isMaster = partition.master?.key === selfKey;
    const self = this.isMaster ? partition.master : partition.slaves.find((slave) => slave.key === selfKey);
    this.isMember = self !== undefined;
    this.readsHere = this.isMaster || (self !== undefined && self.state === NodeState.active && self.balance > 0 && !leaving);
    const readers = leaving && !this.isMaster ? readersWithout(partition, selfKey) : partition.readers;
    const near = netmask === 0 ? NO_NODES : readers.filter((node) => sharesNetwork(node.key, selfKey, netmask));
    this.#readers = near.length > 0 ? near : readers;
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

/** The readers of a partition except one; the master if no other is left. */
function readersWithout({ readers, master }: Partition, key: string): readonly ClusterNode[] {
  const others = readers.filter((node) => node.key !== key);
  return others.length > 0 || master === undefined ? others : [master];
}

/** A reader without a balance is a master on its own. */
function weightOf(reader: ClusterNode): number {
  return reader.balance > 0 ? reader.balance : 1;
}

/** Whether the IPv4 addresses of two node keys share their first `bits` bits; names and IPv6 never do. */
function sharesNetwork(leftKey: string, rightKey: string, bits: number): boolean {
  const left = parseIpAddress(leftKey.slice(0, leftKey.lastIndexOf(":")));
  const right = parseIpAddress(rightKey.slice(0, rightKey.lastIndexOf(":")));
  if (left === undefined || right === undefined || !isIpv4(left) || !isIpv4(right)) return false;
  return sharesPrefix(left, right, IPV4_PREFIX_BITS + Math.min(32, bits));
}
