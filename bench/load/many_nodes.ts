/**
 * What it costs an index server to watch many nodes: its CPU time with monitoring alone, with the collector of the page while
 * nobody looks and while somebody does, and how long a scrape and a picture take meanwhile. The nodes are played by one other
 * process; the index server is real, with a connection to each of them.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { encodeFlareXml } from "../../lib/cluster/flare_xml.ts";
import { createNode, NodeRole, NodeState } from "../../lib/cluster/node.ts";
import { createNodeMap, type NodeMap } from "../../lib/cluster/node_map.ts";
import type { Effort } from "./cluster_load.ts";
import { median } from "./report.ts";
import { freePort, runtimeCommand, type ServerProcess, startDaemon } from "./server_process.ts";

const HOST = "127.0.0.1";
const NODES = 1000;
const PER_PARTITION = 2;
/** Long enough for the map to have reached all nodes, and for some rounds. */
const SETTLE_MS = 20_000;
const SECONDS_MIN = 20;
const TICKS_PER_SECOND = 100;
const ANSWERS = 20;
/** Answers before those that count: what is scraped for hours has been compiled. */
const WARM_UP = 100;

/** Starts the nodes and the index server, and prints what that takes. */
export async function measureManyNodes({ rounds, seconds }: Effort): Promise<void> {
  console.log(`\n${NODES} nodes, watched by an index server`);
  const [program = "node", ...args] = runtimeCommand("node") ?? [];
  const file = fileURLToPath(new URL("played_nodes.ts", import.meta.url));
  const child = spawn(program, [...args, "--import", "tsx", file, String(NODES)], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const ports = await new Promise<number[]>((resolve, reject) => {
      child.once("exit", () => reject(new Error("the played nodes ended")));
      createInterface({ input: child.stdout }).once("line", (line) => resolve(JSON.parse(line) as number[]));
    });
    const span = Math.max(SECONDS_MIN, seconds);
    await withIndex(mapOf(ports), 0, (index) => report("monitoring alone", index, span));
    const http = await freePort();
    await withIndex(mapOf(ports), http, async (index) => {
      await report("with http-port, nobody looks", index, span);
      const stream = get({ host: HOST, port: http, path: "/api/stream" }, (response) => response.resume());
      await report("with http-port, the page is open", index, span);
      stream.destroy();
      for (const path of ["/metrics", "/api/cluster", "/api/history"]) await time(path, http, index, ANSWERS * rounds);
    });
  } finally {
    child.kill("SIGKILL");
  }
}

function mapOf(ports: readonly number[]): NodeMap {
  const nodes = ports.map((port, number) =>
    createNode({
      host: HOST,
      port,
      role: number % PER_PARTITION === 0 ? NodeRole.master : NodeRole.slave,
      state: NodeState.active,
      partition: Math.floor(number / PER_PARTITION),
      balance: 1,
      threadType: 16 + number,
    }),
  );
  return createNodeMap(NODES, nodes, 16 + NODES);
}

/** Runs an index server on a map of its own, long enough to have told all nodes, and does something with it. */
async function withIndex(map: NodeMap, httpPort: number, work: (index: ServerProcess) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "flare-bench-"));
  writeFileSync(join(directory, "flare.xml"), encodeFlareXml(map));
  const http = httpPort === 0 ? [] : ["--http-port", String(httpPort)];
  const index = await startDaemon("flarei", "--index-db", `file://${directory}`, ...http);
  try {
    await pause(SETTLE_MS);
    await work(index);
  } finally {
    await index.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Prints how much of a core a server takes, and its memory. */
async function report(what: string, { pid }: ServerProcess, seconds: number): Promise<void> {
  const before = cpuSeconds(pid);
  const startMs = performance.now();
  await pause(seconds * 1000);
  const share = (cpuSeconds(pid) - before) / ((performance.now() - startMs) / 1000);
  const [, kibibytes = ""] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  console.log(`  ${what.padEnd(34)}${(100 * share).toFixed(1).padStart(6)} % of a core, ${Number(kibibytes) >> 10} MiB`);
}

function cpuSeconds(pid: number): number {
  // Behind the name, which may have spaces: user and system time are the 14th and 15th field.
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Prints how long the answers of a path take, as a client sees it, and how much CPU time of the server each of them. */
async function time(path: string, port: number, { pid }: ServerProcess, times: number): Promise<void> {
  const durations: number[] = [];
  let bytes = 0;
  let before = cpuSeconds(pid);
  for (let i = -WARM_UP; i < times; i++) {
    if (i === 0) before = cpuSeconds(pid);
    const startMs = performance.now();
    const response = await fetch(`http://${HOST}:${port}${path}`);
    bytes = (await response.arrayBuffer()).byteLength;
    if (i >= 0) durations.push(performance.now() - startMs);
    if (response.status !== 200) throw new Error(`${path} answers ${response.status}`);
  }
  const cpuMs = (1000 * (cpuSeconds(pid) - before)) / times;
  const worst = Math.max(...durations).toFixed(1);
  console.log(
    `  ${path.padEnd(34)}${median(durations).toFixed(1).padStart(6)} ms, at most ${worst} ms, ` +
      `${cpuMs.toFixed(1)} ms of CPU time, ${bytes >> 10} KiB`,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
