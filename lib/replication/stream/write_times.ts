/**
 * When the records of a change log were committed, and how many bytes they have: so that what a replica lacks can be given in
 * seconds and bytes. Kept for points of time a few milliseconds apart, further apart while a replica is far behind; a record
 * counts as written at the point before it. Knows no replicas.
 */

/** From `sequence` on records were written at `ms` or later; those noted before have `bytes`. */
interface Point {
  readonly sequence: number;
  readonly ms: number;
  readonly bytes: number;
}

/** Between two points, at first. */
const SPACING_MS = 10;
/** With more points every second one is dropped. */
const POINTS_MAX = 1024;

export class WriteTimes {
  /** Oldest first; never empty. */
  #points: Point[];
  #spacingMs = SPACING_MS;
  #bytes = 0;
  #last = 0;

  /** What was written before counts as written now. */
  constructor(nowMs: number) {
    this.#points = [{ sequence: 0, ms: nowMs, bytes: 0 }];
  }

  /** Records were committed now, after everything noted before. */
  note(first: number, last: number, bytes: number, nowMs: number): void {
    if (nowMs - (this.#points.at(-1) as Point).ms >= this.#spacingMs) {
      this.#points.push({ sequence: first, ms: nowMs, bytes: this.#bytes });
      if (this.#points.length > POINTS_MAX) {
        this.#points = this.#points.filter((_, at) => at % 2 === 0);
        this.#spacingMs *= 2;
      }
    }
    this.#bytes += bytes;
    this.#last = last;
  }

  /** Nobody asks for records before this one any more. */
  forget(sequence: number): void {
    const at = this.#at(sequence);
    if (at > 0) this.#points.splice(0, at);
    if (this.#points.length === 1) this.#spacingMs = SPACING_MS;
  }

  /** When a record was written, or a little before that. */
  msOf(sequence: number): number {
    return (this.#points[this.#at(sequence)] as Point).ms;
  }

  /** The bytes of a record and all later ones, or a little more. */
  bytesFrom(sequence: number): number {
    return this.#bytes - (this.#points[this.#at(sequence)] as Point).bytes;
  }

  /** The newest record that was written at a time or before, or a little after that; 0 = none is known. */
  lastAt(ms: number): number {
    let at = this.#points.length - 1;
    while (at >= 0 && (this.#points[at] as Point).ms > ms) at--;
    if (at < 0) return 0;
    const next = this.#points[at + 1];
    return next === undefined ? this.#last : next.sequence - 1;
  }

  /** Where the point of a record is. */
  #at(sequence: number): number {
    let at = this.#points.length - 1;
    while (at > 0 && (this.#points[at] as Point).sequence > sequence) at--;
    return at;
  }
}
