/** `lane` between nodes: the name of a connection, and the question about it. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { latin1 } from "../../../lib/base/bytes.ts";
import { laneLines, meetLine, parseLane, strangerLine, strangerOf } from "../../../lib/protocol/lane_request.ts";

describe("lane", () => {
  it("names a connection, or asks about it", () => {
    const { open, ask } = laneLines("a:1", 4294967295, "b:2");
    assertEquals([latin1(open), latin1(ask)], ["<a:1>lane open 4294967295 b:2\r\n", "<a:1>lane ask 4294967295\r\n"]);
    assertEquals(parseLane("a:1", ["open", "7", "b:2"]), { verb: "open", name: "a:1 7", meant: "b:2" });
    // Earlier builds do not say whom they mean.
    assertEquals(parseLane("a:1", ["open", "7"]), { verb: "open", name: "a:1 7", meant: undefined });
    assertEquals(parseLane("b:2,a:1", ["ask", "7"]), { verb: "ask", name: "a:1 7", meant: undefined });
  });

  it("says whom a connection without a name is meant for", () => {
    assertEquals(latin1(meetLine("b:2")), "lane meet b:2\r\n");
    assertEquals(parseLane(undefined, ["meet", "b:2"]), { verb: "meet", name: "", meant: "b:2" });
    assertEquals([parseLane(undefined, ["meet"]), parseLane(undefined, ["meet", "b:2", "7"])], [undefined, undefined]);
  });

  it("is answered by a node that is not meant with who it is", () => {
    const asked = { verb: "open", name: "a:1 7", meant: "b:2" } as const;
    assertEquals(strangerLine(asked, "b:2"), undefined);
    assertEquals(strangerLine({ ...asked, meant: undefined }, "c:3"), undefined);
    assertEquals(strangerOf(strangerLine(asked, "c:3") ?? ""), "c:3");
    for (const answer of ["OK", "ERROR", "SERVER_ERROR out of memory"]) assertEquals(strangerOf(answer), undefined);
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
      ["a:1", ["open", "7", "b:2", "8"]],
    ] as const) {
      assertEquals(parseLane(prefix, words), undefined, `${prefix} ${words}`);
    }
  });
});
