/**
 * An in-memory memcached inside this process: the smallest way to run Flare. Nothing is kept when it ends.
 *
 *   node --import tsx examples/01_memory_server.ts
 *   deno run --allow-all --unsafe-proto examples/01_memory_server.ts
 *   bun examples/01_memory_server.ts
 *
 * (`--unsafe-proto` is for the npm package `memcached`; Flare does without.)
 */

import { promisify } from "node:util";
import Memcached from "memcached";
import { startCluster } from "../mod.ts"; // in a project of your own: from "flare-kv"

// Without a data directory everything stays in memory; without a port it uses a free one. It stops at the end of this file.
await using cluster = await startCluster();
const [server] = cluster.nodes;
console.log(`a memcached listens on ${server.key}`);

// Any memcached client works. This one is the npm package `memcached`.
const client = new Memcached(server.key);
const set = promisify(client.set).bind(client);
const get = promisify(client.get).bind(client);
const incr = promisify(client.incr).bind(client);

await set("greeting", "hello", 0);
console.log("greeting:", await get("greeting"));

await set("visits", "41", 0);
console.log("visits:", await incr("visits", 1));

console.log("no such key:", await get("nobody"));

client.end();

// Prints:
// a memcached listens on 127.0.0.1:…
// greeting: hello
// visits: 42
// no such key: undefined
