/**
 * A model of a service that several index servers share: the node map, replaced by compare-and-set, and the lease of the one
 * that leads. It is in memory and answers at once; `memory_coordinator.ts` is a client of it, and the simulator has one with
 * faults.
 */

import { HISTORY_MAX, type MapRecord } from "../cluster/map_record.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { EMPTY_NODE_MAP } from "../cluster/node_map.ts";
import type { StoredMap } from "../cluster/stored_map.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { RestoredMap } from "./coordinator.ts";
import { SharedLease } from "./shared_lease.ts";

export class SharedMap {
  /** Of the index server that leads. */
  readonly lease: SharedLease;
  readonly #listeners = new Set<() => void>();
  #history: readonly MapRecord[] = [];
  #stored: StoredMap;
  #stores = 0;

  /** @param clock of the service: its leases end by it */
  constructor(clock: Pick<Clock, "monotonicMs">, map: NodeMap = EMPTY_NODE_MAP) {
    this.lease = new SharedLease(clock);
    this.#stored = { map, term: 0 };
  }

  restore(): RestoredMap {
    return { ...this.#stored, token: String(this.#stores) };
  }

  /** The token of the new state; undefined if `expectedToken` is not that of the current one. */
  store(stored: StoredMap, expectedToken: string, record?: MapRecord): string | undefined {
    if (expectedToken !== String(this.#stores)) return undefined;
    this.#stored = stored;
    if (record !== undefined) this.#history = [...this.#history, record].slice(-HISTORY_MAX);
    this.#stores++;
    const token = String(this.#stores);
    for (const listener of this.#listeners) listener();
    return token;
  }

  /** The records of the last stores, the oldest first. */
  get history(): readonly MapRecord[] {
    return this.#history;
  }

  /** Calls `listener` after every store; the result ends that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
