/** Which state two storages have both had, found from their marks; and marks through restarts, segments and faults. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { MutationKind } from "../../../../lib/item/mutation.ts";
import type { LogSegment } from "../../../../lib/storage/log/log_segment.ts";
import { decodeMark, encodeMark, NO_HISTORY, Positions } from "../../../../lib/storage/log/positions.ts";
import { Storage, type StorageOptions } from "../../../../lib/storage/storage.ts";
import { MemoryFiles } from "../../../support/memory_files.ts";
import { committed, mutation, StorageWorld, set, write, writeDurably } from "../../../support/storage_world.ts";
import { TestDatabase } from "../../../support/test_database.ts";

const A = "a".repeat(16);
const B = "b".repeat(16);
const C = "c".repeat(16);

function segments(...given: [history: string, firstSequence: number][]): LogSegment[] {
  return given.map(([history, firstSequence], at) => ({ number: at + 1, path: "", bytes: 0, firstSequence, history }));
}

function positions(...marks: [at: number, history: string, sequence: number][]): Positions {
  const found = new Positions();
  for (const [at, history, sequence] of marks) found.add({ at, history, sequence });
  return found;
}

describe("Positions", () => {
  const log = segments([A, 10], [A, 20], [B, 30]);

  it("name what a storage has, in its own log and in those of others, the newest first", () => {
    assertEquals(positions([15, C, 5], [25, C, 9]).named(log, 40), [
      { history: B, sequence: 40 },
      { history: A, sequence: 29 },
      { history: C, sequence: 9 },
    ]);
    assertEquals(positions().named(segments([NO_HISTORY, 1]), 5), []);
  });

  it("find the newest common state, whoever has followed whom", () => {
    const common = (marks: Positions, ...theirs: [string, number][]) =>
      marks.common(
        theirs.map(([history, sequence]) => ({ history, sequence })),
        log,
        40,
      );
    // The other one has followed us: up to some record, or up to one that we lost when we were restarted.
    assertEquals(common(positions(), [B, 35]), { history: B, sequence: 35, at: 35 });
    assertEquals(common(positions(), [A, 35]), { history: A, sequence: 29, at: 29 });
    assertEquals(common(positions(), [B, 99]), { history: B, sequence: 40, at: 40 });
    assertEquals(common(positions(), [A, 9]), { history: A, sequence: 9, at: 9 });
    assertEquals(common(positions(), [A, 8]), undefined);
    // We have followed it, or both of us a third one: we have what is between two marks, too.
    const marks = positions([12, C, 3], [22, C, 7], [33, C, 8]);
    for (const [there, sequence, at] of [
      [3, 3, 12],
      [6, 6, 12],
      [7, 7, 22],
      [99, 8, 33],
    ] as const) {
      assertEquals(common(marks, [C, there]), { history: C, sequence, at });
    }
    assertEquals(common(marks, [C, 2]), undefined);
    assertEquals(common(marks, [C, 99], [A, 25], [B, 36]), { history: B, sequence: 36, at: 36 });
    assertEquals(common(marks, [C, 99], [A, 25]), { history: C, sequence: 8, at: 33 });
    assertEquals(common(marks), undefined);
  });

  it("know what of its own log a storage has lost", () => {
    const found = positions([15, C, 5]);
    const lacks = (history: string, sequence: number) => found.lacks({ history, sequence }, log, 40);
    assertEquals([lacks(A, 29), lacks(A, 30), lacks(B, 40), lacks(B, 41)], [false, true, false, true]);
    // What another node has written may never have been acknowledged.
    assertEquals([lacks(C, 9), lacks("d".repeat(16), 1)], [false, false]);
  });

  it("say nothing of what comes after a gap in the log, until there is a new mark", () => {
    const common = (marks: Positions, history: string, sequence: number) =>
      marks.common([{ history, sequence }], log, 40)?.sequence;
    for (const isRead of [false, true]) {
      const marks = positions([12, C, 3], [22, C, 7], [33, C, 8]);
      // As it is found, and as it comes from the log, before or after what is repeated there.
      if (isRead) for (const mark of [...marks.chosen, { history: NO_HISTORY, sequence: 16, at: 35 }]) marks.add(mark);
      else marks.addGap(16, 35);
      assertEquals([common(marks, A, 29), common(marks, B, 40), common(marks, C, 9)], [15, undefined, 3]);
      assertEquals(marks.named(log, 40), [
        { history: A, sequence: 15 },
        { history: C, sequence: 3 },
      ]);
      const lacks = (history: string, sequence: number) => marks.lacks({ history, sequence }, log, 40);
      assertEquals([lacks(A, 15), lacks(A, 16), lacks(B, 30)], [false, true, true]);
      marks.add({ at: 38, history: C, sequence: 20 });
      assertEquals(common(marks, C, 30), 20);
      assertEquals(
        marks.chosen.map(({ at }) => at),
        [12, 35, 38],
      );
    }
  });

  it("keep the end of each history and get sparse before, in bounded memory", () => {
    const marks = positions([1, A, 1], [2, A, 2], [3, B, 1]);
    for (let at = 4; at < 100_000; at++) marks.add({ at, history: C, sequence: at * 2 });
    const newest = (history: string, sequence: number) => marks.common([{ history, sequence }], [], 100_000);
    assertEquals([newest(A, 50)?.at, newest(B, 50)?.at, newest(C, 1e9)?.at], [2, 3, 99_999]);
    // The newer, the finer.
    assertEquals(newest(C, 99_990 * 2)?.at, 99_990);
    assert((newest(C, 50_000 * 2)?.at as number) > 25_000);
    assert(marks.chosen.length < 16, String(marks.chosen.length));
    assertEquals(marks.chosen.at(-1)?.at, 99_999);
    for (let at = 200_000; at < 202_000; at++) marks.add({ at, history: at.toString(16).padStart(16, "0"), sequence: 1 });
    assertEquals(newest(A, 50), undefined);
    assertEquals(marks.chosen.at(-1)?.at, 201_999);
  });

  it("are read from the keys of records, and from nothing else", () => {
    for (const mark of [
      { at: 7, history: A, sequence: 3 },
      { at: 5, history: C, sequence: 2 ** 50 },
    ]) {
      assertEquals(decodeMark(encodeMark(mark, 7), 7, mark.sequence), mark);
    }
    for (const key of ["", "a", `${A}b`, `${A} x`, `${A} 1 2`, A.toUpperCase()]) assertEquals(decodeMark(key, 7, 3), undefined);
  });
});

describe("the marks of a storage", () => {
  function open(world: StorageWorld, database: TestDatabase, more: StorageOptions = {}): Promise<Storage> {
    return Storage.open(world.runtime, { dataDir: "data", engine: database.asEngine, memoryBytesMax: 1 << 20, ...more });
  }

  it("are there after a restart, with the ends of the histories before it", async () => {
    const database = new TestDatabase();
    const world = new StorageWorld(new MemoryFiles());
    const storage = await open(world, database);
    const first = storage.history;
    await writeDurably(storage, set("a", "1"), world.nowSeconds);
    storage.markPosition({ history: A, sequence: 17 });
    await committed(storage);
    assertEquals(
      storage.positions.map(({ history, sequence }) => [history, sequence]),
      [
        [first, 2],
        [A, 17],
      ],
    );
    await storage.close();
    for (let restart = 0; restart < 3; restart++) {
      const again = await open(world, database);
      assertEquals(again.commonState([{ history: A, sequence: 20 }])?.sequence, 17);
      const common = again.commonState([{ history: first, sequence: 99 }]);
      // What follows the mark of a stopped storage is only the same mark, at the beginning of other segments.
      assert(common !== undefined && common.sequence >= 2 && common.at === common.sequence);
      assert(again.history !== first);
      await again.close();
    }
  });

  it("outlive the segments that they were written to", async () => {
    const database = new TestDatabase();
    const world = new StorageWorld(new MemoryFiles());
    const storage = await open(world, database, { logRetentionBytes: 0 });
    storage.markPosition({ history: A, sequence: 17 });
    await committed(storage);
    for (let round = 0; round < 4; round++) {
      await writeDurably(storage, set("a", String(round)), world.nowSeconds);
      await storage.checkpoint();
    }
    assertEquals(storage.stats().logSegments, 1);
    await storage.close();
    const again = await open(world, database);
    assertEquals(again.commonState([{ history: A, sequence: 17 }])?.at, 1);
    assertEquals(again.readLog(2).isThere, false);
    await again.close();
  });

  it("end where a record of the log is missing, for as long as anything is known of the time after it", async () => {
    const database = new TestDatabase();
    const files = new MemoryFiles();
    let world = new StorageWorld(files);
    const storage = await open(world, database, { fsync: "os" });
    const first = storage.history;
    for (const [key, sequence] of [
      ["a", 10],
      ["b", 11],
      ["c", 12],
    ] as const) {
      await writeDurably(storage, set(key, key.repeat(50)), world.nowSeconds);
      storage.markPosition({ history: A, sequence });
      await committed(storage);
    }
    // As after a power cut: later records have reached the disk, this one has not.
    const left = files.killed();
    const [path = ""] = [...left.files.keys()]
      .filter((each) => each.includes("changes-"))
      .sort()
      .slice(-1);
    const bytes = left.content(path);
    const at = latin1(bytes).indexOf("b".repeat(50));
    assert(at > 0);
    bytes[at] = 0;
    left.write(path, bytes);
    world = new StorageWorld(left);
    const images = [];
    for (let restart = 0; restart < 3; restart++) {
      const again = await open(world, database, { fsync: "os" });
      const common = (history: string) => again.commonState([{ history, sequence: 99 }])?.sequence;
      images.push([common(A), common(first)]);
      await again.checkpoint();
      if (restart === 1) {
        again.markPosition({ history: A, sequence: 50 });
        await committed(again);
        assertEquals(common(A), 50);
      }
      await again.close();
    }
    assertEquals(images, [
      [10, 2],
      [10, 2],
      [50, 2],
    ]);
  });

  it("vanish with an append that fails", async () => {
    const world = new StorageWorld(new MemoryFiles());
    const storage = await open(world, new TestDatabase());
    (world.files as MemoryFiles).appendFault = new FlareError("DISK_FULL", "no space left", { retriable: true });
    await write(storage, mutation(MutationKind.set, "a", "1"), world.nowSeconds);
    storage.markPosition({ history: A, sequence: 17 });
    assertEquals((await committed(storage))?.code, "DISK_FULL");
    (world.files as MemoryFiles).appendFault = undefined;
    await writeDurably(storage, set("a", "2"), world.nowSeconds);
    assertEquals(storage.commonState([{ history: A, sequence: 17 }]), undefined);
    await storage.close();
  });

  it("are known without a data directory, where there is no log to read", async () => {
    const world = new StorageWorld();
    const storage = await Storage.open(world.runtime, {});
    storage.markPosition({ history: A, sequence: 17 });
    await committed(storage);
    assertEquals(storage.commonState([{ history: A, sequence: 18 }]), { history: A, sequence: 17, at: 1 });
    assertEquals([storage.readLog(1).isThere, storage.readLog(2).isThere], [false, false]);
    await storage.close();
  });
});
