/**
 * The simulated disk keeps what every file system adapter promises, and loses in a power cut what it may lose.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { FlareError } from "../../lib/base/errors.ts";
import type { FileSystem } from "../../lib/runtime/runtime.ts";
import { SimEngine } from "./sim_engine.ts";
import { SimWorld } from "./sim_world.ts";

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
      world.host("h").disk.full = true;
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

  it("lose in a power cut what was not synced, and nothing else", async () => {
    const sizes = new Set<number | undefined>();
    for (let seed = 0; seed < 40; seed++) {
      await inWorld(async (files, world) => {
        const file = files.openAppend("/d/log");
        file.append(fromLatin1("synced."));
        await file.sync();
        await files.syncDirectory("/d");
        file.append(fromLatin1("perhaps"));
        files.openAppend("/d/new").append(fromLatin1("x"));
        world.host("h").cutPower();
        const after = world.host("h").start().files;
        const content = text(await after.read("/d/log")) ?? "";
        assertEquals(content.slice(0, 7), "synced.");
        assert(content.length <= 14);
        sizes.add(content.length);
        sizes.add((await after.read("/d/new"))?.length);
      }, `power ${seed}`);
    }
    assert(sizes.has(7) && sizes.has(14) && sizes.has(undefined) && sizes.has(0) && sizes.has(1), [...sizes].join());
  });

  it("keep of an engine all synced batches, and the others in order", async () => {
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
