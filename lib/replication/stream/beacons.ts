/**
 * The master's end of the leases with one replica: numbered beacons on the replication stream, their answers, and until when
 * each side may rely on the other. Sends nothing itself, knows no connection.
 */

import type { BeaconRequest } from "../../protocol/stream_request.ts";
import { type LeaseTimes, leaseEnds } from "./lease_times.ts";

/** What a beacon says of the leases. */
export type LeaseWords = Pick<BeaconRequest, "number" | "proved" | "masterMs" | "slaveMs">;

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

  /** The replica follows, on a new connection: it has forgotten what it was sent before if the stream is a new one. */
  begin(isNew: boolean): void {
    this.#unanswered.clear();
    if (!isNew) return;
    this.slaveUntilMs = Number.NEGATIVE_INFINITY;
    this.#proved = 0;
  }

  /** The next beacon. `reads`: the replica may answer reads. */
  next(nowMs: number, { masterMs, slaveMs }: Pick<LeaseTimes, "masterMs" | "slaveMs">, reads: boolean): LeaseWords {
    const words = { number: ++this.#number, proved: this.#proved, masterMs, slaveMs: reads ? slaveMs : 0 };
    // It counts from the receipt of a beacon that it has answered, which was before we had the answer.
    const grants = reads && this.#proved > 0;
    const slaveUntilMs = grants ? this.#provedMs + leaseEnds(slaveMs) : Number.NEGATIVE_INFINITY;
    this.#unanswered.set(words.number, { words, slaveUntilMs, masterUntilMs: nowMs + masterMs });
    this.slaveUntilMs = Math.max(this.slaveUntilMs, slaveUntilMs);
    return words;
  }

  /** The replica has answered a beacon. */
  answered(number: number, nowMs: number): void {
    const beacon = this.#unanswered.get(number);
    if (beacon === undefined) return;
    this.#unanswered.delete(number);
    this.#proved = number;
    this.#provedMs = nowMs;
    this.masterUntilMs = Math.max(this.masterUntilMs, beacon.masterUntilMs);
    if (beacon.words.slaveMs > 0) return;
    // It has given up its lease, unless one that was sent later renews it; it takes no earlier beacon any more.
    this.slaveUntilMs = Number.NEGATIVE_INFINITY;
    for (const { words, slaveUntilMs } of this.#unanswered.values()) {
      if (words.number > number) this.slaveUntilMs = Math.max(this.slaveUntilMs, slaveUntilMs);
    }
  }
}
