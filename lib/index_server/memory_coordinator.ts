/**
 * A coordinator that keeps the map in memory: for tests, examples and clusters in one process. Several index servers share one
 * map with a coordinator each, and elect their leader. It ends with the process.
 */

import type { MapRecord } from "../cluster/map_record.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { EMPTY_NODE_MAP } from "../cluster/node_map.ts";
import type { StoredMap } from "../cluster/stored_map.ts";
import type { Coordinator, Election, RestoredMap } from "./coordinator.ts";
import { SharedMap } from "./shared_map.ts";

/** There are no leases without an election. */
const NO_CLOCK = { monotonicMs: () => 0 };

export class MemoryCoordinator implements Coordinator {
  readonly place = "memory://";
  readonly election: Election | undefined;
  readonly #shared: SharedMap;
  readonly #endings: (() => void)[] = [];

  /** @param content the first map, of this coordinator alone and without an election; or a map that others share */
  constructor(content: NodeMap | SharedMap = EMPTY_NODE_MAP) {
    const isShared = content instanceof SharedMap;
    const shared = isShared ? content : new SharedMap(NO_CLOCK, content);
    this.#shared = shared;
    if (!isShared) return;
    this.election = {
      campaign: async (candidate, leaseMs, isRestart) => shared.lease.campaign(this, candidate, leaseMs, isRestart),
      resign: async () => shared.lease.resign(this),
    };
  }

  async open(): Promise<void> {}

  restore(): Promise<RestoredMap> {
    return Promise.resolve(this.#shared.restore());
  }

  store(stored: StoredMap, expectedToken: string, record?: MapRecord): Promise<string | undefined> {
    return Promise.resolve(this.#shared.store(stored, expectedToken, record));
  }

  history(): Promise<readonly MapRecord[]> {
    return Promise.resolve(this.#shared.history);
  }

  onChange(listener: () => void): void {
    this.#endings.push(this.#shared.listen(listener));
  }

  close(): Promise<void> {
    for (const end of this.#endings.splice(0)) end();
    return Promise.resolve();
  }
}
