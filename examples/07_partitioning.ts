/**
 * Partitioning: each key belongs to one partition, so two partitions hold and serve twice as much. A running cluster grows from
 * one partition to two; the moving keys are copied, and clients notice nothing.
 *
 *   node --import tsx examples/07_partitioning.ts
 *   deno run --allow-all --unsafe-proto examples/07_partitioning.ts
 *   bun examples/07_partitioning.ts
 *
 * (`--unsafe-proto` is for the npm package `memcached`; Flare does without.)
 */

import { promisify } from "node:util";
import Memcached from "memcached";
import { startCluster } from "../mod.ts"; // in a project of your own: from "flare-kv"

await using cluster = await startCluster();
const [first] = cluster.nodes;
const client = new Memcached(first.key);
const set = promisify(client.set).bind(client);
const get = promisify(client.get).bind(client);

/** How many of the thousand keys have the right value. */
async function countRight(): Promise<number> {
  let right = 0;
  for (let i = 0; i < 1000; i++) if ((await get(`key:${i}`)) === `value ${i}`) right++;
  return right;
}

for (let i = 0; i < 1000; i++) await set(`key:${i}`, `value ${i}`, 0);
console.log(`one partition answers ${await countRight()} of 1000 keys`);

// A second node becomes the master of partition 1. In state prepare it copies its share of the keys; once it is active, its
// keys are read and written there.
const second = await cluster.addNode();
await cluster.addPartition(second, 1);
console.log(`two partitions answer ${await countRight()} of 1000 keys`);
console.log("the second node holds", second.items > 400 ? "about half of them" : "too few of them");

// The first node no longer uses its copies of the second partition's keys; clients can ask either node for any key.
console.log("both nodes use the same node map:", first.nodeMap.version === second.nodeMap.version);

client.end();

// Prints:
// one partition answers 1000 of 1000 keys
// two partitions answer 1000 of 1000 keys
// the second node holds about half of them
// both nodes use the same node map: true
