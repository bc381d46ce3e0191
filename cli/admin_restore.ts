/** The verb restore: sets the items of a dump, or of a backup that is verified first. */

import { createReadStream, statSync } from "node:fs";
import process from "node:process";
import { type Command, Option } from "commander";
import { totals } from "../lib/admin/backup/manifest.ts";
import { DumpFormat, encodeKeys, keyWord } from "../lib/admin/dump_format.ts";
import { activeNode } from "../lib/admin/node_report.ts";
import { parseNodeKey } from "../lib/admin/node_targets.ts";
import { streamProgressText } from "../lib/admin/progress_text.ts";
import { checkDump, type RestoredItem, type RestoreOptions, restoreItems } from "../lib/admin/restore.ts";
import { FlareError } from "../lib/base/errors.ts";
import { problemLine, problemsOf } from "./admin_backup.ts";
import { addTableOptions, bandwidthOption, createVerb, withAdmin } from "./admin_connection.ts";
import { formatHelp, formatOption, knownFormat } from "./admin_data.ts";
import { backupChunks, completeBackup } from "./backup_directory.ts";
import { ExitStatus } from "./main.ts";
import { ProgressLine, printJson, writeOut } from "./output.ts";

const reasonsShownMax = 10;

interface RestoreFlags {
  readonly input?: string;
  readonly backup?: string;
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

/** The verb. */
export function restoreCommand(): Command {
  const command = addTableOptions(createVerb("restore", "set the items of a dump or a backup", { lettersTaken: ["i"] }))
    .argument("[host:port]", "any node of the cluster; default: one from the node map")
    .option("-i, --input <path>", "the file to read; default: stdin")
    .addOption(new Option("--backup <directory>", "the backup to read").conflicts(["input", "acceptIncomplete"]))
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
      const { inputs, total } =
        flags.backup === undefined ? await checkedInput(flags.input, options) : await checkedBackup(flags.backup);
      const client = admin.client(node === undefined ? activeNode(await admin.nodeMap()) : parseNodeKey(node));
      const progress = new ProgressLine();
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
      const restoreAll = async (input: Input): Promise<void> => {
        for await (const items of restoreItems(admin.runtime, client, input.chunks(), options)) {
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
        for (const input of inputs) await withHint(() => restoreAll(input));
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
  readonly inputs: readonly Input[];
  readonly total: number | undefined;
}

/** A file or stdin. Nothing is stored from an incomplete file; a stream is known only at its end. @throws FlareError */
async function checkedInput(path: string | undefined, options: RestoreOptions): Promise<Restorable> {
  const input = openInput(path);
  const isChecked = input.isFile && options.acceptIncomplete !== true;
  return { inputs: [input], total: isChecked ? await withHint(() => checkDump(input.chunks(), options.format)) : undefined };
}

/** A complete backup. @throws FlareError REFUSED | CORRUPT naming every damaged file */
async function checkedBackup(path: string): Promise<Restorable> {
  const manifest = await completeBackup(path);
  const problems = await problemsOf(path, manifest);
  if (problems.length > 0) throw new FlareError("CORRUPT", `"${path}": ${problems.map(problemLine).join("; ")}`);
  const { items, deletions } = totals(manifest);
  return {
    inputs: manifest.files.map((file) => ({ isFile: true, chunks: () => backupChunks(path, file) })),
    total: items + deletions,
  };
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
