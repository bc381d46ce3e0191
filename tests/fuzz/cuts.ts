/**
 * Where a stream of bytes is cut into chunks: not at all, at every byte, anywhere, or next to the places where lines and
 * headers end. Knows no protocol.
 */

import type { SimRandom } from "../../lib/testing/sim_random.ts";

/** Streams up to this length may be cut at every byte. */
const EVERY_BYTE_MAX = 600;
const LF = 0x0a;

/** The chunks of `bytes`, none of them empty. */
export function cut(bytes: Uint8Array, random: SimRandom): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let from = 0;
  for (const point of [...points(bytes, random), bytes.length]) {
    if (point > from && point <= bytes.length) {
      chunks.push(bytes.subarray(from, point));
      from = point;
    }
  }
  return chunks;
}

/** Ascending. */
function points(bytes: Uint8Array, random: SimRandom): number[] {
  const { length } = bytes;
  switch (random.between(0, 3)) {
    case 0:
      return length > EVERY_BYTE_MAX ? [random.between(0, length)] : Array.from(bytes, (_, i) => i);
    case 1: {
      const found: number[] = [];
      for (let i = 0; i < length; i++) if (bytes[i] === LF && random.chance(0.5)) found.push(i + random.between(-1, 2));
      return found;
    }
    case 2:
      return [random.between(0, length)];
    default:
      return Array.from({ length: random.between(2, 12) }, () => random.between(0, length)).sort((a, b) => a - b);
  }
}
