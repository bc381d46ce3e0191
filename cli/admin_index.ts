/**
 * The verb index: prints a `flare.xml` rebuilt from a server's map, shows the history of the stored map, writes the stored map
 * to a file, replaces it by one from a file, and moves it to another place.
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
import { decodeStoredMap, encodeStoredMap, markText } from "../lib/cluster/stored_map.ts";
import type { RestoredMap } from "../lib/index_server/coordinator.ts";
import { chooseCoordinator } from "../lib/index_server/coordinator_choice.ts";
import { FileCoordinator } from "../lib/index_server/file_coordinator.ts";
import { IMPORT_WORD, MOVE_WORD, OLDER_WORD } from "../lib/index_server/index_commands.ts";
import { indexServerOptions } from "../lib/index_server/index_options.ts";
import { type MoveSource, moveMap } from "../lib/index_server/map_move.ts";
import { type ClusterAdmin, detectRuntime } from "../mod.ts";
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

index move --to <url>   takes the map from where it is (a file, etcd, ZooKeeper) to another place, while the cluster serves.
                        Asks. Until an index server is started on the other place nobody can change the map, and no node takes
                        over for a failed one. Interrupted, it goes on when it is run again

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
  readonly to?: string;
  readonly indexDbAuthFile?: string;
  readonly indexDbCaCert?: string;
  readonly indexDbCert?: string;
  readonly indexDbKey?: string;
  readonly outputFormat: "table" | "json";
}

interface Action {
  /** The options that are for it. */
  readonly options: readonly (keyof IndexFlags)[];
  /** It takes a file. */
  readonly hasFile: boolean;
  run(command: Command, flags: IndexFlags, file: string): Promise<void>;
}

/** The options for the place that a map goes to, named as those of flarei. */
const PLACE_FIELDS = ["indexDbAuthFile", "indexDbCaCert", "indexDbCert", "indexDbKey"] as const;

/** What can follow `index`; "" = nothing. */
const ACTIONS: Readonly<Record<string, Action>> = {
  "": { options: ["output", "increment"], hasFile: false, run: rebuild },
  history: { options: ["count"], hasFile: false, run: showHistory },
  export: { options: ["dataDir"], hasFile: true, run: exportMap },
  move: { options: ["to", "yes", ...PLACE_FIELDS], hasFile: false, run: move },
  import: { options: ["dataDir", "dryRun", "yes", "unsafe"], hasFile: true, run: importFile },
};

const OPTION_NAMES = {
  ...{ output: "output", increment: "increment", count: "count", dataDir: "data-dir" },
  ...{ dryRun: "dry-run", yes: "yes", unsafe: "unsafe", to: "to", indexDbAuthFile: "index-db-auth-file" },
  ...{ indexDbCaCert: "index-db-ca-cert", indexDbCert: "index-db-cert", indexDbKey: "index-db-key" },
} as const;

/** The verb. */
export function indexCommand(): Command {
  const command = addTableOptions(
    createVerb("index", "print the node map as a flare.xml, show its history, export, import, move it"),
  )
    .argument("[what...]", "history, move, or export or import and a file")
    .usage("[options] [history|export <file>|import <file>|move]")
    .option("--output <path>", "write the flare.xml to a file instead of stdout")
    .option("--increment <n>", "increase the version of its node map by this (default 0)")
    .option("--count <n>", `how many maps of the history (default ${HISTORY_MAX}, which is all)`)
    .option("--data-dir <path>", "the directory of an index server that does not run, for export and import")
    .option("-n, --dry-run", "show what an import would change and change nothing")
    .option("-y, --yes", "import or move without asking")
    .option("--unsafe", "import a map that is older than the one it replaces, or when that one is lost")
    .option("--to <url>", "where to move the map: file://DIR, etcd[s]://HOSTS/KEY or zookeeper[s]://HOSTS/CLUSTER")
    .option("--index-db-auth-file <path>", "file with the user:password for that etcd or ZooKeeper")
    .option("--index-db-ca-cert <path>", "PEM file of the CAs of its certificates; default: the runtime's CAs")
    .option("--index-db-cert <path>", "PEM file of the client certificate for it")
    .option("--index-db-key <path>", "PEM file of the private key of --index-db-cert")
    .addHelpText("after", help);
  return command.action((words: string[], flags: IndexFlags) => {
    const [what = "", file, ...rest] = words;
    const action = Object.hasOwn(ACTIONS, what) ? ACTIONS[what] : undefined;
    if (action === undefined || rest.length > 0 || (file !== undefined) !== action.hasFile) {
      const text = `"${words.join(" ")}" is not "history", "move", or "export" or "import" and a file`;
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
  return withDirectory(dataDir, async (coordinator, found) => {
    const { map: current, term, token, lost } = found;
    const moved = markText(found);
    if (moved !== undefined) throw new FlareError("REFUSED", moved);
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

async function move(command: Command, flags: IndexFlags): Promise<void> {
  const { to, yes, indexDbAuthFile = "", indexDbCaCert = "", indexDbCert = "", indexDbKey = "" } = flags;
  if (to === undefined || to.startsWith("memory:")) throw new FlareError("INVALID_OPTION", 'option "to" must name a place');
  const runtime = detectRuntime({ programName: "flare", logLevel: "warning" });
  const place = { indexDb: to, indexDbAuthFile, indexDbCaCert, indexDbCert, indexDbKey };
  // It is no index server: it has no data directory, and lists itself nowhere.
  const settings = indexServerOptions({ ...place, dataDir: ".", serverPort: 0 });
  const target = await chooseCoordinator(runtime, settings, false);
  await withAdmin(command, async (admin) => {
    const source = await sourceOf(admin);
    const { map, mark } = await source.stored();
    if (!yes) {
      const lines = [
        `the node map, version ${map.version} with ${map.nodes.length} nodes, goes from "${source.place}" to "${target.place}"`,
        "warning: until an index server is started there, nobody changes the map, and no node takes over for a failed one",
        "warning: C++ index servers do not know that it has gone, and would go on with it: stop them first",
      ];
      for (const line of lines) process.stderr.write(`${line}\n`);
      await confirm(mark === undefined ? "Move it?" : "Go on with the move?", processTerminal, "--yes");
    }
    await target.open();
    try {
      const onStep = (text: string) => void process.stderr.write(`${text}\n`);
      await moveMap(source, target, { nowMs: Date.now, onStep });
    } finally {
      await target.close();
    }
    await printLines([`the node map is in "${target.place}": restart every index server with --index-db ${to}`]);
  });
}

/** The place where the cluster's map is. */
async function sourceOf(admin: ClusterAdmin): Promise<MoveSource> {
  const reports = await admin.indexReports();
  const place = (reports.find(({ leads }) => leads === true) ?? reports.find((report) => report.place !== undefined))?.place;
  if (place === undefined) {
    const silence = reports.find((report) => report.silence !== undefined)?.silence;
    throw new FlareError("REFUSED", `no index server says where its node map is${silence === undefined ? "" : `: ${silence}`}`);
  }
  return {
    place,
    stored: async () => decodeStoredMap(await admin.storedMap()),
    leave: (to) => admin.changeMap(`index ${MOVE_WORD} ${to}`),
  };
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
