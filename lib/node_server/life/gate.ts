/** Holds new requests, and knows when earlier ones are finished. Knows requests only as promises. */

import type { Clock, Timer } from "../../runtime/runtime.ts";

export class Gate {
  /** Requests in flight. */
  #underWay = 0;
  readonly #finished: (() => void)[] = [];
  #over: Promise<void> | undefined;
  #end: (() => void) | undefined;

  /** While true, requests wait for `over`. */
  get holding(): boolean {
    return this.#over !== undefined;
  }

  /** Resolves when requests resume. */
  get over(): Promise<void> {
    return this.#over ?? Promise.resolve();
  }

  /** Counts a request as in flight until it is answered. */
  track<T>(request: Promise<T>): Promise<T> {
    this.#underWay++;
    return request.finally(() => {
      this.#underWay--;
      if (this.#underWay === 0) for (const finished of this.#finished.splice(0)) finished();
    });
  }

  /** Holds requests from now on. */
  begin(): void {
    this.#over ??= new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Resolves when no request is in flight. */
  finished(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.#finished.push(resolve));
  }

  /** Resumes requests. */
  end(): void {
    this.#over = undefined;
    this.#end?.();
    this.#end = undefined;
  }
}

/** Waits for `done`, at most `limitMs`; returns whether it settled. */
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
