/**
 * Blocks of LevelDB's tables that do not match their checksums, in files of the right length: a read returns the right value or
 * fails, and a walk that needs the block fails instead of omitting records. Nobody gets a miss.
 *
 * Covers lib/storage/engine/level_table.ts and lib/storage/engine/table_audit.ts.
 */

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { latin1 } from "../../lib/base/bytes.ts";
import { FlareError } from "../../lib/base/errors.ts";
import { Storage } from "../../lib/storage/storage.ts";
import { SimRandom } from "../../lib/testing/sim_random.ts";
import { QuickFiles } from "../support/quick_files.ts";
import { read, StorageWorld, set, write } from "../support/storage_world.ts";
import { makeQuickDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";

const KEYS = 2000;
const CASES = 60;
const SEED = process.env.FLARE_DAMAGE_SEED ?? "1";
const valueFor = (i: number): string => `value ${i} `.padEnd(100, "v");
const keyOfNumber = (i: number): string => `key-${String(i).padStart(5, "0")}`;

async function openLevel(dataDir: string): Promise<{ storage: Storage; world: StorageWorld }> {
  const world = new StorageWorld(new QuickFiles());
  return { storage: await Storage.open(world.runtime, { dataDir, memoryBytesMax: 1 << 20 }), world };
}

/** All keys by a walk, or the fault that it met. */
async function walk(storage: Storage, prefix = ""): Promise<number | FlareError> {
  const cursor = storage.openCursor({ prefix: new TextEncoder().encode(prefix) });
  try {
    let count = 0;
    for (let items = await cursor.next(100, 1e6); items.length > 0; items = await cursor.next(100, 1e6)) {
      for (const { key, value } of items) assertEquals(latin1(value), valueFor(Number(latin1(key).slice(4))));
      count += items.length;
    }
    return count;
  } catch (error) {
    if (error instanceof FlareError) return error;
    throw error;
  }
}

describe("damaged blocks of a table", () => {
  const root = makeQuickDirectory();
  const template = join(root, "template");
  const directory = join(root, "data");
  let table = "";
  let good: Uint8Array;

  before(async () => {
    const { storage } = await openLevel(template);
    for (let i = 0; i < KEYS; i++) await write(storage, set(keyOfNumber(i), valueFor(i)), 0);
    await storage.close();
    const [name] = readdirSync(join(template, "engine")).filter((each) => each.endsWith(".ldb"));
    table = join("engine", name as string);
    good = readFileSync(join(template, table));
    assert(good.length > KEYS * 100, "all keys are to be in one table");
  });
  after(() => removeTemporaryDirectory(root));

  function damageAt(damage: (bytes: Uint8Array) => void): void {
    rmSync(directory, { recursive: true, force: true });
    cpSync(template, directory, { recursive: true });
    const bytes = new Uint8Array(good);
    damage(bytes);
    writeFileSync(join(directory, table), bytes);
  }

  it("make a walk fail wherever they lie, and reads of keys in them, never miss", { timeout: 120_000 }, async () => {
    const random = new SimRandom(SEED);
    let failedWalks = 0;
    for (let number = 0; number < CASES; number++) {
      const at = random.between(0, good.length - 1);
      const length = random.chance(0.5) ? 1 : random.between(1, 8192);
      const label = `case ${number}, seed ${SEED}: ${length} bytes from ${at} on`;
      damageAt((bytes) => {
        for (let i = at; i < Math.min(at + length, bytes.length); i++) bytes[i] = length === 1 ? (bytes[i] as number) ^ 64 : 0;
      });
      let opened: { storage: Storage; world: StorageWorld };
      try {
        opened = await openLevel(directory);
      } catch (error) {
        // The storage's own record was in the block.
        assert(error instanceof FlareError && /corrupt/i.test(error.message), `${label}: ${error}`);
        continue;
      }
      const { storage, world } = opened;
      const found = await walk(storage);
      if (found instanceof FlareError) {
        failedWalks++;
        assertEquals(found.code, "CORRUPT", label);
        assertEquals(storage.stats().damagedTables, 1, label);
        assert(
          world.messages("error").some((line) => line.includes(`${table}" do not match`)),
          label,
        );
      } else assertEquals(found, KEYS, label);
      for (let i = 0; i < KEYS; i += 7) {
        const item = await read(storage, keyOfNumber(i), 0).catch((error: FlareError) => error.code);
        assert(
          item === "CORRUPT" || (item as { value: string } | undefined)?.value === valueFor(i),
          `${label}: ${keyOfNumber(i)}`,
        );
      }
      await storage.close();
    }
    assert(failedWalks > CASES / 2, `${failedWalks} failed walks only`);
  });

  it("make a snapshot fail before anything is read of it, after copying and while it is written to", async () => {
    damageAt((bytes) => bytes.fill(0, good.length >> 1, (good.length >> 1) + 10));
    const { storage } = await openLevel(directory);
    for (let i = 0; i < KEYS; i += 3) await write(storage, set(keyOfNumber(i), valueFor(i)), 0);
    const error = await assertRejects(() => storage.openSnapshot(), FlareError, "corrupt block");
    assertEquals(error.code, "CORRUPT");
    await storage.close();
  });

  it("stand in the way of nothing else: other keys are read, walks over them end, a set in them is taken", async () => {
    damageAt((bytes) => bytes.fill(0, good.length >> 1, (good.length >> 1) + 10));
    const { storage } = await openLevel(directory);
    assert((await walk(storage)) instanceof FlareError);
    assertEquals(await walk(storage, "key-000"), 100);
    assertEquals(await walk(storage, "key-019"), 100);
    const refused: number[] = [];
    for (let i = 0; i < KEYS; i++) {
      const item = await read(storage, keyOfNumber(i), 0).catch(() => refused.push(i));
      if (typeof item !== "number") assertEquals(item?.value, valueFor(i));
    }
    assert(refused.length > 0 && refused.length < 100, `${refused.length} refused`);
    const key = keyOfNumber(refused[0] as number);
    await write(storage, set(key, "new"), 0);
    assertEquals((await read(storage, key, 0))?.value, "new");
    // A key that never was, between those in the block: nobody can say so any more.
    await assertRejects(() => read(storage, `${keyOfNumber(refused[1] as number)}x`, 0), FlareError, "corrupt block");
    await storage.close();
  });
});
