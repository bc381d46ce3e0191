/**
 * What placing a key costs: each hash over a key of usual length, and the way from the hash to the partition. Before
 * anything is timed, the numbers must be the ones every Flare computes.
 */

import { assertEquals } from "@std/assert";
import { bench, do_not_optimize, run, summary } from "mitata";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { KEY_HASHES, KeyHashAlgorithm } from "../../lib/cluster/key_hash.ts";
import { KeyResolver } from "../../lib/cluster/key_resolver.ts";

/** The hashes of `user:12345`. */
const EXPECTED: Readonly<Record<KeyHashAlgorithm, number>> = {
  simple: 760,
  bitshift: 777186817,
  crc32: 1896767405,
  adler32: 322700025,
  murmur: 616054720,
  jenkins: 396099604,
};

const key = fromLatin1("user:12345");
for (const algorithm of Object.values(KeyHashAlgorithm)) {
  assertEquals(KEY_HASHES[algorithm](key, 0, key.length), EXPECTED[algorithm], algorithm);
}
const resolver = new KeyResolver({ partitionSize: 1024, hint: 1, virtual: 4096 });
assertEquals(
  [2, 5, 7, 8, 16].map((count) => resolver.resolve(EXPECTED.crc32, count)),
  [0, 4, 5, 5, 8],
);

// Keys at changing places of one buffer, as a session's requests are.
const KEYS = 1024;
const names = Array.from({ length: KEYS }, (_, i) => `session:user:${String(i * 7919).padStart(8, "0")}`);
const buffer = fromLatin1(names.join(""));
const keyBytes = buffer.length / KEYS;
let at = 0;

summary(() => {
  for (const algorithm of Object.values(KeyHashAlgorithm)) {
    const hash = KEY_HASHES[algorithm];
    bench(`${algorithm}, ${keyBytes}-byte key`, () => {
      at = at === buffer.length - keyBytes ? 0 : at + keyBytes;
      return do_not_optimize(hash(buffer, at, at + keyBytes));
    });
  }
});

bench("resolve among 3 partitions", () => {
  at = at === buffer.length - keyBytes ? 0 : at + keyBytes;
  return do_not_optimize(resolver.resolve(at * 2654435, 3));
});

await run();
