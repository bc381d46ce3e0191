/** A backup of a real cluster into a store in memory: its faults, and how it goes on. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { BackupManifest } from "../../../../lib/admin/backup/manifest.ts";
import { type BackupStore, takeBackup } from "../../../../lib/admin/backup/take_backup.ts";
import { DumpFileParser } from "../../../../lib/admin/dump_file_parser.ts";
import { concatBytes, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { LocalCluster } from "../../../../lib/local_cluster/local_cluster.ts";
import { type Client, ClusterAdmin, detectRuntime } from "../../../../mod.ts";

const runtime = detectRuntime({ logLevel: "error" });
const PARTITIONS = 3;

class MemoryStore implements BackupStore {
  readonly files = new Map<string, Uint8Array>();
  manifest: BackupManifest | undefined;
  saved: BackupManifest | undefined;
  /** Called before a file is written. */
  onWrite: (name: string) => Promise<void> = () => Promise.resolve();

  async draft(): Promise<BackupManifest | undefined> {
    return this.saved;
  }

  async saveDraft(draft: BackupManifest): Promise<void> {
    this.saved = draft;
  }

  async write(
    name: string,
    work: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<{ bytes: number; sha256: string }> {
    const chunks: Uint8Array[] = [];
    await this.onWrite(name);
    await work(async (bytes) => void chunks.push(bytes));
    const bytes = concatBytes(chunks);
    this.files.set(name, bytes);
    return { bytes: bytes.length, sha256: "" };
  }

  async complete(manifest: BackupManifest): Promise<void> {
    this.manifest = manifest;
  }

  /** The keys of all files; deleted ones in brackets. */
  get keys(): string[] {
    return [...this.files.values()].flatMap((bytes) => {
      const parser = new DumpFileParser("default");
      const keys: string[] = [];
      parser.push(bytes);
      for (let next = parser.next(); next !== undefined; next = parser.next()) {
        keys.push(next.tombstone ? `(${latin1(next.key)})` : latin1(next.key));
      }
      parser.requireComplete();
      return keys;
    });
  }
}

async function withCluster(test: (cluster: LocalCluster, admin: ClusterAdmin, client: Client) => Promise<void>): Promise<void> {
  const cluster = await LocalCluster.start(runtime, { partitions: PARTITIONS, logLevel: "error" });
  const admin = new ClusterAdmin({ indexServer: cluster.indexAddress, runtime });
  const client = cluster.client();
  try {
    await test(cluster, admin, client);
  } finally {
    client.close();
    admin.close();
    await cluster.stop();
  }
}

function take(admin: ClusterAdmin, store: BackupStore, lines: string[] = []): Promise<BackupManifest> {
  return takeBackup(admin, store, {
    bytesPerSecond: 0,
    onRecords: () => undefined,
    onProgress: (line) => void lines.push(line),
  });
}

describe("taking a backup", () => {
  it("takes every key once, whatever its partition, and its deletion", () =>
    withCluster(async (_cluster, admin, client) => {
      for (let i = 0; i < 100; i++) await client.set(`k${i}`, "x".repeat(5000));
      await client.delete("k7");
      const store = new MemoryStore();
      const manifest = await take(admin, store);
      const expected = Array.from({ length: 100 }, (_, i) => (i === 7 ? "(k7)" : `k${i}`));
      assertEquals(store.keys.sort(), expected.sort());
      assertEquals(manifest, store.manifest);
      assertEquals(
        manifest.files.map(({ partition, name }) => `${partition} ${name}`),
        ["0 partition-0.dump", "1 partition-1.dump", "2 partition-2.dump"],
      );
      assert(manifest.files.every(({ sequence, begunMs, endedMs }) => sequence >= 0 && begunMs <= endedMs));
      // End lines stand between the records, too.
      assert(latin1(store.files.get("partition-0.dump") as Uint8Array).split("# end of dump").length > 2);
    }));

  it("fails with its store, and goes on with what is complete", () =>
    withCluster(async (_cluster, admin, client) => {
      for (let i = 0; i < 30; i++) await client.set(`k${i}`, "x");
      const store = new MemoryStore();
      store.onWrite = async (name) => {
        if (name === "partition-1.dump") throw new FlareError("IO_ERROR", "disk full");
      };
      await assertRejects(() => take(admin, store), FlareError, "disk full");
      assertEquals([store.manifest, store.files.size, store.saved?.files.length], [undefined, 2, 2]);
      const begun: string[] = [];
      store.onWrite = async (name) => void begun.push(name);
      const lines: string[] = [];
      const manifest = await take(admin, store, lines);
      assertEquals([begun, lines[0]], [["partition-1.dump"], "going on with an interrupted backup, which has 2 partition(s)"]);
      assertEquals([manifest.files.length, store.keys.length], [PARTITIONS, 30]);
    }));

  it("tries a partition again whose master is away, and says so once, and refuses a cluster that has grown meanwhile", () =>
    withCluster(async (cluster, admin, client) => {
      for (let i = 0; i < 30; i++) await client.set(`k${i}`, "x");
      const store = new MemoryStore();
      let attempts = 0;
      store.onWrite = async (name) => {
        if (name !== "partition-2.dump") return;
        attempts++;
        if (attempts <= 2) throw new FlareError("CONNECTION_FAILED", "the master is away", { retriable: true });
        if (attempts === 3) await cluster.addPartition(await cluster.addNode(), PARTITIONS);
      };
      const lines: string[] = [];
      const error = await assertRejects(() => take(admin, store, lines), FlareError);
      const said = lines.filter((line) => line === "the master is away; trying again up to 30 times");
      assertEquals(said.length, 1, lines.join("\n"));
      assertEquals(store.manifest, undefined);
      const text = "the cluster has grown during its backup, it had 3 partitions, now 4: begin one in another directory";
      assertEquals(error.message, text);
    }));
});
