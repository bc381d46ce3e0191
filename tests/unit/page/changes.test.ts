/** Which changes the page offers for a node, and what it asks for. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { type ChangeForm, changeRequest, verbsFor } from "../../../page/model/changes.ts";

const form: ChangeForm = { verb: "slave", node: "h:1", partition: 2, balance: 3, activate: true, unsafe: false };

describe("the changes of a node", () => {
  it("suit what it is", () => {
    assertEquals(verbsFor({ role: "slave", state: "active" })[0], "promote");
    assertEquals(verbsFor({ role: "slave", state: "prepare" }).includes("promote"), false);
    assertEquals(verbsFor({ role: "proxy", state: "active" }).slice(0, 2), ["slave", "master"]);
    assertEquals(verbsFor({ role: "master", state: "ready" })[0], "activate");
    assertEquals(verbsFor({ role: "proxy", state: "down" }), ["activate", "remove"]);
    assertEquals(verbsFor({ role: "master", state: "active" }).includes("activate"), false);
  });
});

describe("the request for a change", () => {
  it("has what its verb takes, and nothing else", () => {
    assertEquals(changeRequest(form, true), {
      verb: "slave",
      targets: [{ node: "h:1", partition: 2, balance: 3 }],
      options: {},
      dryRun: true,
    });
    assertEquals(changeRequest({ ...form, verb: "balance", unsafe: true }, false), {
      verb: "balance",
      targets: [{ node: "h:1", balance: 3 }],
      options: {},
      dryRun: false,
    });
    assertEquals(changeRequest({ ...form, verb: "master", unsafe: true }, true).options, { activate: true, unsafe: true });
    assertEquals(changeRequest({ ...form, verb: "promote", unsafe: true }, true), {
      verb: "promote",
      targets: [{ node: "h:1" }],
      options: { unsafe: true },
      dryRun: true,
    });
  });
});
