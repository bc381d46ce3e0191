/**
 * The whole semantics of Flare's writes as one pure function: the current state of a key, the request and the clock
 * give a result and what to store. It reads no clock, allocates nothing and knows neither the arena nor the log; the
 * storage carries out what it decides.
 */

import { addWrapping, increment, subtractSaturating, type Uint64 } from "../base/uint64.ts";
import { parseCounter } from "./counter_value.ts";
import { type Mutation, MutationKind, MutationResult } from "./mutation.ts";

/** What is known under a key: nothing, an item (expired or not), or the tombstone of a deleted item. */
export const CurrentKind = { absent: 0, value: 1, tombstone: 2 } as const;
export type CurrentKind = (typeof CurrentKind)[keyof typeof CurrentKind];

/** The state of a key before a write. A tombstone keeps its second of deletion in `flags` and its block in `expire`. */
export interface Current {
  kind: CurrentKind;
  flags: number;
  /** A value: when it ceases to exist, 0 = never. A tombstone: until when add, replace and append are refused. */
  expire: number;
  version: Uint64;
  /** Bits of `EntryMark`. */
  marks: number;
  bytes: Uint8Array;
  valueStart: number;
  valueEnd: number;
}

/** What a write changes: nothing, an item is stored, or a tombstone is. */
export const Change = { none: 0, put: 1, remove: 2 } as const;
export type Change = (typeof Change)[keyof typeof Change];

/** Where the value of the item to store comes from. */
export const Content = { request: 0, current: 1, currentThenRequest: 2, requestThenCurrent: 3, number: 4, nothing: 5 } as const;
export type Content = (typeof Content)[keyof typeof Content];

/** What `decide` decided; filled again and again. */
export interface Decision {
  result: MutationResult;
  change: Change;
  content: Content;
  /** Of the item to store; for a tombstone the second of deletion. */
  flags: number;
  expire: number;
  version: Uint64;
  /** Bits of `EntryMark` of the item to store. */
  marks: number;
  /** incr, decr: the new value. */
  number: Uint64;
}

/** A decision to be filled in, which changes nothing. */
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

/** True when an item with this expire second no longer exists at `nowSeconds`. */
export function isExpired(expire: number, nowSeconds: number): boolean {
  return expire > 0 && expire <= nowSeconds;
}

/** Decides a write into `decision`. `valueBytesMax` bounds what append and prepend may build. */
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
      put(decision, Content.current, current.flags, mutation.expire, current.version);
      decision.marks = current.marks;
      decision.result = MutationResult.touched;
      return;
    case MutationKind.restore:
      if (mutation.version <= current.version) return refuse(decision, MutationResult.notStored);
      return put(decision, Content.request, mutation.flags, mutation.expire, mutation.version);
    default:
      // The other kinds come with terms: see `decideWithTerms`.
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

/** An explicit version must be newer than a live item's; a dead one's, tombstone or not, does not count. */
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
 * A versioned delete of something that does not exist answers NOT_FOUND and still leaves its tombstone (the item may yet
 * arrive by a dump); an older one than what is known changes nothing, so versions never go back.
 */
function remove(current: Current, alive: boolean, mutation: Mutation, nowSeconds: number, decision: Decision): void {
  decision.result = alive ? MutationResult.deleted : MutationResult.notFound;
  if (mutation.version === 0) {
    if (!alive) return;
  } else if (mutation.version < current.version) {
    decision.result = MutationResult.notFound;
    return;
  }
  decision.change = Change.remove;
  decision.flags = nowSeconds;
  decision.expire = mutation.expire;
  decision.version = mutation.version === 0 ? current.version : mutation.version;
}
