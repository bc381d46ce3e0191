/** Random numbers of the three adapters: from the system's generator, a block at a time. */

import { randomFillSync } from "node:crypto";
import type { Random } from "../runtime.ts";

const BLOCK_WORDS = 256;

export function createCryptoRandom(): Random {
  const block = new Uint32Array(BLOCK_WORDS);
  let next = BLOCK_WORDS;
  return {
    uint32(): number {
      if (next === BLOCK_WORDS) {
        randomFillSync(block);
        next = 0;
      }
      return block[next++] as number;
    },
  };
}
