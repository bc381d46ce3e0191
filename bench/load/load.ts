/**
 * The whole server under load, beside memcached and redis on the same machine: operations per second, latency and the
 * server's CPU time per request, the last as a ratio to memcached with one thread. The servers take turns within each
 * round, so that a noisy moment hits them alike; a ratio is taken within a round, and the median of the rounds counts.
 *
 * Then the same requests by the three protocols, a cluster, and an index server that watches many nodes.
 *
 * Arguments: `--rounds N` (default 5), `--seconds S` of each measurement (default 1), `--only part` of the names of loads.
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { measureCluster } from "./cluster_load.ts";
import { type Load, LoadGenerator, type Measurement, type Target } from "./load_generator.ts";
import { measureManyNodes } from "./many_nodes.ts";
import { measureProtocols } from "./protocol_load.ts";
import { heading, median, medians, spread } from "./report.ts";
import {
  type RuntimeName,
  runtimeCommand,
  type ServerProcess,
  startFlare,
  startMemcached,
  startRedis,
} from "./server_process.ts";

/** The loads of a single server, and how much CPU per request the release may use under Node, as a ratio to memcached -t1. */
const LOADS: readonly (Load & { readonly name: string; readonly ratioMax: number })[] = [
  { name: "get, depth 1", depth: 1, keysPerGet: 1, getPercent: 100, ratioMax: 1.7 },
  { name: "get, depth 16", depth: 16, keysPerGet: 1, getPercent: 100, ratioMax: 0.4 },
  { name: "get of 50 keys", depth: 1, keysPerGet: 50, getPercent: 100, ratioMax: 1.2 },
  { name: "set, depth 1", depth: 1, keysPerGet: 1, getPercent: 0, ratioMax: 2.2 },
  { name: "set, depth 16", depth: 16, keysPerGet: 1, getPercent: 0, ratioMax: 2.5 },
];
/** How much more than under Node a request may cost under Bun and Deno. */
const RUNTIME_RATIO_MAX = 1.4;

interface Contender {
  readonly name: string;
  readonly server: ServerProcess;
  readonly target: Target;
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1" },
    only: { type: "string", default: "" },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

const generator = LoadGenerator.build();
const contenders: Contender[] = [];
try {
  const loads = LOADS.filter(({ name }) => name.includes(values.only));
  if (loads.length > 0) await startContenders();
  for (const { target } of contenders) await generator.fill(target);
  for (const load of loads) await compare(load);
  await stopContenders();
  if (values.only === "" || "protocols".includes(values.only)) await measureProtocols(generator, { rounds, seconds });
  if (values.only === "" || "cluster".includes(values.only)) await measureCluster(generator, { rounds, seconds });
  if (values.only === "" || "many nodes".includes(values.only)) await measureManyNodes({ rounds, seconds });
} finally {
  await stopContenders();
  generator.remove();
}
// Whatever keeps the loop alive now is left over from a runtime's sockets.
process.exit(0);

async function startContenders(): Promise<void> {
  const add = (name: string, server: ServerProcess | undefined, speaksRedis = false): void => {
    if (server === undefined) console.log(`left out: ${name} is not installed`);
    else contenders.push({ name, server, target: { port: server.port, pids: [server.pid], speaksRedis } });
  };
  for (const name of ["node", "bun", "deno"] satisfies RuntimeName[]) {
    const runtime = runtimeCommand(name);
    add(`flare, ${name}`, runtime === undefined ? undefined : await startFlare(runtime));
  }
  add("memcached -t1", await startMemcached());
  add("redis, AOF", await startRedis(), true);
}

async function stopContenders(): Promise<void> {
  for (const { server } of contenders.splice(0)) await server.stop();
}

/** Measures one load with all servers in turn, `rounds` times, and prints the table. */
async function compare(load: (typeof LOADS)[number]): Promise<void> {
  const found = new Map<string, Measurement[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, target } of contenders) found.get(name)?.push(await generator.measure(target, load, seconds));
  }
  console.log(`\n${load.name}`);
  console.log(heading("ratio to memcached -t1"));
  const reference = found.get("memcached -t1");
  const ratios = (name: string, to: readonly Measurement[] | undefined): number[] =>
    (found.get(name) ?? []).flatMap(({ serverCpuUs }, round) => {
      const other = to?.[round]?.serverCpuUs;
      return other === undefined ? [] : [serverCpuUs / other];
    });
  for (const [name, measurements] of found) console.log(medians(name, measurements) + spread(ratios(name, reference)));

  const ratio = median(ratios("flare, node", reference));
  if (!Number.isNaN(ratio)) console.log(`bar: node at most ${load.ratioMax} × memcached -t1: ${verdict(ratio, load.ratioMax)}`);
  for (const name of ["flare, bun", "flare, deno"]) {
    const toNode = median(ratios(name, found.get("flare, node")));
    if (!Number.isNaN(toNode)) {
      console.log(`bar: ${name} at most ${RUNTIME_RATIO_MAX} × flare, node: ${verdict(toNode, RUNTIME_RATIO_MAX)}`);
    }
  }
}

function verdict(ratio: number, max: number): string {
  return ratio <= max ? `kept, ${ratio.toFixed(2)}` : `MISSED, ${ratio.toFixed(2)}`;
}
