/**
 * Shrinks a failing input: removes ever shorter ranges and simplifies bytes while it still fails. Does not know what failing
 * means.
 */

import { concatBytes } from "../../lib/base/bytes.ts";

const ATTEMPTS_MAX = 3000;
const ATTEMPTS_MS = 30000;
const PLAIN = 0x61;

/** The smallest input found for which `fails` still says true; `input` itself is known to fail. */
export async function shrink(input: Uint8Array, fails: (candidate: Uint8Array) => Promise<boolean>): Promise<Uint8Array> {
  let best = input;
  let attempts = 0;
  const startMs = performance.now();
  const accept = async (candidate: Uint8Array): Promise<boolean> => {
    if (++attempts > ATTEMPTS_MAX || performance.now() - startMs > ATTEMPTS_MS) return false;
    if (!(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let size = Math.ceil(input.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.length; ) {
      if (!(await accept(concatBytes([best.subarray(0, at), best.subarray(at + size)])))) at += size;
    }
  }
  for (let at = 0; at < best.length; at++) {
    if (best[at] === PLAIN) continue;
    const candidate = best.slice();
    candidate[at] = PLAIN;
    await accept(candidate);
  }
  return best;
}
