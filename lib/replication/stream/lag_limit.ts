/**
 * `replication-lag-max`: how far the replicas that could be promoted are behind, and whether writers have to wait for them.
 * Knows sequences and times, no streams.
 */

import { PacedLog } from "../../base/paced_log.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { LogBlock } from "../../storage/storage.ts";
import { WriteTimes } from "./write_times.ts";

/** Each of its log lines is written at most once in this time, in milliseconds. */
const LOG_MS = 10000;

export class LagLimit {
  readonly #clock: Runtime["clock"];
  /** 0 = there is none. */
  readonly #maxMs: () => number;
  readonly #waitLog: PacedLog;
  readonly #goOnLog: PacedLog;
  #times: WriteTimes;
  /** When the oldest record was written that such a replica lacks; infinite if there is none. */
  #lackedMs = Number.POSITIVE_INFINITY;
  /** Writers wait, as of the last `look`. */
  isHolding = false;
  /** How often they had to begin to wait, since the start. */
  holds = 0;

  constructor(runtime: Runtime, maxMs: () => number) {
    this.#clock = runtime.clock;
    this.#maxMs = maxMs;
    this.#waitLog = new PacedLog(runtime, "warning", LOG_MS);
    this.#goOnLog = new PacedLog(runtime, "notice", LOG_MS);
    this.#times = new WriteTimes(this.#clock.monotonicMs());
  }

  /** This node has just become the master. */
  begin(): void {
    this.#times = new WriteTimes(this.#clock.monotonicMs());
  }

  /** Records were committed now. */
  note({ firstSequence, records, bytes }: LogBlock): void {
    this.#times.note(firstSequence, firstSequence + records - 1, bytes.length, this.#clock.monotonicMs());
  }

  /** Whether such a replica is too far behind. */
  get isReached(): boolean {
    if (this.#lackedMs === Number.POSITIVE_INFINITY) return false;
    const maxMs = this.#maxMs();
    return maxMs > 0 && this.#clock.monotonicMs() - this.#lackedMs > maxMs;
  }

  /** The newest record that each of them should have by now. */
  get due(): number {
    const maxMs = this.#maxMs();
    return maxMs === 0 ? 0 : this.#times.lastAt(this.#clock.monotonicMs() - maxMs);
  }

  /** How long ago a record was written, or a little longer. */
  ageMs(sequence: number): number {
    return this.#clock.monotonicMs() - this.#times.msOf(sequence);
  }

  /** The bytes of a record and all later ones, or a little more. */
  bytesFrom(sequence: number): number {
    return this.#times.bytesFrom(sequence);
  }

  /**
   * Such replicas have the records up to `kept`, infinite if none lacks anything; nobody at all lacks one before `lacked`.
   * Returns whether writers have to wait.
   * @param slowest the `host:port` of one that has no more than `kept`
   */
  look(kept: number, lacked: number, slowest: () => string): boolean {
    this.#lackedMs = kept === Number.POSITIVE_INFINITY ? kept : this.#times.msOf(kept + 1);
    this.#times.forget(lacked);
    const { isReached } = this;
    if (isReached && !this.isHolding) {
      this.holds++;
      const lagMs = Math.round(this.#clock.monotonicMs() - this.#lackedMs);
      this.#waitLog.write(`writers wait for replica "${slowest()}": it is ${lagMs} ms behind (replication-lag-max)`);
    } else if (this.isHolding && !isReached) {
      this.#goOnLog.write("writers go on: no replica is too far behind any more");
    }
    this.isHolding = isReached;
    return isReached;
  }
}
