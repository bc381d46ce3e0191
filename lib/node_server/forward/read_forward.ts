/**
 * Reads of keys on other nodes: any replica can answer, so they are tried one after the other, and again with the newest map.
 * Only a node that has the key's partition reports a miss: if none answers, the read fails. An error of a node (`PeerError`)
 * leads to the next one; anything else is a bug and is thrown.
 */

import { sleep } from "../../base/sleep.ts";
import type { KeyHash } from "../../cluster/key_hash.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { LOCAL, NO_PARTITION, PROXY_FAILURE, type Route, type Routing } from "../../cluster/routing.ts";
import type { EntryView, KeySlice } from "../../item/entry.ts";
import { WaitedFor } from "../../net/connection/slow_requests.ts";
import type { Peer } from "../../net/peer/peer.ts";
import { PeerError } from "../../net/peer/peer_link.ts";
import type { PeerPool } from "../../net/peer/peer_pool.ts";
import { movedLine } from "../../protocol/forward_request.ts";
import type { ForwardedBy } from "../../protocol/request.ts";
import type { Visibility } from "../../replication/visibility.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Storage } from "../../storage/storage.ts";
import { Moved, type ReachMap } from "./moved.ts";
import type { OtherCluster } from "./other_cluster.ts";
import { FORWARD_ATTEMPTS, FORWARD_PAUSE_MS, NO_PARTITION_TEXT, PROXY_FAILURE_TEXT } from "./refusals.ts";

/** Another node's answer, or its error line. */
export type Answer<T> = { readonly value: T } | { readonly error: string };

/** The result of a read: an answer, an error line, or that the key can be read here. */
export type Reading<T> = Answer<T> | typeof LOCAL;

/** An item stored here, or another node's answer. */
export type ItemReading<T> = { readonly entry: EntryView | undefined } | Answer<T>;

/** Asks one node on its lane for the key. @throws PeerError if it does not answer, Moved if others do */
export type AskReplica<T> = (lane: Peer, node: ClusterNode) => Promise<Answer<T>>;

/** With this many requests on a connection no reads are added: two C++ nodes may consider each other the owner of a key. */
const QUEUE_MAX = 65536;

/** What it needs from a node server. */
export interface ReadForwardParts {
  readonly runtime: Pick<Runtime, "clock" | "log" | "random">;
  readonly routing: Pick<Routing, "masterOf" | "nodeMap" | "partitionCount" | "routeRead" | "routeReadAgain">;
  readonly keyHash: KeyHash;
  readonly otherCluster: Pick<OtherCluster, "node">;
  readonly peers: Pick<PeerPool, "lane">;
  readonly storage: Pick<Storage, "read">;
  readonly visibility: Pick<Visibility, "canShow" | "isShown" | "master" | "mayBeLate" | "settled">;
}

export class ReadForward {
  readonly #parts: ReadForwardParts;
  readonly #reachMap: ReachMap;

  constructor(parts: ReadForwardParts, reachMap: ReachMap) {
    this.#parts = parts;
    this.#reachMap = reachMap;
  }

  /** Whether this node answers reads of a key, and at once. With one partition the hash of the key does not matter. */
  isHere(key: KeySlice): boolean {
    const { routing, keyHash, otherCluster, visibility } = this.#parts;
    if (otherCluster.node !== undefined) return false;
    const hash = routing.partitionCount > 1 ? keyHash(key.bytes, key.start, key.end) : 0;
    return routing.routeRead(hash, 0) === LOCAL && visibility.isShown(key);
  }

  /** What a read waits for whose key `isHere` denies. */
  waitOf(key: KeySlice): string {
    const { routing, keyHash, otherCluster } = this.#parts;
    const isElsewhere =
      otherCluster.node !== undefined || routing.routeRead(keyHash(key.bytes, key.start, key.end), 0) !== LOCAL;
    return isElsewhere ? WaitedFor.nodes : WaitedFor.certainty;
  }

  /**
   * The item stored here, a private copy, once it may be shown; undefined = none.
   * @throws FlareError as `Storage.get`, or why it may not be shown
   */
  async readHere(key: KeySlice, nowSeconds: number, peek = false): Promise<EntryView | undefined> {
    const { storage, visibility } = this.#parts;
    const { master } = visibility;
    const entry = await storage.read(key, nowSeconds, peek);
    const isShown = visibility.master === master && visibility.isShown(key);
    const fault = isShown ? undefined : await visibility.settled(master);
    if (fault !== undefined) throw fault;
    return entry;
  }

  /**
   * Reads an item, here or elsewhere: what may not be shown here any more when it is found, another node can answer.
   * @throws FlareError as `readHere`, and what `ask` throws, except PeerError
   */
  async readItem<T>(
    key: KeySlice,
    ask: AskReplica<T>,
    forwardedBy: ForwardedBy | undefined,
    peek = false,
  ): Promise<ItemReading<T>> {
    const { keyHash, runtime } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const reading = await this.read(key, ask, forwardedBy);
      if (reading !== LOCAL) return reading;
      try {
        return { entry: await this.readHere(key, Math.floor(runtime.clock.nowMs() / 1000), peek) };
      } catch (error) {
        const isElsewhere = typeof this.#firstRoute(keyHash(key.bytes, key.start, key.end), key) === "object";
        if (!isElsewhere || attempt === FORWARD_ATTEMPTS) throw error;
      }
    }
  }

  /** The lane to pass a get on; undefined = read it with `read`. */
  laneFor(key: KeySlice, forwardedBy: ForwardedBy | undefined): Peer | undefined {
    const { routing, keyHash, peers } = this.#parts;
    if (!this.#mayPassOn(forwardedBy)) return undefined;
    const hash = routing.partitionCount > 1 ? keyHash(key.bytes, key.start, key.end) : 0;
    const route = this.#firstRoute(hash, key);
    if (typeof route !== "object") return undefined;
    const lane = peers.lane(route, key.bytes, key.start, key.end);
    if (lane.queue >= QUEUE_MAX) return undefined;
    // The question goes ahead of the get. If it fails, so does the get.
    if (lane.knowsForward === undefined) lane.takesForwards().catch(() => undefined);
    return lane;
  }

  /**
   * Asks other nodes for a key; LOCAL: it can be read here.
   * @param forwardedBy the node that forwards the read, if one does
   * @throws what `ask` throws, except PeerError
   */
  async read<T>(key: KeySlice, ask: AskReplica<T>, forwardedBy?: ForwardedBy): Promise<Reading<T>> {
    // A retry may see more partitions.
    const hash = this.#parts.keyHash(key.bytes, key.start, key.end);
    const moved = forwardedBy === undefined ? undefined : await this.#movedLine(hash, key, forwardedBy);
    if (moved !== undefined) return { error: moved };
    for (let attempt = 1; ; attempt++) {
      const failed: string[] = [];
      let error = PROXY_FAILURE_TEXT;
      let isSilent = false;
      let route = this.#firstRoute(hash, key);
      while (typeof route === "object") {
        const answer = await this.#askOne(route, key, ask);
        if (answer !== undefined && "value" in answer) return answer;
        if (answer === undefined) isSilent = true;
        else error = answer.error;
        failed.push(route.key);
        route = this.#nextRoute(hash, key, failed);
      }
      if (route === LOCAL) return LOCAL;
      if (route === NO_PARTITION) return { error: NO_PARTITION_TEXT };
      // If a node did not answer, the map may soon name another.
      if (!isSilent || attempt === FORWARD_ATTEMPTS) return { error };
      await sleep(this.#parts.runtime.clock, FORWARD_PAUSE_MS);
    }
  }

  /**
   * Whether a read may be passed on to another node. One that a node forwards by the same map as ours is a slave's, for its
   * master. By different maps it could go round in a circle, and wait behind itself for ever.
   */
  #mayPassOn(forwardedBy: ForwardedBy | undefined): boolean {
    const { otherCluster, routing } = this.#parts;
    return forwardedBy === undefined || forwardedBy.mapVersion === routing.nodeMap.version || otherCluster.node !== undefined;
  }

  /** The answer to a read that a node forwards by a map that is not ours, unless it can be read here. */
  async #movedLine(hash: number, key: KeySlice, forwardedBy: ForwardedBy): Promise<string | undefined> {
    const { routing } = this.#parts;
    const isOurs = () => this.#mayPassOn(forwardedBy) || typeof this.#firstRoute(hash, key) !== "object";
    if (isOurs()) return undefined;
    if (forwardedBy.mapVersion > routing.nodeMap.version) await this.#reachMap(forwardedBy.mapVersion);
    return isOurs() ? undefined : movedLine({ mapVersion: routing.nodeMap.version, owner: routing.masterOf(hash)?.key });
  }

  /** Undefined = it did not answer. */
  async #askOne<T>(node: ClusterNode, { bytes, start, end }: KeySlice, ask: AskReplica<T>): Promise<Answer<T> | undefined> {
    const { peers, routing, runtime } = this.#parts;
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
      if (error instanceof Moved && error.answer.mapVersion > routing.nodeMap.version) {
        await this.#reachMap(error.answer.mapVersion);
      }
      return undefined;
    }
  }

  #firstRoute(hash: number, key: KeySlice): Route {
    const { routing, otherCluster, runtime } = this.#parts;
    const route = otherCluster.node ?? routing.routeRead(hash, runtime.random.uint32());
    return route === LOCAL ? this.#localRoute(hash, key) : route;
  }

  #nextRoute(hash: number, key: KeySlice, failed: readonly string[]): Route {
    const { routing, otherCluster, visibility } = this.#parts;
    if (otherCluster.node !== undefined) return PROXY_FAILURE;
    const route = routing.routeReadAgain(hash, failed);
    if (route !== LOCAL) return route;
    const better = this.#localRoute(hash, key);
    if (typeof better !== "object" || !failed.includes(better.key)) return better;
    return visibility.mayBeLate ? LOCAL : PROXY_FAILURE;
  }

  /** What not every replica has is the master's to show. */
  #localRoute(hash: number, key: KeySlice): Route {
    const { routing, visibility } = this.#parts;
    return visibility.canShow(key) ? LOCAL : (routing.masterOf(hash) ?? PROXY_FAILURE);
  }
}
