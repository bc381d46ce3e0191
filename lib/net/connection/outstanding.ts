/**
 * The requests of one connection that are waiting for an answer from elsewhere. A later request may execute before them (its
 * reply never overtakes theirs) unless both touch the same key, so that a pipelining client reads its own writes, and nothing
 * older than it has read before. Only long lists of keys are read side by side. Requests without a key wait for all others, and
 * all others for them.
 */

import { hashMurmur } from "../../cluster/key_hash.ts";
import { CommandShape, mayWrite, shapeOf } from "../../protocol/command.ts";
import type { Request } from "../../protocol/request.ts";

const SPACE = 0x20;
/** Longest list of keys that is compared with others, in bytes. */
const COMPARED_BYTES_MAX = 16384;
/** Most requests of one connection that may wait at a time. */
const CLAIMS_MAX = 1000;

/** The keys a waiting request touches. */
export interface Claim {
  /** Their hashes: two keys with the same one wait for each other. Undefined: all keys. */
  readonly keys: readonly number[] | undefined;
  readonly writes: boolean;
}

export class Outstanding {
  size = 0;
  /** How many of those that write there are, of those that read all keys, and of those that write all. */
  #writing = 0;
  #readingAll = 0;
  #writingAll = 0;
  /** How many with a list of keys touch a key. */
  readonly #touching = new Map<number, number>();

  add(request: Request): Claim {
    const claim = claimOf(request);
    this.#count(claim, 1);
    return claim;
  }

  remove(claim: Claim): void {
    this.#count(claim, -1);
  }

  /**
   * True if `request` has to wait for one of the claims, or the limit of claims is reached. Requests of other nodes never wait:
   * the storage and the lanes keep their order, and a write that has gone round in a circle must not wait for itself.
   */
  conflicts(request: Request): boolean {
    if (this.size === 0 || request.prefix !== undefined) return false;
    if (request.forwardedBy !== undefined) return this.size >= CLAIMS_MAX && !mayWrite(request.command);
    if (this.size >= CLAIMS_MAX) return true;
    const { keys, writes } = claimOf(request);
    if (keys === undefined) return writes || this.#writing > 0;
    if (this.#writingAll > 0 || (writes && this.#readingAll > 0)) return true;
    return keys.some((key) => this.#touching.has(key));
  }

  #count({ keys, writes }: Claim, change: 1 | -1): void {
    this.size += change;
    if (writes) this.#writing += change;
    if (keys === undefined && writes) this.#writingAll += change;
    else if (keys === undefined) this.#readingAll += change;
    for (const key of keys ?? []) {
      const touching = (this.#touching.get(key) ?? 0) + change;
      if (touching === 0) this.#touching.delete(key);
      else this.#touching.set(key, touching);
    }
  }
}

function claimOf(request: Request): Claim {
  switch (shapeOf(request.command)) {
    case CommandShape.retrieval:
    case CommandShape.touchRetrieval:
      return { keys: keysToCompare(request), writes: mayWrite(request.command) };
    case CommandShape.words:
    case CommandShape.block:
      return { keys: undefined, writes: true };
    default: {
      const { bytes, start, end } = request.mutation.key;
      return { keys: [hashMurmur(bytes, start, end)], writes: mayWrite(request.command) };
    }
  }
}

/** A long list of keys counts as all keys: comparing it would take longer than waiting. */
function keysToCompare({ bytes, keysStart, keysEnd }: Request): readonly number[] | undefined {
  if (keysEnd - keysStart > COMPARED_BYTES_MAX) return undefined;
  const keys: number[] = [];
  for (let at = keysStart; at < keysEnd; at++) {
    const start = at;
    while (at < keysEnd && bytes[at] !== SPACE) at++;
    if (at > start) keys.push(hashMurmur(bytes, start, at));
  }
  return keys;
}
