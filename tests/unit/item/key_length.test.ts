/** The limit of a key's length. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { isKeyTooLong } from "../../../lib/item/key_length.ts";

describe("a key's length", () => {
  it("may be as large as the limit", () => {
    assertEquals(
      [0, 249, 250, 251].map((length) => isKeyTooLong(length, 250)),
      [false, false, false, true],
    );
  });
});
