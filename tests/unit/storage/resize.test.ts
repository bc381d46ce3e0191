/**
 * The memory for items made smaller and larger while there is work: every item stays readable, memory above the limit is
 * given back, also what had to reach the engine first.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Storage } from "../../../lib/storage/storage.ts";
import { detectRuntime } from "../../../mod.ts";
import { waitUntil } from "../../support/daemon.ts";
import { read, set, write } from "../../support/storage_world.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";

const MIB = 1 << 20;
const NOW = 1_700_000_000;
const SMALL = 3000;
const LARGE = 12;

const smallValue = (i: number): string => `${i}:`.padEnd(10000, "s");
const largeValue = (i: number): string => `${i}:`.padEnd(2 * MIB, "l");

async function openFilled(dataDir: string): Promise<Storage> {
  const runtime = detectRuntime({ logLevel: "error" });
  const storage = await Storage.open(runtime, { dataDir, memoryBytesMax: 64 * MIB });
  for (let i = 0; i < SMALL; i++) await write(storage, set(`small${i}`, smallValue(i)), NOW);
  for (let i = 0; i < LARGE; i++) await write(storage, set(`large${i}`, largeValue(i)), NOW);
  return storage;
}

async function readAll(storage: Storage): Promise<void> {
  for (let i = 0; i < SMALL; i++) assertEquals((await read(storage, `small${i}`, NOW))?.value, smallValue(i));
  for (let i = 0; i < LARGE; i++) assert((await read(storage, `large${i}`, NOW))?.value === largeValue(i), `large${i}`);
}

describe("the memory for items", () => {
  it("shrinks at once where the engine has everything, and grows again", () =>
    withTemporaryDirectory(async (directory) => {
      const storage = await openFilled(directory);
      await storage.checkpoint();
      const before = storage.stats();
      assert(before.arenaBytes > 50 * MIB, `${before.arenaBytes}`);
      storage.resizeMemory(8 * MIB);
      const shrunk = storage.stats();
      assert(shrunk.arenaBytes <= 8 * MIB, `${shrunk.arenaBytes}`);
      assert(shrunk.liveBytes <= shrunk.arenaBytes && shrunk.arenaItems < before.arenaItems);
      assertEquals([shrunk.items, shrunk.arenaBytesMax], [SMALL + LARGE, 8 * MIB]);
      await readAll(storage);
      assert(storage.stats().arenaBytes <= 8 * MIB);
      storage.resizeMemory(64 * MIB);
      await readAll(storage);
      const grown = storage.stats().arenaBytes;
      assert(grown > 40 * MIB && grown <= 64 * MIB, `${grown}`);
      await storage.close();
    }));

  it("shrinks when the engine has taken what is changed, while writes go on", () =>
    withTemporaryDirectory(async (directory) => {
      const storage = await openFilled(directory);
      storage.resizeMemory(8 * MIB);
      for (let i = 0; i < 500; i++) await write(storage, set(`late${i}`, smallValue(i)), NOW);
      await waitUntil(() => storage.stats().arenaBytes <= 8 * MIB, "the arena has shrunk");
      await readAll(storage);
      for (let i = 0; i < 500; i++) assertEquals((await read(storage, `late${i}`, NOW))?.value, smallValue(i));
      await storage.close();
      const again = await Storage.open(detectRuntime({ logLevel: "error" }), { dataDir: directory });
      await readAll(again);
      await again.close();
    }));

  it("that was tiny becomes large: large values fit, and segments are as large as those of a large one", () =>
    withTemporaryDirectory(async (dataDir) => {
      const storage = await Storage.open(detectRuntime({ logLevel: "error" }), { dataDir, memoryBytesMax: 65536 });
      for (let i = 0; i < 100; i++) await write(storage, set(`old${i}`, "o".repeat(1000)), NOW);
      storage.resizeMemory(32 * MIB);
      for (let i = 0; i < SMALL; i++) await write(storage, set(`small${i}`, smallValue(i)), NOW);
      await write(storage, set("large", largeValue(1)), NOW);
      assert((await read(storage, "large", NOW))?.value === largeValue(1));
      for (let i = 0; i < 100; i++) assertEquals((await read(storage, `old${i}`, NOW))?.value, "o".repeat(1000));
      assertEquals(storage.stats().arenaLayout.blockBytes, MIB);
      assert(storage.stats().arenaBytes <= 32 * MIB);
      await storage.close();
    }));

  it("is not smaller than what a ring needs, and not larger than locations can say", () =>
    withTemporaryDirectory(async (dataDir) => {
      const storage = await Storage.open(detectRuntime({ logLevel: "error" }), { dataDir });
      for (const bytes of [0, 65535, 2 ** 33 + 1, 1e6 + 0.5]) {
        assertThrows(
          () => storage.resizeMemory(bytes),
          Error,
          `option "memoryBytesMax": "${bytes}" is not an integer from 65536`,
        );
      }
      await storage.close();
    }));
});
