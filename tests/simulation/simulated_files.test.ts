/**
 * The simulated disk keeps what every file system adapter promises, fails when it should, and loses in a power cut anything it
 * may lose and nothing else.
 *
 * Covers lib/testing/sim_disk.ts, lib/testing/sim_files.ts and lib/testing/sim_inode.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { FlareError } from "../../lib/base/errors.ts";
import type { FileSystem } from "../../lib/runtime/runtime.ts";
import { SimEngine } from "../../lib/testing/sim_engine.ts";
import type { SimProcess } from "../../lib/testing/sim_process.ts";
import { SimWorld } from "../../lib/testing/sim_world.ts";

async function inWorld(test: (files: FileSystem, world: SimWorld) => Promise<void>, seed = "files"): Promise<void> {
  const world = new SimWorld(seed);
  const { files } = world.host("h").start();
  await world.drive(
    files.makeDirectory("/d").then(() => test(files, world)),
    600_000,
  );
}

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : latin1(bytes));

describe("simulated files", () => {
  it("append, cut, and go on where the file ended", () =>
    inWorld(async (files) => {
      const file = files.openAppend("/d/log");
      file.append(fromLatin1("keep this, lose that"));
      file.truncate(10);
      file.append(fromLatin1("!"));
      await file.sync();
      file.close();
      assertEquals(assertThrows(() => file.append(fromLatin1("y")), FlareError).code, "CLOSED");
      const again = files.openAppend("/d/log");
      assertEquals(again.size, 11);
      assertEquals(text(await files.read("/d/log")), "keep this,!");
      assertEquals(await files.read("/d/none"), undefined);
    }));

  it("replace all or nothing, in the order of the calls, and keep the previous content", () =>
    inWorld(async (files) => {
      await Promise.all(Array.from({ length: 5 }, (_, number) => files.replace("/d/state", fromLatin1(`content ${number}`))));
      assertEquals(text(await files.read("/d/state")), "content 4");
      assertEquals(text(await files.read("/d/state.previous")), "content 3");
      assertEquals(await files.list("/d"), ["state", "state.previous"]);
    }));

  it("create a file once, and durably", () =>
    inWorld(async (files, world) => {
      const outcomes = await Promise.all(
        Array.from({ length: 5 }, (_, number) => files.create("/d/new", fromLatin1(`content ${number}`))),
      );
      assertEquals(outcomes.filter(Boolean).length, 1);
      const host = world.host("h");
      host.cutPower();
      const again = host.start().files;
      assertEquals(text(await again.read("/d/new")), `content ${outcomes.indexOf(true)}`);
      assertEquals(await again.create("/d/new", fromLatin1("x")), false);
    }));

  it("report faults with the path", () =>
    inWorld(async (files, world) => {
      const missing = "/none/file";
      const open = assertThrows(() => files.openAppend(missing), FlareError);
      assertEquals(open.code, "IO_ERROR");
      assertStringIncludes(open.message, `"${missing}"`);
      assertEquals((await assertRejects(() => files.replace(missing, fromLatin1("x")), FlareError)).code, "IO_ERROR");
      assertEquals((await assertRejects(() => files.read("/d"), FlareError)).code, "IO_ERROR");
      assertEquals((await assertRejects(() => files.syncDirectory("/none"), FlareError)).code, "IO_ERROR");
      const file = files.openAppend("/d/full");
      world.host("h").disk.freeBytes = 0;
      const full = assertThrows(() => file.append(fromLatin1("x")), FlareError);
      assertEquals([full.code, full.retriable], ["DISK_FULL", true]);
    }));

  it("lock once at a time, and give the lock of a dead process away", () =>
    inWorld(async (files, world) => {
      const { pid } = world.host("h").process as { pid: number };
      const lock = await files.lock("/d/LOCK");
      const error = await assertRejects(() => files.lock("/d/LOCK"), FlareError);
      assertEquals([error.code, error.message], ["DATA_DIR_LOCKED", `"/d/LOCK" is locked by process ${pid}`]);
      await lock.release();
      await files.lock("/d/LOCK");
      await world.host("h").start().files.lock("/d/LOCK");
    }));

  it("keep everything when the process is killed", () =>
    inWorld(async (files, world) => {
      files.openAppend("/d/log").append(fromLatin1("unsynced"));
      world.host("h").kill();
      assertEquals(text(await world.host("h").start().files.read("/d/log")), "unsynced");
    }));

  it("fail where the disk does: on appending, on syncing, on reading", () =>
    inWorld(async (files, world) => {
      const { disk } = world.host("h");
      const file = files.openAppend("/d/log");
      file.append(fromLatin1("here"));
      const works = async () => {
        const isThere = async (work: () => unknown) => {
          try {
            await work();
            return true;
          } catch (error) {
            assertStringIncludes((error as Error).message, "/d/");
            assertStringIncludes((error as Error).message, "EIO");
            return false;
          }
        };
        return [
          await isThere(() => file.append(fromLatin1("x"))),
          await isThere(() => file.sync()),
          await isThere(() => files.read("/d/log")),
          await isThere(() => files.replace("/d/state", fromLatin1("x"))),
        ];
      };
      assertEquals(await works(), [true, true, true, true]);
      disk.faults.append = 1;
      assertEquals(await works(), [false, true, true, false]);
      Object.assign(disk.faults, { append: 0, sync: 1 });
      assertEquals(await works(), [true, false, true, false]);
      Object.assign(disk.faults, { sync: 0, read: 1 });
      assertEquals(await works(), [true, true, false, true]);
    }));

  it("take of a write what there is room for", () =>
    inWorld(async (files, world) => {
      const { disk } = world.host("h");
      const file = files.openAppend("/d/log");
      disk.freeBytes = 7;
      file.append(fromLatin1("four"));
      const error = assertThrows(() => file.append(fromLatin1("fours")), FlareError);
      assertEquals([error.code, error.retriable, file.size], ["DISK_FULL", true, 7]);
      file.truncate(4);
      file.append(fromLatin1("abc"));
      assertEquals(text(await files.read("/d/log")), "fourabc");
      assertEquals((await assertRejects(() => files.replace("/d/state", fromLatin1("x")), FlareError)).code, "DISK_FULL");
      assertEquals(await files.list("/d"), ["log"]);
    }));

  it("open nothing without a descriptor", () =>
    inWorld(async (files, world) => {
      const process = world.host("h").process as SimProcess;
      process.lacksDescriptors = true;
      const open = assertThrows(() => files.openAppend("/d/log"), FlareError);
      assertEquals([open.code, open.retriable], ["LIMIT_EXCEEDED", true]);
      for (const work of [
        () => files.read("/d/log"),
        () => files.replace("/d/log", fromLatin1("x")),
        () => files.lock("/d/L"),
      ]) {
        assertEquals((await assertRejects(work, FlareError)).code, "LIMIT_EXCEEDED");
      }
      process.lacksDescriptors = false;
      files.openAppend("/d/log").close();
    }));
});

/** What is in a file after a power cut, with as many seeds as it takes to see it all. */
async function contentsAfter(
  seeds: number,
  before: (files: FileSystem, world: SimWorld) => Promise<void>,
  path = "/d/log",
): Promise<Set<string | undefined>> {
  const found = new Set<string | undefined>();
  for (let seed = 0; seed < seeds; seed++) {
    await inWorld(async (files, world) => {
      await before(files, world);
      world.host("h").cutPower();
      found.add(text(await world.host("h").start().files.read(path)));
    }, `power ${seed}`);
  }
  return found;
}

/** A log whose first bytes are synced, and which has a name. */
async function syncedLog(files: FileSystem, content: string) {
  const file = files.openAppend("/d/log");
  file.append(fromLatin1(content));
  await file.sync();
  await files.syncDirectory("/d");
  return file;
}

describe("a power cut", () => {
  const [first, second, third] = ["1".repeat(300), "2".repeat(300), "3".repeat(300)];

  it("keeps what was synced, and of the rest nothing, all, a beginning, or any pieces", async () => {
    const found = await contentsAfter(300, async (files) => {
      const file = await syncedLog(files, "synced.");
      for (const piece of [first, second, third]) file.append(fromLatin1(piece));
    });
    const rests = [...found].map((content) => {
      assert(content?.startsWith("synced.") === true, content);
      return content.slice(7);
    });
    const whole = first + second + third;
    const isHole = (rest: string, from: number) =>
      rest.length > from && !rest.slice(from, from + 5).includes(whole[from] as string);
    assert(rests.every((rest) => rest.length <= whole.length));
    for (const [what, seen] of Object.entries({
      nothing: rests.includes(""),
      everything: rests.includes(whole),
      "a part of an append": rests.some((rest) => whole.startsWith(rest) && rest.length % 300 !== 0),
      "a later append without an earlier one": rests.some((rest) => isHole(rest, 300) && rest.includes("3".repeat(99))),
      "a part of an append without its beginning": rests.some(
        (rest) => isHole(rest, 300) && rest.slice(505, 600) === "2".repeat(95),
      ),
      "a hole of zeros": rests.some((rest) => rest.includes("\0".repeat(200))),
      "a hole of garbage": rests.some((rest) => isHole(rest, 0) && !rest.includes("\0".repeat(50))),
      "more length than content": rests.some((rest) => rest.endsWith("\0\0\0\0") && rest.length % 300 !== 0),
    })) {
      assert(seen, `never seen: ${what}`);
    }
  });

  it("keeps nothing more for a sync that has not ended, or has failed", async () => {
    for (const failing of [false, true]) {
      const found = await contentsAfter(40, async (files, world) => {
        const file = await syncedLog(files, "synced.");
        file.append(fromLatin1("perhaps"));
        world.host("h").disk.faults.sync = 1;
        const sync = file.sync().catch(() => undefined);
        if (failing) await sync;
      });
      assert(found.has("synced.") && found.has("synced.perhaps"), [...found].join());
    }
  });

  it("keeps for a sync only what was there when it began", async () => {
    const found = await contentsAfter(60, async (files) => {
      const file = await syncedLog(files, "synced.");
      file.append(fromLatin1("too."));
      const sync = file.sync();
      file.append(fromLatin1("late"));
      await sync;
    });
    assert(found.has("synced.too.") && found.has("synced.too.late"), [...found].join());
    assert([...found].every((content) => content?.startsWith("synced.too.")));
  });

  it("may bring back what was cut off without a sync, or mix it with what followed", async () => {
    const found = await contentsAfter(300, async (files) => {
      const file = await syncedLog(files, `synced.${"o".repeat(600)}`);
      file.truncate(7);
      file.append(fromLatin1("n".repeat(600)));
    });
    const rests = [...found].map((content) => content?.slice(7) ?? "");
    assert(rests.includes("o".repeat(600)) && rests.includes("n".repeat(600)) && rests.includes(""), rests.join());
    assert(rests.some((rest) => /^o+n+$/.test(rest) || /^n+o+$/.test(rest)));
    const after = await contentsAfter(60, async (files) => {
      const file = await syncedLog(files, `synced.${"o".repeat(600)}`);
      file.truncate(7);
      await file.sync();
    });
    assertEquals([...after], ["synced."]);
  });

  it("decides about each name that no directory sync has seen, and keeps the others", async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      await inWorld(async (files, world) => {
        for (const name of ["kept", "removed"]) await files.replace(`/d/${name}`, fromLatin1("old"));
        await files.remove("/d/removed");
        for (const name of ["new", "other"]) files.openAppend(`/d/${name}`).close();
        world.host("h").cutPower();
        const names = await world.host("h").start().files.list("/d");
        assert(names.includes("kept"));
        seen.add(names.filter((name) => name !== "kept").join(" "));
      }, `names ${seed}`);
    }
    assertEquals(seen.size, 8, [...seen].join("; "));
  });

  it("leaves of a replacement the old content or the new one, whenever it comes", async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      await inWorld(async (files, world) => {
        const host = world.host("h");
        await files.replace("/d/state", fromLatin1("old"));
        let left = seed % 12;
        let isDone = false;
        host.disk.onChange = () => {
          if (left-- === 0) host.cutPower();
        };
        void files.replace("/d/state", fromLatin1("new")).then(() => {
          isDone = true;
        });
        await world.sleep(100);
        host.disk.onChange = () => undefined;
        if (host.process !== undefined) host.cutPower();
        const content = text(await host.start().files.read("/d/state")) ?? "";
        assert(content === "new" || (content === "old" && !isDone), content);
        seen.add(`${content} ${isDone}`);
      }, `replacement ${seed}`);
    }
    assertEquals([...seen].sort(), ["new false", "new true", "old false"]);
  });

  it("takes a directory away with all that is in it, unless its parent was synced", async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      await inWorld(async (files, world) => {
        const host = world.host("h");
        await files.makeDirectory("/d/kept");
        host.disk.makeDirectory("/d/lost");
        for (const name of ["kept", "lost"]) await files.replace(`/d/${name}/file`, fromLatin1("x"));
        host.cutPower();
        const after = host.start().files;
        assertEquals(await after.list("/d/kept"), ["file"]);
        seen.add((await after.list("/d/lost")).join());
      }, `directory ${seed}`);
    }
    assertEquals([...seen].sort(), ["", "file"]);
  });

  it("keeps of an engine all synced batches, and the others in order", async () => {
    const kept = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      await inWorld(async (_files, world) => {
        const host = world.host("h");
        const open = () => new SimEngine(host.process ?? host.start(), host.disk.engine("data"), false);
        const engine = open();
        const put = (name: string, sync: boolean) =>
          engine.batch([{ type: "put", key: fromLatin1(name), value: fromLatin1("v") }], { sync } as object);
        await put("a", true);
        await put("b", false);
        await put("c", false);
        host.cutPower();
        const keys = await open().keys().all();
        kept.add(keys.map((key) => latin1(key)).join(""));
      }, `engine ${seed}`);
    }
    assertEquals([...kept].sort(), ["a", "ab", "abc"]);
  });
});
