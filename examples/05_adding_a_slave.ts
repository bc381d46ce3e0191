/**
 * Adding a slave to a running server: a second node joins, copies everything while clients keep writing, and then serves its
 * share of the reads.
 *
 *   node --import tsx examples/05_adding_a_slave.ts
 *   deno run --allow-all --unsafe-proto examples/05_adding_a_slave.ts
 *   bun examples/05_adding_a_slave.ts
 *
 * (`--unsafe-proto` is for the npm package `memcached`; Flare does without.)
 */

import { promisify } from "node:util";
import Memcached from "memcached";
import { startCluster } from "../mod.ts"; // in a project of your own: from "flare-kv"

await using cluster = await startCluster({ replicationType: "sync" });
const [master] = cluster.nodes;
const client = new Memcached(master.key);
const set = promisify(client.set).bind(client);
for (let i = 0; i < 1000; i++) await set(`before:${i}`, "written before the slave came", 0);
console.log("1000 keys on one node");

// A new node is a proxy: it knows where the keys are, but has none. `addSlave` makes it a slave, like the command `node role
// <host> <port> slave` at the index server, and resolves when the copy is complete.
const slave = await cluster.addNode();
console.log("a second node joined, a proxy with", slave.items, "keys");

const copying = cluster.addSlave(slave, 0);
let written = 0;
let done = false;
copying.finally(() => {
  done = true;
});
while (!done || written === 0) await set(`during:${written++}`, "written while it was copying", 0);
await copying;
console.log("it is a slave now, and clients were writing meanwhile");

console.log("both have the same number of keys:", slave.items === master.items && slave.items === 1000 + written);

client.end();

// Prints:
// 1000 keys on one node
// a second node joined, a proxy with 0 keys
// it is a slave now, and clients were writing meanwhile
// both have the same number of keys: true
