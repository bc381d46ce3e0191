/**
 * A coordinator that keeps the map in memory: for tests, examples and clusters in one process. Several index servers can share
 * one. It ends with the process.
 */

import type { NodeMap } from "../cluster/node_map.ts";
import { EMPTY_NODE_MAP } from "../cluster/node_map.ts";
import type { Coordinator, RestoredMap } from "./coordinator.ts";

export class MemoryCoordinator implements Coordinator {
  #map: NodeMap;
  #stores = 0;
  #listeners: (() => void)[] = [];

  constructor(map: NodeMap = EMPTY_NODE_MAP) {
    this.#map = map;
  }

  restore(): Promise<RestoredMap> {
    return Promise.resolve({ map: this.#map, token: String(this.#stores) });
  }

  store(map: NodeMap, expectedToken: string): Promise<string | undefined> {
    if (expectedToken !== String(this.#stores)) return Promise.resolve(undefined);
    this.#map = map;
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
