/**
 * The contract of every storage, whatever its engine: in memory only, with the caller's database (with and without synchronous
 * reads), and on LevelDB in a real directory.
 *
 * Covers lib/storage/engine/level_engine.ts, lib/storage/engine/memory_engine.ts and lib/storage/path/snapshot.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemoryLevel } from "memory-level";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { FlareError } from "../../lib/base/errors.ts";
import { MutationKind, MutationResult } from "../../lib/item/mutation.ts";
import { NodeFileSystem } from "../../lib/runtime/files/node_files.ts";
import { type Snapshot, Storage, type StorageOptions, type StoredItem } from "../../lib/storage/storage.ts";
import { MemoryFiles } from "../support/memory_files.ts";
import { committed, mutation, read, StorageWorld, set, turns, write } from "../support/storage_world.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { TestDatabase } from "../support/test_database.ts";

interface Driver {
  readonly name: string;
  readonly durable: boolean;
  /** Runs a test with a way to open one storage again and again. */
  run(test: (open: (more?: StorageOptions) => Promise<Storage>, world: StorageWorld) => Promise<void>): Promise<void>;
}

const drivers: Driver[] = [
  {
    name: "memory",
    durable: false,
    run: async (test) => {
      const world = new StorageWorld();
      await test((more) => Storage.open(world.runtime, { ...more }), world);
    },
  },
  {
    name: "memory-level of the caller",
    durable: true,
    run: async (test) => {
      const world = new StorageWorld();
      const engine = new MemoryLevel();
      await test((more) => Storage.open(world.runtime, { dataDir: "data", engine, ...more }), world);
    },
  },
  {
    name: "database without synchronous reads",
    durable: true,
    run: async (test) => {
      const world = new StorageWorld();
      const engine = new TestDatabase({ syncReads: false }).asEngine;
      await test((more) => Storage.open(world.runtime, { dataDir: "data", engine, ...more }), world);
    },
  },
  {
    name: "level",
    durable: true,
    run: (test) =>
      withTemporaryDirectory(async (dataDir) => {
        const world = new StorageWorld(new NodeFileSystem());
        await test((more) => Storage.open(world.runtime, { dataDir, ...more }), world);
      }),
  },
];

for (const driver of drivers) {
  describe(`storage: ${driver.name}`, () => {
    it("stores, reads, changes and deletes", () =>
      driver.run(async (open, world) => {
        const storage = await open();
        const now = world.nowSeconds;
        assertEquals(await read(storage, "k", now), undefined);
        assertEquals((await write(storage, set("k", "1", { flags: 4294967295 }), now)).result, MutationResult.stored);
        assertEquals(await read(storage, "k", now), { value: "1", flags: 4294967295, expire: 0, version: 1 });
        const appended = await write(storage, mutation(MutationKind.append, "k", "0"), now);
        assertEquals(latin1(appended.entry.bytes, appended.entry.valueStart, appended.entry.valueEnd), "10");
        await write(storage, mutation(MutationKind.prepend, "k", "1"), now);
        const counted = await write(storage, mutation(MutationKind.incr, "k", "", { delta: 5 }), now);
        assertEquals([counted.result, counted.number], [MutationResult.number, 115]);
        await write(storage, mutation(MutationKind.touch, "k", "", { expire: now + 10 }), now);
        assertEquals(await read(storage, "k", now), { value: "115", flags: 4294967295, expire: now + 10, version: 4 });
        assertEquals(await read(storage, "k", now + 10), undefined);
        assertEquals((await write(storage, mutation(MutationKind.delete, "k"), now)).result, MutationResult.deleted);
        assertEquals(await read(storage, "k", now), undefined);
        assertEquals((await write(storage, set("k", ""), now)).entry.version, 5);
        assertEquals(await read(storage, "k", now), { value: "", flags: 0, expire: 0, version: 5 });
        await storage.close();
      }));

    it("keeps any bytes, in keys and values, small and large", () =>
      driver.run(async (open, world) => {
        const storage = await open({ memoryBytesMax: 1 << 20 });
        const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
        const items: [string, string][] = [
          ["", "empty key"],
          [bytes, bytes],
          ["x".repeat(8191), "long key"],
          ["large", bytes.repeat(1000)],
          ["larger", bytes.repeat(1900)],
        ];
        for (const [key, value] of items) await write(storage, set(key, value), world.nowSeconds);
        await storage.checkpoint();
        for (let i = 0; i < 3000; i++) await write(storage, set(`filler${i}`, "x".repeat(1000)), world.nowSeconds);
        for (const [key, value] of items) assertEquals((await read(storage, key, world.nowSeconds))?.value, value);
        assert(storage.stats().evictions > 0);
        await storage.close();
      }));

    it("keeps the order of calls per key, waited for or not", () =>
      driver.run(async (open, world) => {
        const storage = await open({ memoryBytesMax: 65536 });
        const now = world.nowSeconds;
        const pending: unknown[] = [];
        for (let i = 0; i < 600; i++) {
          const key = `k${i % 50}`;
          pending.push(
            storage.apply(
              i < 50 ? set(key, "") : mutation(MutationKind.append, key, String.fromCharCode(65 + Math.floor(i / 50))),
              now,
            ),
          );
        }
        await Promise.all(pending);
        for (let i = 0; i < 50; i++) assertEquals((await read(storage, `k${i}`, now))?.value, "BCDEFGHIJKL");
        await storage.close();
      }));

    it("walks in key order, newer state first, while it is written", () =>
      driver.run(async (open, world) => {
        const storage = await open();
        const now = world.nowSeconds;
        for (let i = 0; i < 300; i++) await write(storage, set(`k${String(i).padStart(3, "0")}`, "old"), now);
        await write(storage, set("other", "1"), now);
        await write(storage, set("k998", "expired", { expire: now }), now);
        await write(storage, mutation(MutationKind.delete, "k000"), now);
        const cursor = storage.openCursor({ prefix: fromLatin1("k") });
        const first = await cursor.next(100, 1 << 20);
        await write(storage, set("k250", "new"), now);
        await write(storage, mutation(MutationKind.delete, "k260"), now);
        const rest: string[] = [];
        for (let items = await cursor.next(50, 1 << 20); items.length > 0; items = await cursor.next(50, 1 << 20)) {
          for (const { key, value } of items) rest.push(`${latin1(key)}=${latin1(value)}`);
        }
        await cursor.close();
        assertEquals(latin1(first[0]?.key ?? new Uint8Array(0)), "k001");
        const expected: string[] = [];
        for (let i = first.length + 1; i < 300; i++)
          if (i !== 260) expected.push(`k${String(i).padStart(3, "0")}=${i === 250 ? "new" : "old"}`);
        assertEquals(rest, expected);
        const all = storage.openCursor({ includeExpired: true, includeTombstones: true });
        const found = await all.next(1000, 1 << 20);
        assertEquals(
          found.filter(({ tombstone }) => tombstone).map(({ key, version }) => `${latin1(key)} ${version}`),
          ["k000 1", "k260 1"],
        );
        assert(found.some(({ key }) => latin1(key) === "k998"));
        await storage.close();
      }));

    it("walks on behind any key, in slices that are small whatever the values have become", () =>
      driver.run(async (open, world) => {
        const storage = await open();
        const now = world.nowSeconds;
        for (let i = 0; i < 10; i++) await write(storage, set(`k${i}`, "small"), now);
        await storage.checkpoint();
        for (let i = 0; i < 10; i++) await write(storage, set(`k${i}`, String(i).repeat(100000)), now);
        await write(storage, set("k99", "unseen: not in the engine yet"), now);
        const options = { prefix: fromLatin1("k"), after: fromLatin1("k3"), checkpointed: true };
        const cursor = storage.openCursor(options);
        const { items, lastKey } = await cursor.slice(100, 150000);
        assertEquals(
          items.map(({ key, value, valueBytes }) => [latin1(key), value.length, valueBytes]),
          [
            ["k4", 100000, 100000],
            ["k5", 100000, 100000],
          ],
        );
        assertEquals(lastKey === undefined ? undefined : latin1(lastKey), "k5");
        const keys = await storage.openCursor({ ...options, withoutValues: true }).slice(100, 150000);
        assertEquals(
          keys.items.map(({ key, value, valueBytes }) => [latin1(key), value.length, valueBytes]),
          [4, 5, 6, 7, 8, 9].map((i) => [`k${i}`, 0, 100000]),
        );
        for (let i = 4; i < 10; i++) await write(storage, mutation(MutationKind.delete, `k${i}`), now);
        const empty = storage.openCursor(options);
        for (const last of ["k7", "k9", undefined]) {
          const slice = await empty.slice(4, 150000);
          assertEquals(slice.items, []);
          assertEquals(slice.lastKey === undefined ? undefined : latin1(slice.lastKey), last);
        }
        await storage.close();
      }));

    it("shows nothing a flush has dropped while a slice was read", () =>
      driver.run(async (open, world) => {
        const storage = await open();
        const now = world.nowSeconds;
        for (let i = 0; i < 10; i++) await write(storage, set(`k${i}`, "old"), now);
        await storage.checkpoint();
        const cursor = storage.openCursor({ checkpointed: true });
        const reading = cursor.next(100, 1 << 20);
        storage.flushAll();
        assertEquals(await reading, []);
        await storage.close();
      }));

    it("ends a checkpoint that is waited for although others are needed all the time", () =>
      driver.run(async (open, world) => {
        const storage = await open({ memoryBytesMax: 1 << 16 });
        const history = new WriteHistory(storage, world);
        for (let i = 0; i < 400; i++) await history.write(i);
        for (let i = 0; i < 10; i++) {
          const before = storage.stats().checkpoints;
          const reached = storage.checkpoint();
          const counting = reached.then(() => storage.stats().checkpoints);
          await history.writeWhile(reached);
          assert((await counting) - before <= 3);
        }
        assert(storage.stats().roomsMade > 0);
        await storage.close();
      }));

    it("gives a snapshot of one moment while it is written", () =>
      driver.run(async (open, world) => {
        const storage = await open({ memoryBytesMax: 1 << 16 });
        storage.follow({ onAppended: () => ({ onCommitted: () => undefined }) });
        const history = new WriteHistory(storage, world);
        for (let i = 0; i < 400; i++) await history.write(i);
        for (let round = 0; round < 8; round++) {
          const from = storage.lastSequence;
          const opening = storage.openSnapshot();
          const [snapshot] = await Promise.all([opening, history.writeWhile(opening)]);
          const to = storage.lastSequence;
          const { sequence } = snapshot.position;
          assert(from <= sequence && sequence <= to, `${from} <= ${sequence} <= ${to}`);
          const reading = allOf(snapshot);
          const [found] = await Promise.all([reading, history.writeWhile(reading)]);
          assert(storage.lastSequence > to);
          assertEquals(found, history.stateAt(sequence));
          if (round % 2 === 0) await storage.checkpoint();
        }
        assert(storage.stats().evictions > 0);
        await storage.close();
      }));

    it("gives a snapshot that a flush does not change, and without what has expired", () =>
      driver.run(async (open, world) => {
        const storage = await open();
        const now = world.nowSeconds;
        for (let i = 0; i < 5; i++) await write(storage, set(`k${i}`, `${i}`, { expire: i === 3 ? now : 0 }), now);
        await write(storage, mutation(MutationKind.delete, "k1", "", { expire: now + 9 }), now);
        const snapshot = await storage.openSnapshot();
        storage.flushAll();
        const first = await snapshot.next(2, 1 << 20);
        const rest = await snapshot.next(100, 1 << 20);
        assertEquals([first.length, (await snapshot.next(1, 1)).length], [2, 0]);
        assertEquals([...first, ...rest].map(textOf), [
          "k0=0 v1 f0 e0",
          `k1 deleted v1 f${now} e${now + 9}`,
          "k2=2 v1 f0 e0",
          "k4=4 v1 f0 e0",
        ]);
        await snapshot.close();
        const next = await storage.openSnapshot();
        assertEquals(await allOf(next), []);
        await storage.close();
      }));

    it("sweeps what is expired, and tombstones when their time is over", () =>
      driver.run(async (open, world) => {
        const storage = await open({ tombstoneRetentionSeconds: 100, sweepIntervalMs: 1 });
        const now = world.nowSeconds;
        for (let i = 0; i < 10; i++) await write(storage, set(`k${i}`, "1", { expire: i < 5 ? now + 1 : 0 }), now);
        await write(storage, mutation(MutationKind.delete, "k9"), now);
        const until = async (items: number, tombstones: number): Promise<void> => {
          for (let i = 0; i < 2000; i++) {
            const stats = storage.stats();
            if (stats.items === items && stats.tombstones === tombstones) return;
            await storage.checkpoint();
            await world.advance(1);
          }
          assertEquals([storage.stats().items, storage.stats().tombstones], [items, tombstones]);
        };
        assertEquals([storage.stats().items, storage.stats().tombstones], [9, 1]);
        world.nowMs += 2000;
        await until(4, 6);
        // A swept item still gives its version to the next one.
        assertEquals((await write(storage, set("k0", "2"), world.nowSeconds)).entry.version, 2);
        world.nowMs += 200_000;
        await until(5, 0);
        assertEquals((await write(storage, set("k1", "2"), world.nowSeconds)).entry.version, 1);
        await storage.close();
      }));

    it("flushes everything, versions included", () =>
      driver.run(async (open, world) => {
        const storage = await open();
        const now = world.nowSeconds;
        for (let i = 0; i < 10; i++) await write(storage, set("k", `${i}`), now);
        await storage.checkpoint();
        await write(storage, mutation(MutationKind.delete, "k"), now);
        storage.flushAll();
        assertEquals([storage.stats().items, storage.stats().tombstones], [0, 0]);
        assertEquals((await write(storage, set("k", "x"), now)).entry.version, 1);
        assertEquals((await storage.openCursor().next(10, 1000)).length, 1);
        await storage.close();
      }));

    it("refuses calls after its end", () =>
      driver.run(async (open) => {
        const storage = await open();
        await storage.close();
        assertEquals((await write(storage, set("k", "1"), 1)).error, "storage is closed");
        await assertRejects(() => storage.checkpoint(), FlareError, "closed");
        await storage.close();
      }));

    if (!driver.durable) return;
    it("is the same after a restart", () =>
      driver.run(async (open, world) => {
        let storage = await open();
        const now = world.nowSeconds;
        for (let i = 0; i < 1000; i++) await write(storage, set(`k${i}`, `v${i}`), now);
        await write(storage, mutation(MutationKind.delete, "k7", "", { expire: now + 100 }), now);
        assertEquals(await committed(storage), undefined);
        await turns(1);
        await storage.close();
        storage = await open();
        assertEquals([storage.stats().items, storage.stats().tombstones, storage.manifest.durable], [999, 1, true]);
        for (let i = 0; i < 1000; i++) assertEquals((await read(storage, `k${i}`, now))?.value, i === 7 ? undefined : `v${i}`);
        assertEquals((await write(storage, mutation(MutationKind.add, "k7", "x"), now)).result, MutationResult.notStored);
        assertEquals((await write(storage, mutation(MutationKind.add, "k7", "x"), now + 100)).entry.version, 2);
        await storage.close();
      }));
  });
}

/** Random writes, and what each key had after each of them. */
class WriteHistory {
  readonly #storage: Storage;
  readonly #world: StorageWorld;
  readonly #states: { readonly sequence: number; readonly key: string; readonly text: string }[] = [];

  constructor(storage: Storage, world: StorageWorld) {
    this.#storage = storage;
    this.#world = world;
  }

  async write(number: number): Promise<void> {
    const { nowSeconds } = this.#world;
    const key = `k${this.#world.runtime.random.uint32() % 300}`;
    const kind = number % 5 === 0 ? MutationKind.delete : number % 11 === 0 ? MutationKind.touch : MutationKind.set;
    const value = kind === MutationKind.set ? `${number}`.repeat(number % 7 === 0 ? 400 : 60) : "";
    const expire = nowSeconds + 1000 + number;
    const { result, entry } = await write(this.#storage, mutation(kind, key, value, { expire }), nowSeconds);
    const { stored, touched, deleted } = MutationResult;
    const text =
      result === deleted
        ? `${key} deleted v${entry.version} f${nowSeconds} e${expire}`
        : `${key}=${latin1(entry.bytes, entry.valueStart, entry.valueEnd)} v${entry.version} f0 e${expire}`;
    assert(![MutationResult.failed, MutationResult.notStored].includes(result as never));
    if (result === stored || result === touched || result === deleted)
      this.#states.push({ sequence: this.#storage.lastSequence, key, text });
  }

  /** Writes until a promise is settled, some writes in each turn, and once more. */
  async writeWhile(work: Promise<unknown>): Promise<void> {
    let isOver = false;
    const end = (): void => {
      isOver = true;
    };
    work.then(end, end);
    for (let number = 1; !isOver; number++) {
      await this.write(number);
      if (number % 3 === 0) await turns(1);
    }
    await this.write(1);
  }

  /** What a snapshot after this change has. */
  stateAt(sequence: number): string[] {
    const state = new Map<string, string>();
    for (const change of this.#states) if (change.sequence <= sequence) state.set(change.key, change.text);
    return [...state].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, text]) => text);
  }
}

async function allOf(snapshot: Snapshot): Promise<string[]> {
  const texts: string[] = [];
  for (let items = await snapshot.next(7, 4096); items.length > 0; items = await snapshot.next(7, 4096)) {
    texts.push(...items.map(textOf));
    await turns(1);
  }
  await snapshot.close();
  return texts;
}

function textOf({ key, value, flags, expire, version, tombstone }: StoredItem): string {
  return `${latin1(key)}${tombstone ? " deleted" : `=${latin1(value)}`} v${version} f${flags} e${expire}`;
}

describe("storage: a snapshot", () => {
  it("is refused by a database without snapshots", async () => {
    const engine = new TestDatabase({ snapshots: false }).asEngine;
    const storage = await Storage.open(new StorageWorld().runtime, { dataDir: "data", engine });
    const error = await assertRejects(() => storage.openSnapshot(), FlareError);
    assertEquals([error.code, error.message], ["UNSUPPORTED", 'engine "custom" has no snapshots']);
    await storage.close();
  });

  it("names a corrupt record instead of omitting it", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const open = (): Promise<Storage> => Storage.open(world.runtime, { dataDir: "data", engine: database.asEngine });
    const before = await open();
    for (const key of ["a", "b", "c"]) await write(before, set(key, "value"), world.nowSeconds);
    await before.close();
    for (const [key, [, value]] of database.pairs) if (key.endsWith("b")) value[value.length - 1] = 0;
    const storage = await open();
    const snapshot = await storage.openSnapshot();
    assertEquals((await snapshot.next(1, 1000)).map(textOf), ["a=value v1 f0 e0"]);
    assertEquals((await assertRejects(() => snapshot.next(10, 1000), FlareError)).message, "corrupt record");
    assert(storage.stats().corruptRecords > 0);
    await snapshot.close();
    await storage.close();
  });

  it("is not of a change whose append fails", async () => {
    const files = new MemoryFiles();
    const world = new StorageWorld(files);
    const storage = await Storage.open(world.runtime, { dataDir: "data", engine: new MemoryLevel() });
    await write(storage, set("a", "kept"), world.nowSeconds);
    await committed(storage);
    const opening = storage.openSnapshot();
    files.freeBytes = 0;
    const outcomes: (FlareError | undefined)[] = [];
    for (let i = 0; i < 50; i++) {
      await write(storage, set("a", `lost ${i}`), world.nowSeconds);
      outcomes.push(await committed(storage));
    }
    files.freeBytes = Number.POSITIVE_INFINITY;
    assert(outcomes.every((fault) => fault?.code === "DISK_FULL"));
    assertEquals(await allOf(await opening), ["a=kept v1 f0 e0"]);
    await storage.close();
  });
});

describe("storage: a corrupt record in the engine", () => {
  it("is never served, counted and healed by a set", async () => {
    const world = new StorageWorld();
    const database = new TestDatabase();
    const open = (): Promise<Storage> => Storage.open(world.runtime, { dataDir: "data", engine: database.asEngine });
    let storage = await open();
    for (const key of ["a", "b"]) await write(storage, set(key, "value"), world.nowSeconds);
    await storage.close();
    for (const [key, [, value]] of database.pairs) if (key.endsWith("a") && !key.endsWith("meta")) value[value.length - 1] = 0;
    storage = await open();
    const error = await assertRejects(() => read(storage, "a", world.nowSeconds), FlareError);
    assertEquals([error.code, error.message], ["CORRUPT", "corrupt record"]);
    const refused = await write(storage, mutation(MutationKind.append, "a", "x"), world.nowSeconds);
    assertEquals([refused.result, refused.error], [MutationResult.failed, "corrupt record"]);
    assertEquals((await read(storage, "b", world.nowSeconds))?.value, "value");
    const walk = storage.openCursor();
    assertEquals((await assertRejects(() => walk.next(10, 1000), FlareError)).message, "corrupt record");
    assert(storage.stats().corruptRecords > 0);
    assertEquals((await write(storage, set("a", "new"), world.nowSeconds)).result, MutationResult.stored);
    assertEquals((await read(storage, "a", world.nowSeconds))?.value, "new");
    assertEquals(storage.stats().items, 2);
    await storage.close();
  });
});
