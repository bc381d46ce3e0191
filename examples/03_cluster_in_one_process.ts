/**
 * A whole cluster in one process: an index server, two partitions, and for each partition a master and a slave. Every node
 * answers for every key, and when a master stops its slave takes over.
 *
 *   node --import tsx examples/03_cluster_in_one_process.ts
 *   deno run --allow-all --unsafe-proto examples/03_cluster_in_one_process.ts
 *   bun examples/03_cluster_in_one_process.ts
 *
 * (`--unsafe-proto` is for the npm package `memcached`; Flare does without.)
 */

import { promisify } from "node:util";
import Memcached from "memcached";
import { NodeRole, type NodeServer, startCluster } from "../mod.ts"; // in a project of your own: from "flare-kv"

// `sync`: a write is answered once the slave has it, too, so no acknowledged write is lost with a master.
await using cluster = await startCluster({ partitions: 2, slaves: 1, replicationType: "sync" });
console.log(`${cluster.nodes.length} nodes and an index server`);

/** A client of one node, its callbacks turned into promises. */
function connect(node: NodeServer) {
  const client = new Memcached(node.key);
  return { get: promisify(client.get).bind(client), set: promisify(client.set).bind(client), end: () => client.end() };
}

// The client knows only one node, which forwards requests for keys of other partitions.
const writer = connect(cluster.nodes[0]);
for (let i = 0; i < 100; i++) await writer.set(`user:${i}`, `name ${i}`, 0);
writer.end();

/** How many of the hundred keys a node returns. */
async function countAt(node: NodeServer): Promise<number> {
  const client = connect(node);
  let found = 0;
  for (let i = 0; i < 100; i++) if ((await client.get(`user:${i}`)) === `name ${i}`) found++;
  client.end();
  return found;
}
for (const [number, node] of cluster.nodes.entries()) console.log(`node ${number} knows ${await countAt(node)} of 100 keys`);

// Each partition holds its share of the keys, the slave as many as its master.
for (const [number, node] of cluster.nodes.entries()) console.log(`node ${number} holds ${node.items}`);

// The master of partition 0 stops. It tells the index server, which promotes the slave.
const [oldMaster, newMaster] = cluster.nodes;
if (newMaster === undefined) throw new Error("there are four nodes");
await oldMaster.stop();
await cluster.waitFor(newMaster, ({ role }) => role === NodeRole.master);
console.log(`node 0 is gone; node 1 knows ${await countAt(newMaster)} of 100 keys`);

// Prints:
// 4 nodes and an index server
// node 0 knows 100 of 100 keys
// node 1 knows 100 of 100 keys
// node 2 knows 100 of 100 keys
// node 3 knows 100 of 100 keys
// node 0 holds …
// node 1 holds …
// node 2 holds …
// node 3 holds …
// node 0 is gone; node 1 knows 100 of 100 keys
