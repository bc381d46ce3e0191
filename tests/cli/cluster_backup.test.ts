/**
 * Backups of a whole cluster by the programs: taken, interrupted, damaged, and restored into clusters with
 * another number of partitions.
 */

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { KEY_HASHES } from "../../lib/cluster/key_hash.ts";
import { KeyResolver } from "../../lib/cluster/key_resolver.ts";
import { META_DEFAULTS } from "../../lib/cluster/node_map_codec.ts";
import { type Client, type Cluster, startCluster } from "../../mod.ts";
import { LoopDisk } from "../support/loop_disk.ts";
import { skipUnless } from "../support/skip.ts";
import { type Finished, runProgram, startProgram } from "../support/spawn.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory, withTemporaryDirectory } from "../support/temporary_directory.ts";

const keyCount = 3000;
const skip = skipUnless(process.platform === "linux" && process.getuid?.() === 0, "root, to mount a small disk,");

let cluster: Cluster;
let client: Client;
let directory: string;
/** A backup of the cluster. */
let good: string;

before(async () => {
  directory = makeTemporaryDirectory();
  good = join(directory, "good");
  cluster = await startCluster({ partitions: 2, logLevel: "error" });
  client = cluster.client();
  await fill(client);
  const taken = await flare(cluster, ["backup", good]);
  assertEquals(taken.status, 0, taken.stderr);
  assertMatch(taken.stdout, /^"[^"]*good" is complete: 2 partition\(s\), 2000 items, 1000 deletions, \d+ bytes\n$/);
});

after(async () => {
  client.close();
  await cluster.stop();
  removeTemporaryDirectory(directory);
});

function flare(of: Cluster, args: readonly string[]): Promise<Finished> {
  return runProgram("flare", args, { FLARE_INDEX_SERVER: `${of.indexAddress.host}:${of.indexAddress.port}` });
}

/** Of three keys one has been deleted. */
async function fill(into: Client): Promise<void> {
  for (let from = 0; from < keyCount; from += 100) {
    const numbers = Array.from({ length: 100 }, (_, i) => from + i);
    await Promise.all(numbers.map((i) => into.set(`key${i}`, "old")));
    await Promise.all(numbers.map((i) => into.set(`key${i}`, `value ${i}\n`.repeat(50), { flags: i })));
    await Promise.all(numbers.map((i) => (i % 3 === 0 ? into.delete(`key${i}`) : undefined)));
  }
}

/** What a cluster has of the keys. */
async function contentOf(from: Client): Promise<string[]> {
  const found: string[] = [];
  for (let at = 0; at < keyCount; at += 100) {
    const items = await from.getMany(Array.from({ length: 100 }, (_, i) => `key${at + i}`));
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    found.push(...items.map(({ key, value, flags, version }) => `${text(key)} ${flags} ${version} ${text(value)}`));
  }
  return found.sort();
}

async function withOther(partitions: number, test: (other: Cluster, client: Client) => Promise<void>): Promise<void> {
  const other = await startCluster({ partitions, logLevel: "error" });
  const itsClient = other.client();
  try {
    await test(other, itsClient);
  } finally {
    itsClient.close();
    await other.stop();
  }
}

describe("a backup", () => {
  it("is in a directory with a file of each partition and a manifest that other programs can read", () => {
    assertEquals(readdirSync(good).sort(), ["manifest.json", "partition-0.dump", "partition-1.dump"]);
    const manifest = JSON.parse(readFileSync(join(good, "manifest.json"), "utf8"));
    assertEquals([manifest.format, manifest.partitioning.partitions, manifest.files.length], [1, 2, 2]);
    assert(manifest.begunMs <= manifest.files[0].begunMs && manifest.files[1].endedMs <= manifest.endedMs);
    for (const { name, bytes } of manifest.files) assertEquals(statSync(join(good, name)).size, bytes);
  });

  it("is restored into a cluster with another number of partitions, with its versions and its deletions", () =>
    withOther(3, async (other, itsClient) => {
      await itsClient.set("key0", "deleted in the backup", { version: 2 });
      await itsClient.set("key3", "newer than the deletion in the backup", { version: 3 });
      await itsClient.set("key4", "newer than in the backup", { version: 7 });
      await itsClient.set("key5", "deleted here", { version: 9 });
      await itsClient.delete("key5");
      const restored = await flare(other, ["restore", "--backup", good, "--keep-versions"]);
      assertEquals(restored.status, 0, restored.stderr);
      assertStringIncludes(restored.stderr, "1998 stored, 1 deleted, 1001 kept\n");
      const expected = (await contentOf(client)).filter((line) => !/^key[45] /.test(line));
      expected.push("key3 0 3 newer than the deletion in the backup", "key4 0 7 newer than in the backup");
      assertEquals(await contentOf(itsClient), expected.sort());
      // A deletion comes with its version, even of a key that was never there.
      await itsClient.set("key6", "x");
      assertEquals((await itsClient.gets("key6"))?.version, 3);
    }));

  it("replaces what is there without versions, and can be restored in part", () =>
    withOther(1, async (other, itsClient) => {
      for (const key of ["key3", "key4"]) await itsClient.set(key, "newer", { version: 70 });
      const part = await flare(other, ["restore", "--backup", good, "--prefix-include", "key4"]);
      assertStringIncludes(part.stderr, " excluded");
      assertEquals((await itsClient.gets("key3"))?.version, 70);
      const { status, stderr } = await flare(other, ["restore", "--backup", good]);
      assertEquals(status, 0, stderr);
      const plain = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/^(\S+ \S+) \S+/, "$1"));
      assertEquals(plain(await contentOf(itsClient)), plain(await contentOf(client)));
    }));

  it("is listed and verified, as a table and as JSON", async () => {
    const listed = await flare(cluster, ["backup", "list", directory]);
    assertMatch(
      listed.stdout,
      /^backup +state +begun +partitions +items deletions +bytes\n\S+good complete \S+Z +2\/2 +2000 +1000 +\d+\n/,
    );
    const [first] = JSON.parse((await flare(cluster, ["backup", "list", good, "-o", "json"])).stdout);
    assertEquals([first.path, first.state, first.manifest.files.length], [good, "complete", 2]);
    const verified = await flare(cluster, ["backup", "verify", good]);
    assertEquals(verified.status, 0, verified.stderr);
    assertMatch(verified.stdout, /is complete: 2 partition\(s\), 2000 items, 1000 deletions/);
    assertEquals(JSON.parse((await flare(cluster, ["backup", "verify", good, "-o", "json"])).stdout).problems, []);
  });

  it("is refused where there is another one, or something else", async () => {
    const again = await flare(cluster, ["backup", good]);
    assertEquals([again.status, again.stderr], [1, `flare: "${good}" has a complete backup: give another directory\n`]);
    const other = await flare(cluster, ["backup", directory]);
    assertEquals(other.status, 1);
    assertStringIncludes(other.stderr, "has other files and no backup: give a directory of its own");
    const wrong = await flare(cluster, ["backup", "show", good]);
    assertEquals(wrong.status, 2);
  });

  it("that is damaged is not restored, and its files are named", async () => {
    const bad = join(directory, "bad");
    cpSync(good, bad, { recursive: true });
    const file = join(bad, "partition-1.dump");
    const bytes = readFileSync(file);
    const at = bytes.lastIndexOf("value", bytes.length - 3000);
    bytes[at] = (bytes[at] as number) ^ 1;
    writeFileSync(file, bytes);
    rmSync(join(bad, "partition-0.dump"));
    const problems =
      /"partition-0.dump" is missing(\n|; )"partition-1.dump" is damaged: line \d+ .* between line \d{3,} and here\n/;
    const verified = await flare(cluster, ["backup", "verify", bad]);
    assertEquals(verified.status, 1);
    assertMatch(verified.stdout, problems);
    const restored = await flare(cluster, ["restore", "--backup", bad]);
    assertEquals([restored.status, restored.stderr.includes("stored")], [1, false]);
    assertMatch(restored.stderr, problems);
    rmSync(bad, { recursive: true });
  });

  it("that was interrupted is incomplete, and goes on with what it has", async () => {
    const path = join(directory, "interrupted");
    const index = { FLARE_INDEX_SERVER: `${cluster.indexAddress.host}:${cluster.indexAddress.port}` };
    // A node that cannot be read to its end within this time, and one that is.
    await Promise.all(keysOfSecondPartition(40).map((key) => client.set(key, "x".repeat(100_000))));
    const begun = startProgram("flare", ["backup", path, "--bwlimit", "400k"], index);
    await begun.waitFor("partition 0: ");
    begun.kill("SIGKILL");
    await begun.finished;
    assert(readdirSync(path).some((name) => name.startsWith("partition-1.dump.partial-")));
    const before = statSync(join(path, "partition-0.dump"));
    const listed = JSON.parse((await flare(cluster, ["backup", "list", path, "-o", "json"])).stdout);
    assertEquals([listed[0].state, listed[0].manifest.files.length], ["incomplete", 1]);
    for (const args of [
      ["backup", "verify", path],
      ["restore", "--backup", path],
    ]) {
      const { status, stderr } = await flare(cluster, args);
      assertEquals(
        [status, stderr],
        [1, `flare: "${path}" has an incomplete backup: "flare backup ${path}" goes on with it\n`],
      );
    }
    await withOther(1, async (other) => {
      const { status, stderr } = await flare(other, ["backup", path]);
      assertEquals(status, 1);
      assertStringIncludes(
        stderr,
        "cannot go on: it is of a cluster with 2 partitions, this one has 1; use another directory\n",
      );
    });
    const { status, stderr } = await flare(cluster, ["backup", path]);
    assertEquals(status, 0, stderr);
    assertMatch(stderr, /^going on with an interrupted backup, which has 1 partition\(s\)\n(.* items\/s.*\n)*partition 1: /);
    assertEquals(readdirSync(path).sort(), ["manifest.json", "partition-0.dump", "partition-1.dump"]);
    const again = statSync(join(path, "partition-0.dump"));
    assertEquals([again.ino, again.mtimeMs], [before.ino, before.mtimeMs]);
    assertEquals((await flare(cluster, ["backup", "verify", path])).status, 0);
  });

  it("on a full disk fails, leaves no torn file, and goes on when there is room", { skip }, () =>
    withTemporaryDirectory(async (temporary) => {
      const disk = await LoopDisk.create(join(temporary, "disk"), 16);
      try {
        const path = join(disk.directory, "backup");
        mkdirSync(path);
        await disk.fill();
        const full = await flare(cluster, ["backup", path]);
        assertEquals(full.status, 1, full.stderr);
        assertMatch(full.stderr, /no space left/i);
        await disk.empty();
        const { status, stderr } = await flare(cluster, ["backup", path]);
        assertEquals(status, 0, stderr);
        assertEquals((await flare(cluster, ["backup", "verify", path])).status, 0);
      } finally {
        await disk.clear();
      }
    }),
  );

  it("is restored to a point in time only with a time and an archive that are there", async () => {
    for (const [args, status, message] of [
      [["--at", "1700000000"], 2, 'option "at" needs "backup" and "archive", and "archive" needs "at"'],
      [["--archive", directory], 2, 'option "at" needs "backup" and "archive", and "archive" needs "at"'],
      [["--archive", directory, "--at", "2026-11-27 18:00"], 2, '"2026-11-27 18:00" is not a time with its zone'],
      [["--archive", directory, "--at", "2026-11-27T18:00:00+09:00"], 1, "has no archived change log"],
    ] as const) {
      const refused = await flare(cluster, ["restore", "--backup", good, ...args]);
      assertEquals(refused.status, status, refused.stderr);
      assertStringIncludes(refused.stderr, message);
    }
  });
});

function keysOfSecondPartition(count: number): string[] {
  const resolver = new KeyResolver(META_DEFAULTS);
  const hash = KEY_HASHES[META_DEFAULTS.keyHashAlgorithm];
  const keys = Array.from({ length: count * 10 }, (_, i) => `bulky${i}`);
  return keys.filter((key) => resolver.resolve(hash(fromLatin1(key), 0, key.length), 2) === 1).slice(0, count);
}
