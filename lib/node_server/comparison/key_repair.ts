/**
 * Repairs a key at the replicas of this master: the master writes what it has once more, value or deletion, and the write takes
 * the way of all writes, so it is in order with those of clients and nothing can overtake it. The version stays, unless a
 * replica has one that is not lower: then the key gets the next one, so that no client takes one state for the other.
 */

import { FlareError } from "../../base/errors.ts";
import { increment } from "../../base/uint64.ts";
import { LOCAL } from "../../cluster/routing.ts";
import { type Applied, type Mutation, MutationKind, MutationResult } from "../../item/mutation.ts";
import type { ItemState } from "../../protocol/comparison.ts";
import type { RewriteRequest } from "../../protocol/rejoin.ts";
import { Request } from "../../protocol/request.ts";
import { type NodeComponents, nowSeconds } from "../node_components.ts";
import type { OwnItems } from "./own_items.ts";

/** How often a key is written that clients change at the same time. */
const ATTEMPTS_MAX = 10;

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "handover" | "keyHash" | "partitionFlush" | "replicator" | "routing" | "runtime" | "storage">;

export class KeyRepair {
  readonly #parts: Parts;
  readonly #own: OwnItems;

  constructor(parts: Parts, own: OwnItems) {
    this.#parts = parts;
    this.#own = own;
  }

  /**
   * Writes a key once more if it still has the state `master`; the replica had `replica`. Returns whether it was written.
   * @throws FlareError IO_ERROR and what a commit throws
   */
  async rewrite(key: Uint8Array, master: ItemState | undefined, replica: ItemState | undefined): Promise<boolean> {
    const { handover, partitionFlush, routing, storage } = this.#parts;
    const count = routing.partitionMap.active.length;
    const [now] = await this.#own.keys({ partition: routing.self?.partition ?? -1, count }, [key]);
    if (now?.digest !== master?.digest) return false;
    const hash = routing.partitionCount > 1 ? this.#parts.keyHash(key, 0, key.length) : 0;
    // Another node will have the key soon, or everything is about to go.
    if (handover.holding || partitionFlush.holding || routing.settling) return false;
    if (routing.routeWrite(hash, false) !== LOCAL) return false;
    const request = new Request();
    Object.assign(request.mutation, mutationOf(key, master, replica));
    const applied = storage.apply(request.mutation, nowSeconds(this.#parts));
    await handover.track(this.#finish(request, hash, applied));
    return true;
  }

  /**
   * Writes keys of our partition once more that a replica has in another state than we have; their versions stay.
   * @throws FlareError REFUSED, retriable, if one of them cannot be written now | IO_ERROR and what a commit throws
   */
  async rewriteAll({ partition, count, keys }: RewriteRequest): Promise<void> {
    const part = { partition, count };
    for (const { key, digest } of keys) {
      // It has moved to another partition, and here and there it is removed sooner or later.
      if (!this.#own.belongs(key, part)) continue;
      for (let attempt = 1; ; attempt++) {
        const [master] = await this.#own.keys(part, [key]);
        if (master?.digest === digest || (await this.rewrite(key, master, undefined))) break;
        if (attempt >= ATTEMPTS_MAX) throw new FlareError("REFUSED", "keys cannot be written now", { retriable: true });
      }
    }
  }

  async #finish(request: Request, hash: number, pending: Applied | Promise<Applied>): Promise<void> {
    const { partitionFlush, replicator, storage } = this.#parts;
    const applied = pending instanceof Promise ? await partitionFlush.track(pending) : pending;
    if (applied.result === MutationResult.failed) throw new FlareError("IO_ERROR", applied.error);
    if (replicator.concerns(hash, false)) void replicator.replicate(request, applied, hash, 0, false);
    const fault = await new Promise<FlareError | undefined>((resolve) => storage.onCommit({ onCommitted: resolve }));
    if (fault !== undefined) throw fault;
  }
}

function mutationOf(key: Uint8Array, master: ItemState | undefined, replica: ItemState | undefined): Mutation {
  const replicaVersion = replica?.version ?? 0;
  const isTaken = master !== undefined && replicaVersion >= master.version;
  return {
    kind: MutationKind.rewrite,
    key: { bytes: key, start: 0, end: key.length },
    flags: 0,
    expire: 0,
    version: isTaken ? increment(replicaVersion) : replicaVersion,
    value: key,
    valueStart: 0,
    valueEnd: 0,
    delta: 0,
  };
}
