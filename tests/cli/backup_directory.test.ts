/** The files of a backup: what is found in them when anything is damaged, and what an interrupted one has left. */

import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { BackupDirectory, completeBackup, findBackups, problemOf, readBackup } from "../../cli/backup_directory.ts";
import { type BackupManifest, decodeManifest, encodeManifest } from "../../lib/admin/backup/manifest.ts";
import { DumpTally } from "../../lib/admin/dump_end_line.ts";
import { encodeEndLine, encodeRecords } from "../../lib/admin/dump_format.ts";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { crc32 } from "../../lib/base/crc32.ts";
import { FlareError } from "../../lib/base/errors.ts";
import type { BackupRecord } from "../../lib/client/dump.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const sectionRecords = 100;

const empty: BackupManifest = {
  version: "2.0.0",
  indexServer: "127.0.0.1:12120",
  mapVersion: "7",
  partitioning: { partitions: 2, partitionSize: 1024, hint: 1, virtual: 4096, keyHashAlgorithm: "simple" },
  begunMs: 1,
  files: [],
};

function recordOf(number: number): BackupRecord {
  const tombstone = number % 4 === 0;
  const value = fromLatin1(tombstone ? "" : `value ${number}`);
  return { key: fromLatin1(`key${number}`), value, flags: number, version: 2, expire: 0, tombstone };
}

/** Writes one of two partitions, with an end line after each hundred records. */
async function writePartition(directory: BackupDirectory, partition: number, draft: BackupManifest): Promise<BackupManifest> {
  const name = `partition-${partition}.dump`;
  const count = 300 + partition;
  const written = await directory.write(name, async (write) => {
    for (let from = 0; from < count; from += sectionRecords) {
      const records = Array.from({ length: Math.min(sectionRecords, count - from) }, (_, i) => recordOf(from + i));
      const tally = new DumpTally();
      const bytes = encodeRecords(records);
      tally.add(records.length, bytes);
      await write(bytes);
      await write(encodeEndLine(tally));
    }
  });
  const deletions = Math.ceil(count / 4);
  const counts = {
    history: "0123456789abcdef",
    sequence: 17,
    momentMs: 2,
    begunMs: 2,
    endedMs: 3,
    items: count - deletions,
    deletions,
  };
  return { ...draft, files: [...draft.files, { partition, name, node: "127.0.0.1:12121", ...counts, ...written }] };
}

async function writeBackup(path: string): Promise<void> {
  const directory = await BackupDirectory.open(path);
  let manifest = await writePartition(directory, 0, empty);
  await directory.saveDraft(manifest);
  manifest = await writePartition(directory, 1, manifest);
  await directory.complete({ ...manifest, endedMs: 4 });
  await directory.close();
}

/** What a verification says of a backup; empty = nothing. */
async function problems(path: string): Promise<string> {
  try {
    const manifest = await completeBackup(path);
    const found = await Promise.all(
      manifest.files.map(async (file) => [file.name, await problemOf(path, file, () => undefined)] as const),
    );
    return found.flatMap(([name, problem]) => (problem === undefined ? [] : [`${name} ${problem}`])).join("\n");
  } catch (error) {
    assert(error instanceof FlareError, String(error));
    return error.message;
  }
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
}

/** The same manifest with another format, and the checksum that belongs to it. */
function ofTheFuture(text: string): string {
  const other = text.replace('"format": 1', '"format": 2');
  const content = other.slice(0, other.indexOf(',\n  "crc32"'));
  const checksum = crc32(new TextEncoder().encode(`${content}\n}`))
    .toString(16)
    .padStart(8, "0");
  return `${content},\n  "crc32": "${checksum}"\n}\n`;
}

describe("the directory of a backup", () => {
  it("has one file per partition and a manifest, and nothing else", () =>
    withTemporaryDirectory(async (temporary) => {
      const path = join(temporary, "a", "b");
      await writeBackup(path);
      assertEquals(readdirSync(path).sort(), ["manifest.json", "partition-0.dump", "partition-1.dump"]);
      assertEquals(await problems(path), "");
      const { state, manifest } = await readBackup(path);
      assertEquals([state, manifest?.files.length, manifest?.endedMs], ["complete", 2, 4]);
      assertEquals(JSON.parse(readFileSync(join(path, "manifest.json"), "utf8")).files[1].items, 301 - 76);
    }));

  it("is verified byte by byte: whatever is damaged is found, with its file and its lines", () =>
    withTemporaryDirectory(async (temporary) => {
      const good = join(temporary, "good");
      await writeBackup(good);
      const bad = join(temporary, "bad");
      const file = join(bad, "partition-1.dump");
      const manifest = join(bad, "manifest.json");
      const rewrite = (change: Record<string, unknown>): void => {
        const content = decodeManifest(readFileSync(manifest, "utf8"), manifest);
        const files = content.files.map((each) => (each.partition === 1 ? { ...each, ...change } : each));
        writeFileSync(manifest, encodeManifest({ ...content, files }));
      };
      const text = readFileSync(join(good, "partition-1.dump"), "latin1");
      const end = text.length;
      const cases: readonly (readonly [string, () => void, RegExp])[] = [
        [
          "a flipped bit in a value",
          () => flip(file, text.indexOf("value 150")),
          /^partition-1.dump is damaged: line 202 of the dump has the checksum .* between line 102 and here$/,
        ],
        [
          "a flipped bit in a number",
          () => flip(file, text.indexOf(" 9 2 0 'value 150'") + 1),
          /line 152 of the dump says 8 bytes but has 9$/,
        ],
        [
          "a flipped bit in an end line",
          () => flip(file, text.indexOf("crc32=") + 1),
          /^partition-1.dump is damaged: line 101 of/,
        ],
        [
          "a line that is missing",
          () => writeFileSync(file, text.replace(/key7 .*\n/, "")),
          /line 100 of the dump says 100 items, but there are 99/,
        ],
        [
          "a file that ends within a line",
          () => truncateSync(file, text.indexOf("value 150")),
          /^partition-1.dump is damaged: line 152 of/,
        ],
        [
          "a file that ends with an end line",
          () => truncateSync(file, text.indexOf("key100 ")),
          /^partition-1.dump has \d+ bytes, but the manifest says \d+$/,
        ],
        [
          "an empty file",
          () => truncateSync(file, 0),
          /^partition-1.dump is damaged: the dump ends after line 0 without an end line/,
        ],
        [
          "a file with more",
          () => writeFileSync(file, "x 0 1 1 0 'y'\n", { flag: "a" }),
          /dump ends after line \d+ without an end line/,
        ],
        ["another backup's file", () => cpSync(join(good, "partition-0.dump"), file), /^partition-1.dump has \d+ bytes, but/],
        ["a missing file", () => rmSync(file), /^partition-1.dump is missing$/],
        [
          "a directory in its place",
          () => {
            rmSync(file);
            mkdirSync(file);
          },
          /^partition-1.dump is damaged: .* cannot be used: EISDIR/,
        ],
        [
          "another checksum",
          () => rewrite({ sha256: "00" }),
          /^partition-1.dump has the SHA-256 [0-9a-f]{64}, but the manifest says 00$/,
        ],
        ["other counts", () => rewrite({ deletions: 75 }), /^partition-1.dump has 76 deletions, but the manifest says 75$/],
        ["a missing manifest", () => rmSync(manifest), /^"[^"]*bad" has no backup$/],
        [
          "a flipped bit in the manifest",
          () => flip(manifest, 40),
          /^"[^"]*manifest.json" is damaged: its content has the checksum/,
        ],
        ["a truncated manifest", () => truncateSync(manifest, 300), /^"[^"]*manifest.json" is damaged: it is not a manifest/],
        [
          "a manifest of the future",
          () => writeFileSync(manifest, ofTheFuture(readFileSync(manifest, "utf8"))),
          /^"[^"]*manifest.json" has format 2, this version reads format 1$/,
        ],
      ];
      for (const [fault, damage, message] of cases) {
        rmSync(bad, { recursive: true, force: true });
        cpSync(good, bad, { recursive: true });
        assertEquals(await problems(bad), "");
        damage();
        assertMatch(await problems(bad), message, `${fault} of ${end} bytes`);
      }
    }));

  it("keeps the files that are complete when a backup is interrupted, and no others", () =>
    withTemporaryDirectory(async (path) => {
      const first = await BackupDirectory.open(path);
      const before = await writePartition(first, 0, empty);
      await first.saveDraft(before);
      const draft = await writePartition(first, 1, before);
      await first.saveDraft(draft);
      await assertRejects(() => BackupDirectory.open(path), FlareError, "is locked by process");
      await first.close();
      assertMatch(await problems(path), /has an incomplete backup: "flare backup .*" goes on with it$/);
      truncateSync(join(path, "partition-1.dump"), 10);
      writeFileSync(join(path, "partition-1.dump.partial-999999"), "torn");
      const second = await BackupDirectory.open(path);
      assertEquals(await second.draft(), before);
      assert(!existsSync(join(path, "partition-1.dump.partial-999999")));
      await second.complete({ ...(await writePartition(second, 1, before)), endedMs: 4 });
      await second.close();
      assertEquals(await problems(path), "");
      const third = await BackupDirectory.open(path);
      await assertRejects(() => third.draft(), FlareError, "has a complete backup: give another directory");
      await third.close();
    }));

  it("has a file under its name only when it is complete", () =>
    withTemporaryDirectory(async (path) => {
      const directory = await BackupDirectory.open(path);
      const failing = directory.write("partition-0.dump", async (write) => {
        await write(fromLatin1("half"));
        assertEquals(existsSync(join(path, "partition-0.dump")), false);
        throw new FlareError("CONNECTION_FAILED", "gone");
      });
      await assertRejects(() => failing, FlareError, "gone");
      assertEquals(readdirSync(path), ["LOCK"]);
      await directory.close();
      assertEquals(readdirSync(path), []);
    }));

  it("is not used if it has other files", () =>
    withTemporaryDirectory(async (path) => {
      writeFileSync(join(path, "letters.txt"), "");
      await assertRejects(() => BackupDirectory.open(path), FlareError, "has other files and no backup");
      assertEquals(readdirSync(path), ["letters.txt"]);
    }));

  it("is listed with those beside it, by name, whatever their state", () =>
    withTemporaryDirectory(async (path) => {
      for (const name of ["b", "a", "c"]) await writeBackup(join(path, name));
      flip(join(path, "b", "manifest.json"), 40);
      rmSync(join(path, "c", "manifest.json"));
      writeFileSync(join(path, "c", "manifest.draft"), encodeManifest(empty));
      mkdirSync(join(path, "d"));
      writeFileSync(join(path, "e"), "a file");
      const states = (found: Awaited<ReturnType<typeof findBackups>>): string[] =>
        found.map(({ path, state }) => `${path.slice(-1)} ${state}`);
      assertEquals(states(await findBackups(path)), ["a complete", "b damaged", "c incomplete"]);
      assertEquals(states(await findBackups(join(path, "a"))), ["a complete"]);
      await assertRejects(() => findBackups(join(path, "nowhere")), FlareError, "cannot be used: ENOENT");
      assertEquals(statSync(join(path, "e")).size, 6);
    }));
});
