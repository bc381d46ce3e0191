/** The verb index: prints a `flare.xml` rebuilt from a server's map, and the history of the stored map. */

import type { Command } from "commander";
import { rebuildIndexFile } from "../lib/admin/index_file.ts";
import { historyRecord, historyTable } from "../lib/admin/report_tables.ts";
import { fromLatin1 } from "../lib/base/bytes.ts";
import { FlareError } from "../lib/base/errors.ts";
import { utcText } from "../lib/base/utc_time.ts";
import { HISTORY_MAX } from "../lib/cluster/map_record.ts";
import { addTableOptions, countOption, createVerb, withAdmin } from "./admin_connection.ts";
import { tableStyle } from "./colours.ts";
import { printJson, printLines } from "./output.ts";
import { writeResult } from "./output_file.ts";

const help = `
index          prints a flare.xml, rebuilt from the map of the index server, or of any node if the index server's is lost
index history  lists the last maps that were stored: when, by which index server, what changed, and who or what changed it

Where the map is stored, and which index server leads since when, is in "flare stats --index".`;

interface IndexFlags {
  readonly output?: string;
  readonly increment?: string;
  readonly count?: string;
  readonly outputFormat: "table" | "json";
}

/** The verb. */
export function indexCommand(): Command {
  const command = addTableOptions(createVerb("index", "print the node map as a flare.xml, or its history"))
    .argument("[what...]", "history")
    .usage("[options] [history]")
    .option("--output <path>", "write the flare.xml to a file instead of stdout")
    .option("--increment <n>", "increase the version of its node map by this (default 0)")
    .option("--count <n>", `how many maps of the history (default ${HISTORY_MAX}, which is all)`)
    .addHelpText("after", help);
  return command.action((words: string[], flags: IndexFlags) => {
    const [what, ...rest] = words;
    if (rest.length > 0 || (what !== undefined && what !== "history")) {
      throw new FlareError("INVALID_OPTION", `"${words.join(" ")}" is not "history"`);
    }
    for (const name of what === undefined ? (["count"] as const) : (["output", "increment"] as const)) {
      if (flags[name] === undefined) continue;
      throw new FlareError("INVALID_OPTION", `option "${name}" is not for "${["index", ...words].join(" ")}"`);
    }
    return what === undefined ? rebuild(command, flags) : showHistory(command, flags);
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
