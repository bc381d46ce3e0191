/**
 * How a master goes, or makes way for a slave, without losing or refusing anything: requests that come from now on wait,
 * the writes under way are finished, and what waited goes on as soon as the node map names the new master. Knows
 * requests only as promises.
 */

import type { Clock, Timer } from "../runtime/runtime.ts";

export class Handover {
  /** The index server is being told that we stop: pings must not bring us back. */
  announced = false;
  readonly #clock: Clock;
  /** Writes whose answer waits for something. */
  #underWay = 0;
  #finished: (() => void) | undefined;
  #over: Promise<void> | undefined;
  #end: (() => void) | undefined;
  #leaving = false;
  #expiry: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** While this is so, requests for keys wait for `over`. */
  get holding(): boolean {
    return this.#over !== undefined;
  }

  /** Resolves when requests go on. */
  get over(): Promise<void> {
    return this.#over ?? Promise.resolve();
  }

  /** Counts a write as under way until it is answered. */
  track(write: Promise<void>): Promise<void> {
    this.#underWay++;
    return write.finally(() => {
      this.#underWay--;
      if (this.#underWay === 0) this.#finished?.();
    });
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

  /** From now on requests wait. */
  begin(): void {
    this.#over ??= new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Resolves when no write is under way. */
  finished(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#finished = resolve;
    });
  }

  /** Requests go on. */
  end(): void {
    this.#stopExpiry();
    this.#over = undefined;
    this.#end?.();
    this.#end = undefined;
  }

  /** Waits for `done`, but not longer than `limitMs`; tells whether it came. */
  async within(limitMs: number, done: Promise<void>): Promise<boolean> {
    let timer: Timer | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = this.#clock.setTimer(() => resolve(false), limitMs);
    });
    const inTime = await Promise.race([done.then(() => true), late]);
    if (timer !== undefined) this.#clock.clearTimer(timer);
    return inTime;
  }

  #stopExpiry(): void {
    if (this.#expiry !== undefined) this.#clock.clearTimer(this.#expiry);
    this.#expiry = undefined;
  }
}
