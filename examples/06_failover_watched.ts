/**
 * A failover step by step: the master disappears, and a client of another node watches until the slave has taken over. Then the
 * lost node comes back.
 *
 *   node --import tsx examples/06_failover_watched.ts
 *   deno run --allow-all examples/06_failover_watched.ts
 *   bun examples/06_failover_watched.ts
 */

// In a project of your own: from "flare-kv".
import { Client, detectRuntime, FlareError, NodeRole, NodeState, startCluster, startNodeServer } from "../mod.ts";

// A master, a slave and a proxy. `sync`: a write is answered once the slave has it, so a failover loses none of them.
const runtime = detectRuntime({ logLevel: "error" });
await using cluster = await startCluster({ runtime, slaves: 1, nodes: 3, replicationType: "sync" });
const [master, , proxy] = cluster.nodes;
if (proxy === undefined) throw new Error("there are three nodes");

// The index server lists every node's role and state: `stats nodes`.
using index = new Client({ runtime, ...cluster.indexAddress });

async function showNodeMap(): Promise<void> {
  const figures = await index.stats("nodes");
  const places = cluster.nodes.map(({ key }, i) => `node ${i} ${figures.get(`${key}:role`)} ${figures.get(`${key}:state`)}`);
  console.log("node map:", places.join(", "));
}

// The client knows only the proxy.
using client = new Client({ runtime, ...proxy.address });

/** How many of the hundred keys the cluster returns. */
async function countFound(): Promise<number> {
  let found = 0;
  for (let i = 0; i < 100; i++) if ((await client.get(`key:${i}`)) !== undefined) found++;
  return found;
}

/** Writes a key and returns the server's answer, success or error. */
async function tryToWrite(key: string): Promise<string> {
  try {
    return await client.set(key, "written in the meantime");
  } catch (error) {
    if (error instanceof FlareError && error.code === "REFUSED")
      return error.message.replace(/^.* answered "(.*)" to .*$/, "$1");
    throw error;
  }
}

for (let i = 0; i < 100; i++) await client.set(`key:${i}`, `value ${i}`);
await showNodeMap();
console.log(`reads: ${await countFound()} of 100 keys found`);

// `stop()` would tell the index server, and the slave would take over at once. Without the announcement nobody
// knows, as after a killed process or a cut cable.
await master.stop({ announce: false });
const goneMs = performance.now();
console.log("node 0 is gone, and nobody knows");

// Reads continue: when the master does not answer, the proxy asks the slave. A write has nowhere to go; the proxy retries for
// about a second and then returns an error. The value was not stored, so the client can retry.
console.log(`reads: ${await countFound()} of 100 keys found`);
console.log("write:", await tryToWrite("news"));
await showNodeMap();

// The index server pings every node once a second (`monitorIntervalMs`). After the third missed ping in a row it marks the node
// as down, promotes its slave and sends every node the new map. No operator is needed.
let answer: string;
do answer = await tryToWrite("news");
while (answer !== "STORED");
console.log(`write: ${answer}, after ${((performance.now() - goneMs) / 1000).toFixed(1)} s`);
await showNodeMap();
console.log(`reads: ${await countFound()} of 100 keys found`);

// The lost node returns under its name as a proxy, because its data is old. As a slave it gets a fresh copy.
await using again = await startNodeServer({
  runtime,
  serverName: master.address.host,
  serverPort: master.address.port,
  indexServers: [cluster.indexAddress],
  storageType: "memory",
});
await cluster.waitFor(again, ({ role, state }) => role === NodeRole.proxy && state === NodeState.active);
console.log("node 0 is back");
await showNodeMap();
await cluster.addSlave(again, 0);
await showNodeMap();
console.log("node 0 holds", again.items, "keys");

// Prints:
// node map: node 0 master active, node 1 slave active, node 2 proxy active
// reads: 100 of 100 keys found
// node 0 is gone, and nobody knows
// reads: 100 of 100 keys found
// write: SERVER_ERROR proxy failure
// node map: node 0 master active, node 1 slave active, node 2 proxy active
// write: STORED, after … s
// node map: node 0 proxy down, node 1 master active, node 2 proxy active
// reads: 100 of 100 keys found
// node 0 is back
// node map: node 0 proxy active, node 1 master active, node 2 proxy active
// node map: node 0 slave active, node 1 master active, node 2 proxy active
// node 0 holds 101 keys
