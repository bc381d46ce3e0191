/** The verb backup: takes a backup of the whole cluster into a directory, lists backups, and verifies one. */

import process from "node:process";
import type { Command } from "commander";
import { type BackupManifest, totals } from "../lib/admin/backup/manifest.ts";
import { takeBackup } from "../lib/admin/backup/take_backup.ts";
import { itemsOf } from "../lib/admin/cluster_host.ts";
import { streamProgressText } from "../lib/admin/progress_text.ts";
import { formatTable } from "../lib/admin/text_table.ts";
import { FlareError } from "../lib/base/errors.ts";
import { buildPartitionMap } from "../lib/cluster/partition_map.ts";
import { addTableOptions, bandwidthOption, createVerb, withAdmin } from "./admin_connection.ts";
import { BackupDirectory, type BackupState, completeBackup, findBackups, problemOf } from "./backup_directory.ts";
import { ExitStatus } from "./main.ts";
import { ProgressLine, printJson, printLines } from "./output.ts";

const help = `
backup <directory>         takes a backup into a directory of its own, or goes on with an interrupted one
backup list <directory>    lists the backups in a directory
backup verify <directory>  reads every byte of a backup; exit status 1 if anything is wrong

Each partition's part is the partition at one moment after it was asked for, deletions included; the moments of different
partitions differ, and the manifest says when they were. "flare restore --backup <directory>" restores it.`;

const listColumns = [
  { title: "backup", align: "left" },
  { title: "state", align: "left" },
  { title: "begun", align: "left" },
  { title: "partitions", align: "right" },
  { title: "items", align: "right" },
  { title: "deletions", align: "right" },
  { title: "bytes", align: "right" },
] as const;

/** The verb. */
export function backupCommand(): Command {
  const command = addTableOptions(createVerb("backup", "take a backup of the cluster, list backups, verify one"))
    .argument("<what...>", "list or verify, and a directory")
    .usage("[options] [list|verify] <directory>")
    .option("--bwlimit <bytes>", "bytes per second of each node, such as 65536 or 64k")
    .addHelpText("after", help);
  return command.action((words: string[], flags: { bwlimit?: string }) => {
    const isJson = command.getOptionValue("outputFormat") === "json";
    const [first = "", second, ...rest] = words;
    if (second === undefined) return take(command, first, bandwidthOption(flags.bwlimit), isJson);
    if (rest.length === 0 && first === "list") return list(second, isJson);
    if (rest.length === 0 && first === "verify") return verify(second, isJson);
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

async function list(path: string, isJson: boolean): Promise<void> {
  const backups = await findBackups(path);
  if (isJson) return printJson(backups);
  await printLines(formatTable(listColumns, backups.map(rowOf)));
}

function rowOf({ path, state, manifest }: BackupState & { readonly path: string }): string[] {
  if (manifest === undefined) return [path, state, "", "", "", "", ""];
  const { items, deletions, bytes } = totals(manifest);
  const begun = new Date(manifest.begunMs).toISOString();
  const partitions = `${manifest.files.length}/${manifest.partitioning.partitions}`;
  return [path, state, begun, partitions, String(items), String(deletions), String(bytes)];
}

async function verify(path: string, isJson: boolean): Promise<void> {
  const manifest = await completeBackup(path);
  const problems = await problemsOf(path, manifest);
  if (isJson) await printJson({ path, problems });
  else await printLines(problems.length === 0 ? [summaryOf(path, manifest)] : problems.map(problemLine));
  if (problems.length > 0) process.exitCode = ExitStatus.failed;
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
