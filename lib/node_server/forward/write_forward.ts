/**
 * Where a write runs: here, or on the node that owns its key. An unsent write is retried with the newest map, for instance at a
 * promoted slave; one that may have arrived is not, because incr or append would be executed twice.
 */

import { sleep } from "../../base/sleep.ts";
import type { KeyHash } from "../../cluster/key_hash.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { LOCAL, PROXY_FAILURE, type Route, type Routing } from "../../cluster/routing.ts";
import type { KeySlice } from "../../item/entry.ts";
import { MutationKind } from "../../item/mutation.ts";
import type { Peer } from "../../net/peer/peer.ts";
import { PeerError } from "../../net/peer/peer_link.ts";
import type { PeerPool } from "../../net/peer/peer_pool.ts";
import type { Request } from "../../protocol/request.ts";
import type { Follower } from "../../replication/stream/follower.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { NodeSettings } from "../node_options.ts";
import type { OtherCluster } from "./other_cluster.ts";
import { FORWARD_ATTEMPTS, FORWARD_PAUSE_MS } from "./refusals.ts";

/** What it needs from a node server. */
export interface WriteForwardParts {
  readonly runtime: Pick<Runtime, "clock" | "log">;
  /** Reloadable. */
  readonly options: Pick<NodeSettings, "maxTotalThreadQueue">;
  readonly routing: Pick<Routing, "gaveAway" | "masterIfSlave" | "partitionCount" | "routeWrite" | "self">;
  readonly keyHash: KeyHash;
  readonly otherCluster: Pick<OtherCluster, "node">;
  readonly peers: Pick<PeerPool, "lane" | "queue">;
  readonly follower: Pick<Follower, "source">;
  readonly selfKey: string;
}

export class WriteForward {
  readonly #parts: WriteForwardParts;

  constructor(parts: WriteForwardParts) {
    this.#parts = parts;
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
  route(request: Request, hash: number): Route {
    const { routing, selfKey, otherCluster, options, peers } = this.#parts;
    if (otherCluster.node !== undefined) return otherCluster.node;
    const { prefix } = request;
    let route = routing.routeWrite(hash, prefix !== undefined);
    const passed = prefix?.split(",") ?? [];
    const sender = passed.at(-1);
    if (route === LOCAL && prefix !== undefined) {
      const master = routing.masterIfSlave(hash);
      if (master === undefined || isVersioned(request) || this.#isMastersTouch(request, sender, master.key)) return LOCAL;
      route = master;
    }
    if (typeof route !== "object") return route;
    if (options.maxTotalThreadQueue > 0 && peers.queue >= options.maxTotalThreadQueue) return PROXY_FAILURE;
    if (prefix === undefined) return route;
    // A copy, but we do not know yet that we are a replica: forwarding it would make its sender wait for itself.
    const fromOwner = sender === route.key || request.mutation.version !== 0;
    const copied = fromOwner && isCopy(request) && !routing.gaveAway(hash);
    return copied || (passed.includes(selfKey) && passed.includes(route.key)) ? PROXY_FAILURE : route;
  }

  /**
   * Whether our master replicates a touch. A former master may forward a client's, which looks the same; but one whose stream
   * has begun replicates nothing else.
   */
  #isMastersTouch({ mutation }: Request, sender: string | undefined, master: string): boolean {
    return mutation.kind === MutationKind.touch && sender === master && this.#parts.follower.source !== master;
  }

  /** The received node list with us at its end. */
  prefix(request: Request): string {
    const { selfKey, otherCluster } = this.#parts;
    // A node of another cluster must not take this for replication.
    if (otherCluster.node !== undefined) return "";
    return request.prefix === undefined || request.prefix === "" ? `<${selfKey}>` : `<${request.prefix},${selfKey}>`;
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
      }
      target = await this.#nextTarget(key, target);
    }
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

/** Whether a write from another node may be a copy for a replica; a touch never has a version. */
function isCopy(request: Request): boolean {
  return request.mutation.kind === MutationKind.touch || isVersioned(request);
}

/** Whether a write says which version the item gets: it does no harm where it is not needed. */
function isVersioned({ mutation: { kind, version } }: Request): boolean {
  return version !== 0 && (kind === MutationKind.set || kind === MutationKind.delete);
}
