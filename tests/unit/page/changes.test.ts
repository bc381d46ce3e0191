/** Which changes the page offers for a node, and what it asks for. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import {
  type ChangeForm,
  changeNews,
  changeRequest,
  newestId,
  partnersOf,
  verbsFor,
} from "../../../lib/web/browser/model/changes.ts";
import type { Happened } from "../../../lib/web/browser/model/cluster.ts";

const form: ChangeForm = {
  verb: "slave",
  node: "h:1",
  partition: 2,
  balance: 3,
  slaves: ["h:2"],
  activate: true,
  unsafe: false,
};

describe("the changes of a node", () => {
  it("suit what it is", () => {
    assertEquals(verbsFor({ role: "slave", state: "active" }, [])[0], "promote");
    assertEquals(verbsFor({ role: "slave", state: "prepare" }, []).includes("promote"), false);
    assertEquals(verbsFor({ role: "proxy", state: "active" }, []).slice(0, 2), ["slave", "master"]);
    assertEquals(verbsFor({ role: "master", state: "ready" }, [])[0], "activate");
    assertEquals(verbsFor({ role: "proxy", state: "down" }, []), ["activate", "remove"]);
    assertEquals(verbsFor({ role: "master", state: "active" }, []).includes("activate"), false);
  });
});

describe("a new partition with slaves", () => {
  const proxies = ["h:1", "h:2", "h:3"].map((key) => ({ key, role: "proxy" as const, state: "active" as const }));
  const others = [
    { key: "h:4", role: "proxy" as const, state: "down" as const },
    { key: "h:5", role: "slave" as const, state: "active" as const },
  ];

  it("is offered for a proxy while there are others", () => {
    assertEquals(partnersOf({ key: "h:1" }, [...others, ...proxies]), ["h:2", "h:3"]);
    assertEquals(verbsFor({ role: "proxy", state: "active" }, ["h:2"]).includes("part"), true);
    assertEquals(verbsFor({ role: "proxy", state: "active" }, []).includes("part"), false);
    assertEquals(verbsFor({ role: "slave", state: "active" }, ["h:2"]).includes("part"), false);
  });

  it("asks for the master first", () => {
    assertEquals(changeRequest({ ...form, verb: "part" }, true), {
      verb: "part",
      targets: ["h:1", "h:2"].map((node) => ({ node, partition: 2, balance: 3 })),
      options: {},
      dryRun: true,
    });
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
      confirm: true,
    });
    assertEquals(changeRequest({ ...form, verb: "master", unsafe: true }, true).options, { activate: true, unsafe: true });
    assertEquals(changeRequest({ ...form, verb: "promote", unsafe: true }, true), {
      verb: "promote",
      nodes: ["h:1"],
      options: { unsafe: true },
      dryRun: true,
    });
  });
});

describe("a change that runs", () => {
  const event = (id: number, text: string, kind = "change"): Happened => ({ id, atMs: id, text, kind, node: null });
  const before = [event(1, "down h:1: done"), event(2, "node map 3: state", "state")];

  it("says what is done by events, from its begin to its end", () => {
    const afterId = newestId(before);
    assertEquals([afterId, newestId([])], [2, 0]);
    const begun = [...before, event(3, "slave h:1:1:0: node h:1: role"), event(4, "node map 4: role", "role")];
    assertEquals(changeNews(begun, afterId), { lines: ["node h:1: role"], hasEnded: false, error: undefined });
    const done = [...begun, event(5, "slave h:1:1:0: done"), event(6, "down h:2: x")];
    assertEquals(changeNews(done, afterId), { lines: ["node h:1: role"], hasEnded: true, error: undefined });
    const failed = [...begun, event(5, "slave h:1:1:0: failed: it does not answer: timeout")];
    assertEquals(changeNews(failed, afterId), {
      lines: ["node h:1: role"],
      hasEnded: true,
      error: "it does not answer: timeout",
    });
  });
});
