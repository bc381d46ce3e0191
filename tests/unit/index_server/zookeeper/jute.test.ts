/** Jute, field by field, and what ends too early. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import { JuteReader, JuteWriter } from "../../../../lib/index_server/zookeeper/jute.ts";

describe("jute", () => {
  it("writes integers in big-endian order, and texts and bytes after their length", () => {
    const writer = new JuteWriter();
    writer.boolean(true);
    writer.int(-2);
    writer.long(0x0102030405060708n);
    writer.text("ä/");
    writer.buffer(Uint8Array.of(9));
    const bytes = [1, 255, 255, 255, 254, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 3, 0xc3, 0xa4, 0x2f, 0, 0, 0, 1, 9];
    assertEquals([...writer.bytes], bytes);
    const reader = new JuteReader(writer.bytes);
    assertEquals(
      [reader.boolean(), reader.int(), reader.long(), reader.text(), [...reader.buffer()], reader.left],
      [true, -2, 0x0102030405060708n, "ä/", [9], 0],
    );
  });

  it("writes more than it had room for", () => {
    for (const [write, read] of [
      [(writer: JuteWriter, i: number) => writer.int(i), (reader: JuteReader) => reader.int()],
      [(writer: JuteWriter, i: number) => writer.long(BigInt(i)), (reader: JuteReader) => Number(reader.long())],
      [(writer: JuteWriter, i: number) => writer.text("x".repeat(i)), (reader: JuteReader) => reader.text().length],
    ] as const) {
      const writer = new JuteWriter();
      for (let i = 0; i < 1000; i++) write(writer, i);
      const reader = new JuteReader(writer.bytes);
      for (let i = 0; i < 1000; i++) assertEquals(read(reader), i);
      assertEquals(reader.left, 0);
    }
  });

  it("reads lists and missing values", () => {
    const reader = new JuteReader(Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 1, 0x61, 0, 0, 0, 0, 255, 255, 255, 255));
    assertEquals(reader.texts(), ["a", ""]);
    assertEquals(reader.buffer().length, 0);
  });

  it("refuses what ends too early, or has an impossible length", () => {
    const cases: readonly (readonly [bytes: readonly number[], read: (reader: JuteReader) => unknown])[] = [
      [[0, 0, 0], (reader) => reader.int()],
      [[0, 0, 0, 0, 0, 0, 0], (reader) => reader.long()],
      [[], (reader) => reader.boolean()],
      [[0, 0, 0, 2, 1], (reader) => reader.buffer()],
      [[255, 255, 255, 254], (reader) => reader.buffer()],
      [[0x7f, 255, 255, 255, 1, 1], (reader) => reader.texts()],
    ];
    for (const [bytes, read] of cases) {
      const error = assertThrows(() => read(new JuteReader(Uint8Array.from(bytes))), FlareError) as FlareError;
      assertEquals(error.code, "CORRUPT");
    }
  });
});
