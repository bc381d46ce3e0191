/** The verdict on the stores of killed index servers: what must hold holds, and each thing that must not be is found. */

import { describe, it } from "node:test";
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { MapRecord } from "../../lib/cluster/map_record.ts";
import { nodeFaults, storeFaults } from "./leader_verdict.ts";

function store(version: number, term: number, server: string, ...events: string[]): MapRecord {
  return { version, term, atMs: 1, server, cause: "", events };
}

const GOOD = [
  store(0, 1, "a"),
  store(1, 1, "a", 'added "m": proxy'),
  store(1, 2, "b"),
  store(2, 2, "b", 'promoted "s": slave -> master', 'lost "m": master -> proxy'),
  store(2, 3, "a"),
];

describe("the verdict on killed index servers", () => {
  it("finds nothing where each store follows the one before, and killed masters alone went down", () => {
    assertEquals([storeFaults(GOOD), nodeFaults(GOOD, ["m"])], [[], []]);
  });

  it("finds the store of a former leader, one of another server in a term, a gap, and a map stored twice", () => {
    for (const wrong of [
      store(3, 2, "b", 'lost "x": slave'),
      store(3, 3, "b", 'added "x": proxy'),
      store(4, 3, "a", 'added "x": proxy'),
      store(2, 3, "a", 'added "x": proxy'),
      store(2, 5, "b"),
      store(3, 4, "b"),
      store(1, 4, "b"),
    ]) {
      const faults = storeFaults([...GOOD, wrong]);
      assertEquals(faults.length, 1);
      assertStringIncludes(faults[0] as string, `came map ${wrong.version} in term ${wrong.term} of ${wrong.server}`);
    }
  });

  it("finds a healthy node that was taken down, and a killed one that was not", () => {
    assertEquals(nodeFaults([...GOOD, store(3, 3, "a", 'lost "s": slave')], ["m"]), ["nodes that went down: m,s; killed: m"]);
    assertEquals(nodeFaults(GOOD, ["m", "s"]), ["nodes that went down: m; killed: m,s", "promotions: 1; killed masters: 2"]);
  });
});
