/** `flare slow` and `flare hot`: the newest slow requests of the nodes, and the keys that they are asked for most. */

import process from "node:process";
import type { Command } from "commander";
import type { ClusterAdmin } from "../lib/admin/cluster_admin.ts";
import { keyWord } from "../lib/admin/dump_format.ts";
import { type Gathered, gather } from "../lib/admin/gather.ts";
import { clusterHot, hotRecord, hotTable } from "../lib/admin/hot_keys.ts";
import { parseNodeKey } from "../lib/admin/node_targets.ts";
import { type ClusterSlowRequest, clusterSlow, slowRecord, slowTable } from "../lib/admin/slow_requests.ts";
import { FlareError } from "../lib/base/errors.ts";
import { NodeState } from "../lib/cluster/node.ts";
import { hotReportOf } from "../lib/stats/hot_stats.ts";
import { slowReportOf } from "../lib/stats/slow_stats.ts";
import { addTableOptions, countOption, createVerb, withAdmin } from "./admin_connection.ts";
import { tableStyle } from "./colours.ts";
import { ExitStatus } from "./main.ts";
import { printJson, printLines } from "./output.ts";

const slowHelp = `
Nodes keep the newest slow-log-size requests that took slow-log-ms or longer. "ms" is the time from the arrival of the request
until its reply was complete, "waited for" where it went: a node that the request was passed on to, storage (the engine),
commit (the change log), replicas, and others; "-": the process was busy with it. "get +3": four requests came together and
took this long together, the last one is shown.`;

const hotHelp = `
Nodes look at one request in a hundred, on average, and forget by half in a minute. Requests of clients count, at the node that
they were sent to. With the name of one node all that it got counts, also what other nodes have passed on. "between": the share
is hardly outside of that.`;

interface Flags {
  readonly count: string;
  readonly outputFormat: "table" | "json";
}

/** The verbs. */
export function requestCommands(): Command[] {
  return [slowCommand(), hotCommand()];
}

function slowCommand(): Command {
  const command = addTableOptions(createVerb("slow", "show the newest requests that took long, and what they waited for"))
    .argument("[host:port...]", "only these nodes")
    .option("-c, --count <n>", "number of requests, at most", "20")
    .addHelpText("after", slowHelp);
  return command.action((names: string[], { count, outputFormat }: Flags) =>
    withAdmin(command, async (admin) => {
      const limit = countOption("count", count, 20, 1);
      const { reports } = await asked(admin, names, "slow", slowReportOf);
      const slow = clusterSlow(reports, limit);
      if (outputFormat === "json") {
        const { entries, ...rest } = slow;
        await printJson({ ...rest, entries: entries.map(recordOf) });
      } else if (slow.entries.length > 0) await printLines(slowTable(slow.entries, tableStyle()));
      else if (slow.nodes.length > 0) process.stderr.write(`${noneText(slow.thresholdMs)}\n`);
      complain(slow);
    }),
  );
}

function hotCommand(): Command {
  const command = addTableOptions(createVerb("hot", "show the keys that are asked for most now, of a sample"))
    .argument("[host:port...]", "only these nodes")
    .option("-c, --count <n>", "number of keys, at most", "20")
    .addHelpText("after", hotHelp);
  return command.action((names: string[], { count, outputFormat }: Flags) =>
    withAdmin(command, async (admin) => {
      const limit = countOption("count", count, 20, 1);
      const { reports, nodes } = await asked(admin, names, "hot", hotReportOf);
      const hot = clusterHot(reports, names.length === 1 || nodes === 1 ? "all" : "clients", limit);
      if (outputFormat === "json") {
        const { keys, ...rest } = hot;
        await printJson({ ...rest, keys: keys.map((key) => hotRecord(key, keyWord)) });
      } else if (hot.keys.length > 0) await printLines(hotTable(hot.keys, tableStyle()));
      else if (hot.nodes.length > 0) process.stderr.write(`flare: no key stands out among ${hot.sampled} samples\n`);
      complain(hot);
    }),
  );
}

function recordOf(entry: ClusterSlowRequest): unknown {
  const { atMs, ...record } = slowRecord(entry, keyWord);
  return { at: new Date(atMs).toISOString(), ...record };
}

/** The reports of some nodes, or of all. @throws FlareError REFUSED for an unknown one */
async function asked<Report>(
  admin: ClusterAdmin,
  names: readonly string[],
  form: string,
  parse: Parameters<typeof gather<Report>>[3],
): Promise<{ reports: Gathered<Report>; nodes: number }> {
  const { nodes } = await admin.nodeMap();
  const keys = names.map(parseNodeKey);
  const unknown = keys.find((key) => !nodes.some((node) => node.key === key));
  if (unknown !== undefined) throw new FlareError("REFUSED", `"${unknown}" is not in the node map`);
  const up = nodes.filter(({ state }) => state !== NodeState.down).map(({ key }) => key);
  return { reports: await gather(admin, keys.length > 0 ? keys : up, form, parse), nodes: nodes.length };
}

function noneText(thresholdMs: number | undefined): string {
  if (thresholdMs === 0) return "flare: slow requests are not looked for: slow-log-ms is 0";
  return `flare: no request was slow${thresholdMs === undefined ? "" : `: none took ${thresholdMs} ms or longer`}`;
}

/** Names the nodes without a report. */
function complain({ unreachable }: Pick<Gathered<unknown>, "unreachable">): void {
  for (const { server, error } of unreachable) process.stderr.write(`flare: nothing from "${server}": ${error}\n`);
  if (unreachable.length > 0) process.exitCode = ExitStatus.failed;
}
