/**
 * Where a write runs: here, or on the node that owns its key. An unsent write is retried with the newest map, for instance at a
 * promoted slave; one that may have arrived is not, because incr or append would be executed twice.
 */

import { sleep } from "../../base/sleep.ts";
import type { KeyHash } from "../../cluster/key_hash.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { findNode } from "../../cluster/node_map.ts";
import { LOCAL, PROXY_FAILURE, type Route, type Routing } from "../../cluster/routing.ts";
import type { KeySlice } from "../../item/entry.ts";
import { type Mutation, MutationKind } from "../../item/mutation.ts";
import type { Peer } from "../../net/peer/peer.ts";
import { PeerError } from "../../net/peer/peer_link.ts";
import type { PeerPool } from "../../net/peer/peer_pool.ts";
import { movedLine } from "../../protocol/forward_request.ts";
import type { Request } from "../../protocol/request.ts";
import type { Follower } from "../../replication/stream/follower.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { NodeSettings } from "../node_options.ts";
import { Moved, type ReachMap } from "./moved.ts";
import type { OtherCluster } from "./other_cluster.ts";
import { FORWARD_ATTEMPTS, FORWARD_PAUSE_MS } from "./refusals.ts";

/**
 * A write that a node forwards, and that belongs to another one by this node's map: a guess would be to pass it on, but the two
 * nodes may have different maps.
 */
export const MOVED = 3;

/** What it needs from a node server. */
export interface WriteForwardParts {
  readonly runtime: Pick<Runtime, "clock" | "log">;
  /** Reloadable. */
  readonly options: Pick<NodeSettings, "maxTotalThreadQueue">;
  readonly routing: Pick<
    Routing,
    "gaveAway" | "masterIfSlave" | "masterOf" | "nodeMap" | "partitionCount" | "routeWrite" | "self" | "settling"
  >;
  readonly keyHash: KeyHash;
  readonly otherCluster: Pick<OtherCluster, "node">;
  readonly peers: Pick<PeerPool, "lane" | "queue">;
  readonly follower: Pick<Follower, "sequence" | "source">;
  readonly selfKey: string;
}

export class WriteForward {
  readonly #parts: WriteForwardParts;
  readonly #reachMap: ReachMap;
  readonly #ownList: string;

  constructor(parts: WriteForwardParts, reachMap: ReachMap) {
    this.#parts = parts;
    this.#ownList = `<${parts.selfKey}>`;
    this.#reachMap = reachMap;
  }

  /** 0 while the hash of a key does not matter; a new map may change that. */
  hash({ bytes, start, end }: KeySlice): number {
    return this.#parts.routing.partitionCount > 1 ? this.#parts.keyHash(bytes, start, end) : 0;
  }

  /**
   * Flare differs: two C++ nodes with contradicting maps send a request back and forth until they time out; here it fails when
   * it would pass the same two nodes again. So does a copy that would go straight back because we are no longer, or not yet, a
   * replica: its master waits for it, and meanwhile delays our requests. A replica of the original executes every write that a
   * node forwards to it; ours only what its master replicates, and passes on to it what a node with another map takes for ours.
   */
  route(request: Request, hash: number): Route | typeof MOVED {
    const { routing, selfKey, otherCluster, options, peers } = this.#parts;
    if (otherCluster.node !== undefined) return otherCluster.node;
    const { prefix, forwardedBy } = request;
    if (forwardedBy !== undefined && !routing.settling) {
      const own = routing.routeWrite(hash, false);
      return typeof own === "object" ? MOVED : own;
    }
    let route = routing.routeWrite(hash, prefix !== undefined);
    const passed = prefix?.split(",") ?? [];
    const sender = passed.at(-1);
    if (route === LOCAL && prefix !== undefined) {
      const master = routing.masterIfSlave(hash);
      if (master === undefined || this.#isMastersTouch(request, sender, master.key)) return LOCAL;
      if (isVersioned(request)) {
        if (sender === master.key) this.#keepDeletion(request);
        return LOCAL;
      }
      route = master;
    }
    if (typeof route !== "object") return route;
    if (options.maxTotalThreadQueue > 0 && peers.queue >= options.maxTotalThreadQueue) return PROXY_FAILURE;
    if (prefix === undefined) return route;
    // A copy, but we do not know yet that we are a replica: forwarding it would make its sender wait for itself.
    const fromOwner = sender === route.key || request.mutation.version !== 0;
    const copied = fromOwner && isCopy(request) && !routing.gaveAway(hash);
    // Its sender may have deleted the key since: what came back would be a newer item there.
    const goesBack = sender === route.key && isVersioned(request);
    return copied || goesBack || (passed.includes(selfKey) && passed.includes(route.key)) ? PROXY_FAILURE : route;
  }

  /**
   * Whether our master replicates a touch without a version. A former master may forward a client's, which looks the same; but
   * one whose stream has begun, after all its lines were answered, replicates nothing else. A line of before may still come:
   * it would change a newer item.
   */
  #isMastersTouch({ mutation }: Request, sender: string | undefined, master: string): boolean {
    return isTouch(mutation) && sender === master && this.#parts.follower.sequence === undefined;
  }

  /**
   * A line of our master that comes late must not bring back what was deleted since. The versions of the original's master may
   * begin again after a deletion, but that sends no stream.
   */
  #keepDeletion({ mutation }: Request): void {
    const isCopy = mutation.kind === MutationKind.set && mutation.version !== 0;
    if (isCopy && this.#parts.follower.source !== undefined) mutation.kind = MutationKind.restore;
  }

  /** Whether another node forwards a write to us by a newer node map than ours, by which it may be ours. */
  isBehind({ forwardedBy, mutation }: Request): boolean {
    const { routing, otherCluster } = this.#parts;
    if (forwardedBy === undefined || forwardedBy.mapVersion <= routing.nodeMap.version) return false;
    return otherCluster.node === undefined && routing.routeWrite(this.hash(mutation.key), false) !== LOCAL;
  }

  /** Resolves when this node has the map by which a write was forwarded, or cannot have it for now. */
  catchUp({ forwardedBy }: Request): Promise<void> {
    return forwardedBy === undefined ? Promise.resolve() : this.#reachMap(forwardedBy.mapVersion);
  }

  /** The answer with MOVED. */
  movedLine(hash: number): string {
    const { routing } = this.#parts;
    return movedLine({ mapVersion: routing.nodeMap.version, owner: routing.masterOf(hash)?.key });
  }

  /** The lane to pass a write on to its owner, `node`; undefined = send it with `send`. */
  laneFor(node: ClusterNode, { bytes, start, end }: KeySlice): Peer | undefined {
    const { peers, routing } = this.#parts;
    // A key that has just moved from here: its last write may still be committing, and must go first.
    if (routing.settling) return undefined;
    const lane = peers.lane(node, bytes, start, end);
    return lane.knowsForward === undefined ? undefined : lane;
  }

  /** The received node list with us at its end. */
  prefix(request: Request): string {
    const { selfKey, otherCluster } = this.#parts;
    // A node of another cluster must not take this for replication.
    if (otherCluster.node !== undefined) return "";
    if (request.prefix === undefined && request.forwardedBy === undefined) return this.#ownList;
    const passed = request.forwardedBy?.nodeKey ?? request.prefix ?? "";
    return passed === "" ? this.#ownList : `<${passed},${selfKey}>`;
  }

  /** Calls `ask` to send a request for the key to its owner, first `node`. @throws what `ask` throws, except PeerError */
  async send<T>(node: ClusterNode, key: KeySlice, ask: (lane: Peer) => Promise<T>): Promise<T | PeerError> {
    const { peers, runtime } = this.#parts;
    let target = node;
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask(peers.lane(target, key.bytes, key.start, key.end));
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        runtime.log.write("info", `request to "${target.key}" failed: ${error.message}`);
        if (error.mayHaveHappened || attempt === FORWARD_ATTEMPTS) return error;
        target =
          (error instanceof Moved ? await this.#namedOwner(target, error) : undefined) ?? (await this.#nextTarget(key, target));
      }
    }
  }

  /** The owner of the key by a node with a newer map; undefined if it is none we know. */
  async #namedOwner(target: ClusterNode, { answer }: Moved): Promise<ClusterNode | undefined> {
    const { routing } = this.#parts;
    const reached = answer.mapVersion > routing.nodeMap.version ? this.#reachMap(answer.mapVersion) : undefined;
    const find = (): ClusterNode | undefined => findNode(routing.nodeMap, answer.owner ?? "");
    if (find() === undefined) await reached;
    const owner = find();
    return owner?.key === target.key ? undefined : owner;
  }

  /**
   * The next node after `failed` did not accept a request: at once if the map names another owner by now, else after a pause.
   * The owner may be this node, whose own server then gets the request.
   */
  async #nextTarget(key: KeySlice, failed: ClusterNode): Promise<ClusterNode> {
    if (this.#owner(key)?.key === failed.key) await sleep(this.#parts.runtime.clock, FORWARD_PAUSE_MS);
    return this.#owner(key) ?? failed;
  }

  #owner(key: KeySlice): ClusterNode | undefined {
    const { routing, otherCluster } = this.#parts;
    if (otherCluster.node !== undefined) return otherCluster.node;
    const route = routing.routeWrite(this.hash(key), false);
    if (route === LOCAL) return routing.self;
    return typeof route === "object" ? route : undefined;
  }
}

/** Whether a write from another node may be a copy for a replica; a touch may have no version. */
function isCopy(request: Request): boolean {
  return isTouch(request.mutation) || isVersioned(request);
}

/** Whether it changes only the expiry or the marks of an item that is there. */
function isTouch({ kind, terms }: Mutation): boolean {
  return kind === MutationKind.touch || (kind === MutationKind.fetch && terms?.vivify !== true);
}

/** Whether a write says which version the item gets, or has: it does no harm where it is not needed. */
function isVersioned({ mutation }: Request): boolean {
  const { kind, version } = mutation;
  return version !== 0 && (kind === MutationKind.set || kind === MutationKind.delete || isTouch(mutation));
}
