/**
 * What a data directory says of itself: which data they are, how often they were opened, and that a directory whose record
 * is gone or damaged is not taken for another one.
 *
 * Covers lib/base/data_damage.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { Storage, type StorageIdentity } from "../../../lib/storage/storage.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import { read, StorageWorld, set, writeDurably } from "../../support/storage_world.ts";
import { TestDatabase } from "../../support/test_database.ts";

const RECORD = "data/FORMAT";
const FORMAT_1 = "flare-kv data format 1\n";

function open(files: MemoryFiles, database: TestDatabase, seed?: number): Promise<Storage> {
  return Storage.open(new StorageWorld(files, seed).runtime, { dataDir: "data", engine: database.asEngine });
}

async function openAndClose(files: MemoryFiles, database: TestDatabase, seed?: number): Promise<StorageIdentity> {
  const storage = await open(files, database, seed);
  const { identity } = storage;
  await storage.close();
  return identity;
}

describe("the identity of data", () => {
  it("stays the same, and the incarnation grows by one with each opening", async () => {
    const files = new MemoryFiles();
    const database = new TestDatabase();
    const first = await openAndClose(files, database);
    assertMatch(first.id, /^[0-9a-f]{32}$/);
    assertEquals(first.incarnation, 1);
    assertEquals(await openAndClose(files, database, 7), { id: first.id, incarnation: 2 });
    const storage = await open(files, database);
    assertEquals(storage.identity, { id: first.id, incarnation: 3 });
    // Killed: that it was open is known.
    assertEquals(await openAndClose(files.killed(), database), { id: first.id, incarnation: 4 });
    assertEquals(await openAndClose(files.powerCut(), database), { id: first.id, incarnation: 4 });
  });

  it("is another one for each directory, and for each opening without a directory", async () => {
    const one = await openAndClose(new MemoryFiles(), new TestDatabase(), 1);
    const other = await openAndClose(new MemoryFiles(), new TestDatabase(), 2);
    assertNotEquals(one.id, other.id);
    const world = new StorageWorld();
    const passing = await Storage.open(world.runtime, {});
    const next = await Storage.open(world.runtime, {});
    assertEquals([passing.identity.incarnation, next.identity.incarnation], [1, 1]);
    assertNotEquals(passing.identity.id, next.identity.id);
    await passing.close();
    await next.close();
  });

  it("is given to a directory of 2.0.0 with its first opening, which 2.0.0 refuses from then on", async () => {
    const files = new MemoryFiles();
    const database = new TestDatabase();
    const before = await open(files, database);
    await writeDurably(before, set("a", "1"), 0);
    await before.close();
    files.write(RECORD, fromLatin1(FORMAT_1));
    const storage = await open(files, database, 9);
    assertEquals(storage.identity.incarnation, 2);
    assertEquals((await read(storage, "a", 0))?.value, "1");
    const { identity } = storage;
    await storage.close();
    assertEquals(await openAndClose(files, database), { id: identity.id, incarnation: 3 });
    assertMatch(latin1(files.content(RECORD)), /^flare-kv data format 2\n/);
  });
});

describe("a data directory without its record", () => {
  it("is refused while it holds a log or an engine, and given free", async () => {
    const files = new MemoryFiles();
    await openAndClose(files, new TestDatabase());
    await files.remove(RECORD);
    for (let attempts = 0; attempts < 2; attempts++) {
      const error = await assertRejects(() => open(files, new TestDatabase()), FlareError);
      assertEquals(error.code, "CORRUPT");
      assertMatch(error.message, /^"data\/FORMAT" is missing, although the directory contains "log\/changes-/);
    }
    await files.remove("data/log");
    files.write("data/engine/CURRENT", fromLatin1("MANIFEST-000002\n"));
    const error = await assertRejects(() => open(files, new TestDatabase()), FlareError);
    assertMatch(error.message, /although the directory contains "engine\/CURRENT"/);
  });

  it("is refused wherever the record is cut, and whichever of its bytes is another one", async () => {
    const files = new MemoryFiles();
    await openAndClose(files, new TestDatabase());
    const record = files.content(RECORD);
    for (let at = 0; at < record.length; at++) {
      for (const content of [record.slice(0, at), record.map((byte, i) => (i === at ? byte ^ 1 : byte))]) {
        const damaged = files.killed();
        damaged.write(RECORD, content);
        const error = await assertRejects(() => open(damaged, new TestDatabase()), FlareError, RECORD);
        assertEquals(
          error.code,
          latin1(content).startsWith("flare-kv data format 3") ? "UNSUPPORTED" : "CORRUPT",
          `byte ${at}`,
        );
      }
    }
  });
});
