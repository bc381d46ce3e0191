/**
 * Everything a node counts, wherever it is counted, and what of it came since `stats reset`. What counts never goes back:
 * a reset only remembers where it was, so requests pay nothing for it.
 */

import type { Server } from "../../net/server.ts";
import type { NodeContext } from "../node_context.ts";

/** The counters, by names of our own. */
export type Counts = ReturnType<typeof countsOf>;

export class Counters {
  readonly #context: NodeContext;
  readonly #server: () => Server;
  #before: Counts | undefined;

  constructor(context: NodeContext, server: () => Server) {
    this.#context = context;
    this.#server = server;
  }

  /** What was counted since the last reset. */
  since(): Counts {
    const counts = countsOf(this.#context, this.#server());
    if (this.#before !== undefined)
      for (const name of Object.keys(counts) as (keyof Counts)[]) counts[name] -= this.#before[name];
    return counts;
  }

  /** From now on everything counts from 0. */
  reset(): void {
    this.#before = countsOf(this.#context, this.#server());
  }
}

function countsOf({ stats, storage, watchers }: NodeContext, server: Server) {
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
