/** The random numbers of the real runtimes. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { createCryptoRandom } from "../../../../lib/runtime/process/crypto_random.ts";

describe("createCryptoRandom", () => {
  it("gives unsigned 32-bit integers that use every bit", () => {
    const random = createCryptoRandom();
    let ones = 0;
    let zeros = 0;
    for (let i = 0; i < 1_000; i++) {
      const value = random.uint32();
      assert(Number.isInteger(value) && value >= 0 && value <= 0xffffffff);
      ones |= value;
      zeros |= ~value;
    }
    assertEquals([ones >>> 0, zeros >>> 0], [0xffffffff, 0xffffffff]);
  });

  it("does not repeat itself, nor another generator", () => {
    const left = createCryptoRandom();
    const right = createCryptoRandom();
    const seen = new Set<string>();
    for (let i = 0; i < 1_000; i++) {
      seen.add(`${left.uint32()} ${left.uint32()}`);
      seen.add(`${right.uint32()} ${right.uint32()}`);
    }
    assertEquals(seen.size, 2_000);
  });
});
