/**
 * Whether a node may show what it has: an answer must not depend on a change that could still vanish, because its append or
 * its sync may fail, or because a slave that is promoted may not have it; and not on what another node may have changed. A
 * master waits until its changes are committed and, with synchronous replication, at all replicas, and for its lease; a slave
 * knows how far they are from its master, and leaves younger keys to it. Knows sequences, no answers.
 */

import type { FlareError } from "../base/errors.ts";
import type { KeySlice } from "../item/entry.ts";
import type { Storage } from "../storage/storage.ts";
import type { InSyncReplicas } from "./in_sync_replicas.ts";
import type { Lease } from "./lease.ts";
import type { Replicator } from "./replicator.ts";
import type { Follower } from "./stream/follower.ts";

/** What it needs of the storage. */
type Changes = Pick<Storage, "committedSequence" | "lastSequence" | "onCommit" | "sequenceOf">;

/** When a write is answered: before its replicas have it, or after. */
export type ReplicationType = "async" | "sync";

/**
 * What `replication-type` means: `auto` is synchronous where a slave that fails can be taken out of the in-sync set, and else
 * what the original does.
 */
export function replicationTypeOf(
  option: ReplicationType | "auto",
  { isKept }: Pick<InSyncReplicas, "isKept">,
): ReplicationType {
  if (option !== "auto") return option;
  return isKept ? "sync" : "async";
}

export class Visibility {
  /** Reloadable. */
  replicationType: ReplicationType;
  readonly #storage: Changes;
  readonly #replicator: Pick<Replicator, "onCommit" | "streams">;
  readonly #follower: Pick<Follower, "replicated">;
  readonly #lease: Pick<Lease, "confirmed" | "isHeld" | "master" | "mayWrite">;

  constructor(
    storage: Changes,
    replicator: Pick<Replicator, "onCommit" | "streams">,
    follower: Pick<Follower, "replicated">,
    lease: Pick<Lease, "confirmed" | "isHeld" | "master" | "mayWrite">,
    replicationType: ReplicationType,
  ) {
    this.#storage = storage;
    this.#replicator = replicator;
    this.#follower = follower;
    this.#lease = lease;
    this.replicationType = replicationType;
  }

  /** Whether this node may show at once what it has stored under a key. */
  isShown(key: KeySlice): boolean {
    if (!this.#lease.isHeld) return false;
    const { committedSequence } = this.#storage;
    if (!this.#isSync) return this.#hasOnly(committedSequence, key);
    return this.#hasOnly(Math.min(committedSequence, this.#replicator.streams.replicated, this.#follower.replicated), key);
  }

  /** Whether this node may show it after `settled`; else only its master can. */
  canShow(key: KeySlice): boolean {
    // A master waits for its lease.
    if (!this.#lease.isHeld && this.#lease.mayWrite) return false;
    return !this.#isSync || this.#hasOnly(this.#follower.replicated, key);
  }

  /** Whether it is a slave whose reads may come late: where its master cannot be reached it answers by itself. */
  get mayBeLate(): boolean {
    return !this.#isSync && this.#lease.mayWrite;
  }

  /** The master of our partition, to be known before something is read: another map may come while the engine is asked. */
  get master(): string | undefined {
    return this.#lease.master;
  }

  /**
   * Resolves when everything that is stored now may be shown, with the reason if it may not.
   * @param master when it was read; else what was read is not what the partition has
   */
  async settled(master = this.#lease.master): Promise<FlareError | undefined> {
    const fault = await new Promise<FlareError | undefined>((resolve) => {
      // A read does not wait where writers do because a slave is far behind.
      if (this.#isSync) this.#replicator.onCommit({ onCommitted: resolve }, true);
      else this.#storage.onCommit({ onCommitted: resolve });
    });
    const isLate = this.mayBeLate && this.#lease.master === master;
    return fault ?? (isLate ? undefined : this.#lease.confirmed(master));
  }

  /** Whether a key has no change after this one. */
  #hasOnly(sequence: number, key: KeySlice): boolean {
    return this.#storage.lastSequence <= sequence || this.#storage.sequenceOf(key) <= sequence;
  }

  get #isSync(): boolean {
    return this.replicationType === "sync";
  }
}
