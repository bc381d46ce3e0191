/** How an operator names nodes. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { parseAddress, parseBalanceTarget, parseNodeKey, parseRoleTarget } from "../../../lib/admin/node_targets.ts";
import { FlareError } from "../../../lib/base/errors.ts";

describe("node targets", () => {
  it("name a node", () => {
    assertEquals(parseAddress("db1.example:12121"), { host: "db1.example", port: 12121 });
    assertEquals(parseAddress("[::1]:1"), { host: "::1", port: 1 });
    assertEquals(parseNodeKey("::1:65535"), "::1:65535");
  });

  it("name a node with a balance and a partition", () => {
    assertEquals(parseBalanceTarget("db1:12121:3"), { node: "db1:12121", balance: 3 });
    assertEquals(parseRoleTarget("db1:12121:0:17"), { node: "db1:12121", balance: 0, partition: 17 });
    assertEquals(parseRoleTarget("[::1]:12121:1:0"), { node: "::1:12121", balance: 1, partition: 0 });
    assertEquals(parseRoleTarget("db1:1:2147483647:0").balance, 2147483647);
  });

  it("are refused when malformed", () => {
    for (const text of ["", "db1", "db1:", ":1", "db1:0", "db1:65536", "db1:x", "d b:1"]) {
      assertThrows(() => parseAddress(text), FlareError, `"${text}" must have the form "host:port"`);
    }
    for (const text of ["db1:1", "db1:1:-1", "db1:1:2147483648", "db1:0:1", "db1:1:x"]) {
      assertThrows(() => parseBalanceTarget(text), FlareError, `"${text}" must have the form "host:port:balance"`);
    }
    for (const text of ["db1:1:1", "db1:1:1:", "db1:1::0", "db1:70000:1:0", "db1:1:1:9999999999"]) {
      assertThrows(() => parseRoleTarget(text), FlareError, `"${text}" must have the form "host:port:balance:partition"`);
    }
  });
});
