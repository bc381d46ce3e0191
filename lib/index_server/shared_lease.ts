/**
 * The election among index servers of one process, or of a simulated world: one of them at a time has the lease, which ends by
 * the clock of whoever keeps it.
 */

import type { Clock } from "../runtime/runtime.ts";
import type { Leader, Standing } from "./coordinator.ts";

export class SharedLease {
  readonly #clock: Pick<Clock, "monotonicMs">;
  #holder: object | undefined;
  #leader: Leader | undefined;
  #endMs = 0;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** As `Election.campaign`. @param holder who campaigns, always the same object */
  campaign(holder: object, candidate: Leader, leaseMs: number, isRestart: boolean): Standing {
    const nowMs = this.#clock.monotonicMs();
    if (this.#endMs <= nowMs) this.end();
    const before = this.#leader;
    if (before !== undefined && this.#holder !== holder && !(isRestart && isSameServer(before, candidate))) {
      return { leader: before, isOwn: false, leaseMs };
    }
    const leader = before !== undefined && this.#holder === holder ? before : candidate;
    this.#holder = holder;
    this.#leader = leader;
    this.#endMs = nowMs + leaseMs;
    return { leader, isOwn: true, leaseMs };
  }

  /** As `Election.resign`. */
  resign(holder: object): void {
    if (this.#holder === holder) this.end();
  }

  /** Ends the lease before its time, whoever has it. */
  end(): void {
    this.#holder = undefined;
    this.#leader = undefined;
  }
}

/** Whether two leaders are processes of one server. */
export function isSameServer(one: Leader, other: Leader): boolean {
  return one.address.host === other.address.host && one.address.port === other.address.port;
}
