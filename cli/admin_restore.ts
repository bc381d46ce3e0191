/** The verb restore: sets the items of a dump, or of a backup that is verified first. */

import { createReadStream, statSync } from "node:fs";
import process from "node:process";
import { type Command, Option } from "commander";
import { ArchiveIndex } from "../lib/admin/archive/archive_index.ts";
import { replaysTo, restorableTimes } from "../lib/admin/archive/restore_point.ts";
import { type BackupFile, type BackupManifest, totals } from "../lib/admin/backup/manifest.ts";
import { DumpFormat, encodeKeys, keyWord } from "../lib/admin/dump_format.ts";
import { activeNode } from "../lib/admin/node_report.ts";
import { parseNodeKey } from "../lib/admin/node_targets.ts";
import { streamProgressText } from "../lib/admin/progress_text.ts";
import { checkDump, dumpRecords, type RestoredItem, type RestoreOptions, restoreRecords } from "../lib/admin/restore.ts";
import { FlareError } from "../lib/base/errors.ts";
import { utcText } from "../lib/base/utc_time.ts";
import type { BackupRecord } from "../lib/client/dump.ts";
import { detectRuntime } from "../mod.ts";
import { problemLine, problemsOf } from "./admin_backup.ts";
import { addTableOptions, bandwidthOption, createVerb, withAdmin } from "./admin_connection.ts";
import { formatHelp, formatOption, knownFormat } from "./admin_data.ts";
import { backupChunks, completeBackup, findBackups } from "./backup_directory.ts";
import { ExitStatus } from "./main.ts";
import { ProgressLine, printJson, writeOut } from "./output.ts";

const reasonsShownMax = 10;

interface RestoreFlags {
  readonly input?: string;
  readonly backup?: string;
  readonly at?: string;
  readonly archive?: string[];
  readonly format: string;
  readonly bwlimit?: string;
  readonly include?: string[];
  readonly exclude?: string[];
  readonly prefixInclude?: string;
  readonly printKeys?: true;
  readonly keepVersions?: true;
  readonly acceptIncomplete?: true;
}

/** A dump to restore. */
interface Input {
  /** False: its bytes can be read only once. */
  readonly isFile: boolean;
  chunks(): AsyncIterable<Uint8Array>;
}

/** Records to restore, in batches. */
type Source = () => AsyncIterable<BackupRecord[]>;

/** The verb. */
export function restoreCommand(): Command {
  const command = addTableOptions(createVerb("restore", "set the items of a dump or a backup", { lettersTaken: ["i"] }))
    .argument("[host:port]", "any node of the cluster; default: one from the node map")
    .option("-i, --input <path>", "the file to read; default: stdin")
    .addOption(new Option("--backup <directory>", "the backup to read").conflicts(["input", "acceptIncomplete"]))
    .addOption(new Option("--at <time>", "as it was then, such as 2026-11-27T18:00:00Z; with --backup and --archive"))
    .option("--archive <directory...>", "archived change logs, for --at")
    .addOption(formatOption())
    .option("--bwlimit <bytes>", "bytes per second, such as 65536 or 64k")
    .option("--include <pattern...>", "only keys that match one of these regular expressions")
    .option("--exclude <pattern...>", "no keys that match one of these regular expressions")
    .option("--prefix-include <text>", "only keys with this prefix")
    .option("--keep-versions", "keep the versions of the dump, and items that have a newer one")
    .option("--accept-incomplete", "accept a dump without an end line, or with a wrong one")
    .option("--print-keys", "print each key that is stored")
    .addHelpText("after", formatHelp);
  return command.action((node: string | undefined, flags: RestoreFlags) =>
    withAdmin(command, async (admin) => {
      const options = {
        format: flags.backup === undefined ? knownFormat(flags.format) : DumpFormat.default,
        include: (flags.include ?? []).map((text) => pattern("include", text)),
        exclude: (flags.exclude ?? []).map((text) => pattern("exclude", text)),
        prefix: flags.prefixInclude ?? "",
        bytesPerSecond: bandwidthOption(flags.bwlimit),
        keepVersions: flags.keepVersions === true,
        acceptIncomplete: flags.acceptIncomplete === true,
      };
      const progress = new ProgressLine();
      const { sources, total } = await restorableOf(flags, options, (line) => progress.say(line));
      const client = admin.client(node === undefined ? activeNode(await admin.nodeMap()) : parseNodeKey(node));
      const counts: Record<RestoredItem["outcome"], number> = {
        stored: 0,
        deleted: 0,
        kept: 0,
        excluded: 0,
        expired: 0,
        refused: 0,
      };
      const startedMs = performance.now();
      let done = 0;
      const sayHowFar = (): void => {
        progress.say(streamProgressText("items", done, undefined, performance.now() - startedMs));
        const outcomes = Object.entries(counts).filter(([, count]) => count > 0);
        progress.say(outcomes.map(([outcome, count]) => `${count} ${outcome}`).join(", "));
      };
      const restoreAll = async (source: Source): Promise<void> => {
        for await (const items of restoreRecords(admin.runtime, client, source(), options)) {
          for (const { key, outcome, reason } of items) {
            counts[outcome]++;
            if (outcome === "refused" && counts.refused <= reasonsShownMax) progress.say(`${keyWord(key)}: ${reason}`);
          }
          if (flags.printKeys) await writeOut(encodeKeys(storedKeys(items), DumpFormat.default));
          done += items.length;
          progress.show(() => streamProgressText("items", done, total, performance.now() - startedMs));
        }
      };
      try {
        for (const source of sources) await withHint(() => restoreAll(source));
      } catch (error) {
        if (done > 0) sayHowFar();
        throw error;
      }
      sayHowFar();
      if (command.getOptionValue("outputFormat") === "json") await printJson(counts);
      if (counts.refused > 0) process.exitCode = ExitStatus.failed;
    }),
  );
}

/** What is to be restored, and the number of its items if it is known. */
interface Restorable {
  readonly sources: readonly Source[];
  readonly total: number | undefined;
}

/** What the options name, checked. @throws FlareError */
function restorableOf(flags: RestoreFlags, options: RestoreOptions, onProgress: (line: string) => void): Promise<Restorable> {
  const { backup, at, archive, input } = flags;
  if ((at === undefined) !== (archive === undefined) || (at !== undefined && backup === undefined))
    throw new FlareError("INVALID_OPTION", 'option "at" needs "backup" and "archive", and "archive" needs "at"');
  if (backup === undefined) return checkedInput(input, options);
  if (at === undefined || archive === undefined) return checkedBackup(backup);
  return checkedPoint(backup, archive, secondOf(at), onProgress);
}

/** A file or stdin. Nothing is stored from an incomplete file; a stream is known only at its end. @throws FlareError */
async function checkedInput(path: string | undefined, options: RestoreOptions): Promise<Restorable> {
  const input = openInput(path);
  const isChecked = input.isFile && options.acceptIncomplete !== true;
  const total = isChecked ? await withHint(() => checkDump(input.chunks(), options.format)) : undefined;
  return { sources: [() => dumpRecords(input.chunks(), options)], total };
}

/** A complete backup. @throws FlareError REFUSED | CORRUPT naming every damaged file */
async function checkedBackup(path: string): Promise<Restorable> {
  const manifest = await completeBackup(path);
  await requireIntact(path, manifest);
  const { items, deletions } = totals(manifest);
  return { sources: manifest.files.map((file) => () => recordsOf(path, file)), total: items + deletions };
}

/** What the cluster had at the beginning of a second. @throws FlareError REFUSED | CORRUPT */
async function checkedPoint(
  path: string,
  archives: readonly string[],
  second: number,
  onProgress: (line: string) => void,
): Promise<Restorable> {
  const { files } = detectRuntime();
  const index = await ArchiveIndex.open(files, archives);
  const backup = await backupBefore(path, index, second);
  const replays = await replaysTo(files, index, backup.manifest, second, onProgress);
  await requireIntact(backup.path, backup.manifest);
  const sources = replays.map(
    ({ file, replay }) =>
      () =>
        replay.results(() => recordsOf(backup.path, file)),
  );
  return { sources, total: undefined };
}

/** The last of some backups before a second; a single one whatever it is. @throws FlareError REFUSED | CORRUPT */
async function backupBefore(
  path: string,
  index: ArchiveIndex,
  second: number,
): Promise<{ readonly path: string; readonly manifest: BackupManifest }> {
  const found = await findBackups(path);
  const [only] = found;
  if (only === undefined || only.path === path) return { path, manifest: await completeBackup(path) };
  const complete = found.flatMap(({ path: own, state, manifest }) =>
    state === "complete" && manifest ? [{ path: own, manifest }] : [],
  );
  const reached = complete.map((backup) => ({ ...backup, times: restorableTimes(index, backup.manifest) }));
  const usable = reached.filter(({ times }) => times !== undefined && times.first <= second && second <= times.last);
  const best = usable.toSorted((left, right) => right.manifest.begunMs - left.manifest.begunMs)[0];
  if (best !== undefined) return best;
  const ranges = reached.map(({ path: own, times }) => {
    if (times === undefined) return `"${own}" reaches no time`;
    return `"${own}" from ${utcText(times.first)} to ${utcText(times.last)}`;
  });
  const text = `no complete backup in "${path}" reaches ${utcText(second)}: ${ranges.join(", ") || "there is none"}`;
  throw new FlareError("REFUSED", `${text}; "flare backup verify" with --archive says what is missing`);
}

/** @throws FlareError CORRUPT naming every damaged file */
async function requireIntact(path: string, manifest: BackupManifest): Promise<void> {
  const problems = await problemsOf(path, manifest);
  if (problems.length > 0) throw new FlareError("CORRUPT", `"${path}": ${problems.map(problemLine).join("; ")}`);
}

function recordsOf(path: string, file: BackupFile): AsyncIterable<BackupRecord[]> {
  return dumpRecords(backupChunks(path, file), { format: DumpFormat.default });
}

/** A time with its zone, or seconds since 1970. @throws FlareError INVALID_OPTION */
function secondOf(text: string): number {
  const hasZone = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.0+)?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const second = /^\d{1,11}$/.test(text) ? Number(text) : hasZone ? Date.parse(text.replace(" ", "T")) / 1000 : Number.NaN;
  if (Number.isInteger(second)) return second;
  const examples = `"2026-11-27T18:00:00Z", "2026-11-27T18:00:00+09:00" or seconds since 1970`;
  throw new FlareError("INVALID_OPTION", `option "at": "${text}" is not a time with its zone, such as ${examples}`);
}

function storedKeys(items: readonly RestoredItem[]): Uint8Array[] {
  return items.filter(({ outcome }) => outcome === "stored").map(({ key }) => key);
}

/** Adds a hint how to restore an incomplete dump. */
async function withHint<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FlareError) || error.code !== "CORRUPT") throw error;
    throw new FlareError("CORRUPT", `${error.message}; --accept-incomplete restores the readable part`, { cause: error });
  }
}

/** @throws FlareError IO_ERROR */
function openInput(path: string | undefined): Input {
  const isStdin = path === undefined || path === "-";
  return {
    isFile: !isStdin && isRegularFile(path),
    async *chunks() {
      try {
        yield* (isStdin ? process.stdin : createReadStream(path)) as AsyncIterable<Uint8Array>;
      } catch (cause) {
        throw unreadable(path ?? "-", cause);
      }
    },
  };
}

function isRegularFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): FlareError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new FlareError("IO_ERROR", `"${path}" cannot be read: ${reason}`, { cause });
}

/** @throws FlareError INVALID_OPTION */
function pattern(name: string, text: string): RegExp {
  try {
    return new RegExp(text, "u");
  } catch (cause) {
    throw new FlareError("INVALID_OPTION", `option "${name}": "${text}" is not a regular expression`, { cause });
  }
}
