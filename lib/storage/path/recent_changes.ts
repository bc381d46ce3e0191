/**
 * Which change a key was last touched by, for the newest changes: what is read of a key may be shown once that change is
 * committed. A table of fixed size by hash: keys that share a place answer with the newest change of all of them, so a reader
 * may wait for more than it has to, never for less. Knows no keys and no commits.
 */

const PLACES = 4096;

export class RecentChanges {
  readonly #sequences = new Float64Array(PLACES);
  /** Every key was changed by this one, or by a later one. */
  #all = 0;

  /** A key was changed. */
  note(hash: number, sequence: number): void {
    this.#sequences[hash & (PLACES - 1)] = sequence;
  }

  /** All keys were changed. */
  noteAll(sequence: number): void {
    this.#all = sequence;
  }

  /** The newest change that a key depends on, or a newer one. */
  of(hash: number): number {
    return Math.max(this.#all, this.#sequences[hash & (PLACES - 1)] as number);
  }
}
