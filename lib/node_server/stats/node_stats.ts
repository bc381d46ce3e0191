/** Counters of a node server, as `stats` prints them. Plain numbers, counted where the events happen. */

import { MutationKind, MutationResult } from "../../item/mutation.ts";

export class NodeStats {
  /** Keys requested by get and gets, including forwarded ones. */
  cmdGet = 0;
  /** Writes with data, touch and gat, including forwarded and replicated ones. */
  cmdSet = 0;
  getHits = 0;
  getMisses = 0;
  /** Successful set-family commands executed here. */
  totalItems = 0;
  deleteHits = 0;
  deleteMisses = 0;
  incrHits = 0;
  incrMisses = 0;
  decrHits = 0;
  decrMisses = 0;
  casHits = 0;
  casMisses = 0;
  casBadval = 0;
  touchHits = 0;
  touchMisses = 0;
  cmdFlush = 0;
  cmdMeta = 0;
  /** Values refused because of their resulting length. */
  tooLarge = 0;

  /** Counts a write executed here. */
  countApplied(kind: MutationKind, result: MutationResult): void {
    switch (kind) {
      case MutationKind.delete:
        if (result === MutationResult.deleted) this.deleteHits++;
        else this.deleteMisses++;
        return;
      case MutationKind.incr:
        if (result === MutationResult.notFound) this.incrMisses++;
        else if (result === MutationResult.number) this.incrHits++;
        return;
      case MutationKind.decr:
        if (result === MutationResult.notFound) this.decrMisses++;
        else if (result === MutationResult.number) this.decrHits++;
        return;
      case MutationKind.touch:
        if (result === MutationResult.touched) this.touchHits++;
        else this.touchMisses++;
        return;
      case MutationKind.cas:
        if (result === MutationResult.stored) this.casHits++;
        else if (result === MutationResult.exists) this.casBadval++;
        else this.casMisses++;
    }
    if (result === MutationResult.stored) this.totalItems++;
  }
}
