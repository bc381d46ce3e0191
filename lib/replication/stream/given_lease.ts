/**
 * The replica's end of the leases with its master: until when it may answer reads, by how many partitions, and until when the
 * master may rely on it. Both count from beacons; an older one that arrives late changes nothing.
 */

import type { BeaconRequest } from "../../protocol/stream_request.ts";
import { leaseEnds } from "./lease_times.ts";

/** Fewer are on their way: others prove nothing. */
const RECEIVED_MAX = 64;

export class GivenLease {
  /** Until when this replica may answer reads, on the monotonic clock. */
  readsUntilMs = Number.NEGATIVE_INFINITY;
  /** From when on that counts. */
  readsFromMs = Number.NEGATIVE_INFINITY;
  /** How many partitions are active by the master's node map: by one with fewer it must not. */
  partitions = 0;
  /** Until when its master may answer for the partition. */
  masterUntilMs = Number.NEGATIVE_INFINITY;
  /** Until when the master's other slaves may answer reads. */
  othersUntilMs = Number.NEGATIVE_INFINITY;
  /** When beacons were received, by number. */
  readonly #received = new Map<number, number>();
  #newest = 0;

  /** A new stream begins, with beacons of its own. */
  begin(): void {
    this.readsUntilMs = Number.NEGATIVE_INFINITY;
    this.#received.clear();
    this.#newest = 0;
  }

  /** A beacon has come. */
  take({ number, proved, masterMs, slaveMs, partitions }: BeaconRequest, nowMs: number): void {
    if (number <= this.#newest) return;
    this.#newest = number;
    this.partitions = partitions;
    // The master has our answer to this one, so it knows that we were there then.
    const provedMs = this.#received.get(proved);
    for (const old of this.#received.keys()) if (old < proved) this.#received.delete(old);
    if (this.#received.size < RECEIVED_MAX) this.#received.set(number, nowMs);
    if (slaveMs === 0) this.readsUntilMs = Number.NEGATIVE_INFINITY;
    else if (provedMs !== undefined) {
      this.readsUntilMs = Math.max(this.readsUntilMs, provedMs + slaveMs);
      this.readsFromMs = Math.max(this.readsFromMs, provedMs);
    }
    if (masterMs === 0) {
      // The last word of a master that is none any more; its slaves' leases last.
      this.masterUntilMs = Number.NEGATIVE_INFINITY;
      return;
    }
    this.masterUntilMs = Math.max(this.masterUntilMs, nowMs + leaseEnds(masterMs));
    // It gives the other slaves no longer leases than its own, and none after that.
    this.othersUntilMs = Math.max(this.othersUntilMs, this.masterUntilMs + leaseEnds(masterMs));
  }
}
