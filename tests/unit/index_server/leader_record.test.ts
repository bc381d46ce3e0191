/** What a coordinator says of the leading index server, written and read back. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { decodeLeader, encodeLeader } from "../../../lib/index_server/leader_record.ts";

describe("the record of a leader", () => {
  it("is its address and since when it leads", () => {
    const leader = { address: { host: "::1", port: 12120 }, sinceMs: 1_800_000_000_123 };
    assertEquals(encodeLeader(leader), "[::1]:12120 1800000000123");
    assertEquals(decodeLeader(encodeLeader(leader), "here"), leader);
  });

  it("is refused with its place if it is none", () => {
    for (const text of ["", "a:1", "a:1 yesterday", "a 18", "a:1 18 x", "a:1 -1"]) {
      const error = assertThrows(() => decodeLeader(text, 'the key "/k"'), FlareError) as FlareError;
      assertEquals(error.message, `the key "/k" names no leading index server: "${text}"; remove it`);
    }
  });
});
