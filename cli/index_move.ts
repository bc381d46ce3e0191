/** `flare index move`: moves the node map of a cluster that serves from where it is to another place. */

import process from "node:process";
import type { Command } from "commander";
import { FlareError } from "../lib/base/errors.ts";
import { decodeStoredMap } from "../lib/cluster/stored_map.ts";
import { chooseCoordinator } from "../lib/index_server/coordinator_choice.ts";
import { MOVE_WORD } from "../lib/index_server/index_commands.ts";
import { indexServerOptions } from "../lib/index_server/index_options.ts";
import { type MoveSource, moveMap } from "../lib/index_server/map_move.ts";
import { type ClusterAdmin, detectRuntime } from "../mod.ts";
import { withAdmin } from "./admin_connection.ts";
import { confirm, processTerminal } from "./confirmation.ts";
import { printLines } from "./output.ts";

/** The options for the place that a map goes to, named as those of flarei. */
export const PLACE_FIELDS = ["indexDbAuthFile", "indexDbCaCert", "indexDbCert", "indexDbKey"] as const;

export interface MoveFlags extends Partial<Readonly<Record<(typeof PLACE_FIELDS)[number], string>>> {
  readonly to?: string;
  readonly yes?: true;
}

/** Moves the map to `--to`. @throws FlareError */
export async function moveIndex(command: Command, flags: MoveFlags): Promise<void> {
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
