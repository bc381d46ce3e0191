/**
 * A dump as text and back: any bytes survive, damage is found.
 *
 * Covers lib/admin/byte_writer.ts, lib/admin/dump_end_line.ts and lib/admin/dump_file_parser.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DumpTally } from "../../../lib/admin/dump_end_line.ts";
import { DumpFileParser } from "../../../lib/admin/dump_file_parser.ts";
import { DumpFormat, encodeEndLine, encodeItems, encodeKeys, encodeRecords, keyWord } from "../../../lib/admin/dump_format.ts";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import type { BackupRecord, DumpedItem } from "../../../lib/client/dump.ts";

function item(key: string, value: string, rest: Partial<DumpedItem> = {}): BackupRecord {
  return { key: fromLatin1(key), value: fromLatin1(value), flags: 0, version: 1, expire: 0, tombstone: false, ...rest };
}

/** The items of a text in chunks of the given size. */
function parse(
  bytes: Uint8Array,
  format: DumpFormat,
  chunkBytes = bytes.length,
  parser = new DumpFileParser(format, true),
): BackupRecord[] {
  const items: BackupRecord[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    parser.push(bytes.subarray(at, at + chunkBytes));
    for (let next = parser.next(); next !== undefined; next = parser.next()) items.push(next);
  }
  const last = parser.last();
  return last === undefined ? items : [...items, last];
}

/** The items of a text that must be complete. */
function parseComplete(bytes: Uint8Array, format: DumpFormat, chunkBytes = 7): BackupRecord[] {
  const parser = new DumpFileParser(format);
  const items = parse(bytes, format, chunkBytes, parser);
  parser.requireComplete();
  return items;
}

/** A dump of items, its end line included. */
function wholeDump(items: readonly DumpedItem[], format: DumpFormat): Uint8Array {
  const text = encodeItems(items, format);
  const tally = new DumpTally();
  tally.add(items.length, text);
  return fromLatin1(latin1(text) + latin1(encodeEndLine(tally)));
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 30 }),
  fc
    .array(fc.constantFrom(0, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x27, 0x2c, 0x5c, 0x6e, 0x78, 0x80, 0xff), { maxLength: 12 })
    .map((list) => Uint8Array.from(list)),
);
const anyItem: fc.Arbitrary<BackupRecord> = fc.record(
  {
    key: bytes.filter((key) => key.length > 0),
    value: bytes,
    flags: fc.nat({ max: 0xffffffff }),
    version: fc.oneof(fc.nat(), fc.constant(18446744073709551615n)),
    expire: fc.nat(),
    tombstone: fc.constant(false),
  },
  { noNullPrototype: true },
);

describe("dump formats", () => {
  it("give any bytes back, however the text is cut", () => {
    for (const format of Object.values(DumpFormat)) {
      fc.assert(
        fc.property(fc.array(anyItem, { maxLength: 5 }), fc.integer({ min: 1, max: 40 }), (items, chunkBytes) => {
          assertEquals(parse(encodeItems(items, format), format, chunkBytes), items);
        }),
        { numRuns: 300 },
      );
    }
  });

  it("give deletions back, too, those of a backup", () => {
    const anyRecord = fc
      .tuple(anyItem, fc.boolean())
      .map(([each, tombstone]) => (tombstone ? { ...each, value: fromLatin1(""), tombstone } : each));
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 5 }), fc.integer({ min: 1, max: 40 }), (records, chunkBytes) => {
        assertEquals(parse(encodeRecords(records), "default", chunkBytes), records);
      }),
      { numRuns: 300 },
    );
    const deletion = { ...item("a b", "", { flags: 17, version: 12, expire: 19 }), tombstone: true };
    assertEquals(latin1(encodeRecords([item("k", "deleted"), deletion])), "k 0 7 1 0 'deleted'\na\\x20b 17 0 12 19 deleted\n");
    for (const text of ["k deleted\n", " deleted\n", "k 1 deleted\n", "k 1 5 1 0 deleted\n", "k 1 0 1 0 x deleted\n"])
      assertThrows(() => parse(fromLatin1(text), "default"), FlareError, "line 1 of the dump", text);
  });

  it("look as documented", () => {
    const items = [item("k", "it's\r\n\t\\\0", { flags: 7, version: 12, expire: 1900000000 }), item("a b\x7f", 'x,"y" ')];
    assertEquals(
      latin1(encodeItems(items, "default")),
      "k 7 9 12 1900000000 'it\\'s\\r\\n\\t\\\\\\x00'\na\\x20b\\x7f 0 6 1 0 'x,\"y\" '\n",
    );
    assertEquals(latin1(encodeItems(items, "csv")), 'k,7,9,12,1900000000,"it\'s\r\n\t\\\0"\na b\x7f,0,6,1,0,"x,""y"" "\n');
    assertEquals(latin1(encodeKeys([fromLatin1("a b"), fromLatin1("c,d")], "default")), "a\\x20b\nc,d\n");
    assertEquals(latin1(encodeKeys([fromLatin1("a b"), fromLatin1("c,d")], "csv")), 'a b\n"c,d"\n');
    assertEquals(keyWord(new TextEncoder().encode("日本 語")), "日本\\x20語");
  });

  it("take empty lines, CRLF and a last line without its end", () => {
    assertEquals(parse(fromLatin1("\r\nk 0 1 1 0 'v'\r\n\nl 0 0 2 0 ''"), "default"), [
      item("k", "v"),
      item("l", "", { version: 2 }),
    ]);
    assertEquals(parse(fromLatin1('k,0,1,1,0,v\r\n"l",0,0,2,0,'), "csv"), [item("k", "v"), item("l", "", { version: 2 })]);
  });

  it("refuse a damaged text with its line", () => {
    const cases: readonly (readonly [DumpFormat, string, string])[] = [
      ["default", "k 0 1 1 0 'v'\nk 0 2 1 0 'v'\n", "line 2 of the dump says 2 bytes but has 1"],
      ["default", "k 0 1 1 0 v\n", "line 1 of the dump is not \"key flag size version expire 'value'\""],
      ["default", "k 0 1 1 0 'v", "line 1 of the dump is not"],
      ["default", "k 0 1 1 'v'\n", "line 1 of the dump has malformed numbers"],
      ["default", "k 4294967296 1 1 0 'v'\n", "line 1 of the dump has malformed numbers"],
      ["default", "k 0 1 1 0'v'\n", "line 1 of the dump has no space before its value"],
      ["default", "k 0 1 1 0 '\\q'\n", "line 1 of the dump has an invalid escape"],
      ["default", "k 0 1 1 0 '\\x0'\n", "line 1 of the dump has an invalid escape"],
      ["default", "k 0 1 1 0 'v\\'\n", "line 1 of the dump has an invalid escape"],
      ["csv", "k,0,1,1,0\n", "line 1 of the dump has 5 fields instead of key,flag,size,version,expire,value"],
      ["csv", "k,0,1,1,0,v,w\n", "line 1 of the dump has 7 fields"],
      ["csv", 'k,0,1,1,0,"v"w\n', "line 1 of the dump has bytes after a quoted field"],
      ["csv", 'k,0,1,1,0,"v\n', "line 1 of the dump has a quote that is not closed"],
      ["csv", ",0,1,1,0,v\n", "line 1 of the dump has an empty key"],
      ["csv", 'k,0,3,1,0,"v\n\n"\nl,0,1,1,0\n', "line 4 of the dump has 5 fields"],
    ];
    for (const [format, text, message] of cases) {
      assertThrows(() => parse(fromLatin1(text), format), FlareError, message, text);
    }
  });
});

describe("the end line of a dump", () => {
  it("looks as documented", () => {
    assertEquals(
      latin1(wholeDump([item("k", "v"), item("l", "")], "default")),
      "k 0 1 1 0 'v'\nl 0 0 1 0 ''\n# end of dump items=2 bytes=27 crc32=bd690a40\n",
    );
    assertEquals(latin1(wholeDump([], "csv")), "# end of dump items=0 bytes=0 crc32=00000000\n");
  });

  it("is checked and taken away, however the text is cut, also of dumps one behind the other", () => {
    for (const format of Object.values(DumpFormat)) {
      const anyItems = fc.array(anyItem, { maxLength: 4 });
      fc.assert(
        fc.property(anyItems, anyItems, fc.integer({ min: 1, max: 40 }), (first, second, chunkBytes) => {
          const text = latin1(wholeDump(first, format)) + latin1(wholeDump(second, format));
          assertEquals(parseComplete(fromLatin1(text), format, chunkBytes), [...first, ...second]);
        }),
        { numRuns: 300 },
      );
    }
  });

  it("makes every dump that is cut short a refused one", () => {
    for (const format of Object.values(DumpFormat)) {
      fc.assert(
        fc.property(fc.array(anyItem, { maxLength: 4 }), fc.nat(), (items, at) => {
          const text = wholeDump(items, format);
          // Without its last byte, the line feed, it still says everything.
          const cut = text.subarray(0, at % (text.length - 1));
          assertThrows(() => parseComplete(cut, format), FlareError, "line");
        }),
        { numRuns: 1000 },
      );
    }
  });

  it("makes every dump with a changed byte a refused one", () => {
    for (const format of Object.values(DumpFormat)) {
      fc.assert(
        fc.property(
          fc.array(anyItem, { minLength: 1, maxLength: 4 }),
          fc.nat(),
          fc.integer({ min: 1, max: 255 }),
          (items, at, by) => {
            const text = wholeDump(items, format);
            const place = at % (text.length - 1);
            text[place] = (text[place] as number) ^ by;
            assertThrows(() => parseComplete(text, format), FlareError, "of the dump");
          },
        ),
        { numRuns: 1000 },
      );
    }
  });

  it("tells what does not fit", () => {
    const cases: readonly (readonly [string, string])[] = [
      ["", "the dump ends after line 0 without an end line"],
      ["k 0 1 1 0 'v'\n", "the dump ends after line 1 without an end line"],
      ["k 0 1 1 0 'v'", "the dump ends after line 1 without an end line"],
      ["# end of dump items=1 bytes=14 crc32=00000000\n", "line 1 of the dump says 1 items, but there are 0 before it"],
      ["k 0 1 1 0 'v'\n# end of dump items=1 bytes=15 crc32=00000000\n", "line 2 of the dump says 15 bytes, but there are 14"],
      ["k 0 1 1 0 'v'\n# end of dump items=1 bytes=14 crc32=00000000\n", "line 2 of the dump has the checksum 00000000, but"],
      ["# end of dump items=0 bytes=0 crc32=00000000\nk 0 1 1 0 'v'\n", "the dump ends after line 2 without an end line"],
      ["# end of dump items=0\n", "line 1 of the dump is not"],
    ];
    for (const [text, message] of cases) {
      assertThrows(() => parseComplete(fromLatin1(text), "default"), FlareError, message, text);
    }
    assertEquals(parse(fromLatin1("k 0 1 1 0 'v'\n# end of dump items=7 bytes=1 crc32=00000000\n"), "default"), [
      item("k", "v"),
    ]);
  });

  it("leaves keys that begin like it alone", () => {
    const items = [item("#", "v"), item("# end of dump items=0 bytes=0 crc32=00000000", "v")];
    for (const format of Object.values(DumpFormat)) assertEquals(parseComplete(wholeDump(items, format), format), items);
  });
});
