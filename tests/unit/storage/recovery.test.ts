/**
 * What a storage finds again after its process or the power is gone, and what it does with a damaged log.
 *
 * Covers lib/storage/log/log_recovery.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { MutationKind } from "../../../lib/item/mutation.ts";
import { LOG_HEADER_BYTES } from "../../../lib/storage/log/log_record.ts";
import { Storage, type StorageOptions } from "../../../lib/storage/storage.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import {
  committed,
  mutation,
  read,
  type Seen,
  StorageWorld,
  set,
  turns,
  write,
  writeDurably,
} from "../../support/storage_world.ts";
import { TestDatabase } from "../../support/test_database.ts";

const FIRST = "data/log/changes-0000000000000001.log";
const SECOND = "data/log/changes-0000000000000002.log";

function open(world: StorageWorld, database: TestDatabase, more: StorageOptions = {}): Promise<Storage> {
  return Storage.open(world.runtime, { dataDir: "data", engine: database.asEngine, memoryBytesMax: 1 << 20, ...more });
}

/** A storage that was killed after these writes, each in a turn of its own, and the file sizes after each turn. */
async function killedAfter(
  steps: ((storage: Storage, now: number) => unknown)[],
  seed?: number,
): Promise<{ files: MemoryFiles; sizes: number[] }> {
  const world = new StorageWorld(new MemoryFiles(), seed);
  const files = world.files as MemoryFiles;
  const storage = await open(world, new TestDatabase());
  const sizes = [files.content(FIRST).length];
  for (const step of steps) {
    await step(storage, world.nowSeconds);
    assertEquals(await committed(storage), undefined);
    sizes.push(files.content(FIRST).length);
  }
  return { files: files.killed(), sizes };
}

async function contents(storage: Storage, keys: string[], now: number): Promise<(Seen | undefined)[]> {
  const found: (Seen | undefined)[] = [];
  for (const key of keys) found.push(await read(storage, key, now));
  return found;
}

describe("a killed storage", () => {
  it("comes back with everything that was committed", async () => {
    const { files } = await killedAfter([
      (storage, now) => write(storage, set("a", "1", { flags: 5, expire: 2_000_000_000 }), now),
      (storage, now) => write(storage, set("b", "2", { version: 18446744073709551615n }), now),
      (storage, now) => write(storage, mutation(MutationKind.append, "a", "x"), now),
      (storage, now) => write(storage, set("c", "3"), now),
      (storage, now) => write(storage, mutation(MutationKind.delete, "c"), now),
    ]);
    const world = new StorageWorld(files);
    const storage = await open(world, new TestDatabase());
    assertEquals(await contents(storage, ["a", "b", "c"], world.nowSeconds), [
      { value: "1x", flags: 5, expire: 2_000_000_000, version: 2 },
      { value: "2", flags: 0, expire: 0, version: 18446744073709551615n },
      undefined,
    ]);
    assertEquals([storage.stats().items, storage.stats().tombstones], [2, 1]);
    // The tombstone's version is remembered.
    assertEquals((await write(storage, set("c", "4"), world.nowSeconds)).entry.version, 2);
    await storage.close();
  });

  it("yields a prefix of the changes wherever its log is cut", async () => {
    const keys = ["a", "b", "c", "d"];
    const steps = [
      (storage: Storage, now: number) => write(storage, set("a", "1"), now),
      (storage: Storage, now: number) => write(storage, set("b", "a longer value"), now),
      (storage: Storage, now: number) => write(storage, mutation(MutationKind.delete, "a"), now),
      (storage: Storage, now: number) => write(storage, set("c", "3"), now),
      (storage: Storage, now: number) => write(storage, set("d", ""), now),
      async (storage: Storage) => storage.flushAll(),
    ];
    const { files, sizes } = await killedAfter(steps);
    const log = files.content(FIRST);
    const stored = (value: string, version = 1): Seen => ({ value, flags: 0, expire: 0, version });
    const states: (Seen | undefined)[][] = [
      [undefined, undefined, undefined, undefined],
      [stored("1"), undefined, undefined, undefined],
      [stored("1"), stored("a longer value"), undefined, undefined],
      [undefined, stored("a longer value"), undefined, undefined],
      [undefined, stored("a longer value"), stored("3"), undefined],
      [undefined, stored("a longer value"), stored("3"), stored("")],
      [undefined, undefined, undefined, undefined],
    ];
    for (let cut = 0; cut <= log.length; cut++) {
      const world = new StorageWorld(files.killed());
      (world.files as MemoryFiles).write(FIRST, log.subarray(0, cut));
      // The header was on the disk before the storage was open; half of it is enough, it stands there twice.
      if (cut < LOG_HEADER_BYTES / 2) {
        await assertRejects(() => open(world, new TestDatabase()), FlareError, `"${FIRST}" has no readable header`);
        continue;
      }
      const storage = await open(world, new TestDatabase());
      const turnsLeft = sizes.filter((size) => size <= cut).length - 1;
      assertEquals(await contents(storage, keys, world.nowSeconds), states[Math.max(turnsLeft, 0)], `cut at ${cut}`);
      assertEquals(storage.stats().corruptRecords, 0, `cut at ${cut}`);
      const isClean = sizes.includes(cut) || cut < LOG_HEADER_BYTES;
      assertEquals(world.messages("notice").filter((line) => line.includes("cut")).length, isClean ? 0 : 1);
      await storage.close();
    }
  });

  it("steps over any damaged byte but loses nothing else", async () => {
    const keys = ["a", "b", "c"];
    const { files, sizes } = await killedAfter(
      keys.map((key) => (storage: Storage, now: number) => write(storage, set(key, `value of ${key}`), now)),
    );
    const log = files.content(FIRST);
    for (let at = 0; at < log.length; at++) {
      const damaged = log.slice();
      damaged[at] = (damaged[at] as number) ^ 0x20;
      const world = new StorageWorld(files.killed());
      (world.files as MemoryFiles).write(FIRST, damaged);
      const storage = await open(world, new TestDatabase());
      const lost = sizes.findIndex((size) => at < size) - 1;
      for (const [i, key] of keys.entries()) {
        const found = await read(storage, key, world.nowSeconds);
        assertEquals(found?.value, i === lost ? undefined : `value of ${key}`, `byte ${at}, key ${key}`);
      }
      // Damage at the very end cannot be told from an unfinished write.
      assertEquals(storage.stats().corruptRecords, lost === 0 || lost === 1 ? 1 : 0, `byte ${at}`);
      assertEquals(world.messages("error").length, lost === 0 || lost === 1 ? 1 : 0, `byte ${at}`);
      await storage.close();
    }
  });

  it("does not take a record planted in a value for one of its own", async () => {
    // A record with a later sequence, as another server with another salt wrote it.
    const other = await killedAfter(
      [(storage, now) => write(storage, set("first", "1"), now), (storage, now) => write(storage, set("planted", "evil"), now)],
      99,
    );
    const record = String.fromCharCode(...other.files.content(FIRST).subarray(other.sizes[1]));
    const { files } = await killedAfter([
      (storage, now) => write(storage, set("carrier", record), now),
      (storage, now) => write(storage, set("after", "1"), now),
    ]);
    const log = files.content(FIRST);
    // The carrier is damaged, so that the reader looks for the next record inside its value.
    log[LOG_HEADER_BYTES + 30] = 0xff;
    files.write(FIRST, log);
    const world = new StorageWorld(files);
    const storage = await open(world, new TestDatabase());
    assertEquals(await read(storage, "carrier", world.nowSeconds), undefined);
    assertEquals(await read(storage, "planted", world.nowSeconds), undefined);
    assertEquals((await read(storage, "after", world.nowSeconds))?.value, "1");
    await storage.close();
  });

  it("refuses a log of another format", async () => {
    const { files } = await killedAfter([(storage, now) => write(storage, set("a", "1"), now)]);
    const log = files.content(FIRST);
    const { crc32 } = await import("../../../lib/base/crc32.ts");
    for (const at of [0, LOG_HEADER_BYTES / 2]) {
      log[at + 8] = 9;
      new DataView(log.buffer).setUint32(at + 32, crc32(log, at, at + 32), true);
    }
    files.write(FIRST, log);
    const error = await assertRejects(() => open(new StorageWorld(files), new TestDatabase()), FlareError);
    assertEquals(
      [error.code, error.message],
      ["UNSUPPORTED", `log segment "${FIRST}" has format 9, this version reads format 1`],
    );
    // The failed opening has given the directory free.
    (await files.lock("data/LOCK.flare")).release();
  });

  it("refuses a directory of another format", async () => {
    const { files } = await killedAfter([]);
    files.write("data/FORMAT", fromLatin1("flare-kv data format 3\n"));
    const error = await assertRejects(() => open(new StorageWorld(files), new TestDatabase()), FlareError);
    assertEquals(error.code, "UNSUPPORTED");
  });

  it("is refused when a segment is missing", async () => {
    const world = new StorageWorld();
    const files = world.files as MemoryFiles;
    const database = new TestDatabase();
    database.hold();
    const storage = await open(world, database, { logSegmentBytes: 4096 });
    for (let i = 0; i < 100; i++) await writeDurably(storage, set(`k${i}`, "x".repeat(100)), world.nowSeconds);
    assert(storage.stats().logSegments >= 4);
    const copy = files.killed();
    copy.files.delete(SECOND);
    await assertRejects(() => open(new StorageWorld(copy), new TestDatabase()), FlareError, `"${SECOND}" is missing`);
    database.release();
    await storage.close();
  });

  it("counts right whatever part of the changes the engine already has", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    const now = world.nowSeconds;
    for (let i = 0; i < 50; i++) await write(storage, set(`k${i}`, "1"), now);
    await storage.checkpoint();
    for (let i = 25; i < 75; i++) await write(storage, set(`k${i}`, "2"), now);
    for (let i = 0; i < 10; i++) await write(storage, mutation(MutationKind.delete, `k${i}`), now);
    await committed(storage);
    const killed = (world.files as MemoryFiles).killed();
    const early = database.powerCut(0);
    await storage.checkpoint();
    const late = database.powerCut(0);
    for (const engine of [early, late]) {
      const recovered = await open(new StorageWorld(killed.killed()), engine);
      assertEquals([recovered.stats().items, recovered.stats().tombstones], [65, 10]);
      assertEquals((await read(recovered, "k60", now))?.value, "2");
      assertEquals(await read(recovered, "k5", now), undefined);
      await recovered.close();
    }
  });

  it("recovers through an arena much smaller than its log, with and without synchronous reads", async () => {
    const { files } = await killedAfter(
      Array.from(
        { length: 300 },
        (_, i) => (storage: Storage, now: number) => write(storage, set(`k${i % 200}`, `${i}`.repeat(200)), now),
      ),
    );
    for (const syncReads of [true, false]) {
      const world = new StorageWorld(files.killed());
      const storage = await open(world, new TestDatabase({ syncReads }), { memoryBytesMax: 65536 });
      assertEquals(storage.stats().items, 200);
      for (let i = 0; i < 200; i++) {
        const last = i < 100 ? i + 200 : i;
        assertEquals((await read(storage, `k${i}`, world.nowSeconds))?.value, `${last}`.repeat(200));
      }
      await storage.close();
    }
  });
});

describe("a storage with more keys than its index begins with", () => {
  it("overwrites what it has to read from the engine first", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    for (let i = 0; i < 3000; i++) await write(storage, set(`k${i}`, "1"), world.nowSeconds);
    await storage.close();
    const again = await open(world, database);
    for (let i = 0; i < 3000; i++) await write(again, set(`k${i}`, "2"), world.nowSeconds);
    for (let i = 0; i < 3000; i++) assertEquals((await read(again, `k${i}`, world.nowSeconds))?.version, 2, `k${i}`);
    assertEquals(again.stats().items, 3000);
    await again.close();
  });
});

describe("flush_all and a crash", () => {
  it("is not undone by what the engine still has", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    const now = world.nowSeconds;
    for (let i = 0; i < 20; i++) await write(storage, set(`k${i}`, "old"), now);
    await storage.checkpoint();
    database.hold();
    storage.flushAll();
    await write(storage, set("k1", "new"), now);
    assertEquals(await committed(storage), undefined);
    const recovered = await open(new StorageWorld((world.files as MemoryFiles).killed()), database.powerCut(0));
    assertEquals(await read(recovered, "k0", now), undefined);
    assertEquals(await read(recovered, "k1", now), { value: "new", flags: 0, expire: 0, version: 1 });
    assertEquals(recovered.stats().items, 1);
    await recovered.close();
  });

  it("clears the engine in the background, also after a restart", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    for (let i = 0; i < 20; i++) await write(storage, set(`k${i}`, "old"), world.nowSeconds);
    await storage.checkpoint();
    storage.flushAll();
    await storage.checkpoint();
    assertEquals(database.pairs.size, 21);
    await storage.close();
    const again = await open(world, database);
    await world.advance(3000);
    assertEquals(database.pairs.size, 1);
    await again.close();
  });
});

describe("a planned flush", () => {
  it("is known again from the log, from the engine, and from both when they differ", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const storage = await open(world, database);
    await writeDurably(storage, set("k", "1"), world.nowSeconds);
    for (const [plan, checkpoints] of [
      [100, false],
      [200, true],
      [4294967295, true],
      [300, false],
      [0, true],
      [400, true],
      [0, false],
    ] as const) {
      storage.planFlush(plan);
      assertEquals(await committed(storage), undefined);
      if (checkpoints) await storage.checkpoint();
      const killed = await open(new StorageWorld((world.files as MemoryFiles).killed()), database.powerCut(0));
      assertEquals([killed.flushPlannedFor, killed.stats().items], [plan, 1]);
      await killed.close();
    }
    storage.planFlush(500);
    storage.flushAll();
    storage.planFlush(600);
    await committed(storage);
    assertEquals(storage.flushPlannedFor, 600);
    await storage.close();
    const again = await open(world, database);
    assertEquals([again.flushPlannedFor, again.stats().items], [600, 0]);
    again.flushAll();
    assertEquals(again.flushPlannedFor, 0);
    await again.close();
    const last = await open(world, database);
    assertEquals(last.flushPlannedFor, 0);
    await last.close();
  });

  it("that cannot be logged is not planned, and the one before is", async () => {
    const world = new StorageWorld();
    const files = world.files as MemoryFiles;
    const database = new TestDatabase();
    const storage = await open(world, database);
    const now = world.nowSeconds;
    await writeDurably(storage, set("k", "1"), now);
    storage.planFlush(100);
    assertEquals(await committed(storage), undefined);
    files.freeBytes = 0;
    await write(storage, set("k", "2"), now);
    storage.planFlush(200);
    await write(storage, set("k", "3"), now);
    storage.flushAll();
    storage.planFlush(300);
    await write(storage, set("k", "4"), now);
    assertEquals((await committed(storage))?.code, "DISK_FULL");
    assertEquals(storage.flushPlannedFor, 100);
    assertEquals(await read(storage, "k", now), { value: "1", flags: 0, expire: 0, version: 1 });
    assertEquals(storage.stats().items, 1);
    files.freeBytes = Number.POSITIVE_INFINITY;
    await storage.close();
    const again = await open(world, database);
    assertEquals(again.flushPlannedFor, 100);
    await again.close();
  });
});

describe("a power cut", () => {
  it("loses nothing that was synced, whatever the engine had not", async () => {
    const world = new StorageWorld();
    const files = world.files as MemoryFiles;
    const database = new TestDatabase();
    const storage = await open(world, database, { fsync: "always", memoryBytesMax: 65536, logSegmentBytes: 8192 });
    const now = world.nowSeconds;
    const last = new Map<string, string>();
    for (let i = 0; i < 400; i++) {
      const key = `k${(i * 7) % 90}`;
      last.set(key, `${i}`.repeat(100));
      await writeDurably(storage, set(key, `${i}`.repeat(100)), now);
      if (i % 40 !== 39) continue;
      for (let kept = 0; kept <= database.unsyncedBatches; kept++) {
        const after = await open(new StorageWorld(files.powerCut(kept * 50)), database.powerCut(kept), {
          memoryBytesMax: 65536,
        });
        for (const [name, value] of last)
          assertEquals((await read(after, name, now))?.value, value, `${name} after ${i}, ${kept}`);
        assertEquals(after.stats().items, last.size);
        await after.close();
      }
    }
    await storage.close();
  });
});

describe("log segments that are kept for replicas", () => {
  /** A stopped storage with changes 1 to `rounds`, each in a segment of its own and in the engine. */
  async function stoppedAfter(rounds: number, options: StorageOptions = {}) {
    const database = new TestDatabase();
    const world = new StorageWorld(new MemoryFiles());
    const storage = await open(world, database, options);
    for (let round = 1; round <= rounds; round++) {
      await write(storage, set(`key${round}`, "value".repeat(100)), world.nowSeconds);
      await storage.checkpoint();
    }
    const segments = storage.stats().logSegments;
    await storage.close();
    return { database, segments, files: world.files as MemoryFiles };
  }

  it("are as large together as log-retention says, and not too many", async () => {
    assertEquals((await stoppedAfter(5, { logRetentionBytes: 0 })).segments, 1);
    assertEquals((await stoppedAfter(10, { logRetentionBytes: 2000 })).segments, 4);
    assertEquals((await stoppedAfter(10)).segments, 11);
    assertEquals((await stoppedAfter(70)).segments, 65);
  });

  it("are not replayed by a restart", async () => {
    const { database, files } = await stoppedAfter(5);
    const world = new StorageWorld(files);
    const storage = await open(world, database);
    assert(storage.stats().logSegments > 5);
    assertEquals(
      world.messages("notice").filter((line) => line.includes("replayed")),
      [],
    );
    await storage.close();
  });

  it("may be damaged or missing: then those before go, too, and no data is lost", async () => {
    const path = (number: number) => `data/log/changes-${String(number).padStart(16, "0")}.log`;
    for (const damage of ["remove", "empty"]) {
      const { database, files } = await stoppedAfter(5);
      // As after a kill: the record of a stop would refuse any change.
      const running = new StorageWorld(files);
      const opened = await open(running, database);
      const killed = files.killed();
      await opened.close();
      if (damage === "remove") killed.files.delete(path(3));
      else killed.write(path(3), new Uint8Array(0));
      const world = new StorageWorld(killed);
      const storage = await open(world, database);
      assertEquals([killed.files.has(path(1)), killed.files.has(path(2)), killed.files.has(path(4))], [false, false, true]);
      assert(world.messages("warning").every((line) => line.includes("nothing is lost")));
      assertEquals(storage.stats().items, 5);
      await storage.close();
    }
  });

  it("go when the disk is full", async () => {
    const world = new StorageWorld(new MemoryFiles());
    const files = world.files as MemoryFiles;
    const storage = await open(world, new TestDatabase());
    for (let round = 1; round <= 5; round++) {
      await write(storage, set(`key${round}`, "value"), world.nowSeconds);
      await storage.checkpoint();
    }
    assertEquals(storage.stats().logSegments, 6);
    files.appendFault = new FlareError("DISK_FULL", "no space left", { retriable: true });
    await write(storage, set("key6", "value"), world.nowSeconds);
    assertEquals((await committed(storage))?.code, "DISK_FULL");
    files.appendFault = undefined;
    await turns(20);
    assertEquals(storage.stats().logSegments, 1);
    await storage.close();
  });
});
