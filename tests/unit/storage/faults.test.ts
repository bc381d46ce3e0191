/**
 * A full or failing disk, a slow or failing engine: what is answered, what is kept, what heals.
 *
 * Covers lib/storage/checkpoint/checkpointer.ts, lib/storage/checkpoint/journal.ts, lib/storage/checkpoint/sweeper.ts,
 * lib/storage/directory/data_directory.ts, lib/storage/engine/engine.ts, lib/storage/log/commit_group.ts,
 * lib/storage/path/key_writer.ts, lib/storage/path/waiting_room.ts and lib/storage/storage.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { type Applied, MutationKind, MutationResult } from "../../../lib/item/mutation.ts";
import { LOG_HEADER_BYTES } from "../../../lib/storage/log/log_record.ts";
import { Storage, type StorageOptions } from "../../../lib/storage/storage.ts";
import type { MemoryFiles } from "../../support/memory_files.ts";
import {
  committed,
  keyOf,
  mutation,
  read,
  StorageWorld,
  set,
  turns,
  write,
  writeDurably,
} from "../../support/storage_world.ts";
import { TestDatabase } from "../../support/test_database.ts";

function open(world: StorageWorld, database: TestDatabase, more: StorageOptions = {}): Promise<Storage> {
  const engine = database.asEngine;
  return Storage.open(world.runtime, { dataDir: "data", engine, memoryBytesMax: 1 << 20, logRetentionBytes: 0, ...more });
}

function disk(world: StorageWorld): MemoryFiles {
  return world.files as MemoryFiles;
}

describe("a log segment that could not be begun", () => {
  it("is not taken for the end of the one before, which has grown since", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    await writeDurably(storage, set("a", "1"), world.nowSeconds);
    const files = disk(world);
    const known = new Set(files.files.keys());
    const openAppend = files.openAppend.bind(files);
    let refused = "";
    files.openAppend = (path) => {
      const file = openAppend(path);
      if (known.has(path) || !path.includes("changes-")) return file;
      refused = path;
      const append = (bytes: Uint8Array): never => {
        // A readable header is left.
        file.append(bytes.subarray(0, LOG_HEADER_BYTES / 2));
        throw new FlareError("IO_ERROR", "disk on fire");
      };
      return { size: 0, append, sync: () => file.sync(), truncate: (size) => file.truncate(size), close: () => file.close() };
    };
    await storage.checkpoint();
    await writeDurably(storage, set("b", "1"), world.nowSeconds);
    assert(files.content(refused).length > 0);
    const later = new StorageWorld(files.killed());
    const again = await open(later, database.powerCut(database.unsyncedBatches));
    const values = ["a", "b"].map(async (key) => (await read(again, key, later.nowSeconds))?.value);
    assertEquals(await Promise.all(values), ["1", "1"]);
    await again.close();
  });
});

describe("a full disk", () => {
  it("takes back all changes of the turn and heals with freed space", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    const now = world.nowSeconds;
    await writeDurably(storage, set("clean", "1"), now);
    await storage.checkpoint();
    await writeDurably(storage, set("dirty", "1"), now);
    const before = storage.stats();

    disk(world).freeBytes = 70;
    await write(storage, set("clean", "2"), now);
    await write(storage, set("dirty", "2"), now);
    await write(storage, set("dirty", "3"), now);
    await write(storage, set("new", "1"), now);
    await write(storage, mutation(MutationKind.delete, "clean"), now);
    const error = await committed(storage);
    assertEquals(error?.code, "DISK_FULL");
    assertEquals(storage.failure, undefined);
    assertEquals((await read(storage, "clean", now))?.version, 1);
    assertEquals((await read(storage, "dirty", now))?.version, 1);
    assertEquals(await read(storage, "new", now), undefined);
    const after = storage.stats();
    assertEquals([after.items, after.tombstones, after.logBytes, after.appendErrors], [before.items, 0, before.logBytes, 1]);

    disk(world).freeBytes = Number.POSITIVE_INFINITY;
    assertEquals((await writeDurably(storage, set("dirty", "4"), now)).entry.version, 2);
    assertEquals((await writeDurably(storage, set("new", "2"), now)).entry.version, 1);
    const recovered = await open(new StorageWorld(disk(world).killed()), database.powerCut(0));
    assertEquals((await read(recovered, "dirty", now))?.value, "4");
    assertEquals((await read(recovered, "new", now))?.value, "2");
    await recovered.close();
    await storage.close();
  });

  it("takes back a flush with what came before and after it in the turn", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    const now = world.nowSeconds;
    await writeDurably(storage, set("a", "1"), now);
    await write(storage, mutation(MutationKind.delete, "a"), now);
    await committed(storage);
    await writeDurably(storage, set("b", "1"), now);
    disk(world).freeBytes = 0;
    await write(storage, set("b", "2"), now);
    storage.flushAll();
    await write(storage, set("b", "3"), now);
    storage.flushAll();
    assertEquals(await read(storage, "b", now), undefined);
    assertEquals((await committed(storage))?.code, "DISK_FULL");
    assertEquals(await read(storage, "b", now), { value: "1", flags: 0, expire: 0, version: 1 });
    assertEquals([storage.stats().items, storage.stats().tombstones], [1, 1]);
    disk(world).freeBytes = Number.POSITIVE_INFINITY;
    storage.flushAll();
    assertEquals(await committed(storage), undefined);
    assertEquals((await writeDurably(storage, set("a", "2"), now)).entry.version, 1);
    await storage.checkpoint();
    await storage.close();
    const again = await open(new StorageWorld(disk(world)), database);
    assertEquals(again.stats().items, 1);
    assertEquals((await read(again, "a", now))?.value, "2");
    await again.close();
  });

  it("during a checkpoint leaves what the engine got consistent with the log", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    const now = world.nowSeconds;
    await writeDurably(storage, set("k", "1"), now);
    database.hold();
    const checkpoint = storage.checkpoint();
    await turns(3);
    disk(world).freeBytes = 10;
    await write(storage, set("k", "2"), now);
    assertEquals((await committed(storage))?.code, "DISK_FULL");
    database.release();
    await checkpoint;
    assertEquals((await read(storage, "k", now))?.value, "1");
    assertEquals(storage.stats().dirtyBytes, 0);
    disk(world).freeBytes = Number.POSITIVE_INFINITY;
    await storage.close();
    const again = await open(world, database);
    assertEquals((await read(again, "k", now))?.value, "1");
    assertEquals(again.stats().items, 1);
    await again.close();
  });
});

describe("a process that has no descriptor left", () => {
  it("declares nothing broken: syncs wait, writes and reads go on, and all works when there is one again", async () => {
    for (const fsync of ["always", "interval"] as const) {
      const world = new StorageWorld();
      const database = new TestDatabase();
      const storage = await open(world, database, { fsync, logSegmentBytes: 4096 });
      const now = world.nowSeconds;
      // The sync of a new segment has begun, and finds no descriptor for the directory.
      await writeDurably(storage, set("k", "0"), now);
      disk(world).holdSyncs();
      await write(storage, set("k", "1".padEnd(5000)), now);
      let isCommitted = false;
      const commit = committed(storage).then((fault) => {
        isCommitted = true;
        assertEquals(fault, undefined);
      });
      await world.advance(1000);
      disk(world).descriptorsLeft = 0;
      disk(world).releaseSyncs();
      await world.advance(3000);
      // What cannot be promised yet is not answered yet.
      assertEquals(isCommitted, fsync === "interval");
      for (let round = 0; round < 20; round++) {
        await write(storage, set("k", String(round).padEnd(1000)), now);
        await world.advance(100);
      }
      assertEquals(storage.failure, undefined);
      assertEquals((await read(storage, "k", now))?.value.trim(), "19");
      const segments = storage.stats().logSegments;
      disk(world).descriptorsLeft = 1;
      await world.advance(3000);
      await commit;
      await writeDurably(storage, set("k", "last"), now);
      await storage.checkpoint();
      await writeDurably(storage, set("k", "newer"), now);
      assert(storage.stats().logSegments <= segments + 1);
      const lines = world.lines.map(({ message }) => message).filter((message) => /EMFILE/.test(message));
      assert(lines.length <= 4, lines.join("\n"));
      await storage.close();
      const again = await open(world, database);
      assertEquals((await read(again, "k", now))?.value, "newer");
      await again.close();
    }
  });

  it("refuses a write whose append finds no descriptor, and takes the next", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase());
    await writeDurably(storage, set("k", "1"), world.nowSeconds);
    const lack = new FlareError("LIMIT_EXCEEDED", "append failed: too many open files (EMFILE)", { retriable: true });
    disk(world).appendFault = lack;
    disk(world).truncateFault = lack;
    await write(storage, set("k", "2"), world.nowSeconds);
    assertEquals((await committed(storage))?.code, "LIMIT_EXCEEDED");
    assertEquals([storage.failure, (await read(storage, "k", world.nowSeconds))?.value], [undefined, "1"]);
    disk(world).appendFault = undefined;
    disk(world).truncateFault = undefined;
    assertEquals((await writeDurably(storage, set("k", "3"), world.nowSeconds)).entry.version, 2);
    await storage.close();
  });

  it("still takes a sync that fails for a failure", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase(), { fsync: "always" });
    disk(world).syncFault = new FlareError("IO_ERROR", "sync failed: EIO");
    await write(storage, set("k", "1"), world.nowSeconds);
    assertEquals((await committed(storage))?.code, "IO_ERROR");
    assertEquals(storage.failure?.code, "IO_ERROR");
    disk(world).syncFault = undefined;
    await storage.close();
  });
});

describe("a failing disk", () => {
  it("ends writing for good when an append fails otherwise than for space", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    const now = world.nowSeconds;
    await writeDurably(storage, set("k", "1"), now);
    disk(world).appendFault = new FlareError("IO_ERROR", "append failed: EIO");
    await write(storage, set("k", "2"), now);
    assertEquals((await committed(storage))?.code, "IO_ERROR");
    disk(world).appendFault = undefined;
    assertEquals(storage.failure?.code, "IO_ERROR");
    const refused = await write(storage, set("k", "3"), now);
    assertEquals([refused.result, refused.error], [MutationResult.failed, "append failed: EIO"]);
    assertThrows(() => storage.flushAll(), FlareError, "append failed");
    assertEquals((await read(storage, "k", now))?.value, "1");
    await storage.close();
    const again = await open(world, database);
    assertEquals(again.failure, undefined);
    assertEquals((await read(again, "k", now))?.value, "1");
    await again.close();
  });

  it("ends writing when a failed append cannot be cut off", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase());
    disk(world).freeBytes = 5;
    disk(world).truncateFault = new FlareError("IO_ERROR", "truncate failed: EIO");
    await write(storage, set("k", "1"), world.nowSeconds);
    assertEquals((await committed(storage))?.code, "IO_ERROR");
    assertEquals(storage.failure?.code, "IO_ERROR");
    disk(world).truncateFault = undefined;
    await storage.close();
  });

  it("ends writing when a sync fails", async () => {
    for (const fsync of ["always", "interval"] as const) {
      const world = new StorageWorld();
      const storage = await open(world, new TestDatabase(), { fsync });
      disk(world).syncFault = new FlareError("IO_ERROR", "sync failed: EIO");
      await write(storage, set("k", "1"), world.nowSeconds);
      const error = await committed(storage);
      await world.advance(1000);
      assertEquals(error?.code, fsync === "always" ? "IO_ERROR" : undefined);
      assertEquals(storage.failure?.message, "sync failed: EIO");
      assertEquals((await write(storage, set("k", "2"), world.nowSeconds)).result, MutationResult.failed);
      disk(world).syncFault = undefined;
      await storage.close();
    }
  });
});

describe("commits", () => {
  it("share one append per turn and tell in order", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase());
    const appends = disk(world).appends;
    const told: number[] = [];
    for (let i = 0; i < 10; i++) {
      storage.apply(set(`k${i}`, "1"), world.nowSeconds);
      storage.onCommit({ onCommitted: () => told.push(i) });
    }
    assertEquals([storage.hasUncommitted, told.length], [true, 0]);
    await turns(1);
    assertEquals([storage.hasUncommitted, disk(world).appends - appends], [false, 1]);
    assertEquals(told, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    storage.onCommit({ onCommitted: () => told.push(10) });
    assertEquals(told.at(-1), 10);
    await storage.close();
  });

  it("wait for the sync they share", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase(), { fsync: "always" });
    disk(world).holdSyncs();
    const told: string[] = [];
    const go = (key: string): void => {
      storage.apply(set(key, "1"), world.nowSeconds);
      storage.onCommit({ onCommitted: () => told.push(key) });
    };
    go("a");
    await turns(2);
    const syncs = disk(world).syncs;
    for (const key of ["b", "c"]) {
      go(key);
      await turns(2);
    }
    storage.onCommit({ onCommitted: () => told.push("reader") });
    assertEquals([disk(world).syncs, told.length], [syncs, 0]);
    disk(world).releaseSyncs();
    await turns(3);
    assertEquals(told, ["a", "b", "c", "reader"]);
    assertEquals(disk(world).syncs, syncs + 1);
    await storage.close();
  });

  it("tell in order that one append failed, while earlier ones wait for their sync", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase(), { fsync: "always" });
    disk(world).holdSyncs();
    const told: string[] = [];
    const go = async (key: string): Promise<void> => {
      storage.apply(set(key, "1"), world.nowSeconds);
      storage.onCommit({ onCommitted: (error) => told.push(`${key} ${error?.code ?? "stored"}`) });
      await turns(2);
    };
    await go("in the running sync");
    await go("in the next sync");
    disk(world).freeBytes = 0;
    await go("without room");
    disk(world).freeBytes = Number.POSITIVE_INFINITY;
    await go("later");
    assertEquals(told, []);
    disk(world).releaseSyncs();
    await turns(4);
    assertEquals(told, ["in the running sync stored", "in the next sync stored", "without room DISK_FULL", "later stored"]);
    await storage.close();
  });

  it("fail after a failed sync, whatever a later one says, and a reader hears it, too", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase(), { fsync: "always" });
    const files = disk(world);
    files.holdSyncs();
    const told: string[] = [];
    const hear = (name: string): void =>
      storage.onCommit({
        onCommitted: (error) => {
          told.push(`${name} ${error?.code ?? "stored"}`);
          files.syncFault = undefined;
        },
      });
    for (const key of ["in the running sync", "in the next sync"]) {
      storage.apply(set(key, "1"), world.nowSeconds);
      hear(key);
      await turns(2);
    }
    files.syncFault = new FlareError("IO_ERROR", "sync failed: EIO");
    files.releaseSyncs();
    await turns(4);
    hear("reader");
    assertEquals(told, ["in the running sync IO_ERROR", "in the next sync IO_ERROR", "reader IO_ERROR"]);
    assert(storage.committedSequence < storage.lastSequence);
    await storage.close();
  });

  it("of a reader wait for the sync of what it may have seen, not for another one", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase(), { fsync: "always" });
    disk(world).holdSyncs();
    storage.apply(set("a", "1"), world.nowSeconds);
    await turns(2);
    const syncs = disk(world).syncs;
    let told = false;
    storage.onCommit({
      onCommitted: () => {
        told = true;
      },
    });
    assertEquals(told, false);
    disk(world).releaseSyncs();
    await turns(3);
    assertEquals([told, disk(world).syncs], [true, syncs]);
    await storage.close();
  });

  it("are synced within the interval", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase(), { fsyncIntervalMs: 500 });
    const { fsyncs } = storage.stats();
    await writeDurably(storage, set("a", "1"), world.nowSeconds);
    await world.advance(499);
    assertEquals(storage.stats().fsyncs, fsyncs);
    await world.advance(1);
    assertEquals(storage.stats().fsyncs, fsyncs + 1);
    await world.advance(10000);
    assertEquals(storage.stats().fsyncs, fsyncs + 1);
    await storage.close();
  });

  it("need nothing without a data directory", async () => {
    const world = new StorageWorld();
    const storage = await Storage.open(world.runtime, {});
    storage.apply(set("k", "1"), world.nowSeconds);
    let told = false;
    storage.onCommit({
      onCommitted: () => {
        told = true;
      },
    });
    assertEquals([storage.hasUncommitted, told, storage.manifest.durable], [false, true, false]);
    await storage.close();
  });
});

describe("an engine that is behind", () => {
  async function fill(storage: Storage, world: StorageWorld): Promise<{ waiting: Promise<Applied>[]; count: number }> {
    const waiting: Promise<Applied>[] = [];
    let count = 0;
    while (waiting.length < 20) {
      const outcome = storage.apply(set(`k${count}`, `${count}`.padStart(500, "x")), world.nowSeconds);
      if (outcome instanceof Promise) waiting.push(outcome);
      else assertEquals(outcome.result, MutationResult.stored);
      count++;
      if (count % 10 === 0) await turns(1);
    }
    return { waiting, count };
  }

  it("holds writers back and lets them go in order", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    database.hold();
    const storage = await open(world, database, { memoryBytesMax: 65536 });
    const { waiting, count } = await fill(storage, world);
    assert(storage.stats().arenaBytes <= 65536);
    // Later calls for a waiting key wait behind it; the first is not forgotten.
    const first = `k${count - 20}`;
    const append = storage.apply(mutation(MutationKind.append, first, "+"), world.nowSeconds);
    const reading = storage.get(keyOf(first), world.nowSeconds);
    assert(append instanceof Promise && reading instanceof Promise);
    const order: number[] = [];
    waiting.forEach((promise, i) => void promise.then(() => order.push(i)));
    database.release();
    for (const outcome of await Promise.all(waiting))
      assertEquals([outcome.result, outcome.entry.version], [MutationResult.stored, 1]);
    assertEquals((await append).entry.version, 2);
    assertEquals((await reading)?.version, 2);
    assertEquals(
      order,
      [...order].sort((left, right) => left - right),
    );
    assertEquals(await committed(storage), undefined);
    for (let i = 0; i < count; i++) assert((await read(storage, `k${i}`, world.nowSeconds))?.value.startsWith("x"), `k${i}`);
    await storage.close();
  });

  it("fails writers after a bounded wait and says why", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    database.failures = 1_000_000;
    const storage = await open(world, database, { memoryBytesMax: 65536, roomWaitMs: 5000 });
    const { waiting } = await fill(storage, world);
    await world.advance(5000);
    for (const outcome of await Promise.all(waiting)) {
      assertEquals(outcome.result, MutationResult.failed);
      assert(
        outcome.error.startsWith("memory is full of changes that are not in the engine yet: engine write failed: disk on fire"),
      );
    }
    // Nothing is lost by it: the log and the arena have what was answered.
    database.failures = 0;
    await world.advance(10000);
    assertEquals((await writeDurably(storage, set("later", "1"), world.nowSeconds)).result, MutationResult.stored);
    assert((await read(storage, "k0", world.nowSeconds)) !== undefined);
    await storage.close();
  });

  it("on a full disk fails writers at once while reads go on, and takes them again within a second of room", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    database.failures = 1_000_000;
    database.failureText = "IO error: engine/000005.log: No space left on device";
    const storage = await open(world, database, { memoryBytesMax: 65536 });
    const setNow = (key: string): Applied | Promise<Applied> =>
      storage.apply(set(key, key.padStart(500, "x")), world.nowSeconds);
    let refused: Applied | undefined;
    for (let i = 0; refused === undefined; i++) {
      const applied = await setNow(`k${i}`);
      if (applied.result === MutationResult.failed) refused = applied;
      await turns(1);
    }
    assertEquals(
      refused.error,
      `memory is full of changes that are not in the engine yet: engine write failed: ${database.failureText}`,
    );

    // There is room in the log, but none for the engine to open again in: nothing but reads works, for as long as it lasts.
    disk(world).freeBytes = 1 << 20;
    await world.advance(60000);
    const refusedMs = world.nowMs;
    const behind = await setNow("behind");
    const reading = storage.get(keyOf("k1"), world.nowSeconds);
    assert(!(reading instanceof Promise) && reading !== undefined);
    assertEquals(behind.result, MutationResult.failed);
    assert(behind.error.endsWith("no space left"), behind.error);
    assertEquals(world.nowMs, refusedMs);
    const told = world.messages("error").filter((line) => line.endsWith("; retrying"));
    assertEquals(told.length, 2, told.join("\n"));

    database.failures = 0;
    disk(world).freeBytes = Number.POSITIVE_INFINITY;
    await world.advance(1000);
    assertEquals((await setNow("later")).result, MutationResult.stored);
    assertEquals(await committed(storage), undefined);
    await storage.close();
  });

  it("is reopened when it stays failed", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    await writeDurably(storage, set("k", "1"), world.nowSeconds);
    database.failures = 1;
    database.staysFailed = true;
    const checkpoint = storage.checkpoint();
    for (let i = 0; i < 20; i++) await world.advance(500);
    await checkpoint;
    assertEquals(database.opens, 2);
    assertEquals(storage.stats().dirtyBytes, 0);
    assert(database.pairs.size === 2);
    await storage.close();
  });

  for (const syncReads of [true, false]) {
    it(`is read again once it is reopened, ${syncReads ? "with" : "without"} synchronous reads`, async () => {
      const world = new StorageWorld();
      const database = new TestDatabase({ syncReads });
      const first = await open(world, database);
      await writeDurably(first, set("k", "1"), world.nowSeconds);
      await first.close();
      // The memory of this one is empty: what there is has to be read from the engine.
      const storage = await open(world, database);
      database.failures = 1;
      database.staysFailed = true;
      await writeDurably(storage, set("other", "2"), world.nowSeconds);
      const checkpoint = storage.checkpoint();
      while (database.failures > 0) await world.advance(1);
      let letOpen: () => void = () => {};
      database.opening = new Promise((resolve) => {
        letOpen = resolve;
      });
      while (database.status === "open") await world.advance(500);
      const reading = storage.get(keyOf("k"), world.nowSeconds);
      assert(reading instanceof Promise);
      const walk = storage.openCursor({});
      const walking = walk.next(10, 1000);
      await world.advance(1);
      letOpen();
      assertEquals((await read(storage, "k", world.nowSeconds))?.value, "1");
      assert((await reading) !== undefined);
      for (let i = 0; i < 20; i++) await world.advance(500);
      assertEquals((await walking).length, 2);
      await checkpoint;
      await walk.close();
      await storage.close();
    });
  }

  it("is left alone once the storage is closed, though it failed and writes were waiting for room", async () => {
    for (const failures of [0, 1_000_000]) {
      const world = new StorageWorld();
      const database = new TestDatabase();
      const storage = await open(world, database, { memoryBytesMax: 65536 });
      database.hold();
      database.failures = failures;
      const value = "x".repeat(8000);
      const outcomes = Array.from({ length: 40 }, (_, i) => write(storage, set(`k${i}`, value), world.nowSeconds));
      await turns(5);
      const closing = storage.close();
      database.release();
      await closing;
      const { batches, opens } = database;
      await world.advance(60_000);
      await turns(50);
      assertEquals([database.batches, database.opens], [batches, opens]);
      database.failures = 0;
      const taken = (await Promise.all(outcomes)).filter(({ result }) => result === MutationResult.stored).length;
      const again = await open(world, database);
      assertEquals(again.stats().items, taken);
      await again.close();
    }
  });

  it("that fails while the storage closes costs nothing but the next start's time", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    await writeDurably(storage, set("k", "1"), world.nowSeconds);
    database.failures = 1_000_000;
    await storage.close();
    assert(world.messages("error").some((line) => line.startsWith("some changes could not be written to the engine")));
    database.failures = 0;
    const again = await open(world, database);
    assertEquals((await read(again, "k", world.nowSeconds))?.value, "1");
    await again.close();
  });
});

describe("limits", () => {
  it("are answered with their name", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase(), { memoryBytesMax: 65536, keyBytesMax: 250, valueBytesMax: 50000 });
    const attempt = async (key: string, value: string): Promise<string> => (await write(storage, set(key, value), 1)).error;
    assertEquals(await attempt("k".repeat(251), ""), "key exceeds 250 bytes");
    assertEquals(await attempt("k", "x".repeat(50001)), "value exceeds 50000 bytes");
    assertEquals(await attempt("k", "x".repeat(40000)), "item exceeds half of the memory for items (32768 bytes)");
    assertEquals((await write(storage, set("k", "x".repeat(32000)), 1)).result, MutationResult.stored);
    assertEquals(await read(storage, "k".repeat(251), 1), undefined);
    await storage.close();
  });

  it("of options are checked", async () => {
    const world = new StorageWorld();
    for (const options of [
      { memoryBytesMax: 65535 },
      { logSegmentBytes: Number.NaN },
      { fsync: "sometimes" as "always" },
      { engine: "level" as const },
      { engine: "memory" as const, dataDir: "data" },
    ]) {
      const error = await assertRejects(() => Storage.open(world.runtime, options), FlareError);
      assertEquals(error.code, "INVALID_OPTION");
    }
  });

  it("keep a second storage off the directory", async () => {
    const world = new StorageWorld();
    const storage = await open(world, new TestDatabase());
    const error = await assertRejects(() => open(world, new TestDatabase()), FlareError);
    assertEquals(error.code, "DATA_DIR_LOCKED");
    await storage.close();
    await (await open(world, new TestDatabase())).close();
  });
});
