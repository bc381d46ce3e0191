/**
 * All counters of a node, wherever they are counted, and their values since `stats reset`. Counters never decrease: a reset
 * only records their current values, so it costs requests nothing.
 */

import type { Server } from "../../net/server.ts";
import type { NodeComponents } from "../node_components.ts";

/** The counters, by our own names. */
export type Counts = ReturnType<typeof countsOf>;

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "stats" | "storage" | "watchers">;

export class Counters {
  readonly #parts: Parts;
  readonly #server: () => Server;
  #before: Counts | undefined;

  constructor(parts: Parts, server: () => Server) {
    this.#parts = parts;
    this.#server = server;
  }

  /** The counts since the last reset. */
  since(): Counts {
    const counts = countsOf(this.#parts, this.#server());
    if (this.#before !== undefined)
      for (const name of Object.keys(counts) as (keyof Counts)[]) counts[name] -= this.#before[name];
    return counts;
  }

  /** Restarts all counts at 0. */
  reset(): void {
    this.#before = countsOf(this.#parts, this.#server());
  }
}

function countsOf({ stats, storage, watchers }: Parts, server: Server) {
  const { traffic } = server;
  const stored = storage.stats();
  return {
    ...stats,
    storeTooLarge: stats.tooLarge + traffic.tooLarge,
    storeNoMemory: stored.roomFailures + traffic.noMemory,
    bytesRead: traffic.bytesRead,
    bytesWritten: traffic.bytesWritten,
    totalConnections: server.totalConnections,
    rejectedConnections: server.rejectedConnections,
    getExpired: stored.expiredReads,
    evictions: stored.evictions,
    evictedUnfetched: stored.evictedUnfetched,
    evictedActive: stored.evictedActive,
    evictedNonzero: stored.evictedNonzero,
    spared: stored.spared,
    roomsMade: stored.roomsMade,
    sweeps: stored.sweeps,
    sweptKeys: stored.sweptKeys,
    sweptItems: stored.sweptItems,
    sweptUnfetched: stored.sweptUnfetched,
    linesTold: watchers.told,
    linesSent: watchers.sent,
    linesSkipped: watchers.skipped,
  };
}
