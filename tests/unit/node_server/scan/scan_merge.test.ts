/**
 * How the parts of a page become one, against the plain truth over random parts.
 *
 * Covers lib/node_server/scan/turnstile.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { mergePages, shareOf } from "../../../../lib/node_server/scan/scan_merge.ts";
import { Turnstile } from "../../../../lib/node_server/scan/turnstile.ts";
import type { ScannedItem, ScanPage } from "../../../../lib/protocol/scan/scan_page.ts";

function item(key: string): ScannedItem {
  const plain = { value: new Uint8Array(0), valueBytes: 0, flags: 0, expire: 0, version: 1, fetched: false, accessSeconds: 0 };
  return { ...plain, key: fromLatin1(key) };
}

function keysOf({ items }: ScanPage): string[] {
  return items.map(({ key }) => latin1(key));
}

function page(keys: string, lastKey?: string): ScanPage {
  return { items: [...keys].map(item), lastKey: lastKey === undefined ? undefined : fromLatin1(lastKey) };
}

const MIB = 1048576;

describe("pages of several partitions", () => {
  it("end where the first of them ends", () => {
    const merged = mergePages([page("adg", "g"), page("be", "e"), page("c")], 100, MIB);
    assertEquals([keysOf(merged).join(""), merged.lastKey], ["abcde", fromLatin1("e")]);
  });

  it("have no end while one with nothing to show has not been looked through", () => {
    const merged = mergePages([page("xyz"), page("", "m")], 100, MIB);
    assertEquals([keysOf(merged), merged.lastKey], [[], fromLatin1("m")]);
  });

  it("are cut at the limit, in keys and in bytes, but never to nothing", () => {
    const parts = [page("ac"), page("bd")];
    assertEquals(mergePages(parts, 3, MIB), page("abc", "c"));
    assertEquals(mergePages(parts, 4, MIB), page("abcd"));
    assertEquals(mergePages(parts, 4, 1), page("a", "a"));
  });

  it("give every key once and in order, page by page, however the keys are spread", () => {
    const letters = fc.constantFrom("a", "b", "\x80", "\xff");
    const key = fc.array(letters, { minLength: 1, maxLength: 4 }).map((each) => each.join(""));
    fc.assert(
      fc.property(
        fc.uniqueArray(key, { maxLength: 60 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 7 }),
        (keys, count, limit, partLimit) => {
          const sorted = [...keys].sort((left, right) => (left < right ? -1 : 1));
          const seen: string[] = [];
          let after = "";
          for (let pages = 0; ; pages++) {
            assert(pages <= 10 * keys.length + 1);
            const parts = Array.from({ length: count }, (_, partition) => {
              // Each part looks at a few of its keys, and shows only those that are not "moved".
              const own = sorted.filter((each) => each.length % count === partition && each > after);
              const looked = own.slice(0, partLimit);
              const lastKey = looked.length < own.length ? fromLatin1(looked.at(-1) as string) : undefined;
              return { items: looked.map(item), lastKey };
            });
            const merged = mergePages(parts, limit, MIB);
            assert(merged.items.length <= limit);
            seen.push(...keysOf(merged));
            if (merged.lastKey === undefined) break;
            assert(latin1(merged.lastKey) > after);
            after = latin1(merged.lastKey);
          }
          assertEquals(seen, sorted);
        },
      ),
    );
  });

  it("are asked for in fair shares", () => {
    assertEquals([shareOf(1000, 1), shareOf(1000, 3), shareOf(1000, 100), shareOf(10, 100)], [1000, 500, 64, 10]);
    for (let count = 1; count < 70; count++) assert(shareOf(1000, count) * count >= 1000 && shareOf(1000, count) <= 1000);
  });
});

describe("a turnstile", () => {
  it("lets a limited number through, the others in order, and continues after a failure", async () => {
    const turnstile = new Turnstile(2);
    const ends: (() => void)[] = [];
    const began: number[] = [];
    const passes = [0, 1, 2, 3].map((number) =>
      turnstile.pass(async () => {
        began.push(number);
        await new Promise<void>((resolve) => ends.push(resolve));
        if (number === 0) throw new Error("broken");
        return number;
      }),
    );
    const failure = passes[0]?.catch((error: Error) => error.message);
    await Promise.resolve();
    assertEquals(began, [0, 1]);
    ends[0]?.();
    assertEquals(await failure, "broken");
    assertEquals(began, [0, 1, 2]);
    ends[1]?.();
    assertEquals(await passes[1], 1);
    assertEquals(began, [0, 1, 2, 3]);
    ends[2]?.();
    ends[3]?.();
    assertEquals([await passes[2], await passes[3]], [2, 3]);
  });
});
