/**
 * The requests of one connection that are waiting for an answer from elsewhere. A later request may execute before them (its
 * reply never overtakes theirs) unless both touch the same key and one of them writes, so that a pipelining client reads its
 * own writes. Requests without a key wait for all others, and all others for them.
 */

import { latin1 } from "../../base/bytes.ts";
import { CommandShape, mayWrite, shapeOf } from "../../protocol/command.ts";
import type { Request } from "../../protocol/request.ts";
import { keysOf } from "../../protocol/text/text_key.ts";

/** Longest list of keys that is compared with others, in bytes. */
const COMPARED_BYTES_MAX = 16384;
/** Most requests of one connection that may wait at a time: each new one is compared with all of them. */
const CLAIMS_MAX = 1000;

/** The keys a waiting request touches. */
export interface Claim {
  /** Undefined: all keys. */
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
   * True if `request` has to wait for one of the claims, or the limit of claims is reached. Requests of other nodes never wait:
   * the storage and the lanes keep their order, and a write that has gone round in a circle must not wait for itself.
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
    case CommandShape.block:
      return { keys: undefined, writes: true };
    default: {
      const key = request.mutation.key;
      return { keys: [latin1(key.bytes, key.start, key.end)], writes: mayWrite(request.command) };
    }
  }
}

/** A long list of keys counts as all keys: comparing it would take longer than waiting. */
function keysToCompare(request: Request): readonly string[] | undefined {
  return request.keysEnd - request.keysStart > COMPARED_BYTES_MAX ? undefined : keysOf(request);
}
