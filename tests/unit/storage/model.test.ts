/**
 * Random operations against a simple model: values, versions, tombstones and counts agree after every step, through
 * evictions, checkpoints, restarts, crashes, power cuts and full disks, with synchronous and asynchronous engines.
 *
 * Covers lib/storage/arena/block_ring.ts, lib/storage/arena/cached_entry.ts, lib/storage/arena/dirty_batch.ts,
 * lib/storage/arena/entry_cache.ts, lib/storage/arena/keyspace.ts, lib/storage/arena/keyspaces.ts,
 * lib/storage/arena/private_entry.ts, lib/storage/arena/record_fields.ts, lib/storage/arena/record_layout.ts,
 * lib/storage/arena/record_state.ts, lib/storage/arena/undo_list.ts, lib/storage/log_replay.ts, lib/storage/path/key_lookup.ts
 * and lib/storage/path/value_content.ts.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { Change, type Current, CurrentKind, decide, emptyDecision, isExpired } from "../../../lib/item/decide.ts";
import { type Applied, type Mutation, MutationKind, type MutationResult } from "../../../lib/item/mutation.ts";
import { Storage } from "../../../lib/storage/storage.ts";
import type { MemoryFiles } from "../../support/memory_files.ts";
import { committed, keyOf, mutation, StorageWorld, seen, turns } from "../../support/storage_world.ts";
import { TestDatabase } from "../../support/test_database.ts";

const MEMORY_BYTES = 65536;
const VALUE_BYTES_MAX = 20000;
const RETENTION_SECONDS = 100;

type Write = {
  readonly kind: MutationKind;
  readonly key: number;
  readonly size: number;
  readonly version: number;
  readonly expire: number;
};

type Step =
  | { readonly type: "write"; readonly write: Write }
  | { readonly type: "burst" | "fullDisk"; readonly writes: readonly Write[] }
  | { readonly type: "read"; readonly key: number }
  | { readonly type: "commit" | "flush" | "checkpoint" | "hold" | "release" | "restart" | "kill" | "walk" }
  | { readonly type: "powerCut"; readonly keptBytes: number; readonly keptBatches: number }
  | { readonly type: "resize"; readonly kib: number }
  | { readonly type: "wait"; readonly seconds: number };

const KINDS = Object.values(MutationKind);
const KEYS = 120;

const keyArbitrary = fc.oneof({ weight: 1, arbitrary: fc.nat(10) }, { weight: 3, arbitrary: fc.nat(KEYS - 1) });

const writeArbitrary: fc.Arbitrary<Write> = fc.record({
  kind: fc.oneof({ weight: 3, arbitrary: fc.constant(MutationKind.set) }, { weight: 5, arbitrary: fc.constantFrom(...KINDS) }),
  key: keyArbitrary,
  size: fc.oneof({ weight: 12, arbitrary: fc.nat(2000) }, { weight: 1, arbitrary: fc.nat(VALUE_BYTES_MAX) }),
  version: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(12) }),
  expire: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 50 }) }),
});

const only = <Type extends string>(...types: Type[]): fc.Arbitrary<{ type: Type }> =>
  fc.record({ type: fc.constantFrom(...types) });

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 50, arbitrary: fc.record({ type: fc.constant("write" as const), write: writeArbitrary }) },
  {
    weight: 15,
    arbitrary: fc.record({ type: fc.constant("burst" as const), writes: fc.array(writeArbitrary, { maxLength: 40 }) }),
  },
  { weight: 20, arbitrary: fc.record({ type: fc.constant("read" as const), key: keyArbitrary }) },
  { weight: 10, arbitrary: only("commit") },
  { weight: 6, arbitrary: only("checkpoint", "hold", "release") },
  { weight: 2, arbitrary: only("walk", "flush") },
  { weight: 2, arbitrary: only("restart", "kill") },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("fullDisk" as const),
      writes: fc.array(writeArbitrary, { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("powerCut" as const), keptBytes: fc.nat(3000), keptBatches: fc.nat(5) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("resize" as const), kib: fc.integer({ min: 64, max: 2048 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("wait" as const), seconds: fc.nat(20) }) },
);

type Model = Map<string, Current>;

const ABSENT: Current = {
  kind: CurrentKind.absent,
  flags: 0,
  expire: 0,
  version: 0,
  marks: 0,
  bytes: new Uint8Array(0),
  valueStart: 0,
  valueEnd: 0,
};

/** Applies a write to the model; gives its result and version. */
function applyToModel(model: Model, request: Mutation, now: number): { result: MutationResult; version: Current["version"] } {
  const key = latin1(request.key.bytes);
  const current = model.get(key) ?? ABSENT;
  const decision = emptyDecision();
  decide(current, request, now, VALUE_BYTES_MAX, decision);
  const { result, change, content, flags, expire, version } = decision;
  if (change === Change.none) return { result, version: 0 };
  const old = latin1(current.bytes);
  const given = latin1(request.value);
  const value = fromLatin1([given, old, old + given, given + old, `${decision.number}`][content] as string);
  if (change === Change.remove) model.set(key, { ...ABSENT, kind: CurrentKind.tombstone, flags, expire, version });
  else
    model.set(key, {
      kind: CurrentKind.value,
      flags,
      expire,
      version,
      marks: 0,
      bytes: value,
      valueStart: 0,
      valueEnd: value.length,
    });
  return { result, version };
}

class Run {
  #world = new StorageWorld();
  #database: TestDatabase;
  #storage!: Storage;
  #model: Model = new Map();
  #committed: Model = new Map();
  #count = 0;
  /** The memory became smaller and no checkpoint has ended since. */
  #shrinking = false;

  constructor(options: { readonly syncReads: boolean }) {
    this.#database = new TestDatabase(options);
  }

  async open(): Promise<void> {
    this.#storage = await Storage.open(this.#world.runtime, {
      dataDir: "data",
      engine: this.#database.asEngine,
      memoryBytesMax: MEMORY_BYTES,
      valueBytesMax: VALUE_BYTES_MAX,
      logSegmentBytes: 16384,
      fsync: "always",
      tombstoneRetentionSeconds: RETENTION_SECONDS,
      // The model does not sweep.
      sweepIntervalMs: 86400000,
    });
  }

  async step(step: Step): Promise<void> {
    switch (step.type) {
      case "write":
        return this.#burst([step.write]);
      case "burst":
        return this.#burst(step.writes);
      case "read":
        return this.#compare(keyName(step.key));
      case "commit":
        return this.#commit();
      case "hold":
        return this.#database.hold();
      case "release":
        return this.#database.release();
      case "checkpoint":
        await this.#commit();
        this.#database.release();
        await this.#storage.checkpoint();
        this.#shrinking = false;
        this.#compareCounts();
        return assertEquals(this.#storage.stats().dirtyBytes, 0);
      case "walk":
        await this.#commit();
        this.#database.release();
        return this.#walk();
      case "flush":
        this.#storage.flushAll();
        this.#model = new Map();
        return this.#commit();
      case "restart":
        await this.#commit();
        this.#database.release();
        await this.#storage.close();
        return this.#reopen(this.#world.files as MemoryFiles, this.#database);
      case "kill":
        await this.#commit();
        await this.#abandon((files, database) => [files.killed(), database.powerCut(database.unsyncedBatches)]);
        return;
      case "powerCut":
        await this.#commit();
        await this.#abandon((files, database) => [files.powerCut(step.keptBytes), database.powerCut(step.keptBatches)]);
        return;
      case "fullDisk":
        return this.#fullDisk(step.writes);
      case "resize":
        this.#shrinking = true;
        return this.#storage.resizeMemory(step.kib * 1024);
      case "wait":
        return this.#world.advance(step.seconds * 1000);
    }
  }

  async finish(): Promise<void> {
    await this.#commit();
    await this.#compareAll();
    this.#database.release();
    await this.#storage.close();
  }

  /** Writes one after another without waiting; what each becomes must be as if they had waited. */
  async #burst(writes: readonly Write[]): Promise<void> {
    const waiting: Promise<void>[] = [];
    for (const write of writes) {
      const { nowSeconds } = this.#world;
      const request = this.#request(write);
      const expected = applyToModel(this.#model, request, nowSeconds);
      const check = ({ result, entry, error }: Applied): void => {
        assertEquals(result, expected.result, error);
        if (expected.version !== 0) assertEquals(entry.version, expected.version);
      };
      const outcome = this.#storage.apply(request, nowSeconds);
      if (outcome instanceof Promise) waiting.push(outcome.then(check));
      else check(outcome);
    }
    if (waiting.length > 0) this.#database.release();
    await Promise.all(waiting);
    this.#compareCounts();
  }

  #request(write: Write): Mutation {
    const { kind, size, version } = write;
    const numeric = kind === MutationKind.incr || write.key % 4 === 0;
    const value = numeric ? `${size}` : `${this.#count++}:`.padEnd(size, "v");
    const expire = write.expire === 0 ? 0 : this.#world.nowSeconds + write.expire - 10;
    return mutation(kind, keyName(write.key), value, { version, flags: size, expire, delta: size });
  }

  async #commit(): Promise<void> {
    assertEquals(await committed(this.#storage), undefined);
    this.#committed = new Map(this.#model);
  }

  /** Writes of a turn that cannot be committed: they are all taken back. */
  async #fullDisk(writes: readonly Write[]): Promise<void> {
    await this.#commit();
    const files = this.#world.files as MemoryFiles;
    files.freeBytes = 40;
    for (const write of writes) {
      const outcome = this.#storage.apply(this.#request(write), this.#world.nowSeconds);
      if (!(outcome instanceof Promise)) continue;
      this.#database.release();
      await outcome;
      // Waiting may have committed earlier changes, without success.
    }
    assertEquals((await committed(this.#storage))?.code ?? "DISK_FULL", "DISK_FULL");
    files.freeBytes = Number.POSITIVE_INFINITY;
    this.#model = new Map(this.#committed);
    await this.#compareAll();
  }

  async #abandon(after: (files: MemoryFiles, database: TestDatabase) => [MemoryFiles, TestDatabase]): Promise<void> {
    const [files, database] = after(this.#world.files as MemoryFiles, this.#database);
    this.#database.release();
    await this.#storage.close();
    await this.#reopen(files, database);
  }

  async #reopen(files: MemoryFiles, database: TestDatabase): Promise<void> {
    const { nowMs } = this.#world;
    this.#world = new StorageWorld(files, this.#count);
    this.#world.nowMs = nowMs;
    this.#database = database;
    await this.open();
    this.#shrinking = false;
    assertEquals(this.#storage.stats().corruptRecords, 0);
    await this.#compareAll();
  }

  async #compareAll(): Promise<void> {
    for (let key = 0; key < KEYS; key++) await this.#compare(keyName(key));
    this.#compareCounts();
  }

  async #compare(key: string): Promise<void> {
    const { nowSeconds } = this.#world;
    const entry = await this.#storage.get(keyOf(key), nowSeconds);
    const expected = this.#model.get(key);
    const isLive = expected?.kind === CurrentKind.value && !isExpired(expected.expire, nowSeconds);
    if (!isLive) return assertEquals(entry, undefined, key);
    const { flags, expire, version, bytes } = expected;
    assertEquals(entry && seen(entry), { value: latin1(bytes), flags, expire, version }, key);
  }

  #compareCounts(): void {
    const states = [...this.#model.values()];
    const { items, tombstones, arenaBytes, arenaBytesMax, liveBytes } = this.#storage.stats();
    assertEquals(items, states.filter(({ kind }) => kind === CurrentKind.value).length);
    assertEquals(tombstones, states.filter(({ kind }) => kind === CurrentKind.tombstone).length);
    assertEquals(this.#shrinking || arenaBytes <= arenaBytesMax, true);
    let itemBytes = 0;
    const walk = this.#storage.itemBytes((bytes) => {
      itemBytes += bytes;
    });
    while (walk.next().done !== true);
    assertEquals(itemBytes <= liveBytes && liveBytes <= arenaBytes, true);
  }

  async #walk(): Promise<void> {
    const { nowSeconds } = this.#world;
    const cursor = this.#storage.openCursor({ includeTombstones: true });
    const found: string[] = [];
    for (let items = await cursor.next(7, 5000); items.length > 0; items = await cursor.next(7, 5000)) {
      for (const { key, value, version, tombstone } of items)
        found.push(`${latin1(key)} ${tombstone} ${version} ${latin1(value)}`);
    }
    const expected = [...this.#model]
      .filter(([, { kind, expire }]) => kind === CurrentKind.tombstone || !isExpired(expire, nowSeconds))
      .map(([key, { kind, version, bytes }]) => `${key} ${kind === CurrentKind.tombstone} ${version} ${latin1(bytes)}`);
    assertEquals(found, expected.sort(byKey));
    await turns(1);
  }
}

function keyName(key: number): string {
  return `k${key}`;
}

function byKey(left: string, right: string): number {
  const [a, b] = [left.split(" ")[0] as string, right.split(" ")[0] as string];
  return a < b ? -1 : 1;
}

describe("a storage against a model", () => {
  for (const syncReads of [true, false]) {
    it(`with ${syncReads ? "synchronous" : "asynchronous"} engine reads`, { timeout: 120_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 200, size: "max" }), async (steps) => {
          const run = new Run({ syncReads });
          await run.open();
          for (const step of steps) await run.step(step);
          await run.finish();
        }),
        { numRuns: 25, seed: 20240607 },
      );
    });
  }
});
