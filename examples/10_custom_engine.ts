/**
 * A custom storage engine: a node can use any abstract-level database. Here it is a `memory-level` that the example inspects;
 * `classic-level`, `rocks-level` or your own work the same way.
 *
 *   node --import tsx examples/10_custom_engine.ts
 *   deno run --allow-all --unsafe-proto examples/10_custom_engine.ts
 *   bun examples/10_custom_engine.ts
 *
 * (`--unsafe-proto` is for the npm package `memcached`; Flare does without.)
 */

import { promisify } from "node:util";
import Memcached from "memcached";
import { MemoryLevel } from "memory-level";
import { startCluster } from "../mod.ts"; // in a project of your own: from "flare-kv"

const database = new MemoryLevel<Uint8Array, Uint8Array>({ keyEncoding: "view", valueEncoding: "view" });

// Called once per node. You own the database: the cluster opens it but does not close it. With a `dataDir` there is also a
// change log, so that a crash between two checkpoints loses nothing; this example has none.
const cluster = await startCluster({ engine: () => database });
const client = new Memcached(cluster.nodes[0].key);
const set = promisify(client.set).bind(client);
for (let i = 0; i < 100; i++) await set(`key:${i}`, `value ${i}`, 0);
client.end();

// Entries are answered from memory and reach the engine in batches: at every checkpoint, and when the node stops.
await cluster.stop();

let found = 0;
for await (const key of database.keys()) if (new TextDecoder().decode(key).includes("key:")) found++;
console.log(found, "keys are in the database");

// A second cluster on the same database has them all.
const again = await startCluster({ engine: () => database });
console.log("a new cluster knows", again.nodes[0].items, "keys");
await again.stop();
await database.close();

// Prints:
// 100 keys are in the database
// a new cluster knows 100 keys
