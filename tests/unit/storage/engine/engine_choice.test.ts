/**
 * Which engine a name means: the built-in ones, the original's names for them, and what goes with a data directory.
 */

import { describe, it } from "node:test";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import {
  aliasText,
  checkEngineChoice,
  engineField,
  engineNames,
  engineOfType,
  isDurable,
  openEngine,
  storageTypes,
} from "../../../../lib/storage/engine/engine_choice.ts";
import { StorageWorld } from "../../../support/storage_world.ts";
import { TestDatabase } from "../../../support/test_database.ts";

describe("engines", () => {
  it("are found by their own names and by the original's", () => {
    assertEquals(
      storageTypes.map((type) => [type, engineOfType(type)]),
      [
        ["level", "level"],
        ["memory", "memory"],
        ["tch", "level"],
        ["tcb", "level"],
        ["kch", "level"],
      ],
    );
    assertEquals(aliasText, "tch, tcb, kch select level");
  });

  it("keep data or not", () => {
    assertEquals(
      engineNames.map((name) => [name, isDurable(name)]),
      [
        ["level", true],
        ["memory", false],
      ],
    );
  });

  it("are refused where they contradict the data directory", () => {
    assertThrows(() => checkEngineChoice("level", undefined), FlareError, 'engine "level" needs a data directory');
    assertThrows(() => checkEngineChoice("memory", "d"), FlareError, 'engine "memory" keeps nothing in a data directory');
    const database = new TestDatabase().asEngine;
    for (const dataDir of ["d", undefined]) {
      checkEngineChoice(database, dataDir);
      checkEngineChoice(undefined, dataDir);
    }
  });

  it("are opened in memory where there is no directory, and never without one that they need", async () => {
    const { runtime } = new StorageWorld();
    const engine = await openEngine(runtime, undefined, undefined);
    assertEquals(engine.traits.name, "memory");
    await engine.close();
    await assertRejects(() => openEngine(runtime, "level", undefined), FlareError, 'engine "level" needs a data directory');
  });

  it("of a program are databases with the methods that are used", () => {
    const database = new TestDatabase().asEngine;
    assertEquals([database, "level", "memory"].map(engineField.accepts), [true, true, true]);
    assertEquals(["tch", "", null, {}, { open() {} }].map(engineField.accepts), [false, false, false, false, false]);
    assertEquals(engineField.allowedValue, '"level", "memory" or an abstract-level database');
  });
});
