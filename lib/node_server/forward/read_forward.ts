/**
 * Reads of keys that lie on other nodes: any replica can answer, so they are asked one after the other, and again by the
 * newest map. A miss is only ever said by a node that has the key's partition: when none answers, the read fails. What goes
 * wrong at a node (`PeerError`) is failed over; anything else is a bug and is thrown.
 */

import { sleep } from "../../base/sleep.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { LOCAL, NO_PARTITION, PROXY_FAILURE, type Route, type Routing } from "../../cluster/routing.ts";
import type { KeySlice } from "../../item/entry.ts";
import type { Peer } from "../../net/peer/peer.ts";
import { PeerError } from "../../net/peer/peer_link.ts";
import type { PeerPool } from "../../net/peer/peer_pool.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { OtherCluster } from "./other_cluster.ts";
import { FORWARD_ATTEMPTS, FORWARD_PAUSE_MS, NO_PARTITION_TEXT, PROXY_FAILURE_TEXT } from "./refusals.ts";

/** An answer of another node, or the line of an error it answered instead of an item. */
export type Answer<T> = { readonly value: T } | { readonly error: string };

/** What came of a read: an answer, the line that says why there is none, or that the key can be read here. */
export type Reading<T> = Answer<T> | typeof LOCAL;

/** Asks one node on its lane for the key. @throws PeerError when it does not answer */
export type AskReplica<T> = (lane: Peer, node: ClusterNode) => Promise<Answer<T>>;

/** Requests on one connection above which reads are not added: two nodes may take each other for the owner of a key. */
const QUEUE_MAX = 65536;

/** What it takes of a node server. */
export interface ReadForwardParts {
  readonly runtime: Pick<Runtime, "clock" | "log" | "random">;
  readonly routing: Pick<Routing, "routeRead" | "routeReadAgain">;
  readonly otherCluster: Pick<OtherCluster, "node">;
  readonly peers: Pick<PeerPool, "lane">;
}

export class ReadForward {
  readonly #parts: ReadForwardParts;

  constructor(parts: ReadForwardParts) {
    this.#parts = parts;
  }

  /** Asks for the key, which has this hash. @throws what `ask` throws, but for a PeerError */
  async read<T>(key: KeySlice, hash: number, ask: AskReplica<T>): Promise<Reading<T>> {
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
      // Where somebody did not answer, the map may soon name another.
      if (!isSilent || attempt === FORWARD_ATTEMPTS) return { error };
      await sleep(this.#parts.runtime.clock, FORWARD_PAUSE_MS);
    }
  }

  /** Undefined = it did not answer. */
  async #askOne<T>(node: ClusterNode, { bytes, start, end }: KeySlice, ask: AskReplica<T>): Promise<Answer<T> | undefined> {
    const { peers, runtime } = this.#parts;
    const lane = peers.lane(node, bytes, start, end);
    if (lane.queue >= QUEUE_MAX) {
      runtime.log.write("warning", `read from "${node.key}" given up: "${QUEUE_MAX}" requests wait already`);
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
