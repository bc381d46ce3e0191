/**
 * The lanes to the other nodes: `proxy-concurrency` connections for each, opened on demand. A key always uses the same lane of
 * its node, so requests for one key reach it in order.
 */

import { hashMurmur } from "../../cluster/key_hash.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { WorkerRegistry } from "../worker.ts";
import { Peer } from "./peer.ts";
import type { Introduction, PeerOptions } from "./peer_link.ts";

/** What the pool needs to know about a node. */
export interface PeerTarget {
  readonly key: string;
  readonly host: string;
  readonly port: number;
  readonly threadType: number;
  /** Connections to this node; absent = the default number. */
  readonly lanes?: number;
  /** It belongs to another cluster: we do not introduce ourselves to it. */
  readonly isForeign?: boolean;
}

/** How long a down node has to answer requests in flight: as long as it waits for us when it leaves gracefully. */
const GRACE_MS = 2000;

export class PeerPool {
  readonly #runtime: Runtime;
  readonly #workers: WorkerRegistry;
  readonly #lanesPerNode: number;
  readonly #options: PeerOptions;
  readonly #introduction: Introduction | undefined;
  readonly #lanes = new Map<string, Peer[]>();

  /** @param introduction see `Peer` */
  constructor(
    runtime: Runtime,
    workers: WorkerRegistry,
    lanesPerNode: number,
    options: PeerOptions,
    introduction?: Introduction,
  ) {
    this.#introduction = introduction;
    this.#runtime = runtime;
    this.#workers = workers;
    this.#lanesPerNode = lanesPerNode;
    this.#options = options;
  }

  /** The lane of the key `bytes[start, end)` to a node. */
  lane(node: PeerTarget, bytes: Uint8Array, start: number, end: number): Peer {
    const lanes = this.#lanesTo(node);
    return lanes[Math.abs(hashMurmur(bytes, start, end)) % lanes.length] as Peer;
  }

  /** Requests that are waiting or in flight, to all nodes together. */
  get queue(): number {
    let queue = 0;
    for (const lanes of this.#lanes.values()) for (const lane of lanes) queue += lane.queue;
    return queue;
  }

  /** All lanes opened to a node so far. */
  lanesOf(nodeKey: string): readonly Peer[] {
    return this.#lanes.get(nodeKey) ?? [];
  }

  /** Drops the lanes of nodes that are not in `keep`. A node that leaves gracefully still answers earlier requests. */
  retain(keep: ReadonlySet<string>): void {
    for (const [key, lanes] of this.#lanes) {
      if (keep.has(key)) continue;
      this.#lanes.delete(key);
      for (const lane of lanes) lane.retire(GRACE_MS);
    }
  }

  close(): void {
    for (const lanes of this.#lanes.values()) for (const lane of lanes) lane.close();
    this.#lanes.clear();
  }

  #lanesTo(node: PeerTarget): Peer[] {
    let lanes = this.#lanes.get(node.key);
    if (lanes === undefined) {
      lanes = [];
      const address = { host: node.host, port: node.port };
      const introduction = node.isForeign === true ? undefined : this.#introduction;
      for (let i = 0; i < (node.lanes ?? this.#lanesPerNode); i++) {
        lanes.push(new Peer(this.#runtime, address, node.threadType, this.#workers, this.#options, introduction));
      }
      this.#lanes.set(node.key, lanes);
    }
    return lanes;
  }
}
