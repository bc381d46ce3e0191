/**
 * A coordinator that keeps the map in memory: for tests, examples and clusters in one process. Several index servers can share
 * one. It ends with the process.
 */

import type { NodeMap } from "../cluster/node_map.ts";
import { EMPTY_NODE_MAP } from "../cluster/node_map.ts";
import type { StoredMap } from "../cluster/stored_map.ts";
import type { Coordinator, RestoredMap } from "./coordinator.ts";

export class MemoryCoordinator implements Coordinator {
  #stored: StoredMap;
  #stores = 0;
  #listeners: (() => void)[] = [];

  constructor(map: NodeMap = EMPTY_NODE_MAP) {
    this.#stored = { map, term: 0 };
  }

  async open(): Promise<void> {}

  restore(): Promise<RestoredMap> {
    return Promise.resolve({ ...this.#stored, token: String(this.#stores) });
  }

  store(stored: StoredMap, expectedToken: string): Promise<string | undefined> {
    if (expectedToken !== String(this.#stores)) return Promise.resolve(undefined);
    this.#stored = stored;
    this.#stores++;
    const token = String(this.#stores);
    for (const listener of this.#listeners) listener();
    return Promise.resolve(token);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    this.#listeners = [];
    return Promise.resolve();
  }
}
