/** `flare watch`: what happens in a cluster, line by line, until it is interrupted. */

import process from "node:process";
import type { Command } from "commander";
import type { WatchEvent } from "../lib/admin/watch_event.ts";
import { LogWatch } from "../lib/admin/watch_logs.ts";
import { watchIndexServers, watchMap } from "../lib/admin/watch_map.ts";
import { FlareError } from "../lib/base/errors.ts";
import { escapeControls } from "../lib/base/escape_controls.ts";
import { WatchKind } from "../lib/node_server/stats/watchers.ts";
import { addTableOptions, createVerb, secondsOption, withAdmin } from "./admin_connection.ts";
import { paintFor } from "./colours.ts";
import { printLines } from "./output.ts";

const logKinds = Object.keys(WatchKind);

const help = `
Prints every change of the node map as the servers' logs have it, with who made it, and which index server leads. With --log
also what memcached's "watch" says of each node: ${logKinds.join(", ")}; sysevents if nothing is named.
Where something is not seen (a server does not answer, several changes came between two looks), a line beginning with "gap" says
so. It goes on until it is interrupted; -o json prints one line of JSON for each event.`;

/** The verb. */
export function watchCommand(): Command {
  const command = addTableOptions(createVerb("watch", "print what happens in the cluster, until interrupted"))
    .option("--log [kinds]", "also the event logs of all nodes: kinds of memcached's watch, separated by commas")
    .option("-w, --wait <seconds>", "pause between two looks at the node map", "1")
    .addHelpText("after", help);
  return command.action((flags: { log?: string | true; wait: string; outputFormat: string }) =>
    withAdmin(command, async (admin) => {
      const kinds = logKindsOption(flags.log);
      const intervalMs = secondsOption("wait", flags.wait, 1);
      const { clock } = admin.runtime;
      const lineOf = flags.outputFormat === "json" ? jsonLine : textLine;
      const emit = (event: Omit<WatchEvent, "atMs">) => printLines([lineOf({ ...event, atMs: clock.nowMs() })]);
      // Nobody aborts it: the process ends by a signal, or with its reader.
      const target = { emit, signal: new AbortController().signal, intervalMs };
      const logs = new LogWatch(admin, kinds, target);
      let isFirst = true;
      const map = watchMap(admin, {
        ...target,
        onMap({ nodes, version }) {
          if (isFirst) process.stderr.write(`watching ${admin.index.server}: node map ${version}, ${nodes.length} nodes\n`);
          isFirst = false;
          if (kinds.length > 0) logs.follow(nodes.map(({ key }) => key));
        },
      });
      await Promise.race([map, watchIndexServers(admin, target), logs.failed]);
    }),
  );
}

function logKindsOption(text: string | true | undefined): readonly string[] {
  if (text === undefined) return [];
  if (text === true) return ["sysevents"];
  const kinds = text.split(",").map((kind) => kind.trim());
  const unknown = kinds.find((kind) => !logKinds.includes(kind));
  if (unknown === undefined) return kinds;
  throw new FlareError("INVALID_OPTION", `option "log": "${unknown}" is not one of ${logKinds.join(", ")}`);
}

function textLine({ atMs, kind, server, text: what, cause }: WatchEvent): string {
  const paint = paintFor();
  const text = cause === undefined ? what : `${what}; ${escapeControls(cause)}`;
  const time = new Date(atMs).toISOString();
  if (kind === "log") return `${time} ${server} ${escapeControls(text)}`;
  if (kind === "gap" || kind === "lost") return `${time} ${paint(kind === "gap" ? `gap: ${text}` : text, "bad")}`;
  return `${time} ${kind === "back" || kind === "promoted" ? paint(text, "good") : text}`;
}

function jsonLine({ atMs, kind, server, text, cause }: WatchEvent): string {
  return JSON.stringify({ at: new Date(atMs).toISOString(), kind, server: server ?? null, text, cause: cause ?? null });
}
