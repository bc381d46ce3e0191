/**
 * The requests of one connection that still wait for an answer from elsewhere. A later request may overtake them in
 * execution (never in its reply) unless both touch a key and one of them writes: so a client that pipelines reads its
 * own writes. Requests without a key wait for all, and all wait for them.
 */

import { latin1 } from "../../base/bytes.ts";
import { CommandShape, mayWrite, shapeOf } from "../../protocol/command.ts";
import type { Request } from "../../protocol/request.ts";

/** Longest list of keys that is compared with another, in bytes. */
const COMPARED_BYTES_MAX = 16384;
/** Requests of one connection that may wait at the same time: each is compared with all of them. */
const CLAIMS_MAX = 1000;

/** What a waiting request touches. */
export interface Claim {
  /** Undefined: everything. */
  readonly keys: readonly string[] | undefined;
  readonly writes: boolean;
}

export class Outstanding {
  readonly #claims = new Set<Claim>();

  get size(): number {
    return this.#claims.size;
  }

  add(request: Request): Claim {
    const claim = claimOf(request);
    this.#claims.add(claim);
    return claim;
  }

  remove(claim: Claim): void {
    this.#claims.delete(claim);
  }

  /**
   * True when `request` has to wait for one of the claims, or there are as many as there may be. What comes from another
   * node never waits: the storage and the lanes keep its order, and a write that has gone round in a circle must not wait
   * for itself.
   */
  conflicts(request: Request): boolean {
    if (this.#claims.size === 0 || request.prefix !== undefined) return false;
    if (this.#claims.size >= CLAIMS_MAX) return true;
    const mine = claimOf(request);
    for (const other of this.#claims) {
      if (!mine.writes && !other.writes) continue;
      if (mine.keys === undefined || other.keys === undefined) return true;
      if (mine.keys.some((key) => (other.keys as readonly string[]).includes(key))) return true;
    }
    return false;
  }
}

function claimOf(request: Request): Claim {
  switch (shapeOf(request.command)) {
    case CommandShape.retrieval:
    case CommandShape.touchRetrieval:
      return { keys: keysToCompare(request), writes: mayWrite(request.command) };
    case CommandShape.words:
      return { keys: undefined, writes: true };
    default: {
      const key = request.mutation.key;
      return { keys: [latin1(key.bytes, key.start, key.end)], writes: mayWrite(request.command) };
    }
  }
}

/** A long list of keys counts as everything: comparing it with another would take longer than waiting. */
function keysToCompare(request: Request): readonly string[] | undefined {
  return request.keysEnd - request.keysStart > COMPARED_BYTES_MAX ? undefined : keysOf(request);
}

/** The keys of a retrieval as byte strings. */
export function keysOf(request: Request): string[] {
  return latin1(request.bytes, request.keysStart, request.keysEnd)
    .split(" ")
    .filter((word) => word.length > 0);
}
