/**
 * The master's end of the leases with one replica: numbered beacons on the replication stream, their answers, and until when
 * each side may rely on the other. They also say by how many partitions keys are distributed, so that the master knows until
 * when the replica may answer for keys that have moved away. Sends nothing itself, knows no connection.
 */

import type { BeaconRequest } from "../../protocol/stream_request.ts";
import { type LeaseTimes, leaseEnds } from "./lease_times.ts";

/** What a beacon says of the leases. */
export type LeaseWords = Pick<BeaconRequest, "number" | "proved" | "masterMs" | "slaveMs" | "partitions">;

interface SentBeacon {
  readonly words: LeaseWords;
  /** Until when each side may rely on the other if it arrives. */
  readonly masterUntilMs: number;
  readonly slaveUntilMs: number;
}

export class Beacons {
  /** Until when the replica takes us for its master, whatever else happens; on the monotonic clock. */
  masterUntilMs = Number.NEGATIVE_INFINITY;
  /** Until when the replica may answer reads. */
  slaveUntilMs = Number.NEGATIVE_INFINITY;
  /** Those without an answer, by number. */
  readonly #unanswered = new Map<number, SentBeacon>();
  #number = 0;
  /** The newest one that was answered, and when. */
  #proved = 0;
  #provedMs = 0;
  /** How many partitions beacons speak of, since which one, and until when the replica may read by what was said before. */
  #partitions = 0;
  #partitionsSince = 0;
  #formerUntilMs = Number.NEGATIVE_INFINITY;

  /** The replica follows, on a new connection: it has forgotten what it was sent before if the stream is a new one. */
  begin(isNew: boolean): void {
    this.#unanswered.clear();
    if (!isNew) return;
    this.slaveUntilMs = Number.NEGATIVE_INFINITY;
    this.#formerUntilMs = Number.NEGATIVE_INFINITY;
    this.#proved = 0;
  }

  /**
   * Until when the replica may answer reads without knowing that this many partitions are active. Their number says all: whose
   * a key is depends on nothing else, and who has the partition is known by the stream. By the version of the map a replica
   * would lose its lease at every other change, too.
   */
  unawareUntilMs(partitions: number): number {
    return partitions === this.#partitions ? this.#formerUntilMs : this.slaveUntilMs;
  }

  /** The next beacon. `reads`: the replica may answer reads, if it knows that this many partitions are active. */
  next(
    nowMs: number,
    { masterMs, slaveMs }: Pick<LeaseTimes, "masterMs" | "slaveMs">,
    reads: boolean,
    partitions: number,
  ): LeaseWords {
    const words = { number: ++this.#number, proved: this.#proved, masterMs, slaveMs: reads ? slaveMs : 0, partitions };
    if (partitions !== this.#partitions) {
      this.#formerUntilMs = this.slaveUntilMs;
      this.#partitions = partitions;
      this.#partitionsSince = words.number;
    }
    // It counts from the receipt of a beacon that it has answered, which was before we had the answer.
    const grants = reads && this.#proved > 0;
    const slaveUntilMs = grants ? this.#provedMs + leaseEnds(slaveMs) : Number.NEGATIVE_INFINITY;
    this.#unanswered.set(words.number, { words, slaveUntilMs, masterUntilMs: nowMs + masterMs });
    this.slaveUntilMs = Math.max(this.slaveUntilMs, slaveUntilMs);
    return words;
  }

  /** The last one of a master that is none any more: its leases end when they would have, so it proves nothing. */
  last({ slaveMs }: Pick<LeaseTimes, "slaveMs">, partitions: number): LeaseWords {
    return { number: ++this.#number, proved: 0, masterMs: 0, slaveMs, partitions };
  }

  /** The replica has answered a beacon. */
  answered(number: number, nowMs: number): void {
    const beacon = this.#unanswered.get(number);
    if (beacon === undefined) return;
    this.#unanswered.delete(number);
    this.#proved = number;
    this.#provedMs = nowMs;
    if (number >= this.#partitionsSince) this.#formerUntilMs = Number.NEGATIVE_INFINITY;
    this.masterUntilMs = Math.max(this.masterUntilMs, beacon.masterUntilMs);
    if (beacon.words.slaveMs > 0) return;
    // It has given up its lease, unless one that was sent later renews it; it takes no earlier beacon any more.
    this.slaveUntilMs = Number.NEGATIVE_INFINITY;
    for (const { words, slaveUntilMs } of this.#unanswered.values()) {
      if (words.number > number) this.slaveUntilMs = Math.max(this.slaveUntilMs, slaveUntilMs);
    }
  }
}
