/** Which requests of one connection wait for others. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { Outstanding } from "../../../../lib/net/connection/outstanding.ts";
import { nodeCommandSet } from "../../../../lib/node_server/node_command_table.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { TextParser } from "../../../../lib/protocol/text/text_parser.ts";

const LIMITS = { lineBytesMax: 100_000, keyBytesMax: 250, valueBytesMax: 1000 };
/** More keys than are compared with others. */
const LONG = `get ${Array.from({ length: 3000 }, (_, i) => `long${i}`).join(" ")}`;

function parsed(line: string): Request {
  const request = new Request();
  const bytes = fromLatin1(`${line}\r\n`);
  new TextParser(LIMITS, nodeCommandSet.words).parse(request, bytes, 0, bytes.length, 0);
  return request.clone();
}

describe("a request", () => {
  const cases = [
    ["get a", "get a", true],
    ["get a b", "gets b c", true],
    ["get a b", "get c", false],
    ["set a 0 0 1\r\nx", "get a", true],
    ["get a", "delete a", true],
    ["set a 0 0 1\r\nx", "delete b", false],
    [LONG, LONG, false],
    [LONG, "get long7", false],
    [LONG, "delete a", true],
    ["delete a", LONG, true],
    ["flush_all", "get a", true],
    ["get a", "flush_all", true],
    ["flush_all", LONG, true],
  ] as const;
  for (const [first, second, waits] of cases) {
    const name = (line: string): string => (line.split("\r\n")[0] as string).slice(0, 20);
    it(`${name(second)} ${waits ? "waits for" : "overtakes"} ${name(first)}`, () => {
      const outstanding = new Outstanding();
      const claims = [outstanding.add(parsed(first)), outstanding.add(parsed(first))];
      assertEquals(outstanding.conflicts(parsed(second)), waits);
      for (const claim of claims) {
        assertEquals(outstanding.conflicts(parsed(second)), waits);
        outstanding.remove(claim);
      }
      assertEquals([outstanding.conflicts(parsed(second)), outstanding.size], [false, 0]);
    });
  }

  it("of another node waits for nothing, and any for one of a thousand", () => {
    const outstanding = new Outstanding();
    const claims = Array.from({ length: 1000 }, (_, i) => outstanding.add(parsed(`get k${i}`)));
    assertEquals(
      [outstanding.conflicts(parsed("<a:1>set k1 0 0 1 2\r\nx")), outstanding.conflicts(parsed("get z"))],
      [false, true],
    );
    outstanding.remove(claims[0] as never);
    assertEquals(outstanding.conflicts(parsed("get z")), false);
  });
});
