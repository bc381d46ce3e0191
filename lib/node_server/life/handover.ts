/**
 * How a master leaves, or hands over to a slave, without losing or refusing anything: it holds new requests, finishes the
 * writes in flight, and resumes the held requests as soon as the node map names the new master.
 */

import type { Clock, Timer } from "../../runtime/runtime.ts";
import { Gate } from "./gate.ts";

export class Handover extends Gate {
  /** The index server is being notified of our shutdown: pings must not mark us as up. */
  announced = false;
  readonly #clock: Clock;
  #leaving = false;
  #expiry: Timer | undefined;

  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }

  /** This node is about to stop: messages of others do not end the wait. */
  get leaving(): boolean {
    return this.#leaving;
  }

  /** Holds requests until this node has left. */
  beginLeaving(): void {
    this.#leaving = true;
    this.#stopExpiry();
    this.begin();
  }

  /** Held requests resume after `limitMs`, unless `end` or `beginLeaving` is called before. */
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
