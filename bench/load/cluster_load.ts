/**
 * What a cluster adds to a request: the same master asked through a proxy node, and a master with a slave, written to
 * asynchronously and synchronously, beside one without. Every server is a process of its own under Node; the CPU time of all of
 * them counts.
 */

import type { Load, LoadGenerator, Measurement, Target } from "./load_generator.ts";
import { heading, medians, spread } from "./report.ts";
import { runtimeCommand, type ServerProcess, startDaemon, startFlare } from "./server_process.ts";

const STATE_MS = 20000;
const POLL_MS = 20;

const GET: Load = { depth: 1, keysPerGet: 1, getPercent: 100 };
const SET: Load = { depth: 1, keysPerGet: 1, getPercent: 0 };
const DEPTHS = [1, 16];

interface Case {
  readonly name: string;
  readonly target: Target;
  readonly load: Load;
}

/** How often and how long each case is measured. */
export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
}

/** Starts the cluster, measures it case by case in turns and prints the tables. */
export async function measureCluster(generator: LoadGenerator, effort: Effort): Promise<void> {
  const servers: ServerProcess[] = [];
  const start = async (name: "flared" | "flarei", ...args: string[]): Promise<ServerProcess> => {
    const server = await startDaemon(name, ...args);
    servers.push(server);
    return server;
  };
  try {
    const index = await start("flarei", "--monitor-interval", "1");
    const indexServers = ["--index-servers", `127.0.0.1:${index.port}`];
    const master = await start("flared", ...indexServers);
    await index.ask(`node role 127.0.0.1 ${master.port} master 1 0`);
    await stateReached(index, master, "ready", "active");
    await index.ask(`node state 127.0.0.1 ${master.port} active`);
    await stateReached(index, master, "active");
    const proxy = await start("flared", ...indexServers);
    const direct: Target = { port: master.port, pids: [master.pid] };
    const hop: Target = { port: proxy.port, pids: [proxy.pid, master.pid] };
    await generator.fill(direct);
    for (const depth of DEPTHS) {
      for (const [name, load] of [
        ["get", { ...GET, depth }],
        ["set", { ...SET, depth }],
      ] as const) {
        await compare(`one proxy hop, ${depth} at a time`, generator, effort, [
          { name: `${name}, at the master`, target: direct, load },
          { name: `${name}, through the proxy`, target: hop, load },
        ]);
      }
    }

    const slave = await start("flared", ...indexServers);
    await index.ask(`node role 127.0.0.1 ${slave.port} slave 0 0`);
    await stateReached(index, slave, "active");
    const pair: Target = { port: master.port, pids: [master.pid, slave.pid] };
    const single = await startFlare(runtimeCommand("node") ?? ["node"]);
    servers.push(single);
    const alone: Target = { port: single.port, pids: [single.pid] };
    await generator.fill(alone);
    for (const depth of DEPTHS) {
      await compare(`a master with a slave, ${depth} at a time`, generator, effort, [
        { name: "set, alone", target: alone, load: { ...SET, depth } },
        { name: "set, async", target: pair, load: { ...SET, depth, setWord: "async" } },
        { name: "set, sync", target: pair, load: { ...SET, depth, setWord: "sync" } },
      ]);
    }
  } finally {
    for (const server of servers) await server.stop();
  }
}

async function compare(title: string, generator: LoadGenerator, effort: Effort, cases: readonly Case[]): Promise<void> {
  const found: Measurement[][] = cases.map(() => []);
  for (let round = 0; round < effort.rounds; round++) {
    for (const [i, { target, load }] of cases.entries()) found[i]?.push(await generator.measure(target, load, effort.seconds));
  }
  console.log(`\n${title} (CPU of all nodes together)`);
  console.log(heading("ratio to the first line"));
  for (const [i, { name }] of cases.entries()) {
    const own = found[i] ?? [];
    const ratios = own.map(({ serverCpuUs }, round) => serverCpuUs / (found[0]?.[round]?.serverCpuUs ?? Number.NaN));
    console.log(medians(name, own) + spread(ratios));
  }
}

/** Waits until the index server says that a node is in one of the states. */
async function stateReached(index: ServerProcess, node: ServerProcess, ...states: readonly string[]): Promise<void> {
  const deadline = performance.now() + STATE_MS;
  for (;;) {
    const stats = await index.ask("stats nodes");
    if (states.some((state) => stats.includes(`127.0.0.1:${node.port}:state ${state}\r\n`)) && !isProxy(stats, node)) return;
    if (performance.now() > deadline) throw new Error(`node ${node.port} did not become ${states.join(" or ")}:\n${stats}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function isProxy(stats: string, node: ServerProcess): boolean {
  return stats.includes(`127.0.0.1:${node.port}:role proxy\r\n`);
}
