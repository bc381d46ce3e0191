/**
 * A storage whose log is archived, without a server: writes at given seconds, and what it had at the beginning of each; and a
 * second one that follows its log as a slave does.
 */

import { ArchiveIndex } from "../../lib/admin/archive/archive_index.ts";
import { Replay } from "../../lib/admin/archive/replay.ts";
import { RouteFinder, type RouteStart } from "../../lib/admin/archive/route.ts";
import { latin1 } from "../../lib/base/bytes.ts";
import type { BackupRecord } from "../../lib/client/dump.ts";
import { isExpired } from "../../lib/item/decide.ts";
import { type Mutation, MutationKind } from "../../lib/item/mutation.ts";
import { LogArchive, type LogArchiveOptions } from "../../lib/node_server/archive/log_archive.ts";
import { type LogBlock, readBlock } from "../../lib/storage/log/log_block.ts";
import { FLUSHED, LogKind } from "../../lib/storage/log/log_record.ts";
import { type LogFollower, Storage, type StorageOptions } from "../../lib/storage/storage.ts";
import type { MemoryFiles } from "./memory_files.ts";
import { committed, read, StorageWorld, writeDurably } from "./storage_world.ts";
import { TestDatabase } from "./test_database.ts";

/** All keys that are written. */
export const KEYS: readonly string[] = Array.from({ length: 12 }, (_, i) => `key${i}`);
export const START_SECOND = 1_700_000_000;
export const ARCHIVE = "archive";

export class ArchivedNode {
  world: StorageWorld;
  database = new TestDatabase();
  readonly name: string;
  storage!: Storage;
  archive!: LogArchive;
  label = "master 0/1 5";
  isSure = true;
  readonly #directory: string;
  readonly #options: Partial<StorageOptions>;
  readonly #archiveOptions: Partial<LogArchiveOptions>;

  private constructor(
    world: StorageWorld,
    name: string,
    options: Partial<StorageOptions>,
    archiveOptions: Partial<LogArchiveOptions>,
  ) {
    this.world = world;
    this.name = name;
    this.#directory = `data-${name}`;
    this.#options = options;
    this.#archiveOptions = archiveOptions;
  }

  static async open(
    world: StorageWorld,
    name: string,
    options: Partial<StorageOptions> = {},
    archiveOptions: Partial<LogArchiveOptions> = {},
    label = "master 0/1 5",
  ): Promise<ArchivedNode> {
    const node = new ArchivedNode(world, name, options, archiveOptions);
    node.label = label;
    await node.open();
    return node;
  }

  async open(): Promise<void> {
    const { runtime } = this.world;
    const engine = this.database.asEngine;
    this.storage = await Storage.open(runtime, { dataDir: this.#directory, engine, ...this.#options });
    this.archive = new LogArchive(
      runtime,
      this.storage,
      { key: this.name, isSure: () => this.isSure },
      {
        logArchive: ARCHIVE,
        logArchiveBacklogBytes: 1 << 30,
        logArchiveIntervalMs: 1000,
        logArchiveRetentionSeconds: 0,
        ...this.#archiveOptions,
      },
    );
    this.storage.holdLog(this.archive);
    this.storage.stampLog(this.label);
    await committed(this.storage);
  }

  async become(label: string): Promise<void> {
    this.label = label;
    this.storage.stampLog(label);
    await committed(this.storage);
  }

  /** Ends as by a kill and starts again. */
  async kill(files: MemoryFiles = (this.world.files as MemoryFiles).killed(), seed = 77): Promise<void> {
    const { nowMs } = this.world;
    // What the old process may still write, nobody sees.
    this.database = this.database.powerCut(Number.POSITIVE_INFINITY);
    this.world = new StorageWorld(files, seed);
    this.world.nowMs = nowMs;
    await this.open();
  }

  async write(mutation: Mutation): Promise<void> {
    await writeDurably(this.storage, mutation, this.world.nowSeconds);
  }

  async flush(): Promise<void> {
    this.storage.flushAll();
    await committed(this.storage);
  }

  /** What it has now. */
  async state(): Promise<string> {
    const lines: string[] = [];
    for (const key of KEYS) {
      const item = await read(this.storage, key, this.world.nowSeconds);
      if (item !== undefined) lines.push(`${key}=${item.value} f${item.flags} e${item.expire} v${item.version}`);
    }
    return lines.join("\n");
  }

  /** A snapshot of it: where a way can begin, and what it has. */
  async snapshot(): Promise<{ start: RouteStart; records: BackupRecord[] }> {
    const snapshot = await this.storage.openSnapshot();
    const records: BackupRecord[] = [];
    for (let items = await snapshot.next(100, 1 << 20); items.length > 0; items = await snapshot.next(100, 1 << 20))
      for (const { key, value, flags, version, expire, tombstone } of items)
        records.push({ key, value, flags, version, expire, tombstone });
    await snapshot.close();
    const { position, momentMs } = snapshot;
    return { start: { ...position, momentMs, partition: 0, partitions: 1 }, records };
  }

  /** Follows another's log as an exact slave, until the result is called: each block is applied and marked. */
  follow(master: ArchivedNode): () => void {
    const follower: LogFollower = {
      onAppended: (block) => {
        this.#apply(block);
        this.storage.markPosition({ history: master.storage.history, sequence: block.firstSequence + block.records - 1 });
        return { onCommitted: () => undefined };
      },
    };
    master.storage.follow(follower);
    return () => master.storage.unfollow(follower);
  }

  #apply(block: LogBlock): void {
    readBlock(block, (reader) => {
      const { kind, bytes, keyStart, keyEnd, valueStart, valueEnd, flags, expire, version } = reader;
      if (kind === LogKind.state && flags === FLUSHED) this.storage.flushAll();
      if (kind === LogKind.state) return;
      const mutation: Mutation = {
        kind: kind === LogKind.delete ? MutationKind.mirrorDeletion : MutationKind.mirror,
        key: { bytes, start: keyStart, end: keyEnd },
        flags,
        expire,
        version,
        value: bytes,
        valueStart,
        valueEnd,
        delta: 0,
      };
      this.storage.apply(mutation, this.world.nowSeconds);
    });
  }
}

/** What an archive says that there was at the beginning of a second. @throws FlareError */
export async function stateAt(
  files: MemoryFiles,
  { start, records }: { readonly start: RouteStart; readonly records: readonly BackupRecord[] },
  second: number,
  roundRecordsMax?: number,
): Promise<string> {
  const index = await ArchiveIndex.open(files, [ARCHIVE]);
  const replay = new Replay(files, new RouteFinder(index, start).to(second), second, roundRecordsMax);
  await replay.check();
  const found = new Map<string, BackupRecord>();
  for await (const batch of replay.results(async function* () {
    yield [...records];
  })) {
    for (const record of batch) {
      const key = latin1(record.key);
      if (found.has(key)) throw new Error(`"${key}" is given twice`);
      found.set(key, record);
    }
  }
  const lines: string[] = [];
  for (const key of KEYS) {
    const item = found.get(key);
    if (item === undefined || item.tombstone || isExpired(item.expire, second)) continue;
    lines.push(`${key}=${latin1(item.value)} f${item.flags} e${item.expire} v${item.version}`);
  }
  return lines.join("\n");
}
