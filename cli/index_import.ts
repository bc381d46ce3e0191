/**
 * `flare index import`: replaces the node map by one from a file, through the index server that leads, or in the directory of
 * one that does not run.
 */

import { readFile } from "node:fs/promises";
import process from "node:process";
import type { Command } from "commander";
import { differences } from "../lib/admin/change.ts";
import { differenceTable } from "../lib/admin/report_tables.ts";
import { latin1 } from "../lib/base/bytes.ts";
import { FlareError } from "../lib/base/errors.ts";
import { eventText, mapEvents } from "../lib/cluster/map_events.ts";
import { importMap, importWarnings } from "../lib/cluster/map_import.ts";
import type { NodeMap } from "../lib/cluster/node_map.ts";
import { decodeStoredMap, markText } from "../lib/cluster/stored_map.ts";
import type { RestoredMap } from "../lib/index_server/coordinator.ts";
import { FileCoordinator } from "../lib/index_server/file_coordinator.ts";
import { IMPORT_WORD, OLDER_WORD } from "../lib/index_server/index_commands.ts";
import { detectRuntime } from "../mod.ts";
import { withAdmin } from "./admin_connection.ts";
import { confirm, processTerminal } from "./confirmation.ts";
import { printLines } from "./output.ts";

export interface ImportFlags {
  readonly dataDir?: string;
  readonly dryRun?: true;
  readonly yes?: true;
  readonly unsafe?: true;
}

/** Imports a file. @throws FlareError */
export async function importFile(command: Command, flags: ImportFlags, file: string): Promise<void> {
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

function importIntoDirectory(dataDir: string, imported: NodeMap, flags: ImportFlags, file: string): Promise<void> {
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

/** Shows what an import changes and asks; false: nothing is to be changed. @throws FlareError REFUSED */
async function isConfirmed(current: NodeMap, imported: NodeMap, { dryRun, yes, unsafe }: ImportFlags): Promise<boolean> {
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
export async function withDirectory(
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
