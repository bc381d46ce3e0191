/**
 * The arena's hash index beside a map: inserted, found and removed in any order, with hashes that collide and wrap around.
 * Covers lib/storage/arena/index_hash.ts, whose hashes they are in truth.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { indexHash } from "../../../../lib/storage/arena/index_hash.ts";
import { KeyIndex } from "../../../../lib/storage/arena/key_index.ts";

/** The free slot at which the search for a hash ends. */
function freeSlot({ slots, mask }: KeyIndex, hash: number): number {
  let slot = hash & mask;
  while (slots[slot * 2 + 1] !== 0) slot = (slot + 1) & mask;
  return slot;
}

/** All that is in it, location → hash. */
function contents({ slots }: KeyIndex): Map<number, number> {
  const found = new Map<number, number>();
  for (let at = 0; at < slots.length; at += 2) if (slots[at + 1] !== 0) found.set(slots[at + 1] as number, slots[at] as number);
  return found;
}

/** Few hashes, so that they crowd; among them the last slots of a table, behind which it goes on at the front. */
const hash = fc.oneof(fc.constantFrom(0, 1, -1, 1023, 1022, 2047, 0x7fffffff, -0x80000000), fc.integer());

describe("the key index", () => {
  it("holds what a map does, whatever was inserted and removed", () => {
    const step = fc.record({ remove: fc.boolean(), hash, which: fc.nat(100) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const index = new KeyIndex();
        const model = new Map<number, number>();
        let next = 1;
        for (const { remove, hash, which } of steps) {
          const locations = [...model.keys()];
          const location = locations[which % Math.max(locations.length, 1)];
          if (remove && location !== undefined) {
            index.remove(index.slotOf(model.get(location) as number, location));
            model.delete(location);
          } else {
            index.insert(freeSlot(index, hash), hash, next);
            model.set(next++, hash);
          }
          for (const [location, hash] of model) {
            const slot = index.slotOf(hash, location);
            assertEquals([index.slots[slot * 2], index.slots[slot * 2 + 1]], [hash, location]);
          }
        }
        assertEquals(index.count, model.size);
        assertEquals(contents(index), new Map([...contents(index)].filter(([location, hash]) => model.get(location) === hash)));
      }),
      { numRuns: 50 },
    );
  });

  it("grows before it is crowded, and gives back what few keys do not need", () => {
    const index = new KeyIndex();
    const hashes = Array.from({ length: 20000 }, (_, at) => Math.imul(at, 0x9e3779b1));
    for (const [at, hash] of hashes.entries()) {
      index.insert(freeSlot(index, hash), hash, at + 1);
      assert(index.count * 10 <= (index.mask + 1) * 6);
    }
    for (const [at, hash] of hashes.entries()) {
      if (at >= 10) index.remove(index.slotOf(hash, at + 1));
    }
    index.fit();
    assertEquals([index.mask, index.count], [1023, 10]);
    for (const [at, hash] of hashes.slice(0, 10).entries()) assert(index.slotOf(hash, at + 1) >= 0);
    assertEquals(index.slotOf(hashes[10] as number, 11), -1);
  });
});

describe("indexHash", () => {
  it("depends on every byte, on the length and on the seed, and on nothing outside the range", () => {
    for (let length = 1; length <= 12; length++) {
      const bytes = fromLatin1("abcdefghijkl".slice(0, length));
      const whole = indexHash(bytes, 0, length, 7);
      assertEquals(indexHash(fromLatin1(`<${"abcdefghijkl".slice(0, length)}>`), 1, 1 + length, 7), whole);
      assert(indexHash(bytes, 0, length, 8) !== whole);
      assert(indexHash(bytes, 0, length - 1, 7) !== whole);
      for (let at = 0; at < length; at++) {
        const changed = bytes.slice();
        changed[at] = 0;
        assert(indexHash(changed, 0, length, 7) !== whole, `byte ${at} of ${length}`);
      }
    }
  });

  it("spreads keys that differ in their last digits alone over the slots", () => {
    const slots = new Set(
      Array.from({ length: 1024 }, (_, at) => indexHash(fromLatin1(`key:${at}`), 0, `key:${at}`.length, 1) & 1023),
    );
    // Of this number at random, 1 - 1/e are taken: 647.
    assert(slots.size > 600, `${slots.size} slots`);
  });
});
