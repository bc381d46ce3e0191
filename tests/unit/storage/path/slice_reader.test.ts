/** A walk while other things happen: it shows nothing older than what was there when its slice was asked for. */

import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import { latin1 } from "../../../../lib/base/bytes.ts";
import { MutationKind } from "../../../../lib/item/mutation.ts";
import { Storage } from "../../../../lib/storage/storage.ts";
import { mutation, StorageWorld, set, writeDurably } from "../../../support/storage_world.ts";
import { TestDatabase } from "../../../support/test_database.ts";

const MEMORY_BYTES = 1 << 16;

describe("a slice", () => {
  for (const syncReads of [true, false]) {
    it(`has what left the memory for the engine meanwhile, with${syncReads ? "" : "out"} synchronous reads`, async () => {
      const world = new StorageWorld();
      const now = world.nowSeconds;
      const database = new TestDatabase({ syncReads });
      const storage = await Storage.open(world.runtime, {
        dataDir: "data",
        engine: database.asEngine,
        memoryBytesMax: MEMORY_BYTES,
      });
      for (const key of ["a", "b", "c"]) await writeDurably(storage, set(key, "old"), now);
      await storage.checkpoint();
      await writeDurably(storage, set("a", "new"), now);
      await writeDurably(storage, mutation(MutationKind.delete, "b", ""), now);

      let goOn = (): void => undefined;
      database.walking = new Promise((resolve) => {
        goOn = resolve;
      });
      const cursor = storage.openCursor({ checkpointed: true });
      const reading = cursor.slice(100, MEMORY_BYTES);
      await new Promise<void>((resolve) => setImmediate(resolve));
      for (let key = 0; key < 1500; key++) {
        await writeDurably(storage, set(`filler ${key}`, "x".repeat(100)), now);
        if (key % 100 === 0) await storage.checkpoint();
      }
      assert(storage.stats().arenaItems < 1500, "something was evicted");
      goOn();
      const { items } = await reading;
      assertEquals(
        items.map(({ key, value }) => `${latin1(key)} ${latin1(value)}`),
        ["a new", "c old"],
      );
      await cursor.close();
      await storage.close();
    });
  }
});
