/**
 * What the changes since the last append to the log have replaced, so that a failed append can roll them all back: records of
 * the arena one by one, newest first, and whole keyspaces or scheduled flushes.
 */

import type { CurrentKind } from "../../item/decide.ts";
import type { Keyspace } from "./keyspace.ts";
import type { Keyspaces } from "./keyspaces.ts";
import { kindOfState } from "./record_state.ts";

const WORDS = 3;
const WORDS_FIRST = WORDS * 1024;

/** A flush that is not in the log yet. */
interface PendingFlush {
  /** The previous keyspace; the current one if only the schedule of a flush changed. */
  readonly replaced: Keyspace;
  readonly plannedFor: number;
  /** Length of the list at the flush. */
  readonly length: number;
}

export class UndoList {
  readonly #keyspaces: Keyspaces;
  /** Location, the dirty record it replaced or 0, the kind before. */
  #words = new Int32Array(WORDS_FIRST);
  #length = 0;
  #flushes: PendingFlush[] = [];

  constructor(keyspaces: Keyspaces) {
    this.#keyspaces = keyspaces;
  }

  /** Nothing to roll back: the arena may forget overwritten records. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** A record was appended; `replaced` is the dirty one it replaced, 0 = none. */
  push(location: number, replaced: number, before: CurrentKind): void {
    const at = this.#length;
    if (at === this.#words.length) {
      const words = new Int32Array(at * 2);
      words.set(this.#words);
      this.#words = words;
    }
    this.#words[at] = location;
    this.#words[at + 1] = replaced;
    this.#words[at + 2] = before;
    this.#length = at + WORDS;
  }

  /** A flush is about to replace the keyspace, or the second for which one is scheduled. */
  pushFlush(): void {
    const { current, flushPlannedFor } = this.#keyspaces;
    this.#flushes.push({ replaced: current, plannedFor: flushPlannedFor, length: this.#length });
  }

  /** Everything so far is in the log. */
  clear(): void {
    this.#length = 0;
    if (this.#flushes.length > 0) this.#flushes = [];
  }

  /** Rolls everything back: the arena matches the log again. */
  rollBack(): void {
    let at = this.#length;
    for (;;) {
      const flush = this.#flushes.pop();
      const stop = flush?.length ?? 0;
      const keyspace = this.#keyspaces.current;
      while (at > stop) {
        at -= WORDS;
        const location = this.#words[at] as number;
        const kind = kindOfState(keyspace.cache.state(location));
        keyspace.cache.undo(location, this.#words[at + 1] as number);
        keyspace.count(kind, this.#words[at + 2] as CurrentKind);
      }
      if (flush === undefined) break;
      if (flush.replaced !== keyspace) this.#keyspaces.restore(flush.replaced);
      this.#keyspaces.flushPlannedFor = flush.plannedFor;
    }
    this.#length = 0;
  }
}
