/**
 * A slice of Debian's package list through an unchanged npm client, with `kill -9` in the middle of overwriting it.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { proveRealInput, realInput } from "../support/real_input.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const RECORDS = 2000;

describe("real input and kill -9", () => {
  for (const fsync of ["os", "interval", "always"] as const) {
    it(`keeps every acknowledged write byte for byte with fsync ${fsync}`, async () => {
      const input = realInput(RECORDS);
      await withTemporaryDirectory(async (directory) => {
        const numbers = await proveRealInput({ directory, fsync, input });
        console.info(JSON.stringify(numbers));
        assert(numbers.acknowledged >= numbers.records / 2, `${numbers.acknowledged} acknowledged`);
        assert(numbers.untouched > 0, "the kill came in the middle");
        assertEquals(numbers.newer + numbers.older + numbers.untouched, numbers.records);
      });
    });
  }
});
