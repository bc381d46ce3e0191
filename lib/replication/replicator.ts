/**
 * Sends what was written here to the replicas: the complete resulting value with its version, never the command that
 * produced it, so that a replica that gets it twice or late ends up equal. Per key in order, because a key keeps its
 * lane. Flare's wire: `<nodes,self>set …`, `<nodes,self>delete …`, `<nodes,self>touch …`.
 */

import { latin1 } from "../base/bytes.ts";
import type { ClusterNode } from "../cluster/node.ts";
import type { Routing } from "../cluster/routing.ts";
import type { PeerPool } from "../net/peer_pool.ts";
import type { Request } from "../protocol/request.ts";
import {
  encodeOptions,
  encodeReplicatedDelete,
  encodeReplicatedSet,
  encodeTouch,
  type ReplyShape,
  ReplyShape as Shape,
} from "../protocol/text_client.ts";
import type { Log } from "../runtime/runtime.ts";
import { type Applied, MutationResult } from "../storage/mutation.ts";

export class Replicator {
  readonly #routing: Routing;
  readonly #peers: PeerPool;
  readonly #log: Log;
  readonly #selfKey: string;
  /** Copies that could not be delivered, since the start. */
  failures = 0;

  constructor(routing: Routing, peers: PeerPool, log: Log, selfKey: string) {
    this.#routing = routing;
    this.#peers = peers;
    this.#log = log;
    this.#selfKey = selfKey;
  }

  /** True when a successful write of this key goes to any other node. */
  concerns(hash: number, fromNode: boolean): boolean {
    return this.#routing.replicasOf(hash, fromNode).length > 0 || this.#routing.preparingMasterOf(hash) !== undefined;
  }

  /**
   * Queues the outcome of a write to every replica, then to the master of a partition that is being created. Resolves
   * when each replica has answered or failed; the preparing master is never waited for.
   * @param expire as in the request (for delete: until when the key is blocked)
   */
  replicate(request: Request, applied: Applied, hash: number, expire: number): Promise<void> {
    const fromNode = request.prefix !== undefined;
    const prefix = this.#prefixOf(request);
    if (prefix === undefined) return Promise.resolve();
    const replicas = this.#routing.replicasOf(hash, fromNode);
    const preparing = this.#routing.preparingMasterOf(hash);
    const { bytes, start, end } = request.mutation.key;
    const line = encode(request, applied, prefix, latin1(bytes, start, end), expire);
    const shape = request.noreply ? undefined : Shape.line;
    const sent = replicas.map((node) => this.#send(node, line, shape, request));
    if (preparing !== undefined) void this.#send(preparing, line, shape, request);
    return Promise.all(sent).then(() => undefined);
  }

  #send(node: ClusterNode, line: Uint8Array, shape: ReplyShape | undefined, request: Request): Promise<void> {
    const { bytes, start, end } = request.mutation.key;
    return this.#peers
      .lane(node, bytes, start, end)
      .request(line, shape)
      .then(
        () => undefined,
        (error: Error) => {
          this.failures++;
          this.#log.write("warning", `replication to "${node.key}" failed: ${error.message}`);
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
  const { entry } = applied;
  switch (applied.result) {
    case MutationResult.deleted:
      return encodeReplicatedDelete(prefix, key, expire, entry.version, encodeOptions(request));
    case MutationResult.touched:
      return encodeTouch(prefix, key, entry.expire, request.noreply);
    default: {
      const value = entry.bytes.subarray(entry.valueStart, entry.valueEnd);
      return encodeReplicatedSet(prefix, key, entry.flags, entry.expire, entry.version, value, encodeOptions(request));
    }
  }
}
