/**
 * The six key hashes against vectors computed by the original, and against each other's one rule: a key ends at its NUL.
 */

import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { KEY_HASHES, KeyHashAlgorithm, parseKeyHashAlgorithm } from "../../../lib/cluster/key_hash.ts";

interface Vectors {
  hashes: { key_hex: string; hash: Record<KeyHashAlgorithm, number> }[];
}

const vectors = JSON.parse(readFileSync(new URL("../../data/vectors-partitioning.json", import.meta.url), "utf8")) as Vectors;
const algorithms = Object.values(KeyHashAlgorithm);

describe("key hash", () => {
  it("has a vector for every algorithm", () => {
    assertEquals(vectors.hashes.length, 96);
    assertEquals(Object.keys(KEY_HASHES).sort(), [...algorithms].sort());
  });

  for (const algorithm of algorithms) {
    it(`${algorithm} gives the original's number for every vector`, () => {
      for (const { key_hex, hash } of vectors.hashes) {
        const key = Buffer.from(key_hex, "hex");
        assertEquals(KEY_HASHES[algorithm](key, 0, key.length), hash[algorithm], `${algorithm} of ${key_hex}`);
      }
    });

    it(`${algorithm} reads no byte outside its range or behind a NUL`, () => {
      for (const length of [0, 1, 2, 3, 4, 5, 11, 12, 13, 24, 25, 100]) {
        const key = Buffer.from(Array.from({ length }, (_, i) => ((i * 37) % 255) + 1));
        const expected = KEY_HASHES[algorithm](key, 0, length);
        const inside = Buffer.concat([Buffer.from("abc"), key, Buffer.from("xyz12345")]);
        assertEquals(KEY_HASHES[algorithm](inside, 3, 3 + length), expected, `${length} bytes in the middle`);
        const terminated = Buffer.concat([key, Buffer.from("\0behind")]);
        assertEquals(KEY_HASHES[algorithm](terminated, 0, terminated.length), expected, `${length} bytes before a NUL`);
      }
    });
  }

  it("leaves -2^31 negative", () => {
    const key = Buffer.from("k18_iUm2");
    assertEquals(KEY_HASHES.crc32(key, 0, key.length), -2147483648);
  });

  it("adler32 agrees with the plain sum over a long key", () => {
    const key = Buffer.alloc(20_000, 0xff);
    let a = 1;
    let b = 0;
    for (const byte of key) {
      a = (a + byte) % 65521;
      b = (b + a) % 65521;
    }
    assertEquals(KEY_HASHES.adler32(key, 0, key.length), Math.abs((b << 16) | a | 0));
  });

  it("is found by its name, and nothing else is", () => {
    for (const algorithm of algorithms) assertEquals(parseKeyHashAlgorithm(algorithm), algorithm);
    for (const name of ["", "Simple", "md5", "toString", "__proto__"]) assertEquals(parseKeyHashAlgorithm(name), undefined);
  });
});
