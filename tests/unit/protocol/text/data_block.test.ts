/** How much of what follows a refused line belongs to it. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { announcedLength, DATA_BYTES_MAX, parseLength } from "../../../../lib/protocol/text/data_block.ts";

function announced(line: string): number {
  const bytes = fromLatin1(`xx${line}\r\n`);
  return announcedLength(bytes, 2, bytes.length - 2);
}

describe("announcedLength", () => {
  it("is the word a storing command has it in, whatever is wrong with the others", () => {
    for (const word of ["set", "add", "replace", "append", "prepend", "cas"]) {
      assertEquals(announced(`${word} key 0 0 17`), 17, word);
      assertEquals(announced(`  ${word}  ${"k".repeat(300)}  flags  soon   +17 5 noreply`), 17, word);
    }
    assertEquals(announced("ms key 5 T0"), 5);
    assertEquals(announced("set key 0 0 99999999999"), 99999999999);
    assertEquals(DATA_BYTES_MAX, 2 ** 31 - 3);
  });

  it("is none where the line is no such command, too short, or has no number there", () => {
    const lines = [
      "",
      " ",
      "get a b c 5",
      "sets a 0 0 5",
      "SET a 0 0 5",
      "set a 0 0",
      "set a 0 0 -5",
      "set a 0 0 5x",
      "ms key",
    ];
    for (const line of lines) assertEquals(announced(line), Number.NaN, line);
    assertEquals(announced("set a\0 0 0 5"), Number.NaN);
  });
});

describe("parseLength", () => {
  it("takes digits, with one plus", () => {
    const parsed = (text: string): number => parseLength(fromLatin1(text), 0, text.length);
    assertEquals([parsed("0"), parsed("+0"), parsed("0012")], [0, 0, 12]);
    for (const text of ["", "+", "++1", "-1", "1.0", "1 ", "ten"]) assertEquals(parsed(text), Number.NaN, text);
  });
});
