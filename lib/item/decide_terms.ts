/**
 * Writes with terms: conditions on the version, creation of missing items, marks. A pure function of state, request and clock
 * like `decide`, which handles ordinary writes. memcached's rules for its meta commands; it knows no protocol.
 */

import { increment, type Uint64 } from "../base/uint64.ts";
import { Change, Content, type Current, CurrentKind, type Decision, decide, isExpired, put, refuse } from "./decide.ts";
import { EntryMark } from "./entry.ts";
import { type Mutation, MutationKind, MutationResult, type MutationTerms } from "./mutation.ts";

/** Decides a write with terms into `decision`. `valueBytesMax` limits the results of append and prepend. */
export function decideWithTerms(
  current: Current,
  mutation: Mutation,
  terms: MutationTerms,
  nowSeconds: number,
  valueBytesMax: number,
  decision: Decision,
): void {
  const alive = current.kind === CurrentKind.value && !isExpired(current.expire, nowSeconds);
  const { kind } = mutation;
  decision.change = Change.none;
  decision.marks = 0;
  if (kind === MutationKind.mirror) {
    put(decision, Content.request, mutation.flags, mutation.expire, mutation.version);
    decision.marks = terms.marks;
    return;
  }
  // Versions never go back, whatever a client requests. A delete checks that itself, and fetch sets one only on creation.
  const goesBack = alive && mutation.version !== 0 && mutation.version <= current.version;
  if (goesBack && kind !== MutationKind.delete && kind !== MutationKind.fetch)
    return refuse(decision, MutationResult.notStored);
  if (terms.compare !== undefined && kind !== MutationKind.add) {
    if (!alive && (kind === MutationKind.set || kind === MutationKind.replace))
      return refuse(decision, MutationResult.notFound);
    if (alive && current.version !== terms.compare) {
      if (kind === MutationKind.set && terms.invalidate && terms.compare < current.version)
        return storeStale(current, mutation, decision);
      return refuse(decision, MutationResult.exists);
    }
  }
  switch (kind) {
    case MutationKind.fetch:
      return fetch(current, alive, mutation, terms, decision);
    case MutationKind.invalidate:
      if (!alive) return refuse(decision, MutationResult.notFound);
      put(
        decision,
        Content.current,
        current.flags,
        terms.updateExpire ? mutation.expire : current.expire,
        next(current, mutation),
      );
      decision.marks = EntryMark.stale;
      return;
    case MutationKind.clear:
      if (!alive) return refuse(decision, MutationResult.notFound);
      put(decision, Content.nothing, mutation.flags, mutation.expire, next(current, mutation));
      decision.marks = terms.invalidate ? EntryMark.stale : 0;
      return;
    case MutationKind.append:
    case MutationKind.prepend:
      if (!alive && terms.vivify) {
        return put(decision, Content.request, mutation.flags, terms.vivifyExpire, next(current, mutation));
      }
      break;
    case MutationKind.incr:
    case MutationKind.decr:
      if (!alive && terms.vivify) {
        put(decision, Content.number, mutation.flags, terms.vivifyExpire, next(current, mutation));
        decision.result = MutationResult.number;
        decision.number = terms.initial;
        return;
      }
  }
  decide(current, mutation, nowSeconds, valueBytesMax, decision);
  if (decision.result === MutationResult.stored) {
    decision.marks = terms.marks;
  } else if (decision.result === MutationResult.number) {
    if (terms.updateExpire) decision.expire = mutation.expire;
    decision.version = next(current, mutation);
  }
}

/** The version given, or the next one. */
function next(current: Current, mutation: Mutation): Uint64 {
  return mutation.version === 0 ? increment(current.version) : mutation.version;
}

/** A late writer's value replaces the item except for its expiry, and is marked as stale. */
function storeStale(current: Current, mutation: Mutation, decision: Decision): void {
  put(decision, Content.request, mutation.flags, current.expire, next(current, mutation));
  decision.marks = EntryMark.stale | (current.marks & EntryMark.won);
}

/**
 * A read that changes the item: creates a missing item and makes its creator the winner, touches, or takes the win token. Of an
 * item that is there, another node touches only the version that it has.
 */
function fetch(current: Current, alive: boolean, mutation: Mutation, terms: MutationTerms, decision: Decision): void {
  if (!alive) {
    if (!terms.vivify) return refuse(decision, MutationResult.notFound);
    put(decision, Content.nothing, mutation.flags, terms.vivifyExpire, next(current, mutation));
    decision.marks = EntryMark.won;
    return;
  }
  const isOther = mutation.version !== 0 && mutation.version !== current.version;
  if (isOther && !terms.vivify) return refuse(decision, MutationResult.exists);
  const expire = terms.updateExpire ? mutation.expire : current.expire;
  const won = winsToken(current.marks, terms.recacheFirst ? current.expire : expire, terms.recacheExpire);
  put(decision, Content.current, current.flags, expire, current.version);
  decision.marks = current.marks | terms.marks | (won ? EntryMark.won : 0);
  decision.result = won ? MutationResult.won : MutationResult.touched;
}

/** Whether the reader of an item with these marks should refresh it; `recacheExpire` as in `MutationTerms`. */
export function winsToken(marks: number, expire: number, recacheExpire: number): boolean {
  if ((marks & EntryMark.won) !== 0) return false;
  return (marks & EntryMark.stale) !== 0 || (expire !== 0 && expire < recacheExpire);
}
