/**
 * A server that survives `kill -9`: the example starts a server in its own process, stores real records in it, kills that
 * process with SIGKILL, starts it again on the same directory and counts the records.
 *
 *   node --import tsx examples/02_persistent_server.ts
 *   deno run --allow-all --unsafe-proto examples/02_persistent_server.ts
 *   bun examples/02_persistent_server.ts
 *
 * (`--unsafe-proto` is for the npm package `memcached`; Flare does without.)
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import Memcached from "memcached";
import { startCluster } from "../mod.ts"; // in a project of your own: from "flare-kv"

// ---- The server process: given a data directory as its argument, this file is the server.

const [dataDirArgument] = process.argv.slice(2);
if (dataDirArgument !== undefined) {
  const cluster = await startCluster({
    dataDir: dataDirArgument,
    port: Number(process.argv[3]),
    indexPort: Number(process.argv[4]),
  });
  console.log(cluster.addresses[0].port, cluster.indexAddress.port);
  await new Promise(() => {}); // Runs until it is killed.
}

/** Starts the server process; resolves to the process and its two ports when it is ready. */
async function startServer(directory: string, ports: readonly string[]) {
  const runtimeArgs = "Deno" in globalThis ? ["run", "--allow-all"] : process.execArgv;
  const args = [...runtimeArgs, fileURLToPath(import.meta.url), directory, ...ports];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface(child.stdout)) return { child, ports: line.split(" ") };
  throw new Error("the server did not start");
}

// ---- Store, kill, start again, check.

/** The packages installed on a Debian system, name and description; invented ones on other systems. */
function records(): [key: string, value: string][] {
  const path = "/var/lib/dpkg/status";
  if (!existsSync(path)) return Array.from({ length: 500 }, (_, i) => [`package-${i}`, `Version: ${i}.0\n`.repeat(20)]);
  const stanzas = readFileSync(path, "utf8").trim().split("\n\n");
  return stanzas.map((stanza) => [/^Package: (\S+)/.exec(stanza)?.[1] ?? "unnamed", stanza]);
}

const directory = mkdtempSync(join(tmpdir(), "flare-example-"));
const wanted = new Map(records());
console.log(`${wanted.size} records to store`);

const first = await startServer(directory, ["0", "0"]);
const client = new Memcached(`127.0.0.1:${first.ports[0]}`, { retries: 10 });
const set = promisify(client.set).bind(client);
await Promise.all([...wanted].map(([key, value]) => set(key, value, 0)));
console.log("all of them are acknowledged: STORED");

first.child.kill("SIGKILL");
await once(first.child, "exit");
client.end();
console.log("the server is dead: kill -9");

const second = await startServer(directory, first.ports);
const reader = new Memcached(`127.0.0.1:${second.ports[0]}`);
const get = promisify(reader.get).bind(reader);
let found = 0;
for (const [key, value] of wanted) if ((await get(key)) === value) found++;
console.log(`after the restart ${found} records are there byte for byte, ${wanted.size - found} are missing`);

reader.end();
second.child.kill("SIGKILL");
await once(second.child, "exit");
rmSync(directory, { recursive: true });

// Prints:
// … records to store
// all of them are acknowledged: STORED
// the server is dead: kill -9
// after the restart … records are there byte for byte, 0 are missing
