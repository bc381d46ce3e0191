/**
 * The change log as those see it who follow it: blocks of records, one for each append, in order, whatever the engine. Covers
 * lib/storage/log/log_block.ts, lib/storage/log/volatile_files.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemoryLevel } from "memory-level";
import { latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { MutationKind } from "../../../../lib/item/mutation.ts";
import { readBlock, splitBlock } from "../../../../lib/storage/log/log_block.ts";
import { LogKind } from "../../../../lib/storage/log/log_record.ts";
import { type LogBlock, type LogFollower, Storage } from "../../../../lib/storage/storage.ts";
import { committed, mutation, StorageWorld, set, write } from "../../../support/storage_world.ts";

const LARGE = "x".repeat(300_000);

interface Followed {
  readonly world: StorageWorld;
  readonly storage: Storage;
  readonly blocks: LogBlock[];
  readonly follower: LogFollower;
}

/** A storage whose log is followed, and the blocks that were committed. */
async function followed(dataDir?: string): Promise<Followed> {
  const world = new StorageWorld();
  const engine = new MemoryLevel<Uint8Array, Uint8Array>({ keyEncoding: "view", valueEncoding: "view", storeEncoding: "view" });
  const storage = await Storage.open(world.runtime, dataDir === undefined ? { engine: "memory" } : { engine, dataDir });
  const blocks: LogBlock[] = [];
  const follower: LogFollower = {
    onAppended: (block) => ({ onCommitted: (error) => void (error === undefined && blocks.push(block)) }),
  };
  storage.follow(follower);
  return { world, storage, blocks, follower };
}

function recordsOf(block: LogBlock): string[] {
  const records: string[] = [];
  readBlock(block, (reader) => {
    const key = latin1(reader.bytes, reader.keyStart, reader.keyEnd);
    const kind = reader.kind === LogKind.put ? "put" : reader.kind === LogKind.delete ? "delete" : "state";
    records.push(`${reader.sequence} ${kind} ${key} v${reader.version} ${reader.valueEnd - reader.valueStart}`);
  });
  return records;
}

for (const dataDir of [undefined, "/data"]) {
  describe(`the log of a storage ${dataDir === undefined ? "without" : "with"} a data directory`, () => {
    it("passes the changes of a turn on as one block, before their authors learn of the commit", async () => {
      const { world, storage, blocks } = await followed(dataDir);
      await write(storage, set("a", "1"), world.nowSeconds);
      await write(storage, set("b", LARGE), world.nowSeconds);
      await write(storage, set("a", "22"), world.nowSeconds);
      assertEquals(blocks.length, 0);
      storage.onCommit({ onCommitted: () => assertEquals(blocks.length, 1) });
      await committed(storage);
      await write(storage, mutation(MutationKind.delete, "a"), world.nowSeconds);
      await committed(storage);
      assertEquals(blocks.map(recordsOf), [
        ["1 put a v1 1", `2 put b v1 ${LARGE.length}`, "3 put a v2 2"],
        ["4 delete a v2 0"],
      ]);
      assertEquals(
        blocks.map(({ firstSequence }) => firstSequence),
        [1, 4],
      );
      assertEquals(storage.lastSequence, 4);
      await storage.close();
    });

    it("passes nothing on to those who have stopped, and the same to all others", async () => {
      const { world, storage, blocks, follower } = await followed(dataDir);
      const others: LogBlock[] = [];
      storage.follow({ onAppended: (block) => ({ onCommitted: () => void others.push(block) }) });
      await write(storage, set("a", "0"), world.nowSeconds);
      await committed(storage);
      assertEquals(blocks.splice(0), others);
      storage.unfollow(follower);
      await write(storage, set("a", "1"), world.nowSeconds);
      assertEquals(await committed(storage), undefined);
      assertEquals(blocks, []);
      assertEquals(others.length, 2);
      await storage.close();
    });
  });
}

describe("a block", () => {
  it("is cut where records end", async () => {
    const { world, storage, blocks } = await followed();
    for (let i = 0; i < 20; i++) await write(storage, set(`key${i}`, "v".repeat(i * 10)), world.nowSeconds);
    await write(storage, set("large", LARGE), world.nowSeconds);
    await write(storage, set("last", "1"), world.nowSeconds);
    await committed(storage);
    const [block] = blocks;
    assert(block !== undefined && block.records === 22);
    for (const bytesMax of [1, 100, 1000, 1_000_000]) {
      const pieces = splitBlock(block, bytesMax);
      assertEquals(pieces.flatMap(recordsOf), recordsOf(block));
      for (const piece of pieces) assert(piece.records === 1 || piece.bytes.length <= bytesMax);
      assertEquals(splitBlock(block, 1_000_000).length, 1);
    }
    await storage.close();
  });

  it("is refused as a whole when any of its bytes is another one", async () => {
    const { world, storage, blocks } = await followed();
    for (const key of ["a", "b", "c"]) await write(storage, set(key, `value of ${key}`), world.nowSeconds);
    await committed(storage);
    const [block] = blocks;
    assert(block !== undefined);
    for (let at = 0; at < block.bytes.length; at++) {
      const bytes = block.bytes.slice();
      bytes[at] = (bytes[at] as number) ^ 0x10;
      let seen = 0;
      assertThrows(() => readBlock({ ...block, bytes }, () => seen++), FlareError, "is damaged");
      assertEquals(seen, 0);
    }
    for (const wrong of [{ records: 2 }, { records: 4 }, { firstSequence: 2 }, { salt: block.salt + 1 }]) {
      assertThrows(() => readBlock({ ...block, ...wrong }, () => undefined), FlareError);
    }
    await storage.close();
  });
});
