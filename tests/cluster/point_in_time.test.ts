/**
 * Restoring a cluster of real processes to several points in time: writes at known times, deletions, a flush, a master that is
 * killed and replaced by its slave, and one that is killed and comes back, between a backup and its restores into clusters
 * with other numbers of partitions.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Client, startCluster } from "../../mod.ts";
import { clientRuntime } from "../support/daemon.ts";
import { type Finished, runProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { Operator } from "./scenarios/operator.ts";
import { ProcessDriver } from "./scenarios/process_driver.ts";

const KEYS = Array.from({ length: 60 }, (_, i) => `key${i}`);

/** What is there by the answers that a client has got. */
class KnownState {
  readonly items = new Map<string, string>();
  readonly moments = new Map<number, string>();
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Sets keys, each until it is stored: a master may be gone for a while. */
  async set(keys: readonly string[], value: string): Promise<void> {
    for (const key of keys) {
      await patiently(async () => assertEquals(await this.#client.set(key, `${value} of ${key}`), "STORED"));
      this.items.set(key, `${value} of ${key}`);
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      assert(await this.#client.delete(key));
      this.items.delete(key);
    }
  }

  /** Waits for the next second, at whose beginning everything is as it is now. */
  async moment(): Promise<number> {
    const second = Math.floor(Date.now() / 1000) + 1;
    while (Date.now() < second * 1000) await pause(20);
    this.moments.set(second, textOf(this.items));
    return second;
  }
}

function textOf(items: ReadonlyMap<string, string>): string {
  return [...items]
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join("\n");
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function patiently<T>(work: () => Promise<T>, seconds = 60): Promise<T> {
  for (const endMs = Date.now() + seconds * 1000; ; await pause(200)) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > endMs) throw error;
    }
  }
}

/** Restores into a new cluster; what is there then. */
async function restored(args: readonly string[], partitions: number): Promise<string> {
  await using other = await startCluster({ partitions, logLevel: "error" });
  const index = { FLARE_INDEX_SERVER: `${other.indexAddress.host}:${other.indexAddress.port}` };
  const { status, stderr } = await runProgram("flare", ["restore", ...args], index);
  assertEquals(status, 0, stderr);
  using client = other.client();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  const found = await client.getMany(KEYS);
  return textOf(new Map(found.map(({ key, value }) => [text(key), text(value)])));
}

describe("a restore to a point in time", () => {
  it("gives what the cluster had then, whatever its nodes went through", { timeout: 300_000 }, () =>
    withTemporaryDirectory(async (directory) => {
      const archive = join(directory, "archive");
      const nodeArgs = ["--replication-type", "sync", "--log-archive", archive, "--log-archive-interval", "1"];
      const cluster = await ProcessDriver.start(clientRuntime(), directory, 3, nodeArgs);
      const index = { FLARE_INDEX_SERVER: `${cluster.index.host}:${cluster.index.port}` };
      const flare = (...args: string[]): Promise<Finished> => runProgram("flare", args, index);
      try {
        const [masterA, masterB, slaveA] = [await cluster.addNode(), await cluster.addNode(), await cluster.addNode()];
        const operator = new Operator(cluster);
        await operator.addPartition(masterA, 0);
        await operator.addPartition(masterB, 1);
        await operator.addSlave(slaveA, 0);
        using client = new Client({ ...slaveA, runtime: clientRuntime() });
        const known = new KnownState(client);
        await known.set(KEYS.slice(0, 40), "first");
        const backups = join(directory, "backups");
        const path = join(backups, "first");
        mkdirSync(backups);
        const backUp = async (where: string): Promise<void> => {
          const { status, stderr } = await flare("backup", where);
          assertEquals(status, 0, stderr);
        };
        await backUp(path);
        await known.moment();
        await known.set(KEYS.slice(20, 50), "second");
        await known.delete(KEYS.slice(0, 10));
        await known.moment();
        await known.set(KEYS.slice(0, 5), "third");
        await cluster.killNode(masterA);
        await known.set(KEYS.slice(45), "after the failover");
        await known.delete(KEYS.slice(50, 55));
        await known.moment();
        await client.flushAll();
        known.items.clear();
        await known.moment();
        await known.set(KEYS.slice(10, 30), "after the flush");
        await backUp(join(backups, "second"));
        await known.moment();
        await cluster.killNode(masterB);
        await cluster.startNode(masterB);
        await known.set(KEYS.slice(0, 20), "last");
        const last = await known.moment();

        const point = ["--backup", backups, "--archive", archive, "--at"];
        const listed = await patiently(async () => {
          const { stdout } = await flare("backup", "list", backups, "--archive", archive, "--output-format", "json");
          const [first, second] = JSON.parse(stdout);
          assert(first.restorable.last >= last && second.restorable.first > first.restorable.first, stdout);
          return first.restorable;
        });
        const stats = await operator.stats(masterB, " replication");
        assertEquals([stats.get("log_archive_state"), stats.get("log_archive_missing")], ["ok", "0"]);
        const verified = await flare("backup", "verify", path, "--archive", archive);
        assertEquals(verified.status, 0, verified.stdout + verified.stderr);
        assertStringIncludes(verified.stdout, " can be restored");
        let partitions = 3;
        for (const [second, expected] of known.moments) {
          const at = new Date(second * 1000).toISOString();
          assertEquals(await restored([...point, at], partitions), expected, at);
          partitions = partitions === 3 ? 1 : 3;
        }
        for (const [from, second, reason] of [
          [backups, listed.first - 1, `no complete backup in "${backups}" reaches `],
          [path, listed.first - 1, "restore an earlier one to reach"],
          [path, listed.last + 3600, "give an earlier time"],
        ] as const) {
          const { status, stderr } = await flare("restore", ...point, String(second), "--backup", from);
          assertEquals(status, 1, stderr);
          assertStringIncludes(stderr, reason);
        }
      } finally {
        await cluster.clear();
      }
    }),
  );
});
