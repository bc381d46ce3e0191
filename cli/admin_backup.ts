/** The verb backup: takes a backup of the whole cluster into a directory, lists backups, and verifies one. */

import process from "node:process";
import type { Command } from "commander";
import { ArchiveIndex, type ArchiveProblem } from "../lib/admin/archive/archive_index.ts";
import { type RestorableTimes, restorableTimes } from "../lib/admin/archive/restore_point.ts";
import { archiveProblems } from "../lib/admin/archive/verify_archive.ts";
import { type BackupManifest, totals } from "../lib/admin/backup/manifest.ts";
import { takeBackup } from "../lib/admin/backup/take_backup.ts";
import { itemsOf } from "../lib/admin/cluster_host.ts";
import { streamProgressText } from "../lib/admin/progress_text.ts";
import { formatTable } from "../lib/admin/text_table.ts";
import { FlareError } from "../lib/base/errors.ts";
import { utcText } from "../lib/base/utc_time.ts";
import { buildPartitionMap } from "../lib/cluster/partition_map.ts";
import { detectRuntime } from "../mod.ts";
import { addTableOptions, bandwidthOption, createVerb, withAdmin } from "./admin_connection.ts";
import { BackupDirectory, type BackupState, completeBackup, findBackups, problemOf } from "./backup_directory.ts";
import { tableStyle } from "./colours.ts";
import { ExitStatus } from "./main.ts";
import { ProgressLine, printJson, printLines } from "./output.ts";

const help = `
backup <directory>         takes a backup into a directory of its own, or goes on with an interrupted one
backup list <directory>    lists the backups in a directory
backup verify <directory>  reads every byte of a backup; exit status 1 if anything is wrong

Each partition's part is the partition at one moment after it was asked for, deletions included; the moments of different
partitions differ, and the manifest says when they were. "flare restore --backup <directory>" restores it.

With --archive, the directories in which nodes keep their change logs (log-archive of flared), list says which times can be
restored with "flare restore --backup <directory> --archive <directory> --at <time>", and verify reads the archives, too.`;

const listColumns = [
  { title: "backup", align: "left" },
  { title: "state", align: "left" },
  { title: "begun", align: "left" },
  { title: "partitions", align: "right" },
  { title: "items", align: "right" },
  { title: "deletions", align: "right" },
  { title: "bytes", align: "right" },
] as const;
const timeColumns = [
  { title: "restorable from", align: "left" },
  { title: "to", align: "left" },
] as const;

interface BackupFlags {
  readonly bwlimit?: string;
  readonly archive?: string[];
}

/** The verb. */
export function backupCommand(): Command {
  const command = addTableOptions(createVerb("backup", "take a backup of the cluster, list backups, verify one"))
    .argument("<what...>", "list or verify, and a directory")
    .usage("[options] [list|verify] <directory>")
    .option("--bwlimit <bytes>", "bytes per second of each node, such as 65536 or 64k")
    .option("--archive <directory...>", "archived change logs, for list and verify")
    .addHelpText("after", help);
  return command.action((words: string[], { bwlimit, archive }: BackupFlags) => {
    const isJson = command.getOptionValue("outputFormat") === "json";
    const [first = "", second, ...rest] = words;
    if (second === undefined && archive !== undefined)
      throw new FlareError("INVALID_OPTION", 'option "archive" is for "backup list" and "backup verify"');
    if (second === undefined) return take(command, first, bandwidthOption(bwlimit), isJson);
    if (rest.length === 0 && first === "list") return list(second, archive, isJson);
    if (rest.length === 0 && first === "verify") return verify(second, archive, isJson);
    throw new FlareError("INVALID_OPTION", `"${words.join(" ")}" is not a directory, or "list" or "verify" and a directory`);
  });
}

function take(command: Command, path: string, bytesPerSecond: number, isJson: boolean): Promise<void> {
  return withAdmin(command, async (admin) => {
    const directory = await BackupDirectory.open(path);
    try {
      const { map, partitionCountMax } = await admin.view();
      const masters = buildPartitionMap(map, partitionCountMax).active.flatMap(({ master }) => master?.key ?? []);
      const total = await itemsOf(admin, masters);
      const progress = new ProgressLine();
      const startedMs = performance.now();
      let done = 0;
      const manifest = await takeBackup(admin, directory, {
        bytesPerSecond,
        onRecords(count) {
          done += count;
          progress.show(() => streamProgressText("items", done, total, performance.now() - startedMs));
        },
        onProgress: (line) => progress.say(line),
      });
      progress.say(streamProgressText("items", done, undefined, performance.now() - startedMs));
      if (isJson) await printJson(manifest);
      else await printLines([summaryOf(path, manifest)]);
    } finally {
      await directory.close();
    }
  });
}

function summaryOf(path: string, manifest: BackupManifest): string {
  const { items, deletions, bytes } = totals(manifest);
  const { partitions } = manifest.partitioning;
  return `"${path}" is complete: ${partitions} partition(s), ${items} items, ${deletions} deletions, ${bytes} bytes`;
}

async function list(path: string, archives: readonly string[] | undefined, isJson: boolean): Promise<void> {
  const found = await findBackups(path);
  if (archives === undefined) {
    if (isJson) return printJson(found);
    return printLines(formatTable(listColumns, found.map(rowOf), tableStyle()));
  }
  const index = await ArchiveIndex.open(detectRuntime().files, archives);
  const backups = found.map((backup) => {
    const times = backup.state === "complete" && backup.manifest ? restorableTimes(index, backup.manifest) : undefined;
    return { ...backup, restorable: times };
  });
  if (isJson) return printJson(backups);
  const rows = backups.map((backup) => [...rowOf(backup), ...timesOf(backup.restorable)]);
  await printLines(formatTable([...listColumns, ...timeColumns], rows, tableStyle()));
}

function timesOf(times: RestorableTimes | undefined): [string, string] {
  return times === undefined ? ["none", ""] : [utcText(times.first), utcText(times.last)];
}

function rowOf({ path, state, manifest }: BackupState & { readonly path: string }): string[] {
  if (manifest === undefined) return [path, state, "", "", "", "", ""];
  const { items, deletions, bytes } = totals(manifest);
  const begun = new Date(manifest.begunMs).toISOString();
  const partitions = `${manifest.files.length}/${manifest.partitioning.partitions}`;
  return [path, state, begun, partitions, String(items), String(deletions), String(bytes)];
}

async function verify(path: string, archives: readonly string[] | undefined, isJson: boolean): Promise<void> {
  const manifest = await completeBackup(path);
  const problems = await problemsOf(path, manifest);
  const archive = archives === undefined ? undefined : await verifyArchive(archives, manifest);
  if (isJson) await printJson({ path, problems, ...(archive === undefined ? {} : { archive }) });
  else {
    await printLines(problems.length === 0 ? [summaryOf(path, manifest)] : problems.map(problemLine));
    if (archive !== undefined) await printLines(archiveLines(archive));
  }
  if (problems.length > 0 || (archive?.problems.length ?? 0) > 0) process.exitCode = ExitStatus.failed;
}

/** What is known about archives. */
interface ArchiveReport {
  readonly restorable: RestorableTimes | undefined;
  readonly problems: readonly ArchiveProblem[];
}

/** Reads all of some archives. @throws FlareError REFUSED | IO_ERROR */
async function verifyArchive(archives: readonly string[], manifest: BackupManifest): Promise<ArchiveReport> {
  const { files } = detectRuntime();
  const index = await ArchiveIndex.open(files, archives);
  const progress = new ProgressLine();
  let parts = 0;
  const problems = await archiveProblems(files, index, () => {
    parts++;
    progress.show(() => `${parts} archived parts verified`);
  });
  return { restorable: restorableTimes(index, manifest), problems };
}

function archiveLines({ restorable, problems }: ArchiveReport): string[] {
  const [first, last] = timesOf(restorable);
  const times = restorable === undefined ? "no time can be restored" : `from ${first} to ${last} can be restored`;
  return [...problems.map(({ problem }) => problem), `with the archive, ${times}`];
}

/** A damaged file of a backup. */
export interface BackupProblem {
  readonly file: string;
  readonly problem: string;
}

/** Reads all files of a backup. @throws FlareError IO_ERROR */
export async function problemsOf(path: string, manifest: BackupManifest): Promise<BackupProblem[]> {
  const progress = new ProgressLine();
  const { bytes: total } = totals(manifest);
  let bytes = 0;
  const problems: BackupProblem[] = [];
  for (const file of manifest.files) {
    const problem = await problemOf(path, file, (count) => {
      bytes += count;
      progress.show(() => `${bytes} of ${total} bytes verified`);
    });
    if (problem !== undefined) problems.push({ file: file.name, problem });
  }
  return problems;
}

/** A damaged file as one line. */
export function problemLine({ file, problem }: BackupProblem): string {
  return `"${file}" ${problem}`;
}
