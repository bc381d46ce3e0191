/**
 * Archives as a directory has them: damaged, missing and foreign files are named, nothing is guessed.
 *
 * Covers lib/admin/archive/verify_archive.ts and lib/admin/archive/restore_point.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ArchiveIndex, type StoredPart } from "../../../../lib/admin/archive/archive_index.ts";
import { replaysTo, restorableTimes } from "../../../../lib/admin/archive/restore_point.ts";
import { archiveProblems } from "../../../../lib/admin/archive/verify_archive.ts";
import type { BackupManifest } from "../../../../lib/admin/backup/manifest.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { ARCHIVE, ArchivedNode, KEYS, START_SECOND } from "../../../support/archived_node.ts";
import type { MemoryFiles } from "../../../support/memory_files.ts";
import { StorageWorld, set } from "../../../support/storage_world.ts";

interface Archived {
  readonly files: MemoryFiles;
  readonly manifest: BackupManifest;
  /** With records after the backup, in order. */
  readonly parts: readonly StoredPart[];
}

/** A backup, and one second and part of the archive per key after it. */
async function archived(): Promise<Archived> {
  const node = await ArchivedNode.open(new StorageWorld(), "a:1");
  const { start } = await node.snapshot();
  for (const key of KEYS) {
    node.world.nowMs += 1000;
    await node.write(set(key, `value of ${key}`));
    await node.archive.run();
  }
  const files = node.world.files as MemoryFiles;
  const { history, sequence, momentMs } = start;
  const name = { name: "partition-0.dump", node: "a:1", begunMs: 0, endedMs: 0, items: 0, deletions: 0, bytes: 0, sha256: "" };
  const partitioning = { partitions: 1, partitionSize: 1024, hint: 1, virtual: 4096, keyHashAlgorithm: "simple" };
  const described = { version: "", indexServer: "", mapVersion: "5", begunMs: 0, endedMs: 0, partitioning };
  const manifest = { ...described, files: [{ partition: 0, history, sequence, momentMs, ...name }] };
  const { logs } = await ArchiveIndex.open(files, [ARCHIVE]);
  return {
    files,
    manifest,
    parts: [...logs.values()].flatMap((log) => log.parts).filter(({ firstSequence }) => firstSequence > sequence),
  };
}

const replays = async ({ files, manifest }: Archived, second: number): Promise<string[]> => {
  const lines: string[] = [];
  await replaysTo(files, await ArchiveIndex.open(files, [ARCHIVE]), manifest, second, (line) => void lines.push(line));
  return lines;
};
const problemsOf = async ({ files }: Archived): Promise<string[]> => {
  const found = await archiveProblems(files, await ArchiveIndex.open(files, [ARCHIVE]), () => undefined);
  return found.map(({ problem }) => problem);
};
const lastOf = async ({ files, manifest }: Archived): Promise<number | undefined> =>
  restorableTimes(await ArchiveIndex.open(files, [ARCHIVE]), manifest)?.last;

describe("an archive", () => {
  it("says what it has and what is restored from it", async () => {
    const whole = await archived();
    assertEquals(whole.parts.length, KEYS.length);
    assertEquals(await problemsOf(whole), []);
    const times = restorableTimes(await ArchiveIndex.open(whole.files, [ARCHIVE]), whole.manifest);
    assertEquals(times, { first: START_SECOND + 1, last: START_SECOND + KEYS.length });
    assertEquals(await replays(whole, START_SECOND + 3), ['partition 0 at 2023-11-14T22:13:23Z: 2 changes, from "a:1"']);
  });

  it("is refused from the place on where a part of it is missing, and the gap is named", async () => {
    for (let at = 1; at < KEYS.length - 1; at++) {
      const whole = await archived();
      const { path, history, firstSequence, records } = whole.parts[at] as StoredPart;
      whole.files.files.delete(path);
      const gap = `changes ${firstSequence} to ${firstSequence + records - 1} of the log ${history} of "a:1" are missing`;
      assertEquals(await problemsOf(whole), [gap]);
      const last = (await lastOf(whole)) ?? 0;
      assertEquals(last, START_SECOND + at);
      await replays(whole, last);
      const error = await assertRejects(() => replays(whole, last + 1), FlareError, gap);
      assertEquals(error.code, "REFUSED");
    }
  });

  it("is not restored from when a byte of a part on the way is changed, and the part is named", async () => {
    const whole = await archived();
    const { path, headBytes } = whole.parts[2] as StoredPart;
    const good = whole.files.content(path);
    for (let at = 0; at < good.length; at += 3) {
      const bytes = good.slice();
      bytes[at] = (bytes[at] as number) ^ 0x41;
      whole.files.write(path, bytes);
      const [problem = "", ...more] = await problemsOf(whole);
      assert(problem.includes(`"${path}"`), `byte ${at}: ${problem}`);
      assertEquals(more.length, at < headBytes ? 1 : 0);
      const error = await assertRejects(() => replays(whole, START_SECOND + 6), FlareError, `"${path}"`);
      assertEquals(error.code, at < headBytes ? "REFUSED" : "CORRUPT", `byte ${at}`);
      await replays(whole, START_SECOND + 2);
    }
  });

  it("is not taken for one where there is none", async () => {
    const { files } = await archived();
    await assertRejects(
      () => ArchiveIndex.open(files, [ARCHIVE, "elsewhere"]),
      FlareError,
      '"elsewhere" has no archived change log',
    );
  });
});
