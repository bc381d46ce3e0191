/**
 * A test under failures: a counter of visits must count each of them once, whatever breaks. The cluster is real, its machines
 * are simulated: network, disks, clocks and time. Everything that happens depends on the seed, so a failure can be repeated.
 *
 *   node --import tsx examples/12_failing_cluster.ts
 *   deno run --allow-all examples/12_failing_cluster.ts
 *   bun examples/12_failing_cluster.ts
 */

import { FlareError } from "../mod.ts"; // in a project of your own: from "flare-kv"
import { type RecordingClient, startFailingCluster } from "../testing.ts"; // … and from "flare-kv/testing"

// ---- The code under test: adds a visit, and counts it once even if the answer gets lost.

async function addVisit(client: RecordingClient, visit: string): Promise<void> {
  for (;;) {
    try {
      const item = await client.gets("visits");
      // The answer to an earlier attempt got lost, but it has happened.
      if (item?.value.split(",").includes(visit)) return;
      const stored =
        item === undefined
          ? await client.add("visits", visit)
          : await client.cas("visits", `${item.value},${visit}`, item.version);
      if (stored === "STORED") return;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
    }
  }
}

// ---- The test: two clients count while the master of the partition dies, comes back, and is cut off.

for (const seed of [1, 2, 3]) {
  await using cluster = await startFailingCluster({ seed, slaves: 2, spares: 1 });
  using one = cluster.client();
  using other = cluster.client();

  const work = async (client: RecordingClient, name: string): Promise<void> => {
    for (let number = 0; number < 20; number++) {
      await addVisit(client, `${name}${number}`);
      await cluster.sleep(100);
    }
  };
  const counting = Promise.all([work(one, "a"), work(other, "b")]);

  await cluster.sleep(500);
  const first = cluster.master() ?? "";
  cluster.faults.kill(first);
  await cluster.sleep(10_000);
  cluster.faults.start(first);
  cluster.faults.isolate(cluster.master() ?? "");
  await cluster.faults.storm({ durationMs: 5000, kinds: ["reset", "loss", "slowDisk"] });
  cluster.faults.heal();
  await counting;

  // Its connection is a new one, to a cluster that is whole again: those of the others may have broken unnoticed.
  await cluster.settled();
  using reader = cluster.client();
  const visits = (await reader.get("visits"))?.split(",") ?? [];
  // Nothing that was acknowledged is lost, nothing stale was read, and all replicas are equal.
  const { findings } = await cluster.check();
  console.log(`seed ${seed}: ${visits.length} visits, ${new Set(visits).size} different ones, ${findings.length} findings`);
}

// Prints:
// seed 1: 40 visits, 40 different ones, 0 findings
// seed 2: 40 visits, 40 different ones, 0 findings
// seed 3: 40 visits, 40 different ones, 0 findings
