/**
 * Where the index server keeps the node map: an interface with one way to read and one to replace, so that the map
 * can lie in a file, in memory or in a service several index servers share. Replacing is a compare-and-set: whoever
 * did not see the latest map cannot overwrite it. Knows nothing of how maps change.
 */

import type { NodeMap } from "../cluster/node_map.ts";

/** A map as it was found, with the token that stands for exactly this state. */
export interface RestoredMap {
  readonly map: NodeMap;
  /** Opaque; only to be handed back to `store`. */
  readonly token: string;
  /** Present if a map was stored once and is not there any more: what is missing, and what to do. `map` is empty then. */
  readonly lost?: string;
}

export interface Coordinator {
  /** The latest map; an empty one if nothing was ever stored. @throws FlareError CORRUPT | IO_ERROR */
  restore(): Promise<RestoredMap>;
  /**
   * Replaces the map if the state is still the one `expectedToken` stands for, durably before it resolves. Resolves to the
   * token of the new state, or to undefined if somebody else was faster and nothing was stored.
   * @throws FlareError DISK_FULL | IO_ERROR
   */
  store(map: NodeMap, expectedToken: string): Promise<string | undefined>;
  /** Calls `listener` after somebody, also this program, stored another map. */
  onChange(listener: () => void): void;
  /** Ends all of it; `onChange` listeners are not called any more. */
  close(): Promise<void>;
}
