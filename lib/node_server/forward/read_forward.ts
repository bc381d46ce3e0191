/**
 * Reads of keys on other nodes: any replica can answer, so they are tried one after the other, and again with the newest map.
 * Only a node that has the key's partition reports a miss: if none answers, the read fails. An error of a node (`PeerError`)
 * leads to the next one; anything else is a bug and is thrown.
 */

import { sleep } from "../../base/sleep.ts";
import type { KeyHash } from "../../cluster/key_hash.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { LOCAL, NO_PARTITION, PROXY_FAILURE, type Route, type Routing } from "../../cluster/routing.ts";
import type { KeySlice } from "../../item/entry.ts";
import type { Peer } from "../../net/peer/peer.ts";
import { PeerError } from "../../net/peer/peer_link.ts";
import type { PeerPool } from "../../net/peer/peer_pool.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { OtherCluster } from "./other_cluster.ts";
import { FORWARD_ATTEMPTS, FORWARD_PAUSE_MS, NO_PARTITION_TEXT, PROXY_FAILURE_TEXT } from "./refusals.ts";

/** Another node's answer, or its error line. */
export type Answer<T> = { readonly value: T } | { readonly error: string };

/** The result of a read: an answer, an error line, or that the key can be read here. */
export type Reading<T> = Answer<T> | typeof LOCAL;

/** Asks one node on its lane for the key. @throws PeerError if it does not answer */
export type AskReplica<T> = (lane: Peer, node: ClusterNode) => Promise<Answer<T>>;

/** With this many requests on a connection no reads are added: two nodes may consider each other the owner of a key. */
const QUEUE_MAX = 65536;

/** What it needs from a node server. */
export interface ReadForwardParts {
  readonly runtime: Pick<Runtime, "clock" | "log" | "random">;
  readonly routing: Pick<Routing, "partitionCount" | "routeRead" | "routeReadAgain">;
  readonly keyHash: KeyHash;
  readonly otherCluster: Pick<OtherCluster, "node">;
  readonly peers: Pick<PeerPool, "lane">;
}

export class ReadForward {
  readonly #parts: ReadForwardParts;

  constructor(parts: ReadForwardParts) {
    this.#parts = parts;
  }

  /** Whether this node answers reads of a key. With one partition the hash of the key does not matter. */
  isHere({ bytes, start, end }: KeySlice): boolean {
    const { routing, keyHash, otherCluster } = this.#parts;
    if (otherCluster.node !== undefined) return false;
    return routing.routeRead(routing.partitionCount > 1 ? keyHash(bytes, start, end) : 0, 0) === LOCAL;
  }

  /** Reads a key. @throws what `ask` throws, except PeerError */
  async read<T>(key: KeySlice, ask: AskReplica<T>): Promise<Reading<T>> {
    // A retry may see more partitions.
    const hash = this.#parts.keyHash(key.bytes, key.start, key.end);
    for (let attempt = 1; ; attempt++) {
      const failed: string[] = [];
      let error = PROXY_FAILURE_TEXT;
      let isSilent = false;
      let route = this.#firstRoute(hash);
      while (typeof route === "object") {
        const answer = await this.#askOne(route, key, ask);
        if (answer !== undefined && "value" in answer) return answer;
        if (answer === undefined) isSilent = true;
        else error = answer.error;
        failed.push(route.key);
        route = this.#nextRoute(hash, failed);
      }
      if (route === LOCAL) return LOCAL;
      if (route === NO_PARTITION) return { error: NO_PARTITION_TEXT };
      // If a node did not answer, the map may soon name another.
      if (!isSilent || attempt === FORWARD_ATTEMPTS) return { error };
      await sleep(this.#parts.runtime.clock, FORWARD_PAUSE_MS);
    }
  }

  /** Undefined = it did not answer. */
  async #askOne<T>(node: ClusterNode, { bytes, start, end }: KeySlice, ask: AskReplica<T>): Promise<Answer<T> | undefined> {
    const { peers, runtime } = this.#parts;
    const lane = peers.lane(node, bytes, start, end);
    if (lane.queue >= QUEUE_MAX) {
      runtime.log.write("warning", `read from "${node.key}" failed: "${QUEUE_MAX}" requests are already queued`);
      return undefined;
    }
    try {
      const answer = await ask(lane, node);
      if ("error" in answer) runtime.log.write("info", `"${node.key}" answered "${answer.error}" to a read`);
      return answer;
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      runtime.log.write("info", `read from "${node.key}" failed: ${error.message}`);
      return undefined;
    }
  }

  #firstRoute(hash: number): Route {
    const { routing, otherCluster, runtime } = this.#parts;
    return otherCluster.node ?? routing.routeRead(hash, runtime.random.uint32());
  }

  #nextRoute(hash: number, failed: readonly string[]): Route {
    const { routing, otherCluster } = this.#parts;
    return otherCluster.node === undefined ? routing.routeReadAgain(hash, failed) : PROXY_FAILURE;
  }
}
