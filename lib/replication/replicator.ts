/**
 * Sends what was written here to the replicas: the complete resulting value with its version, never the command that
 * produced it, so that a replica that gets it twice or late ends up equal. Nothing leaves before it is committed here;
 * per key in order, because a key keeps its lane. Flare's wire: `<nodes,self>set …`, `delete …`, `touch …`.
 */

import { latin1 } from "../base/bytes.ts";
import { type ClusterNode, NodeState } from "../cluster/node.ts";
import type { Routing } from "../cluster/routing.ts";
import type { Peer } from "../net/peer.ts";
import type { PeerPool } from "../net/peer_pool.ts";
import type { Request } from "../protocol/request.ts";
import { encodeOptions, encodeReplicatedDelete, encodeReplicatedSet, encodeTouch, ReplyShape } from "../protocol/text_client.ts";
import type { Log } from "../runtime/runtime.ts";
import { type Applied, MutationResult } from "../storage/mutation.ts";
import type { Storage } from "../storage/storage.ts";

/** One copy of one write on its way to one node. */
interface Delivery {
  readonly node: ClusterNode;
  readonly lane: Peer;
  readonly line: Uint8Array;
  /** Undefined: no answer comes. */
  readonly shape: ReplyShape | undefined;
  /** Called when the node has answered or failed; undefined if nobody waits for it. */
  readonly done: (() => void) | undefined;
}

export class Replicator {
  readonly #routing: Routing;
  readonly #peers: PeerPool;
  readonly #storage: Storage;
  readonly #log: Log;
  readonly #selfKey: string;
  /** Copies that could not be delivered, since the start. */
  failures = 0;

  constructor(routing: Routing, peers: PeerPool, storage: Storage, log: Log, selfKey: string) {
    this.#routing = routing;
    this.#peers = peers;
    this.#storage = storage;
    this.#log = log;
    this.#selfKey = selfKey;
  }

  /** True when a successful write of this key goes to any other node. */
  concerns(hash: number, fromNode: boolean): boolean {
    return this.#routing.replicasOf(hash, fromNode).length > 0 || this.#routing.preparingMasterOf(hash) !== undefined;
  }

  /**
   * Queues the outcome of a write to every replica, then to the master of a partition that is being created. Resolves
   * when each replica has answered or failed. The preparing master counts once it is ready: it may own the key at any
   * moment, and whoever was told of the write must find it there. (Flare differs: the original never waits for it.)
   * @param expire as in the request (for delete: until when the key is blocked)
   */
  replicate(request: Request, applied: Applied, hash: number, expire: number): Promise<void> {
    const prefix = this.#prefixOf(request);
    if (prefix === undefined) return Promise.resolve();
    const replicas = this.#routing.replicasOf(hash, request.prefix !== undefined);
    const preparing = this.#routing.preparingMasterOf(hash);
    const { bytes, start, end } = request.mutation.key;
    const key = latin1(bytes, start, end);
    const line = encode(request, applied, prefix, key, expire);
    const deliveries: Delivery[] = [];
    const shape = request.noreply ? undefined : ReplyShape.line;
    const add = (node: ClusterNode, done: (() => void) | undefined): void => {
      const lane = this.#peers.lane(node, bytes, start, end);
      if (applied.result === MutationResult.touched && node.state !== NodeState.active) {
        // A copy under way may bring the item later, with its old time: the item of this version goes ahead.
        deliveries.push({ node, lane, line: encodeSet(applied, prefix, key, ""), shape: ReplyShape.line, done: undefined });
      }
      deliveries.push({ node, lane, line, shape, done });
    };
    const sent = replicas.map((node) => new Promise<void>((resolve) => add(node, resolve)));
    if (preparing?.state === NodeState.ready) sent.push(new Promise<void>((resolve) => add(preparing, resolve)));
    else if (preparing !== undefined) add(preparing, undefined);
    this.#storage.onCommit({
      onCommitted: (error) => {
        for (const delivery of deliveries) {
          // What could not be committed is rolled back here and must not exist anywhere else.
          if (error === undefined) this.#send(delivery);
          else delivery.done?.();
        }
      },
    });
    return Promise.all(sent).then(() => undefined);
  }

  #send({ node, lane, line, shape, done }: Delivery): void {
    lane.request(line, shape).then(
      () => done?.(),
      (error: Error) => {
        this.failures++;
        this.#log.write("warning", `replication to "${node.key}" failed: ${error.message}`);
        done?.();
      },
    );
  }

  /** The node list with us at its end; undefined when we are in it twice already and the write goes round in a circle. */
  #prefixOf(request: Request): string | undefined {
    if (request.prefix === undefined || request.prefix === "") return `<${this.#selfKey}>`;
    const nodes = request.prefix.split(",");
    if (nodes.filter((node) => node === this.#selfKey).length >= 2) return undefined;
    return `<${request.prefix},${this.#selfKey}>`;
  }
}

function encode(request: Request, applied: Applied, prefix: string, key: string, expire: number): Uint8Array {
  switch (applied.result) {
    case MutationResult.deleted:
      return encodeReplicatedDelete(prefix, key, expire, applied.entry.version, encodeOptions(request));
    case MutationResult.touched:
      return encodeTouch(prefix, key, applied.entry.expire, request.noreply);
    default:
      return encodeSet(applied, prefix, key, encodeOptions(request));
  }
}

function encodeSet({ entry }: Applied, prefix: string, key: string, options: string): Uint8Array {
  const value = entry.bytes.subarray(entry.valueStart, entry.valueEnd);
  return encodeReplicatedSet(prefix, key, entry.flags, entry.expire, entry.version, value, options);
}
