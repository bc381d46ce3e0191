/**
 * The store of the node map and of its leader's term: an interface with one method to read and one to replace, so that the map
 * can be in a file, in memory or in a service that several index servers share. Replacing is a compare-and-set: a writer that
 * has not seen the latest map cannot overwrite it. Does not know how maps change.
 *
 * Index servers that share a map elect a leader where the coordinator can: one at a time has a lease. Safety does not depend on
 * it: a former leader that takes itself for the leader finds a higher term, or loses the compare-and-set.
 */

import type { HostPort } from "../base/host_port.ts";
import type { MapRecord } from "../cluster/map_record.ts";
import type { StoredMap } from "../cluster/stored_map.ts";

/** What is stored, with the token of exactly this state. */
export interface RestoredMap extends StoredMap {
  /** Opaque; to be passed to `store`. */
  readonly token: string;
  /** Set if a map was stored once and is gone or damaged: what is wrong, and what to do. `map` is empty then. */
  readonly lost?: string;
}

/** The index server that leads. */
export interface Leader {
  /** Where the others and clients reach it. */
  readonly address: HostPort;
  /** Since when it leads, by its wall clock in milliseconds. */
  readonly sinceMs: number;
}

/** How an election stands. */
export interface Standing {
  /** Who leads; undefined if nobody is known to. */
  readonly leader: Leader | undefined;
  /** It leads through this coordinator. */
  readonly isOwn: boolean;
  /** The lead ends that long after its last renewal unless it is renewed: what the coordinator grants. */
  readonly leaseMs: number;
}

/** The election of one index server at a time. */
export interface Election {
  /**
   * Takes the lead for `candidate` if nobody has it; renews it if this coordinator has it, as the candidate that it was taken
   * for; else only says who has it. A lead that is taken or renewed lasts for at least `leaseMs` from the call on. After an
   * error the outcome is unknown: the next call tells.
   * @param leaseMs the wanted length; the coordinator may grant another one
   * @param isRestart the candidate has just started: a lead of the same address is its former process's, and is taken over
   * @throws FlareError IO_ERROR | CONNECTION_FAILED | IN_DOUBT | REFUSED | CORRUPT
   */
  campaign(candidate: Leader, leaseMs: number, isRestart: boolean): Promise<Standing>;
  /** Gives up the lead, if this coordinator has it, so that another one need not wait. @throws FlareError as `campaign` */
  resign(): Promise<void>;
}

export interface Coordinator {
  /** Where the map is, in the form of `index-db`. */
  readonly place: string;
  /** Absent: the index server that started last leads, until it ends. */
  readonly election?: Election | undefined;
  /**
   * Prepares for use by an index server, before anything else; others may read without it.
   * @throws FlareError DATA_DIR_LOCKED if another index server uses it and there can be only one | IO_ERROR
   */
  open(): Promise<void>;
  /** What is stored about partitioning, by the names of options, which it overrides. Absent: nothing. @throws as `restore` */
  partitioning?(): Promise<ReadonlyMap<string, string>>;
  /** The latest map; an empty one if nothing was ever stored. @throws FlareError IO_ERROR */
  restore(): Promise<RestoredMap>;
  /**
   * Replaces the map, durably, if the state is still that of `expectedToken`. Of several stores with one token at most one
   * succeeds. Resolves to the token of the new state, or to undefined if somebody else was faster and nothing was stored. After
   * an error the outcome is unknown: only `restore` can tell, and another `store` would be a second attempt.
   * @param record goes into the history with the map, or not at all; absent: the history does not have this store
   * @throws FlareError DISK_FULL | IO_ERROR
   */
  store(stored: StoredMap, expectedToken: string, record?: MapRecord): Promise<string | undefined>;
  /** The records of the last stores, `HISTORY_MAX` at most, the oldest first. @throws as `restore` */
  history(): Promise<readonly MapRecord[]>;
  /** Calls `listener` after anybody, including this program, stored another map. */
  onChange(listener: () => void): void;
  /** Closes it; `onChange` listeners are no longer called. */
  close(): Promise<void>;
}
