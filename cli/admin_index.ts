/**
 * The verb index: prints a `flare.xml` rebuilt from a server's map, shows the history of the stored map, and writes it to a
 * file. `index_import.ts` and `index_move.ts` replace and move it.
 */

import type { Command } from "commander";
import { rebuildIndexFile } from "../lib/admin/index_file.ts";
import { historyRecord, historyTable } from "../lib/admin/report_tables.ts";
import { fromLatin1 } from "../lib/base/bytes.ts";
import { FlareError } from "../lib/base/errors.ts";
import { utcText } from "../lib/base/utc_time.ts";
import { HISTORY_MAX } from "../lib/cluster/map_record.ts";
import { encodeStoredMap } from "../lib/cluster/stored_map.ts";
import { addTableOptions, countOption, createVerb, withAdmin } from "./admin_connection.ts";
import { tableStyle } from "./colours.ts";
import { type ImportFlags, importFile, withDirectory } from "./index_import.ts";
import { type MoveFlags, moveIndex, PLACE_FIELDS } from "./index_move.ts";
import { printJson, printLines } from "./output.ts";
import { writeResult } from "./output_file.ts";

const help = `
index                 prints a flare.xml, rebuilt from the map of the index server, or of any node if the index server's is lost
index history         lists the last maps that were stored: when, by which index server, what changed, and who or what did it
index export <file>   writes the stored map to a file, or to stdout (-), exactly as it is stored
index import <file>   replaces the map by one from a file: shows what changes and what may be lost, and asks; no node copies
                      anything because of it. An older map is refused without --unsafe, and so is one that changes meanwhile
index move --to <url> moves the map from where it is (a file, etcd, ZooKeeper) to another place, while the cluster serves, and
                      asks. Until an index server is started on the other place nobody can change the map, and no node takes
                      over for a failed one. Interrupted, it goes on when it is run again

Export and import work with --data-dir, too, on the directory of an index server that does not run.

Where the map is stored, and which index server leads since when, is in "flare stats --index".`;

interface IndexFlags extends ImportFlags, MoveFlags {
  readonly output?: string;
  readonly increment?: string;
  readonly count?: string;
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
  move: { options: ["to", "yes", ...PLACE_FIELDS], hasFile: false, run: moveIndex },
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
