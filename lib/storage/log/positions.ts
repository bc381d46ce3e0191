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

/** The history of a log without one, from 2.0.0; and of a gap. */
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

  /** Adds a mark, which is newer than all others, or a gap. */
  add(mark: Mark): void {
    if (isGap(mark)) return this.addGap(mark.sequence, mark.at);
    // Repeated at the beginning of a segment.
    if (mark.at <= (this.#marks.at(-1)?.at ?? 0)) return;
    this.#marks.push(mark);
    if (this.#marks.length > MARKS_MAX) this.#thin();
  }

  /**
   * From the record `first` on some may be missing, up to `last`: what the storage had there is not what any position says. A
   * gap is kept as a mark of no history, so it is repeated in the log as they are.
   */
  addGap(first: number, last: number): void {
    this.#marks = this.#marks.filter(({ at }) => at < first || at > last);
    this.#marks.push({ history: NO_HISTORY, sequence: first, at: last });
    this.#marks.sort((left, right) => left.at - right.at);
  }

  /** A few marks that stand for all: the last of each history, and others at growing distances. Oldest first. */
  get chosen(): readonly Mark[] {
    const last = this.#marks.length - 1;
    return this.#marks.filter((_, at) => isPowerOfTwo(last - at + 1) || this.#isLastOfRun(at));
  }

  /** Positions of what a storage has or has had, the newest of each history; newest first. `files` is its own log. */
  named(files: readonly LogSegment[], lastSequence: number): readonly Position[] {
    const own = this.#ownHistories(files, lastSequence)
      .filter(hasBegun)
      .map(({ history, last }) => ({ history, sequence: last, at: last }));
    const others = this.#marks.filter((mark, at) => !isGap(mark) && this.#isLastOfRun(at));
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
    const own = this.#ownHistories(files, lastSequence).findLast((each) => each.history === history);
    return own !== undefined && sequence > own.last;
  }

  /** The newest states of a history up to a sequence, in our own numbers. */
  *#states(history: string, sequence: number, files: readonly LogSegment[], lastSequence: number): Generator<CommonState> {
    if (history === NO_HISTORY) return;
    for (const own of this.#ownHistories(files, lastSequence)) {
      if (own.history !== history || !hasBegun(own) || sequence < own.first - 1) continue;
      const at = Math.min(sequence, own.last);
      yield { history, sequence: at, at };
    }
    const known = this.#marks.filter((mark) => mark.history === history);
    const mark = known.findLast((each) => each.sequence <= sequence);
    const last = known.at(-1)?.sequence ?? 0;
    if (mark !== undefined) yield { history, sequence: Math.min(sequence, last), at: mark.at };
  }

  /** Each as far as nothing is missing, which may be before it began. */
  #ownHistories(files: readonly LogSegment[], lastSequence: number): OwnHistory[] {
    const gaps = this.#marks.filter(isGap);
    return ownHistories(files, lastSequence).map((own) => {
      const gap = gaps.find(({ sequence, at }) => sequence <= own.last && own.first <= at);
      return gap === undefined ? own : { ...own, last: gap.sequence - 1 };
    });
  }

  #isLastOfRun(at: number): boolean {
    const mark = this.#marks[at];
    return (mark !== undefined && isGap(mark)) || mark?.history !== this.#marks[at + 1]?.history;
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

function isGap({ history }: Mark): boolean {
  return history === NO_HISTORY;
}

/** Whether it is had at least as it was when it began. */
function hasBegun({ first, last }: OwnHistory): boolean {
  return last >= first - 1;
}

/** The records of one opening of a storage. */
interface OwnHistory {
  readonly history: string;
  readonly first: number;
  last: number;
}

/** Which records of a log belong to which of its own histories. */
function ownHistories(files: readonly LogSegment[], lastSequence: number): OwnHistory[] {
  const found: OwnHistory[] = [];
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
