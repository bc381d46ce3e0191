/**
 * A data directory with removed, emptied or truncated files, each alone and two at a time: a storage has all data or refuses
 * the directory and names the file. It never serves less data, with one exception that cannot be told from a power cut: the end
 * of the newest log segment after a crash. What is left then is the state at some moment after that segment began.
 *
 * Covers lib/storage/directory/level_files.ts and lib/storage/directory/level_manifest.ts.
 */

import { cpSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, beforeEach, describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Level } from "level";
import { latin1 } from "../../lib/base/bytes.ts";
import { FlareError } from "../../lib/base/errors.ts";
import type { EngineDatabase } from "../../lib/storage/engine/engine.ts";
import { Storage, type StorageOptions } from "../../lib/storage/storage.ts";
import { SimRandom } from "../../lib/testing/sim_random.ts";
import { QuickFiles } from "../support/quick_files.ts";
import { OWN_RUNTIME } from "../support/spawn.ts";
import { read, StorageWorld, set, turns, writeDurably } from "../support/storage_world.ts";
import { makeQuickDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";

const KEYS = 120;
const CUTS = 20;
const PAIR_ROUNDS = 5;
/** Damaged directories that are opened, all in all. */
const CASES_MIN = 800;
/** Each runtime takes another course of cuts; FLARE_DAMAGE_SEED=… is one more. A failed case names it, and its number. */
const SEED = process.env.FLARE_DAMAGE_SEED ?? OWN_RUNTIME;

type Damage = (path: string) => string;

interface Template {
  readonly directory: string;
  /** Paths below the directory. */
  readonly files: string[];
  readonly data: string;
  /** The newest log segment, and what may be left when its end is gone. */
  readonly newest: string | undefined;
  readonly earlier: ReadonlySet<string>;
}

const remove: Damage = (path) => {
  rmSync(path);
  return "removed";
};
const empty: Damage = (path) => {
  truncateSync(path, 0);
  return "emptied";
};

/** Cuts at any byte, sometimes only the last one. */
function cut(random: SimRandom): Damage {
  return (path) => {
    const { size } = statSync(path);
    const length = random.chance(0.2) ? size - 1 : random.between(0, Math.max(size - 1, 0));
    truncateSync(path, Math.max(length, 0));
    return `cut to ${length} of ${size} bytes`;
  };
}

function openLevel(dataDir: string, more: StorageOptions = {}): Promise<Storage> {
  const world = new StorageWorld(new QuickFiles());
  return Storage.open(world.runtime, { dataDir, memoryBytesMax: 1 << 20, logSegmentBytes: 4096, ...more });
}

/** LevelDB whose batches wait while `gate` is there, so that changes stay in the log. */
class GatedLevel {
  readonly supports = { getSync: true };
  gate: Promise<void> | undefined;
  readonly #directory: string;
  #level!: Level<Uint8Array, Uint8Array>;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async open(): Promise<void> {
    this.#level = new Level(this.#directory, { keyEncoding: "view", valueEncoding: "view" });
    await this.#level.open();
  }

  close = () => this.#level.close();
  get = (key: Uint8Array) => this.#level.get(key);
  getSync = (key: Uint8Array) => this.#level.getSync(key);
  iterator = (options: object) => this.#level.iterator(options);
  compactRange = (start: Uint8Array, end: Uint8Array) =>
    (this.#level as unknown as { compactRange(start: Uint8Array, end: Uint8Array): Promise<void> }).compactRange(start, end);
  clear = (options: object) => this.#level.clear(options);

  batch() {
    const batch = this.#level.batch();
    return {
      put: (key: Uint8Array, value: Uint8Array) => void batch.put(key, value),
      del: (key: Uint8Array) => void batch.del(key),
      write: async (options: { sync: boolean }) => {
        await this.gate;
        await batch.write(options as object);
      },
    };
  }
}

function textOf(data: ReadonlyMap<string, string>): string {
  return JSON.stringify([...data].sort());
}

async function write(storage: Storage, data: Map<string, string>, round: string, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const value = `${round} ${i} `.padEnd(60 + i, "v");
    await writeDurably(storage, set(`key-${i}`, value), 0);
    data.set(`key-${i}`, value);
  }
}

/** Three checkpoints make three tables; the last changes are in the log only if the storage is killed. */
async function fill(storage: Storage, data: Map<string, string>): Promise<void> {
  await write(storage, data, "one", 0, 60);
  await storage.checkpoint();
  await write(storage, data, "two", 40, 90);
  await storage.checkpoint();
  await write(storage, data, "three", 80, 100);
  await storage.checkpoint();
}

async function stoppedInOrder(directory: string, options: StorageOptions = {}): Promise<Template> {
  const data = new Map<string, string>();
  const storage = await openLevel(directory, options);
  await fill(storage, data);
  await write(storage, data, "four", 90, KEYS);
  await storage.close();
  return { directory, files: filesOf(directory), data: textOf(data), newest: undefined, earlier: new Set() };
}

/** What `kill -9` leaves, with four log segments at least that the engine knows nothing of, and those kept for replicas. */
async function killed(directory: string): Promise<Template> {
  const scratch = makeQuickDirectory();
  const data = new Map<string, string>();
  const earlier = new Set<string>();
  const level = new GatedLevel(join(scratch, "engine"));
  const storage = await openLevel(scratch, { engine: level as unknown as EngineDatabase });
  await fill(storage, data);
  let release: () => void = () => {};
  level.gate = new Promise((resolve) => {
    release = resolve;
  });
  const kept = storage.stats().logSegments;
  let segments = kept;
  earlier.add(textOf(data));
  for (let i = 0; segments < kept + 4 || earlier.size < 8; i = (i + 1) % KEYS) {
    await write(storage, data, `four ${earlier.size}`, i, i + 1);
    if (storage.stats().logSegments !== segments) earlier.clear();
    segments = storage.stats().logSegments;
    earlier.add(textOf(data));
  }
  await turns(200);
  cpSync(scratch, directory, { recursive: true });
  // Of a process that is gone.
  const owner = { pid: 4194305, startTime: "1", bootId: "", token: "00000000-0000-4000-8000-000000000000" };
  writeFileSync(join(directory, "LOCK.flare"), `${JSON.stringify(owner)}\n`);
  release();
  await storage.close();
  await level.close();
  removeTemporaryDirectory(scratch);
  const files = filesOf(directory);
  const newest = files.filter((file) => file.startsWith("log")).at(-1);
  return { directory, files, data: textOf(data), newest, earlier };
}

function filesOf(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true }).map(String).sort();
  return names.filter((name) => statSync(join(directory, name)).isFile());
}

/** Everything a storage tells: by key, by a walk, and by its count. */
async function dataOf(storage: Storage): Promise<string> {
  const found = new Map<string, string>();
  for (let i = 0; i < KEYS; i++) {
    const item = await read(storage, `key-${i}`, 0);
    if (item !== undefined) found.set(`key-${i}`, item.value);
  }
  const walked = new Map<string, string>();
  const cursor = storage.openCursor();
  for (let items = await cursor.next(100, 1e6); items.length > 0; items = await cursor.next(100, 1e6)) {
    for (const { key, value } of items) walked.set(latin1(key), latin1(value));
  }
  assertEquals(textOf(walked), textOf(found));
  assertEquals(storage.stats().items, found.size);
  return textOf(found);
}

let played = 0;

for (const [name, make] of Object.entries({ "stopped in order": stoppedInOrder, killed })) {
  describe(`a damaged data directory, ${name}`, () => {
    const root = makeQuickDirectory();
    let template: Template;
    let cases = 0;
    let refused = 0;
    let whole = 0;

    before(async () => {
      template = await make(join(root, "template"));
    });
    after(() => removeTemporaryDirectory(root));

    /** One case: the damages are done to a copy, which is then opened. */
    async function check(damages: readonly (readonly [file: string, damage: Damage])[]): Promise<void> {
      cases++;
      if (damages.length > 0) played++;
      const directory = join(root, `case-${cases}`);
      cpSync(template.directory, directory, { recursive: true });
      const done = damages.map(([file, damage]) => `${file} ${damage(join(directory, file))}`);
      const label = `case ${cases}, seed ${SEED}: ${done.join(", ")}`;
      let storage: Storage | undefined;
      try {
        storage = await openLevel(directory);
        const found = await dataOf(storage);
        const mayBeShorter = damages.some(([file]) => file === template.newest);
        assert(found === template.data || (mayBeShorter && template.earlier.has(found)), `${label}: fewer data`);
        whole++;
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        assert(
          damages.some(([file]) => error.message.includes(join(directory, file))),
          `${label}: names none of them: ${error.message}`,
        );
        refused++;
      }
      await storage?.close();
      rmSync(directory, { recursive: true });
    }

    it("is whole while nothing is damaged", async () => {
      await check([]);
      assertEquals([whole, refused], [1, 0]);
    });

    it("has all data or is refused, whichever file is damaged", { timeout: 300_000 }, async () => {
      const random = new SimRandom(`${name} ${SEED}`);
      for (const file of template.files) {
        await check([[file, remove]]);
        await check([[file, empty]]);
        for (let i = 0; i < CUTS; i++) await check([[file, cut(random)]]);
      }
    });

    it("has all data or is refused, whichever two files are damaged", { timeout: 300_000 }, async () => {
      const random = new SimRandom(`${name}, pairs ${SEED}`);
      const damage = () => [remove, empty, cut(random), cut(random)][random.between(0, 3)] as Damage;
      for (const [at, first] of template.files.entries()) {
        for (const second of template.files.slice(at + 1)) {
          for (let i = 0; i < PAIR_ROUNDS; i++) {
            await check([
              [first, damage()],
              [second, damage()],
            ]);
          }
        }
      }
      assert(refused > cases / 4 && whole > cases / 50, `${refused} refused, ${whole} whole`);
    });
  });
}

describe("damaged data directories", () => {
  it(`are ${CASES_MIN} at least`, () => {
    assert(played >= CASES_MIN, `${played} only`);
  });
});

describe("a data directory of 2.0.0", () => {
  const root = makeQuickDirectory();
  const directory = join(root, "data");
  let template: Template;

  before(async () => {
    template = await stoppedInOrder(join(root, "template"), { logRetentionBytes: 0 });
    writeFileSync(join(template.directory, "FORMAT"), "flare-kv data format 1\n");
  });
  beforeEach(() => {
    rmSync(directory, { recursive: true, force: true });
    cpSync(template.directory, directory, { recursive: true });
  });
  after(() => removeTemporaryDirectory(root));

  it("opens, and knows from then on what it holds", async () => {
    const storage = await openLevel(directory);
    assertEquals(await dataOf(storage), template.data);
    await storage.close();
    rmSync(join(directory, "engine", "CURRENT"));
    await assertRejects(() => openLevel(directory), FlareError, `${join("engine", "CURRENT")}" is missing`);
  });

  it("without CURRENT is refused, and its tables stay", async () => {
    const engine = join(directory, "engine");
    rmSync(join(engine, "CURRENT"));
    const tables = readdirSync(engine).filter((name) => name.endsWith(".ldb"));
    assert(tables.length > 0);
    await assertRejects(() => openLevel(directory), FlareError, `"${join(engine, "CURRENT")}" is missing, although`);
    assertEquals(
      readdirSync(engine).filter((name) => name.endsWith(".ldb")),
      tables,
    );
  });

  it("without its engine is refused: the log does not begin with the first change", async () => {
    rmSync(join(directory, "engine"), { recursive: true });
    await assertRejects(() => openLevel(directory), FlareError, "the log begins with");
  });

  it("without its log is refused", async () => {
    rmSync(join(directory, "log"), { recursive: true });
    await assertRejects(() => openLevel(directory), FlareError, `"${join(directory, "log")}" contains no log segment`);
  });
});
