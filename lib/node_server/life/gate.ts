/**
 * Lets requests wait for a while, and knows when those that were let in before are finished. Knows them only as promises.
 */

import type { Clock, Timer } from "../../runtime/runtime.ts";

export class Gate {
  /** Requests let in whose answer waits for something. */
  #underWay = 0;
  readonly #finished: (() => void)[] = [];
  #over: Promise<void> | undefined;
  #end: (() => void) | undefined;

  /** While this is so, requests wait for `over`. */
  get holding(): boolean {
    return this.#over !== undefined;
  }

  /** Resolves when requests go on. */
  get over(): Promise<void> {
    return this.#over ?? Promise.resolve();
  }

  /** Counts a request as under way until it is answered. */
  track<T>(request: Promise<T>): Promise<T> {
    this.#underWay++;
    return request.finally(() => {
      this.#underWay--;
      if (this.#underWay === 0) for (const finished of this.#finished.splice(0)) finished();
    });
  }

  /** From now on requests wait. */
  begin(): void {
    this.#over ??= new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Resolves when no request is under way. */
  finished(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.#finished.push(resolve));
  }

  /** Requests go on. */
  end(): void {
    this.#over = undefined;
    this.#end?.();
    this.#end = undefined;
  }
}

/** Waits for `done`, but not longer than `limitMs`; tells whether it came. */
export async function within(clock: Clock, limitMs: number, done: Promise<unknown>): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = clock.setTimer(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([done.then(() => true), late]);
  } finally {
    if (timer !== undefined) clock.clearTimer(timer);
  }
}
