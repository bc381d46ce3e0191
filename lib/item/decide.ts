/**
 * The whole semantics of Flare's writes as one pure function: from the current state of a key, the request and the clock to a
 * result and the entry to store. It reads no clock, allocates nothing and knows neither the arena nor the log; the storage
 * executes the decision.
 */

import { addWrapping, increment, subtractSaturating, type Uint64 } from "../base/uint64.ts";
import { parseCounter } from "./counter_value.ts";
import { type Mutation, MutationKind, MutationResult } from "./mutation.ts";

/** What a key has: nothing, an item (expired or not), or the tombstone of a deleted item. */
export const CurrentKind = { absent: 0, value: 1, tombstone: 2 } as const;
export type CurrentKind = (typeof CurrentKind)[keyof typeof CurrentKind];

/**
 * The state of a key before a write. A tombstone has its second of deletion in `flags` and the end of its block in `expire`.
 */
export interface Current {
  kind: CurrentKind;
  flags: number;
  /** A value: when it expires, 0 = never. A tombstone: until when add, replace and append are refused. */
  expire: number;
  version: Uint64;
  /** Bits of `EntryMark`. */
  marks: number;
  bytes: Uint8Array;
  valueStart: number;
  valueEnd: number;
}

/** What a write changes: nothing, it stores an item, or it stores a tombstone. */
export const Change = { none: 0, put: 1, remove: 2 } as const;
export type Change = (typeof Change)[keyof typeof Change];

/** The source of the new item's value. */
export const Content = { request: 0, current: 1, currentThenRequest: 2, requestThenCurrent: 3, number: 4, nothing: 5 } as const;
export type Content = (typeof Content)[keyof typeof Content];

/** The result of `decide`; reused. */
export interface Decision {
  result: MutationResult;
  change: Change;
  content: Content;
  /** The new item's flags; for a tombstone the second of deletion. */
  flags: number;
  expire: number;
  version: Uint64;
  /** `EntryMark` bits of the new item. */
  marks: number;
  /** incr, decr: the new value. */
  number: Uint64;
}

/** An empty decision, which changes nothing. */
export function emptyDecision(): Decision {
  return {
    result: MutationResult.stored,
    change: Change.none,
    content: Content.request,
    flags: 0,
    expire: 0,
    version: 0,
    marks: 0,
    number: 0,
  };
}

/** Whether an item with this expire second has expired at `nowSeconds`. */
export function isExpired(expire: number, nowSeconds: number): boolean {
  return expire > 0 && expire <= nowSeconds;
}

/** Decides a write into `decision`. `valueBytesMax` limits the results of append and prepend. */
export function decide(
  current: Current,
  mutation: Mutation,
  nowSeconds: number,
  valueBytesMax: number,
  decision: Decision,
): void {
  const alive = current.kind === CurrentKind.value && !isExpired(current.expire, nowSeconds);
  const blocked = current.kind === CurrentKind.tombstone && current.expire > nowSeconds;
  decision.change = Change.none;
  decision.marks = 0;
  switch (mutation.kind) {
    case MutationKind.set:
      return store(current, alive, mutation, decision);
    case MutationKind.add:
      if (alive || blocked) return refuse(decision, MutationResult.notStored);
      return store(current, alive, mutation, decision);
    case MutationKind.replace:
      if (!alive) return refuse(decision, MutationResult.notStored);
      return store(current, alive, mutation, decision);
    case MutationKind.append:
    case MutationKind.prepend:
      if (!alive) return refuse(decision, MutationResult.notStored);
      return extend(current, mutation, valueBytesMax, decision);
    case MutationKind.cas:
      if (!alive && !blocked) return refuse(decision, MutationResult.notFound);
      if (current.version !== mutation.version) return refuse(decision, MutationResult.exists);
      return put(decision, Content.request, mutation.flags, mutation.expire, increment(mutation.version));
    case MutationKind.incr:
    case MutationKind.decr:
      if (!alive) return refuse(decision, MutationResult.notFound);
      return count(current, mutation, decision);
    case MutationKind.delete:
      return remove(current, alive, mutation, nowSeconds, decision);
    case MutationKind.touch:
      if (!alive) return refuse(decision, MutationResult.notFound);
      if (mutation.version !== 0 && mutation.version !== current.version) return refuse(decision, MutationResult.exists);
      put(decision, Content.current, current.flags, mutation.expire, current.version);
      decision.marks = current.marks;
      decision.result = MutationResult.touched;
      return;
    case MutationKind.restore:
      if (mutation.version <= current.version) return refuse(decision, MutationResult.notStored);
      return put(decision, Content.request, mutation.flags, mutation.expire, mutation.version);
    case MutationKind.rewrite:
      return rewrite(current, alive, mutation, nowSeconds, decision);
    case MutationKind.mirror:
      return put(decision, Content.request, mutation.flags, mutation.expire, mutation.version);
    case MutationKind.mirrorDeletion:
      decision.result = MutationResult.deleted;
      return bury(decision, mutation.flags, mutation.expire, mutation.version);
    default:
      // The other kinds have terms: see `decideWithTerms`.
      return refuse(decision, MutationResult.notStored);
  }
}

/** Refuses a write. */
export function refuse(decision: Decision, result: MutationResult): void {
  decision.result = result;
}

/** Decides that an item is stored. */
export function put(decision: Decision, content: Content, flags: number, expire: number, version: Uint64): void {
  decision.result = MutationResult.stored;
  decision.change = Change.put;
  decision.content = content;
  decision.flags = flags;
  decision.expire = expire;
  decision.version = version;
}

/** An explicit version must be newer than a live item's; that of an expired item or tombstone does not count. */
function store(current: Current, alive: boolean, mutation: Mutation, decision: Decision): void {
  if (mutation.version === 0) {
    return put(decision, Content.request, mutation.flags, mutation.expire, increment(current.version));
  }
  if (alive && mutation.version <= current.version) return refuse(decision, MutationResult.notStored);
  put(decision, Content.request, mutation.flags, mutation.expire, mutation.version);
}

function extend(current: Current, mutation: Mutation, valueBytesMax: number, decision: Decision): void {
  if (mutation.version !== 0 && mutation.version <= current.version) return refuse(decision, MutationResult.notStored);
  const length = current.valueEnd - current.valueStart + (mutation.valueEnd - mutation.valueStart);
  if (length > valueBytesMax) return refuse(decision, MutationResult.tooLarge);
  const content = mutation.kind === MutationKind.append ? Content.currentThenRequest : Content.requestThenCurrent;
  put(decision, content, current.flags, current.expire, mutation.version === 0 ? increment(current.version) : mutation.version);
}

function count(current: Current, mutation: Mutation, decision: Decision): void {
  const value = parseCounter(current.bytes, current.valueStart, current.valueEnd);
  if (value === undefined) return refuse(decision, MutationResult.nonNumeric);
  put(decision, Content.number, current.flags, current.expire, increment(current.version));
  decision.marks = current.marks;
  decision.result = MutationResult.number;
  decision.number =
    mutation.kind === MutationKind.incr ? addWrapping(value, mutation.delta) : subtractSaturating(value, mutation.delta);
}

/**
 * A versioned delete of a missing item answers NOT_FOUND and still leaves its tombstone (a dump may bring the item later); a
 * version older than the current one changes nothing, so versions never go back.
 */
function remove(current: Current, alive: boolean, mutation: Mutation, nowSeconds: number, decision: Decision): void {
  decision.result = alive ? MutationResult.deleted : MutationResult.notFound;
  if (mutation.version === 0) {
    if (!alive) return;
  } else if (mutation.version < current.version) {
    decision.result = MutationResult.notFound;
    return;
  }
  bury(decision, nowSeconds, mutation.expire, mutation.version === 0 ? current.version : mutation.version);
}

/** Decides that a tombstone is stored; the result is the caller's. */
function bury(decision: Decision, deletedSecond: number, blockedUntil: number, version: Uint64): void {
  decision.change = Change.remove;
  decision.flags = deletedSecond;
  decision.expire = blockedUntil;
  decision.version = version;
}

/** What was never here, or has expired, is written as a deletion. */
function rewrite(current: Current, alive: boolean, mutation: Mutation, nowSeconds: number, decision: Decision): void {
  const version = mutation.version > current.version ? mutation.version : current.version;
  if (alive) {
    put(decision, Content.current, current.flags, current.expire, version);
    decision.marks = current.marks;
    return;
  }
  decision.result = MutationResult.deleted;
  bury(decision, nowSeconds, current.kind === CurrentKind.tombstone ? current.expire : 0, version);
}
