/** The line of an operator's doing. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { auditLine } from "../../../lib/net/audit.ts";

describe("an audit line", () => {
  it("has one form, whoever it was", () => {
    const anybody = { peer: "192.0.2.1:5", user: undefined, certificateName: undefined };
    assertEquals(
      auditLine({ ...anybody, user: "ann", certificateName: "ops" }, "http", "promote h:1", "done"),
      'audit who="user:ann" from="192.0.2.1:5" via="http" what="promote h:1" result="done"',
    );
    assertEquals(
      auditLine({ ...anybody, certificateName: "ops" }, "memcached", "kill 1", "OK"),
      'audit who="cert:ops" from="192.0.2.1:5" via="memcached" what="kill 1" result="OK"',
    );
    // Nothing that a client sends begins another line or another field.
    assertEquals(
      auditLine(anybody, "memcached", 'a" result="done"\nb', "ERROR"),
      'audit who="anybody" from="192.0.2.1:5" via="memcached" what="a\\" result=\\"done\\"\\nb" result="ERROR"',
    );
  });
});
