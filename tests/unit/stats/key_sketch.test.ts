/** Which keys weigh most: what the sketch says, against the exact weights of random streams. */

import { describe, it } from "node:test";
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { hashMurmur } from "../../../lib/cluster/key_hash.ts";
import { KEY_BYTES_KEPT, KeySketch } from "../../../lib/stats/key_sketch.ts";
import { SimRandom } from "../../../lib/testing/sim_random.ts";

function add(sketch: KeySketch, text: string, kind = 0, weight = 1, hash?: number): void {
  const bytes = fromLatin1(`<${text}>`);
  sketch.add(bytes, 1, bytes.length - 1, hash ?? hashMurmur(bytes, 1, bytes.length - 1), kind, weight);
}

/** The keys, with their certain weight of all kinds and their error. */
function counted(sketch: KeySketch): Map<string, { certain: number; error: number; weights: number[] }> {
  return new Map(
    [...sketch].map(({ key, error, weights }) => {
      return [latin1(key), { certain: weights.reduce((sum, each) => sum + each, 0), error, weights: [...weights] }];
    }),
  );
}

describe("the sketch of keys", () => {
  it("is exact while there are counters for all keys", () => {
    const sketch = new KeySketch(3, 2);
    for (const key of ["a", "b", "a", "c", "a"]) add(sketch, key);
    add(sketch, "b", 1, 5);
    assertEquals(
      counted(sketch),
      new Map([
        ["a", { certain: 3, error: 0, weights: [3, 0] }],
        ["b", { certain: 6, error: 0, weights: [1, 5] }],
        ["c", { certain: 1, error: 0, weights: [1, 0] }],
      ]),
    );
    assertEquals([[...sketch.totals], sketch.uncountedMax], [[5, 5], 1]);
  });

  it("gives the smallest counter away, and says how wrong that may be", () => {
    const sketch = new KeySketch(2, 1);
    for (const key of ["a", "a", "a", "b", "b", "c"]) add(sketch, key);
    assertEquals(
      counted(sketch),
      new Map([
        ["a", { certain: 3, error: 0, weights: [3] }],
        ["c", { certain: 1, error: 2, weights: [1] }],
      ]),
    );
    assertEquals(sketch.uncountedMax, 3);
  });

  it("tells keys with the same hash apart, and long ones with the same beginning", () => {
    const sketch = new KeySketch(8, 1);
    for (const key of ["a", "b", "ab"]) add(sketch, key, 0, 1, 7);
    const long = "k".repeat(KEY_BYTES_KEPT);
    for (const key of [long, `${long}1`, `${long}22`, `${long}33`, `${long}1`]) add(sketch, key);
    const lengths = [...sketch].map(({ key, keyBytes, weights }) => [key.length, keyBytes, weights[0]]);
    assertEquals(lengths, [
      ...[
        [1, 1, 1],
        [1, 1, 1],
        [2, 2, 1],
      ],
      ...[
        [250, 250, 1],
        [250, 251, 2],
        [250, 252, 1],
        [250, 252, 1],
      ],
    ]);
  });

  it("forgets", () => {
    const sketch = new KeySketch(2, 1);
    for (const key of ["a", "b", "c"]) add(sketch, key);
    sketch.clear();
    assertEquals([[...sketch], [...sketch.totals], sketch.uncountedMax], [[], [0], 0]);
    add(sketch, "a");
    assertEquals(counted(sketch), new Map([["a", { certain: 1, error: 0, weights: [1] }]]));
  });

  it("keeps its bounds, whatever the stream and however it is scaled", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new SimRandom(`sketch ${seed}`);
      const [capacity, kinds] = [random.between(1, 40), random.between(1, 4)];
      const sketch = new KeySketch(capacity, kinds);
      const exact = new Map<string, number>();
      const names = random.between(1, 300);
      // The higher the power, the fewer keys have most of it; 0.5 is nearly uniform.
      const skew = random.pick([0.5, 1, 2, 4]);
      let total = 0;
      for (let step = 0; step < 3000; step++) {
        const key = `key ${Math.floor(names * (random.uint32() / 2 ** 32) ** skew)}`;
        const weight = random.pick([1, 1, 1, 2.5]);
        add(sketch, key, random.between(0, kinds - 1), weight);
        exact.set(key, (exact.get(key) ?? 0) + weight);
        total += weight;
        if (!random.chance(0.002)) continue;
        sketch.scale(0.5);
        total /= 2;
        for (const [name, each] of exact) exact.set(name, each / 2);
      }
      const close = total * 1e-9;
      assertAlmostEquals(
        sketch.totals.reduce((sum, each) => sum + each, 0),
        total,
        close,
      );
      const found = counted(sketch);
      assert(found.size <= capacity);
      for (const [key, { certain, error }] of found) {
        const truth = exact.get(key) ?? 0;
        assert(certain <= truth + close, `seed ${seed}, ${key}: ${certain} of ${truth}`);
        assert(truth <= certain + error + close, `seed ${seed}, ${key}: ${truth}, not ${certain} + ${error}`);
        assert(error <= total / capacity + close, `seed ${seed}: an error of ${error} of ${total}`);
      }
      for (const [key, truth] of exact) {
        if (found.has(key)) continue;
        assert(truth <= sketch.uncountedMax + close, `seed ${seed}, ${key} is missing with ${truth}`);
        assert(truth <= total / capacity + close, `seed ${seed}, ${key} is missing with ${truth} of ${total}`);
      }
    }
  });
});
