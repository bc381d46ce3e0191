/** When a master's sample speaks against copying it: it lacks most of what is here and has less, or has most of it older. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { doubtOf } from "../../../lib/replication/source_check.ts";

describe("a master that is to be copied", () => {
  const rows: [
    what: string,
    asked: number,
    missing: number,
    older: number,
    there: number | undefined,
    here: number,
    ok: boolean,
  ][] = [
    ["has everything", 64, 0, 0, 200, 200, true],
    ["lacks the last writes of its predecessor", 64, 3, 2, 199, 200, true],
    ["has deleted half", 64, 32, 0, 100, 200, true],
    ["has deleted most, and more that is new", 64, 60, 0, 300, 200, true],
    ["has nothing", 64, 64, 0, 0, 200, false],
    ["has a few new keys", 64, 58, 6, 20, 200, false],
    ["has an old copy", 64, 0, 33, 200, 200, false],
    ["has nothing, and here is one item", 1, 1, 0, 0, 1, false],
    ["does not tell how much it has", 64, 64, 0, undefined, 200, false],
  ];
  for (const [what, asked, missing, older, sourceItems, ownItems, ok] of rows) {
    it(`is ${ok ? "copied" : "refused"}: it ${what}`, () => {
      assertEquals(doubtOf({ asked, missing, older, sourceItems, ownItems }) === undefined, ok);
    });
  }
});
