/** `lane` between nodes: the name of a connection, and the question about it. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { latin1 } from "../../../lib/base/bytes.ts";
import { laneLines, parseLane } from "../../../lib/protocol/lane_request.ts";

describe("lane", () => {
  it("names a connection, or asks about it", () => {
    const { open, ask } = laneLines("a:1", 4294967295);
    assertEquals([latin1(open), latin1(ask)], ["<a:1>lane open 4294967295\r\n", "<a:1>lane ask 4294967295\r\n"]);
    assertEquals(parseLane("a:1", ["open", "7"]), { verb: "open", name: "a:1 7" });
    assertEquals(parseLane("b:2,a:1", ["ask", "7"]), { verb: "ask", name: "a:1 7" });
  });

  it("is malformed without a sender, a verb it knows or a number", () => {
    for (const [prefix, words] of [
      [undefined, ["open", "7"]],
      ["", ["open", "7"]],
      ["a:1", []],
      ["a:1", ["open"]],
      ["a:1", ["close", "7"]],
      ["a:1", ["ask", "x"]],
      ["a:1", ["ask", "-1"]],
      ["a:1", ["ask", "7", "8"]],
    ] as const) {
      assertEquals(parseLane(prefix, words), undefined, `${prefix} ${words}`);
    }
  });
});
