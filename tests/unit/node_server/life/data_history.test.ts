/** What a data directory remembers of its openings, and that older copies of it and other directories are detected. */

import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { type DataIdentity, judgeData, OPENINGS_MAX, rememberedData } from "../../../../lib/cluster/data_identity.ts";
import { DataHistory } from "../../../../lib/node_server/life/data_history.ts";
import { Storage } from "../../../../lib/storage/storage.ts";
import { MemoryFiles } from "../../../support/memory_files.ts";
import { StorageWorld } from "../../../support/storage_world.ts";
import { TestDatabase } from "../../../support/test_database.ts";

const FILE = "data/OPENINGS";

/** A data directory that is opened again and again; each time with other random numbers. */
class Directory {
  readonly files: MemoryFiles;
  #seed: number;

  constructor(files: MemoryFiles, seed: number) {
    this.files = files;
    this.#seed = seed;
  }

  /** One start of a node, without a directory if `dataDir` is empty; what it says. */
  async start(joins: boolean, dataDir = "data"): Promise<DataIdentity> {
    const { runtime } = new StorageWorld(this.files, this.#seed++);
    const engine = new TestDatabase().asEngine;
    const storage = await Storage.open(runtime, dataDir === "" ? {} : { dataDir, engine });
    try {
      const history = await DataHistory.open(runtime, storage, dataDir);
      const { identity } = history;
      if (joins) await history.noteJoined();
      return identity;
    } finally {
      await storage.close();
    }
  }

  copy(): Directory {
    return new Directory(this.files.killed(), this.#seed + 1000);
  }
}

describe("the history of a data directory", () => {
  it("is new until it has joined, and names every opening since then", async () => {
    const directory = new Directory(new MemoryFiles(), 1);
    const first = await directory.start(false);
    assertEquals([first.kind, first.openings.length], ["new", 1]);
    const second = await directory.start(true);
    assertEquals([second.kind, second.openings.length], ["new", 2]);
    const third = await directory.start(false);
    assertEquals([third.kind, third.openings], ["kept", [second.openings[1], third.openings[1]]]);
    assertEquals(judgeData(rememberedData(second), third), "same");
    assertMatch(latin1(directory.files.content(FILE)), /^[0-9a-f]{32} kept [0-9a-f]{16},[0-9a-f]{16}\n$/);
  });

  it("proves that it is the newest, however often a start failed in between", async () => {
    const directory = new Directory(new MemoryFiles(), 1);
    const joined = rememberedData(await directory.start(true));
    let last = await directory.start(false);
    for (let start = 0; start < 2 * OPENINGS_MAX; start++) last = await directory.start(false);
    assertEquals([last.openings.length, judgeData(joined, last)], [OPENINGS_MAX, "same"]);
    // The index server let it in, but its answer was lost.
    assertEquals(judgeData(rememberedData(last), await directory.start(false)), "same");
  });

  it("is known as an older copy, however often that is started", async () => {
    const directory = new Directory(new MemoryFiles(), 1);
    await directory.start(true);
    const copy = directory.copy();
    const joined = rememberedData(await directory.start(true));
    for (let start = 0; start < 5; start++) assertEquals(judgeData(joined, await copy.start(false)), "lost");
    assertEquals(judgeData(joined, await directory.start(true)), "same");
  });

  it("is known as another directory, also with the file of this one", async () => {
    const directory = new Directory(new MemoryFiles(), 1);
    const joined = rememberedData(await directory.start(true));
    const other = new Directory(new MemoryFiles(), 100);
    await other.start(true);
    other.files.write(FILE, directory.files.content(FILE));
    const said = await other.start(false);
    assertEquals([said.openings.length, judgeData(joined, said)], [1, "lost"]);
  });

  it("proves nothing without its file, and is refused with a damaged one", async () => {
    const directory = new Directory(new MemoryFiles(), 1);
    const joined = rememberedData(await directory.start(true));
    const content = directory.files.content(FILE);
    for (let length = 0; length < content.length; length += 5) {
      directory.files.write(FILE, content.slice(0, length));
      const error = await assertRejects(() => directory.start(false), FlareError);
      assertEquals(error.code, "CORRUPT");
      assertMatch(error.message, /^"data\/OPENINGS" is damaged; .*remove it/);
    }
    directory.files.write(FILE, fromLatin1("any kept any\n"));
    await directory.start(false);
    await directory.files.remove(FILE);
    assertEquals(judgeData(joined, await directory.start(false)), "lost");
  });

  it("does not exist where data is not persistent", async () => {
    const directory = new Directory(new MemoryFiles(), 1);
    const joined = rememberedData(await directory.start(true, ""));
    const said = await directory.start(true, "");
    assertEquals([said.kind, said.openings.length, judgeData(joined, said)], ["passing", 1, "passing"]);
  });
});
