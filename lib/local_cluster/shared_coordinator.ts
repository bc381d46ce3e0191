/**
 * One coordinator for several index servers of a process, though only one can open it: each gets a coordinator of its own, and
 * one of them at a time leads.
 */

import type { MapRecord } from "../cluster/map_record.ts";
import type { StoredMap } from "../cluster/stored_map.ts";
import type { Coordinator, Election } from "../index_server/coordinator.ts";
import { SharedLease } from "../index_server/shared_lease.ts";
import type { Clock } from "../runtime/runtime.ts";

export class SharedCoordinator {
  readonly #coordinator: Coordinator;
  readonly #lease: SharedLease;
  readonly #listeners = new Set<() => void>();
  #openings = 0;
  #opening: Promise<void> | undefined;

  constructor(clock: Pick<Clock, "monotonicMs">, coordinator: Coordinator) {
    this.#coordinator = coordinator;
    this.#lease = new SharedLease(clock);
  }

  /** A coordinator for one more index server. */
  share(): Coordinator {
    const holder = {};
    const endings: (() => void)[] = [];
    let isOpen = false;
    const election: Election = {
      campaign: async (candidate, leaseMs, isRestart) => this.#lease.campaign(holder, candidate, leaseMs, isRestart),
      resign: async () => this.#lease.resign(holder),
    };
    return {
      place: this.#coordinator.place,
      election,
      open: async () => {
        await this.#open();
        isOpen = true;
      },
      restore: () => this.#coordinator.restore(),
      store: (stored, expectedToken, record) => this.#store(stored, expectedToken, record),
      history: () => this.#coordinator.history(),
      onChange: (listener) => {
        this.#listeners.add(listener);
        endings.push(() => this.#listeners.delete(listener));
      },
      close: async () => {
        for (const end of endings.splice(0)) end();
        if (isOpen) await this.#close();
        isOpen = false;
      },
    };
  }

  async #open(): Promise<void> {
    this.#opening ??= this.#coordinator.open();
    await this.#opening;
    this.#openings++;
  }

  async #store(stored: StoredMap, expectedToken: string, record?: MapRecord): Promise<string | undefined> {
    const token = await this.#coordinator.store(stored, expectedToken, record);
    for (const listener of this.#listeners) listener();
    return token;
  }

  /** The last one closes it. */
  async #close(): Promise<void> {
    this.#openings--;
    if (this.#openings > 0) return;
    this.#opening = undefined;
    await this.#coordinator.close();
  }
}
