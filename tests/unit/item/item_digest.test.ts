/** Digests of items: everything an item has counts, and so does the order of the items. */

import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { type DigestedItem, digestOf, ItemDigest } from "../../../lib/item/item_digest.ts";

const ITEM: DigestedItem = { key: fromLatin1("key"), value: fromLatin1("value"), flags: 1, expire: 2, version: 3, marks: 0 };

function digestOfAll(items: readonly DigestedItem[]): string {
  const digest = new ItemDigest();
  for (const item of items) digest.add(item);
  return digest.text;
}

describe("a digest", () => {
  it("depends on everything that an item has", () => {
    const others: Partial<DigestedItem>[] = [
      { key: fromLatin1("kex") },
      { value: fromLatin1("") },
      { value: fromLatin1("valuf") },
      { value: fromLatin1("value\0") },
      { key: fromLatin1("keyv"), value: fromLatin1("alue") },
      { flags: 2 },
      { expire: 0 },
      { version: 4 },
      { version: 3 + 0x100000000 },
      { version: 2n ** 63n },
      { marks: 1 },
      { flags: 2, expire: 1 },
    ];
    const digests = [ITEM, ...others.map((other) => ({ ...ITEM, ...other }))].map(digestOf);
    assertEquals(new Set(digests).size, digests.length);
    for (const digest of digests) assertMatch(digest, /^[0-9a-f]{16}$/);
    assertEquals(digestOf({ ...ITEM, key: fromLatin1("key"), value: fromLatin1("value") }), digests[0]);
  });

  it("of several items tells every change of any of them, and their order", () => {
    const items = Array.from({ length: 300 }, (_, i) => ({ ...ITEM, key: fromLatin1(`key ${i}`), version: i + 1 }));
    const whole = digestOfAll(items);
    assertEquals(digestOfAll(items.map((item) => ({ ...item }))), whole);
    const seen = new Set([whole]);
    for (let i = 0; i < items.length; i++) {
      const item = items[i] as DigestedItem;
      seen.add(digestOfAll(items.with(i, { ...item, version: 999 })));
      seen.add(digestOfAll(items.toSpliced(i, 1)));
    }
    assertEquals(seen.size, 601);
    // The same change at two places must not cancel out.
    const bothTouched = items.map((item, i) => (i === 7 || i === 8 ? { ...item, expire: 77 } : item));
    assertNotEquals(digestOfAll(bothTouched), whole);
    assertNotEquals(digestOfAll([...items].reverse()), whole);
  });
});
