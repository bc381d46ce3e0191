/** Changes as the page asks for them. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { askedChange } from "../../../lib/web/change_request.ts";

const NODES = ["127.0.0.1:1", "127.0.0.1:2"];
const TARGETS = [{ node: "127.0.0.1:1", balance: 1, partition: 0 }];

describe("a change that is asked for", () => {
  it("is a verb, its nodes, and its options", () => {
    const { change, text, isDryRun, isConfirmed } = askedChange({ verb: "down", nodes: NODES, dryRun: true });
    assertEquals(
      change.planners.map(({ node }) => node),
      NODES,
    );
    assertEquals([text, isDryRun, isConfirmed], ["down 127.0.0.1:1 127.0.0.1:2", true, false]);
    const slave = askedChange({ verb: "slave", targets: TARGETS, options: { clean: false }, confirm: true });
    assertEquals([slave.text, slave.isDryRun, slave.isConfirmed], ["slave 127.0.0.1:1:1:0 clean=false", false, true]);
    const balance = askedChange({ verb: "balance", targets: [{ node: "127.0.0.1:1", balance: 4 }] });
    assertEquals(balance.text, "balance 127.0.0.1:1:4");
    for (const verb of ["promote", "activate", "reconstruct", "remove"]) {
      assertEquals(askedChange({ verb, nodes: NODES }).change.planners.length, 2, verb);
    }
    for (const verb of ["master", "part"])
      assertEquals(askedChange({ verb, targets: TARGETS }).change.planners.length, 1, verb);
  });

  it("is refused where something is not as it must be", () => {
    const wrong: readonly (readonly [given: unknown, message: string])[] = [
      [null, "is not an object"],
      [[], "is not an object"],
      ["down", "is not an object"],
      [{}, '"verb" is missing'],
      [{ verb: "explode" }, "explode"],
      [{ verb: "__proto__", nodes: NODES }, "__proto__"],
      [{ verb: "down" }, '"nodes" is missing'],
      [{ verb: "down", nodes: [] }, "nodes"],
      [{ verb: "down", nodes: "127.0.0.1:1" }, "nodes"],
      [{ verb: "down", nodes: ["127.0.0.1:1 2"] }, "127.0.0.1:1 2"],
      [{ verb: "down", nodes: ["a:1\r\nflush_all"] }, "a:1"],
      [{ verb: "down", nodes: Array(1025).fill("a:1") }, "nodes"],
      [{ verb: "down", nodes: NODES, targets: TARGETS }, '"down" takes "nodes", not "targets"'],
      [{ verb: "down", nodes: NODES, options: { clean: true } }, '"down" has no options'],
      [{ verb: "slave", nodes: NODES }, '"targets" is missing'],
      [{ verb: "master", targets: [{ balance: 0, partition: 0 }] }, '"node" of a node is missing'],
      [{ verb: "slave", targets: [{ node: "a:1", partition: 0 }] }, '"balance" of a node is missing'],
      [{ verb: "part", targets: [{ node: "a:1", balance: 1 }] }, '"partition" of a node is missing'],
      [{ verb: "balance", targets: [{ balance: 0 }] }, '"node" of a node is missing'],
      [{ verb: "slave", targets: [{ node: "a:1", balance: -1, partition: 0 }] }, "balance"],
      [{ verb: "slave", targets: [{ node: "a:1", balance: "1", partition: 0 }] }, "balance"],
      [{ verb: "slave", targets: [null] }, "targets"],
      [{ verb: "promote", nodes: NODES, options: { force: true } }, "force"],
      [{ verb: "promote", nodes: NODES, options: [] }, "options"],
      [{ verb: "promote", nodes: NODES, dryRun: "false" }, "dryRun"],
      [{ verb: "promote", nodes: NODES, dry_run: true }, "dry_run"],
    ];
    for (const [given, message] of wrong) {
      const error = assertThrows(() => askedChange(given), FlareError, message, JSON.stringify(given));
      assertEquals(error.code, "INVALID_OPTION");
    }
  });
});
