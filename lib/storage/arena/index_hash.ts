/**
 * The hash of the arena's own index: 32 bits, with a random seed per process so that an attacker cannot prepare colliding keys.
 * It is unrelated to the partitioning hashes and never leaves the process.
 */

const MULTIPLIER = 0xcc9e2d51 | 0;
const MULTIPLIER_2 = 0x1b873593 | 0;

/** The hash of `bytes[start, end)` as a signed 32-bit integer. */
export function indexHash(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start);
  let i = start;
  for (const limit = end - 3; i < limit; i += 4) {
    let word =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    word = Math.imul(word, MULTIPLIER);
    word = Math.imul((word << 15) | (word >>> 17), MULTIPLIER_2);
    hash ^= word;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  for (; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), MULTIPLIER) ^ (hash >>> 15);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
