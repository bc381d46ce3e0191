/**
 * How a master goes, or makes way for a slave, without losing or refusing anything: requests that come from now on wait,
 * the writes under way are finished, and what waited goes on as soon as the node map names the new master.
 */

import type { Clock, Timer } from "../../runtime/runtime.ts";
import { Gate } from "./gate.ts";

export class Handover extends Gate {
  /** The index server is being told that we stop: pings must not bring us back. */
  announced = false;
  readonly #clock: Clock;
  #leaving = false;
  #expiry: Timer | undefined;

  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }

  /** This node is about to stop: what comes from others does not end the waiting. */
  get leaving(): boolean {
    return this.#leaving;
  }

  /** From now on requests wait, until this node has left. */
  beginLeaving(): void {
    this.#leaving = true;
    this.#stopExpiry();
    this.begin();
  }

  /** Requests that wait go on after so long, unless `end`, or `beginLeaving`, comes before. */
  expireAfter(limitMs: number, expired: () => void): void {
    this.#expiry = this.#clock.setTimer(() => {
      this.#expiry = undefined;
      this.end();
      expired();
    }, limitMs);
  }

  override end(): void {
    this.#stopExpiry();
    super.end();
  }

  #stopExpiry(): void {
    if (this.#expiry !== undefined) this.#clock.clearTimer(this.#expiry);
    this.#expiry = undefined;
  }
}
