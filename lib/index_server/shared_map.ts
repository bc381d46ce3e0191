/**
 * A model of a service that several index servers share: the node map, replaced by compare-and-set, and the lease of the one
 * that leads. It is in memory and answers at once; `memory_coordinator.ts` is a client of it, and the simulator has one with
 * faults.
 */

import type { NodeMap } from "../cluster/node_map.ts";
import { EMPTY_NODE_MAP } from "../cluster/node_map.ts";
import type { StoredMap } from "../cluster/stored_map.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Leader, RestoredMap, Standing } from "./coordinator.ts";

interface Lease {
  /** The client that has it. */
  readonly holder: object;
  readonly leader: Leader;
  endMs: number;
}

export class SharedMap {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #listeners = new Set<() => void>();
  #stored: StoredMap;
  #stores = 0;
  #lease: Lease | undefined;

  /** @param clock of the service: its leases end by it */
  constructor(clock: Pick<Clock, "monotonicMs">, map: NodeMap = EMPTY_NODE_MAP) {
    this.#clock = clock;
    this.#stored = { map, term: 0 };
  }

  restore(): RestoredMap {
    return { ...this.#stored, token: String(this.#stores) };
  }

  /** The token of the new state; undefined if `expectedToken` is not that of the current one. */
  store(stored: StoredMap, expectedToken: string): string | undefined {
    if (expectedToken !== String(this.#stores)) return undefined;
    this.#stored = stored;
    this.#stores++;
    const token = String(this.#stores);
    for (const listener of this.#listeners) listener();
    return token;
  }

  /** As `Election.campaign`. @param holder the client, always the same object */
  campaign(holder: object, candidate: Leader, leaseMs: number, isRestart: boolean): Standing {
    const lease = this.#currentLease();
    if (lease !== undefined && lease.holder !== holder && !(isRestart && isSameServer(lease.leader, candidate))) {
      return { leader: lease.leader, isOwn: false, leaseMs };
    }
    const leader = lease?.holder === holder ? lease.leader : candidate;
    this.#lease = { holder, leader, endMs: this.#clock.monotonicMs() + leaseMs };
    return { leader, isOwn: true, leaseMs };
  }

  /** As `Election.resign`. */
  resign(holder: object): void {
    if (this.#lease?.holder === holder) this.endLease();
  }

  /** Ends the lease before its time, whoever has it. */
  endLease(): void {
    this.#lease = undefined;
  }

  /** Calls `listener` after every store; the result ends that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #currentLease(): Lease | undefined {
    if (this.#lease !== undefined && this.#lease.endMs <= this.#clock.monotonicMs()) this.#lease = undefined;
    return this.#lease;
  }
}

/** Whether two leaders are processes of one server. */
export function isSameServer(one: Leader, other: Leader): boolean {
  return one.address.host === other.address.host && one.address.port === other.address.port;
}
