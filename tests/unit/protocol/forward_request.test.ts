/** `forward` between nodes, and the answer that a key belongs to another one. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { encodeForward, mayBeMoved, movedLine, parseForward, parseMoved } from "../../../lib/protocol/forward_request.ts";

describe("forward", () => {
  it("says who forwards, and by which map", () => {
    assertEquals(latin1(encodeForward("a:1", 18446744073709551615n)), "<a:1>forward 18446744073709551615\r\n");
    assertEquals(parseForward("a:1", ["7"]), { nodeKey: "a:1", mapVersion: 7 });
    assertEquals(parseForward("b:2,a:1", ["7"]), { nodeKey: "a:1", mapVersion: 7 });
  });

  it("is malformed without a sender or a version", () => {
    for (const [prefix, words] of [
      [undefined, ["7"]],
      ["", ["7"]],
      ["a:1", []],
      ["a:1", ["x"]],
      ["a:1", ["-1"]],
      ["a:1", ["7", "8"]],
      ["a:1", ["18446744073709551616"]],
    ] as const) {
      assertEquals(parseForward(prefix, words), undefined, `${prefix} ${words}`);
    }
  });
});

describe("the answer that a key has moved", () => {
  it("names the map and the owner, if there is one", () => {
    for (const answer of [
      { mapVersion: 7, owner: "a:1" },
      { mapVersion: 7, owner: undefined },
    ]) {
      const line = movedLine(answer);
      assertEquals([parseMoved(line), mayBeMoved(fromLatin1(`..${line}`), 2)], [answer, true]);
    }
  });

  it("is no other answer", () => {
    for (const line of ["STORED", "MOVED", "MOVED x", "MOVED 7 a:1 b", "moved 7", "", "MOVEDX 7"]) {
      assertEquals(parseMoved(line), undefined, line);
    }
    assertEquals(mayBeMoved(fromLatin1("STORED"), 0), false);
  });
});
