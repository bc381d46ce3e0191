/**
 * Listing keys and deleting keys by prefix, which memcached cannot do: over a whole cluster, in key order, while clients keep
 * running.
 *
 *   node --import tsx examples/11_scan_and_delete_prefix.ts
 *   deno run --allow-all examples/11_scan_and_delete_prefix.ts
 *   bun examples/11_scan_and_delete_prefix.ts
 */

import { startCluster } from "../mod.ts"; // in a project of your own: from "flare-kv"

await using cluster = await startCluster({ logLevel: "error", partitions: 3, slaves: 1, replicationType: "sync" });

// Any node works: it asks the others for their parts and merges them in order. This is a client of the first node.
using client = cluster.client();
const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
for (let i = 0; i < 500; i++) await client.set(`session:${String(i).padStart(3, "0")}`, `visitor ${i}`);
for (const name of ["ann", "bob", "zoe"]) await client.set(`user:${name}`, `${name}@example.org`);

// A scan is paged, so it can be of any length, and can be abandoned at any time.
for await (const { key, value, version } of client.scan({ prefix: "user:", values: true })) {
  console.log(text(key), "is", text(value), "in version", version);
}
let first = "";
for await (const { key } of client.scan({ pageSize: 10 })) {
  first = text(key);
  break;
}
console.log("the first key of all is", first);

// The cluster grows in the middle of a scan. Keys move to the new partition, and still each appears once.
let seen = 0;
const node = await cluster.addNode();
for await (const _ of client.scan({ pageSize: 100 })) {
  seen++;
  if (seen === 250) await cluster.addPartition(node, 3);
}
console.log(seen, "keys seen while a fourth partition came");

// Deletions are ordinary writes: to the master of each key, with a version, then to its slaves. A rate limit keeps the cluster
// responsive for others; 500 sessions do not need one, 100 million do.
const { deleted } = await client.deletePrefix("session:", {
  ratePerSecond: 1000,
  onProgress: (progress) => progress.complete && console.log("the last batch is done"),
});
console.log(deleted, "sessions deleted");
let left = 0;
for await (const _ of client.scan()) left++;
console.log(left, "keys left");

// Prints:
// user:ann is ann@example.org in version 1
// user:bob is bob@example.org in version 1
// user:zoe is zoe@example.org in version 1
// the first key of all is session:000
// 503 keys seen while a fourth partition came
// the last batch is done
// 500 sessions deleted
// 3 keys left
