/**
 * The verb index: prints a `flare.xml` rebuilt from a server's map, shows the history of the stored map, writes the stored map
 * to a file, and replaces it by one from a file.
 */

import { readFile } from "node:fs/promises";
import process from "node:process";
import type { Command } from "commander";
import { differences } from "../lib/admin/change.ts";
import { rebuildIndexFile } from "../lib/admin/index_file.ts";
import { differenceTable, historyRecord, historyTable } from "../lib/admin/report_tables.ts";
import { fromLatin1, latin1 } from "../lib/base/bytes.ts";
import { FlareError } from "../lib/base/errors.ts";
import { utcText } from "../lib/base/utc_time.ts";
import { eventText, mapEvents } from "../lib/cluster/map_events.ts";
import { importMap, importWarnings } from "../lib/cluster/map_import.ts";
import { HISTORY_MAX } from "../lib/cluster/map_record.ts";
import type { NodeMap } from "../lib/cluster/node_map.ts";
import { decodeStoredMap, encodeStoredMap } from "../lib/cluster/stored_map.ts";
import type { RestoredMap } from "../lib/index_server/coordinator.ts";
import { FileCoordinator } from "../lib/index_server/file_coordinator.ts";
import { IMPORT_WORD, OLDER_WORD } from "../lib/index_server/index_commands.ts";
import { detectRuntime } from "../mod.ts";
import { addTableOptions, countOption, createVerb, withAdmin } from "./admin_connection.ts";
import { tableStyle } from "./colours.ts";
import { confirm, processTerminal } from "./confirmation.ts";
import { printJson, printLines } from "./output.ts";
import { writeResult } from "./output_file.ts";

const help = `
index                 prints a flare.xml, rebuilt from the map of the index server, or of any node if the index server's is lost
index history         lists the last maps that were stored: when, by which index server, what changed, and who or what did it
index export <file>   writes the stored map to a file, or to stdout (-), exactly as it is stored
index import <file>   replaces the map by one from a file: shows what changes and what may be lost, and asks; no node copies
                      anything because of it. An older map is refused without --unsafe, and so is one that changes meanwhile

Export and import work with --data-dir, too, on the directory of an index server that does not run.

Where the map is stored, and which index server leads since when, is in "flare stats --index".`;

interface IndexFlags {
  readonly output?: string;
  readonly increment?: string;
  readonly count?: string;
  readonly dataDir?: string;
  readonly dryRun?: true;
  readonly yes?: true;
  readonly unsafe?: true;
  readonly outputFormat: "table" | "json";
}

interface Action {
  /** The options that are for it. */
  readonly options: readonly (keyof IndexFlags)[];
  /** It takes a file. */
  readonly hasFile: boolean;
  run(command: Command, flags: IndexFlags, file: string): Promise<void>;
}

/** What can follow `index`; "" = nothing. */
const ACTIONS: Readonly<Record<string, Action>> = {
  "": { options: ["output", "increment"], hasFile: false, run: rebuild },
  history: { options: ["count"], hasFile: false, run: showHistory },
  export: { options: ["dataDir"], hasFile: true, run: exportMap },
  import: { options: ["dataDir", "dryRun", "yes", "unsafe"], hasFile: true, run: importFile },
};

const OPTION_NAMES = {
  ...{ output: "output", increment: "increment", count: "count", dataDir: "data-dir" },
  ...{ dryRun: "dry-run", yes: "yes", unsafe: "unsafe" },
} as const;

/** The verb. */
export function indexCommand(): Command {
  const command = addTableOptions(createVerb("index", "print the node map as a flare.xml, show its history, export, import it"))
    .argument("[what...]", "history, or export or import and a file")
    .usage("[options] [history|export <file>|import <file>]")
    .option("--output <path>", "write the flare.xml to a file instead of stdout")
    .option("--increment <n>", "increase the version of its node map by this (default 0)")
    .option("--count <n>", `how many maps of the history (default ${HISTORY_MAX}, which is all)`)
    .option("--data-dir <path>", "the directory of an index server that does not run, for export and import")
    .option("-n, --dry-run", "show what an import would change and change nothing")
    .option("-y, --yes", "import without asking")
    .option("--unsafe", "import a map that is older than the one it replaces, or when that one is lost")
    .addHelpText("after", help);
  return command.action((words: string[], flags: IndexFlags) => {
    const [what = "", file, ...rest] = words;
    const action = Object.hasOwn(ACTIONS, what) ? ACTIONS[what] : undefined;
    if (action === undefined || rest.length > 0 || (file !== undefined) !== action.hasFile) {
      const text = `"${words.join(" ")}" is not "history", or "export" or "import" and a file`;
      throw new FlareError("INVALID_OPTION", text);
    }
    for (const [field, name] of Object.entries(OPTION_NAMES) as [keyof typeof OPTION_NAMES, string][]) {
      if (flags[field] === undefined || action.options.includes(field)) continue;
      throw new FlareError("INVALID_OPTION", `option "${name}" is not for "${`index ${what}`.trimEnd()}"`);
    }
    return action.run(command, flags, file ?? "");
  });
}

function rebuild(command: Command, { output, increment }: IndexFlags): Promise<void> {
  return withAdmin(command, async (admin) => {
    const text = rebuildIndexFile(await admin.nodeMap(), countOption("increment", increment, 0));
    await writeResult(output, (write) => write(fromLatin1(text)));
  });
}

function showHistory(command: Command, { count, outputFormat }: IndexFlags): Promise<void> {
  return withAdmin(command, async (admin) => {
    const records = await admin.mapHistory(countOption("count", count, HISTORY_MAX, 1));
    if (outputFormat === "json") await printJson(records.map((record) => historyRecord(record, utcText)));
    else await printLines(historyTable(records, utcText, tableStyle()));
  });
}

function exportMap(command: Command, { dataDir }: IndexFlags, file: string): Promise<void> {
  const write = (text: string) => writeResult(file, (append) => append(fromLatin1(text)));
  if (dataDir === undefined) return withAdmin(command, async (admin) => write(await admin.storedMap()));
  return withDirectory(dataDir, async (_, { lost, ...stored }) => {
    if (lost !== undefined) throw new FlareError("CORRUPT", lost);
    await write(encodeStoredMap(stored));
  });
}

async function importFile(command: Command, flags: IndexFlags, file: string): Promise<void> {
  const bytes = await readFile(file).catch((cause: Error) => {
    throw new FlareError("IO_ERROR", `"${file}" cannot be read: ${cause.message}`, { cause });
  });
  const text = latin1(bytes);
  const imported = decodeFile(file, text);
  if (flags.dataDir !== undefined) return importIntoDirectory(flags.dataDir, imported, flags, file);
  return withAdmin(command, async (admin) => {
    const current = decodeStoredMap(await admin.storedMap()).map;
    if (!(await isConfirmed(current, imported, flags))) return;
    const words = ["index", IMPORT_WORD, current.version, btoa(text), ...(flags.unsafe ? [OLDER_WORD] : [])];
    const answer = await admin.changeMap(words.join(" "));
    if (answer !== "OK") throw new FlareError("REFUSED", `"${admin.index.server}": ${answer}`);
  });
}

function importIntoDirectory(dataDir: string, imported: NodeMap, flags: IndexFlags, file: string): Promise<void> {
  return withDirectory(dataDir, async (coordinator, { map: current, term, token, lost }) => {
    if (lost !== undefined && !flags.unsafe) throw new FlareError("CORRUPT", `${lost}; or import a map with --unsafe`);
    if (!(await isConfirmed(current, imported, flags))) return;
    const outcome = importMap(current, imported, { seen: current.version, allowsOlder: flags.unsafe === true });
    if (!outcome.ok) throw new FlareError("REFUSED", outcome.error);
    const { map } = outcome;
    const record = {
      ...{ version: map.version, term, atMs: Date.now(), server: "flare index import", cause: `import of "${file}"` },
      events: mapEvents(current, map).map(eventText),
    };
    const stored = await coordinator.store({ map, term }, token, record);
    if (stored === undefined) throw new FlareError("REFUSED", `the node map in "${dataDir}" was changed meanwhile`);
  });
}

function decodeFile(file: string, text: string): NodeMap {
  try {
    return decodeStoredMap(text).map;
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    throw new FlareError("CORRUPT", `"${file}" is no node map: ${error.message}`, { cause: error });
  }
}

/** Shows what an import changes and asks; false: nothing is to be changed. @throws FlareError REFUSED */
async function isConfirmed(current: NodeMap, imported: NodeMap, { dryRun, yes, unsafe }: IndexFlags): Promise<boolean> {
  const outcome = importMap(current, imported, { seen: current.version, allowsOlder: unsafe === true || dryRun === true });
  if (!outcome.ok) throw new FlareError("REFUSED", `${outcome.error}: use --unsafe if it is to be replaced nevertheless`);
  const nodes = differences(current, outcome.map);
  const shown = [
    ...(nodes.length === 0 ? ["no node changes"] : differenceTable(nodes)),
    `the node map gets version ${outcome.map.version}`,
    ...importWarnings(current, imported).map((warning) => `warning: ${warning}`),
  ];
  if (dryRun) {
    await printLines(shown);
    return false;
  }
  if (yes) return true;
  for (const line of shown) process.stderr.write(`${line}\n`);
  await confirm("Replace the node map?", processTerminal, "--yes");
  return true;
}

/** Runs `work` on the map in a directory that no index server uses meanwhile. @throws FlareError DATA_DIR_LOCKED | IO_ERROR */
async function withDirectory(
  path: string,
  work: (coordinator: FileCoordinator, found: RestoredMap) => Promise<void>,
): Promise<void> {
  const coordinator = new FileCoordinator(detectRuntime({ programName: "flare" }), path);
  await coordinator.open();
  try {
    await work(coordinator, await coordinator.restore());
  } finally {
    await coordinator.close();
  }
}
