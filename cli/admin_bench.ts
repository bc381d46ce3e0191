/** `flare bench`: puts load on a cluster, or on any memcached, and measures it. */

import process from "node:process";
import type { Command } from "commander";
import type { ClusterAdmin } from "../lib/admin/cluster_admin.ts";
import { LOAD_DEFAULTS, LOAD_PREFIX, type LoadOptions } from "../lib/admin/load/load_options.ts";
import { loadLines, loadRecord } from "../lib/admin/load/load_text.ts";
import { runLoad } from "../lib/admin/load/run_load.ts";
import { addressOf, parseAddress } from "../lib/admin/node_targets.ts";
import { FlareError } from "../lib/base/errors.ts";
import type { HostPort } from "../lib/base/host_port.ts";
import { NodeRole, NodeState } from "../lib/cluster/node.ts";
import { addTableOptions, countOption, createVerb, secondsOption, withAdmin } from "./admin_connection.ts";
import { ExitStatus } from "./main.ts";
import { printJson, printLines } from "./output.ts";

const help = `
Stores all keys, lets connections get and set random ones, each with the same number of requests under way all the time, checks
every byte of every reply, and removes the keys, also after Ctrl-C. All keys begin with "${LOAD_PREFIX}"; no others are
touched. If it is killed, they expire within about an hour, or: flare delete --prefix ${LOAD_PREFIX}

Connections are spread over all masters and slaves, or over what --node names, which may be memcached, too. With --pids, process
ids of servers on this machine, it shows their CPU time per request: the figure to size a machine by, also where this program is
the limit, which it says.

Exit status: 0 every reply was right, 1 not, or no server answered, 2 wrong options.`;

interface BenchFlags {
  readonly node?: string;
  readonly connections: string;
  readonly depth: string;
  readonly valueSize: string;
  readonly getPercent: string;
  readonly keysPerGet: string;
  readonly keys: string;
  readonly duration: string;
  readonly warmUp: string;
  readonly prefix?: string;
  readonly pids?: string;
  readonly outputFormat: "table" | "json";
}

/** The verb. */
export function benchCommand(): Command {
  const { connections, depth, valueBytes, getPercent, keysPerGet, keys, durationMs, warmUpMs } = LOAD_DEFAULTS;
  const command = addTableOptions(createVerb("bench", "put load on the cluster and measure it, to size a machine"))
    .option("--node <host:port,...>", "only these servers; no index server is asked")
    .option("-c, --connections <n>", "how many connections", String(connections))
    .option("--depth <n>", "requests under way on each connection", String(depth))
    .option("--value-size <bytes>", "size of a value", String(valueBytes))
    .option("--get-percent <n>", "share of gets, the others are sets", String(getPercent))
    .option("--keys-per-get <n>", "keys of one get", String(keysPerGet))
    .option("--keys <n>", "how many keys there are", String(keys))
    .option("--duration <seconds>", "how long is measured", String(durationMs / 1000))
    .option("--warm-up <seconds>", "how long the load runs before", String(warmUpMs / 1000))
    .option("--prefix <text>", `what the keys begin with (default ${LOAD_PREFIX} and a random number)`)
    .option("--pids <pid,...>", "servers of this machine whose CPU time is measured")
    .addHelpText("after", help);
  return command.action((flags: BenchFlags) =>
    withAdmin(command, async (admin) => {
      const options = await loadOptions(admin, flags);
      const stop = new AbortController();
      // The second one ends the program at once.
      process.once("SIGINT", () => stop.abort());
      const onProgress = (text: string) => void process.stderr.write(`${text}\n`);
      const result = await runLoad(admin.runtime, options, admin.connection, { signal: stop.signal, onProgress });
      if (result.wrong > 0 || result.errors > 0 || result.requests === 0) process.exitCode = ExitStatus.failed;
      if (flags.outputFormat === "json") await printJson(loadRecord(options, result));
      else await printLines(loadLines(options, result));
    }),
  );
}

async function loadOptions(admin: ClusterAdmin, flags: BenchFlags): Promise<LoadOptions> {
  return {
    prefix: flags.prefix ?? `${LOAD_PREFIX}${admin.runtime.random.uint32().toString(16).padStart(8, "0")}:`,
    connections: countOption("connections", flags.connections, 1, 1),
    depth: countOption("depth", flags.depth, 1, 1),
    valueBytes: countOption("value-size", flags.valueSize, 0),
    getPercent: countOption("get-percent", flags.getPercent, 0),
    keysPerGet: countOption("keys-per-get", flags.keysPerGet, 1, 1),
    keys: countOption("keys", flags.keys, 1, 1),
    durationMs: secondsOption("duration", flags.duration, 1),
    warmUpMs: secondsOption("warm-up", flags.warmUp, 0),
    pids: (flags.pids?.split(",") ?? []).map((pid) => countOption("pids", pid.trim(), 0, 1)),
    servers:
      flags.node === undefined ? await clusterServers(admin) : flags.node.split(",").map((name) => parseAddress(name.trim())),
  };
}

/** The nodes that serve: those with data. @throws FlareError REFUSED if there is none */
async function clusterServers(admin: ClusterAdmin): Promise<HostPort[]> {
  const { nodes } = await admin.nodeMap();
  const serving = nodes.filter(({ role, state }) => role !== NodeRole.proxy && state === NodeState.active);
  if (serving.length === 0) throw new FlareError("REFUSED", "the cluster has no active master or slave");
  return serving.map(({ key }) => addressOf(key));
}
