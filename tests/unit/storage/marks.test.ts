/**
 * What the meta commands note about an item: kept in the log and in the engine, forgotten by a plain write; and what only
 * the memory knows of reads.
 *
 * Covers lib/storage/path/cursor.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { EntryMark, type EntryView } from "../../../lib/item/entry.ts";
import { emptyTerms, type Mutation, MutationKind, type MutationTerms } from "../../../lib/item/mutation.ts";
import { Storage } from "../../../lib/storage/storage.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import { keyOf, mutation, StorageWorld, set, writeDurably } from "../../support/storage_world.ts";
import { TestDatabase } from "../../support/test_database.ts";

function open(world: StorageWorld, database: TestDatabase): Promise<Storage> {
  return Storage.open(world.runtime, { dataDir: "data", engine: database.asEngine, memoryBytesMax: 1 << 20 });
}

function withTerms(kind: MutationKind, key: string, terms: Partial<MutationTerms> = {}): Mutation {
  return mutation(kind, key, "", { terms: { ...emptyTerms(), ...terms } });
}

async function seen(storage: Storage, key: string, now: number, peek = false): Promise<EntryView> {
  const entry = await storage.get(keyOf(key), now, peek);
  assert(entry !== undefined, `"${key}" is not there`);
  return { ...entry };
}

describe("marks of an item", () => {
  it("come back from the log after a kill, and from the engine after a checkpoint and an end", async () => {
    const world = new StorageWorld(new MemoryFiles());
    const now = world.nowSeconds;
    const database = new TestDatabase();
    const storage = await open(world, database);
    for (const key of ["stale", "won", "plain"]) await writeDurably(storage, set(key, "v"), now);
    await writeDurably(storage, withTerms(MutationKind.invalidate, "stale"), now);
    await writeDurably(storage, withTerms(MutationKind.invalidate, "won"), now);
    await writeDurably(storage, withTerms(MutationKind.fetch, "won"), now);
    const marks = async (one: Storage): Promise<number[]> => {
      const found: number[] = [];
      for (const key of ["stale", "won", "plain"]) found.push((await seen(one, key, now)).marks);
      return found;
    };
    const expected = [EntryMark.stale, EntryMark.stale | EntryMark.won, 0];
    assertEquals(await marks(storage), expected);
    const killed = await open(new StorageWorld((world.files as MemoryFiles).killed()), new TestDatabase());
    assertEquals(await marks(killed), expected, "read again from the log");
    await storage.close();
    const ended = await open(world, database);
    assertEquals(await marks(ended), expected, "read from the engine");
    const cursor = ended.openCursor();
    const items = await cursor.next(10, 1 << 20);
    assertEquals(
      items.map((item) => item.marks),
      [0, EntryMark.stale, EntryMark.stale | EntryMark.won],
    );
    await cursor.close();
    await ended.close();
    await killed.close();
  });

  it("go with a set and stay with a touch", async () => {
    const world = new StorageWorld(new MemoryFiles());
    const now = world.nowSeconds;
    const storage = await open(world, new TestDatabase());
    await writeDurably(storage, set("k", "v"), now);
    await writeDurably(storage, withTerms(MutationKind.invalidate, "k"), now);
    await writeDurably(storage, mutation(MutationKind.touch, "k", "", { expire: now + 100 }), now);
    assertEquals((await seen(storage, "k", now)).marks, EntryMark.stale);
    await writeDurably(storage, set("k", "w"), now);
    assertEquals((await seen(storage, "k", now)).marks, 0);
    await storage.close();
  });
});

describe("what the memory knows of reads", () => {
  it("a read tells of the one before it, a peek leaves no trace, a write makes the item unread", async () => {
    const world = new StorageWorld(new MemoryFiles());
    const now = world.nowSeconds;
    const storage = await open(world, new TestDatabase());
    await writeDurably(storage, set("k", "v"), now);
    const state = async (later: number, peek = false): Promise<[boolean, number]> => {
      const { fetched, accessSeconds } = await seen(storage, "k", now + later, peek);
      return [fetched, accessSeconds - now];
    };
    assertEquals(await state(5, true), [false, 0]);
    assertEquals(await state(10), [false, 0]);
    assertEquals(await state(15, true), [true, 10]);
    assertEquals(await state(20), [true, 10]);
    await writeDurably(storage, withTerms(MutationKind.fetch, "k", { updateExpire: true }), now + 30);
    assertEquals(await state(35), [true, 30]);
    await writeDurably(storage, set("k", "w"), now + 40);
    assertEquals(await state(45), [false, 40]);
    await storage.close();
  });
});
