/**
 * A second cluster with all data of the first, in another place and of another shape: every write at home is sent there as
 * well. While the other cluster is down its writes wait; when it is back it catches up.
 *
 *   node --import tsx examples/09_replicating_to_another_cluster.ts
 *   deno run --allow-all examples/09_replicating_to_another_cluster.ts
 *   bun examples/09_replicating_to_another_cluster.ts
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, detectRuntime, startCluster } from "../mod.ts"; // in a project of your own: from "flare-kv"

// Errors only: this example expects the warnings about an unreachable cluster.
const runtime = detectRuntime({ logLevel: "error" });

// The remote cluster: one node, data on disk. In production it runs on other machines.
const dataDir = mkdtempSync(join(tmpdir(), "flare-example-"));
let far = await startCluster({ runtime, dataDir });
const [farAddress] = far.addresses;

// The home cluster: two partitions. Each master sends its writes to that node of the other cluster; any of its nodes works. In
// a config file: cluster-replication = true, and so on.
await using home = await startCluster({
  runtime,
  partitions: 2,
  node: {
    clusterReplication: true,
    clusterReplicationServerName: farAddress.host,
    clusterReplicationServerPort: farAddress.port,
  },
});
console.log(`home: ${home.nodes.length} nodes, far: ${far.nodes.length} node`);

/** Writes a hundred keys at home and returns how many were stored. */
async function writeAtHome(prefix: string): Promise<number> {
  using client = home.client();
  let stored = 0;
  for (let i = 0; i < 100; i++) if ((await client.set(`${prefix}:${i}`, `value ${i}`)) === "STORED") stored++;
  return stored;
}

/** How many writes at home the other cluster does not have yet. */
async function countWaiting(): Promise<number> {
  let waiting = 0;
  for (const address of home.addresses) {
    using client = new Client({ runtime, ...address });
    waiting += Number((await client.stats("replication")).get("cluster_replication_lag_entries"));
  }
  return waiting;
}

/** Waits until all writes at home have arrived. */
async function waitForArrival(): Promise<void> {
  while ((await countWaiting()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

console.log(`${await writeAtHome("monday")} keys stored at home`);
await waitForArrival();
console.log(`${far.nodes[0].items} keys in the other cluster`);

// The other cluster stops. Clients at home notice nothing: a write is answered before it is sent on.
await far.stop();
console.log(`the other cluster is away; ${await writeAtHome("tuesday")} keys stored at home`);
console.log(`${await countWaiting()} writes wait for the other cluster`);

// It starts again at the same address. The writes arrive by themselves. The nodes at home keep nothing on disk: if more had
// waited than `cluster-replication-queue`, or one had been restarted, everything would be sent again. With a data directory
// they would continue where they were.
far = await startCluster({ runtime, dataDir, port: farAddress.port });
await waitForArrival();
console.log(`it is back and has caught up: ${far.nodes[0].items} keys in the other cluster`);

await far.stop();
rmSync(dataDir, { recursive: true });

// Prints:
// home: 2 nodes, far: 1 node
// 100 keys stored at home
// 100 keys in the other cluster
// the other cluster is away; 100 keys stored at home
// 100 writes wait for the other cluster
// it is back and has caught up: 200 keys in the other cluster
