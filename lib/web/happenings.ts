/** What happened in the cluster, as far as this server saw it: the last events, bounded, each with a number. */

import type { Clock } from "../runtime/runtime.ts";

/** Most events that are kept. */
export const HAPPENINGS_MAX = 500;
/** Longest text of one. */
const TEXT_MAX = 500;

/** An event. */
export interface Happening {
  /** 1, 2, …; a number is never used twice. */
  readonly id: number;
  /** When, by the wall clock. */
  readonly atMs: number;
  /** What kind: an event of the node map, or `silent`, `answers`, `restarted`, `leader`, `change`. */
  readonly kind: string;
  /** The node it is about, `host:port`. */
  readonly node: string | null;
  readonly text: string;
}

export class Happenings {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #all: Happening[] = [];
  #lastId = 0;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  add(kind: string, node: string | null, text: string): void {
    const id = ++this.#lastId;
    this.#all.push({ id, atMs: this.#clock.nowMs(), kind, node, text: text.slice(0, TEXT_MAX) });
    if (this.#all.length > HAPPENINGS_MAX) this.#all.shift();
  }

  /** The number of the newest one; 0 = there is none. */
  get lastId(): number {
    return this.#lastId;
  }

  /** All that are kept, newest last. */
  get all(): readonly Happening[] {
    return this.#all;
  }

  /** Those after a number, newest last; all if the number is none of this server's. */
  after(id: number): readonly Happening[] {
    return id > this.#lastId ? this.#all : this.#all.filter((happening) => happening.id > id);
  }
}
