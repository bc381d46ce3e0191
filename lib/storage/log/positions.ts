/**
 * Where a storage is in the logs of others, so that two replicas find the last state that both have had. The log of each
 * opening of a storage is a history with a random name; a position is a record of a history. A mark says that the storage
 * had, at one of its own records, exactly what a position of another's log has. Each is a record of the log itself, so none
 * outlives what it speaks of. Pure.
 */

import type { LogSegment } from "./log_segment.ts";

/** A record of a history: of the log of one opening of a storage. */
export interface Position {
  /** 16 hexadecimal digits. */
  readonly history: string;
  readonly sequence: number;
}

/** What a storage had at its own record `at` is what a position has. */
export interface Mark extends Position {
  readonly at: number;
}

/** What two storages have had: both have all records of the history up to the position. */
export interface CommonState extends Position {
  /** One of our own records up to which we have nothing that is not in the history up to the position. */
  readonly at: number;
}

/** The history of a log without one, from 2.0.0. */
export const NO_HISTORY = "0".repeat(16);

/** Marks remembered. */
const MARKS_MAX = 1024;
/** Older ones get sparse: the distance of two is at most their age divided by this. */
const FINENESS = 64;
/** Positions named to another node. */
const NAMED_MAX = 16;
const MARK = /^([0-9a-f]{16})(?: (\d{1,16}))?$/;

export class Positions {
  /** Oldest first. */
  #marks: Mark[] = [];

  /** Adds a mark, which is newer than all others. */
  add(mark: Mark): void {
    // Repeated at the beginning of a segment.
    if (mark.at <= (this.#marks.at(-1)?.at ?? 0)) return;
    this.#marks.push(mark);
    if (this.#marks.length > MARKS_MAX) this.#thin();
  }

  /** The newest mark. */
  get newest(): Mark | undefined {
    return this.#marks.at(-1);
  }

  /** A few marks that stand for all: the last of each history, and others at growing distances. Oldest first. */
  get chosen(): readonly Mark[] {
    const last = this.#marks.length - 1;
    return this.#marks.filter((_, at) => isPowerOfTwo(last - at + 1) || this.#isLastOfRun(at));
  }

  /** Positions of what a storage has or has had, the newest of each history; newest first. `files` is its own log. */
  named(files: readonly LogSegment[], lastSequence: number): readonly Position[] {
    const own = ownHistories(files, lastSequence).map(({ history, last }) => ({ history, sequence: last, at: last }));
    const others = this.#marks.filter((_, at) => this.#isLastOfRun(at));
    const found = new Map<string, Mark>();
    for (const mark of [...own, ...others].sort((left, right) => right.at - left.at)) {
      if (!found.has(mark.history)) found.set(mark.history, mark);
    }
    return [...found.values()].slice(0, NAMED_MAX).map(({ history, sequence }) => ({ history, sequence }));
  }

  /** The newest state of ours that is also one of what has these positions. */
  common(theirs: readonly Position[], files: readonly LogSegment[], lastSequence: number): CommonState | undefined {
    let newest: CommonState | undefined;
    for (const { history, sequence } of theirs) {
      for (const state of this.#states(history, sequence, files, lastSequence)) {
        if (newest === undefined || state.at > newest.at) newest = state;
      }
    }
    return newest;
  }

  /** Whether a position is in a log of our own, behind its last record here: what was written there is lost here. */
  lacks({ history, sequence }: Position, files: readonly LogSegment[], lastSequence: number): boolean {
    const own = ownHistories(files, lastSequence).findLast((each) => each.history === history);
    return own !== undefined && sequence > own.last;
  }

  /** The newest states of a history up to a sequence, in our own numbers. */
  *#states(history: string, sequence: number, files: readonly LogSegment[], lastSequence: number): Generator<CommonState> {
    for (const own of ownHistories(files, lastSequence)) {
      if (own.history !== history || sequence < own.first - 1) continue;
      const at = Math.min(sequence, own.last);
      yield { history, sequence: at, at };
    }
    const known = this.#marks.filter((mark) => mark.history === history);
    const mark = known.findLast((each) => each.sequence <= sequence);
    const last = known.at(-1)?.sequence ?? 0;
    if (mark !== undefined) yield { history, sequence: Math.min(sequence, last), at: mark.at };
  }

  #isLastOfRun(at: number): boolean {
    return this.#marks[at]?.history !== this.#marks[at + 1]?.history;
  }

  #thin(): void {
    const newest = this.#marks.at(-1)?.at ?? 0;
    let kept = Number.NEGATIVE_INFINITY;
    this.#marks = this.#marks.filter((mark, at) => {
      if (!this.#isLastOfRun(at) && mark.at - kept < (newest - mark.at) / FINENESS) return false;
      kept = mark.at;
      return true;
    });
    if (this.#marks.length > MARKS_MAX) this.#marks.shift();
  }
}

/** The key of a mark's record; `at` only where it differs from the record's own sequence. */
export function encodeMark({ history, at }: Mark, sequence: number): string {
  return at === sequence ? history : `${history} ${at}`;
}

/** Reads a mark from the key of its record, the record's own sequence and its version; undefined: it is none. */
export function decodeMark(key: string, recordSequence: number, version: number | bigint): Mark | undefined {
  const [, history, at] = MARK.exec(key) ?? [];
  if (history === undefined) return undefined;
  return { history, sequence: Number(version), at: at === undefined ? recordSequence : Number(at) };
}

/** Which records of a log belong to which of its own histories. */
function ownHistories(files: readonly LogSegment[], lastSequence: number): { history: string; first: number; last: number }[] {
  const found: { history: string; first: number; last: number }[] = [];
  for (const [at, { history, firstSequence }] of files.entries()) {
    const last = (files[at + 1]?.firstSequence ?? lastSequence + 1) - 1;
    const before = found.at(-1);
    if (before?.history === history) before.last = last;
    else if (history !== NO_HISTORY) found.push({ history, first: firstSequence, last });
  }
  return found;
}

function isPowerOfTwo(value: number): boolean {
  return (value & (value - 1)) === 0;
}
