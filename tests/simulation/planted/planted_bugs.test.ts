/**
 * Every planted bug still has its place in the sources and is a program; one of them is found as `sim:planted` does it.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import ts from "typescript";
import { readRepositoryFile } from "../../support/repository.ts";
import { plant } from "./bug.ts";
import { plantedBugs } from "./bugs.ts";
import { PlantedCopy } from "./planted_copy.ts";
import { SEARCHES } from "./searches.ts";

describe("planted bugs", () => {
  for (const bug of plantedBugs) {
    it(`${bug.name}: can be planted`, () => {
      const source = readRepositoryFile(bug.file);
      const { diagnostics = [] } = ts.transpileModule(plant(bug, source), { reportDiagnostics: true });
      assertEquals(
        diagnostics.map(({ messageText }) => messageText),
        [],
      );
      assert(bug.search in SEARCHES, bug.search);
    });
  }

  it("have different names", () => {
    assertEquals(new Set(plantedBugs.map(({ name }) => name)).size, plantedBugs.length);
  });

  it("need their text exactly once", () => {
    const bug = { name: "b", about: "", search: "", file: "f.ts", find: "here", replace: "there" };
    assertEquals(plant(bug, "it is here"), "it is there");
    for (const source of ["it is gone", "here and here"]) assertThrows(() => plant(bug, source), Error);
  });

  it("are found, and nothing where there is none", { timeout: 180_000 }, async () => {
    const bug = plantedBugs.find(({ name }) => name === "segment-name-not-synced");
    for (const planted of [bug, undefined]) {
      const copy = new PlantedCopy(planted);
      try {
        const { seed, message } = await copy.search("power", 1, planted === undefined ? 3 : 100);
        assertEquals([seed !== undefined, message !== undefined], [planted !== undefined, planted !== undefined]);
      } finally {
        copy.remove();
      }
    }
  });
});
