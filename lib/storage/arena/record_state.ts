/**
 * The state word of a record in the arena: whether it is in the engine, whether it is in use, what it says about its key and
 * what the engine holds under that key for now.
 */

import { CurrentKind } from "../../item/decide.ts";
import { EntryMark } from "../../item/entry.ts";

/** Bits of a record's state word. */
export const RecordState = {
  /** Not in the engine yet. */
  dirty: 1,
  /** Read since it was stored or last spared by eviction. */
  referenced: 2,
  tombstone: 4,
  /** Overwritten; nothing points here. */
  dead: 8,
  /** In a batch that is being written to the engine. */
  inFlight: 16,
  /** An expired tombstone: the key is to be removed from the engine. */
  purged: 32,
  /** What the engine holds under the key of a dirty record. */
  engineValue: 64,
  engineTombstone: 128,
  /** Read since it was stored. */
  fetched: 256,
  /** `EntryMark`, from `MARKS_SHIFT` on. */
  stale: EntryMark.stale << 9,
  won: EntryMark.won << 9,
} as const;

/** The shift of the `EntryMark` bits in a state word. */
const MARKS_SHIFT = 9;
const MARKS = RecordState.stale | RecordState.won;
/** Set by a read. */
export const ACCESSED = RecordState.referenced | RecordState.fetched;
/** What the engine holds. */
export const ENGINE_BITS = RecordState.engineValue | RecordState.engineTombstone;

/** The state bits for an entry's marks. */
export function stateOfMarks(marks: number, fetched: boolean): number {
  return (marks << MARKS_SHIFT) | (fetched ? RecordState.fetched : 0);
}

/** What a record says about its key. */
export function kindOfState(state: number): CurrentKind {
  if ((state & (RecordState.tombstone | RecordState.purged)) === 0) return CurrentKind.value;
  return state & RecordState.purged ? CurrentKind.absent : CurrentKind.tombstone;
}

/** What the engine holds under the key of a record, or will hold once the batch in flight is written. */
export function engineKindOfState(state: number): CurrentKind {
  if ((state & RecordState.dirty) === 0 || state & RecordState.inFlight) return kindOfState(state);
  if (state & RecordState.engineValue) return CurrentKind.value;
  return state & RecordState.engineTombstone ? CurrentKind.tombstone : CurrentKind.absent;
}

/** The state bits that remember what the engine holds. */
export function engineBits(kind: CurrentKind): number {
  if (kind === CurrentKind.value) return RecordState.engineValue;
  return kind === CurrentKind.tombstone ? RecordState.engineTombstone : 0;
}

/** The bits of `EntryMark` of a record. */
export function marksOfState(state: number): number {
  return (state & MARKS) >> MARKS_SHIFT;
}
