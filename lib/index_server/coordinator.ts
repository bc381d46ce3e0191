/**
 * The store of the node map and of its leader's term: an interface with one method to read and one to replace, so that the map
 * can be in a file, in memory or in a service that several index servers share. Replacing is a compare-and-set: a writer that
 * has not seen the latest map cannot overwrite it. Does not know how maps change.
 */

import type { StoredMap } from "../cluster/stored_map.ts";

/** What is stored, with the token of exactly this state. */
export interface RestoredMap extends StoredMap {
  /** Opaque; to be passed to `store`. */
  readonly token: string;
  /** Set if a map was stored once and is gone or damaged: what is wrong, and what to do. `map` is empty then. */
  readonly lost?: string;
}

export interface Coordinator {
  /**
   * Prepares for use by an index server, before anything else; others may read without it.
   * @throws FlareError DATA_DIR_LOCKED if another index server uses it and there can be only one | IO_ERROR
   */
  open(): Promise<void>;
  /** The latest map; an empty one if nothing was ever stored. @throws FlareError IO_ERROR */
  restore(): Promise<RestoredMap>;
  /**
   * Replaces the map, durably, if the state is still that of `expectedToken`. Of several stores with one token at most one
   * succeeds. Resolves to the token of the new state, or to undefined if somebody else was faster and nothing was stored. After
   * an error the outcome is unknown: only `restore` can tell, and another `store` would be a second attempt.
   * @throws FlareError DISK_FULL | IO_ERROR
   */
  store(stored: StoredMap, expectedToken: string): Promise<string | undefined>;
  /** Calls `listener` after anybody, including this program, stored another map. */
  onChange(listener: () => void): void;
  /** Closes it; `onChange` listeners are no longer called. */
  close(): Promise<void>;
}
