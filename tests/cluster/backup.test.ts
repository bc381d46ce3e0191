/**
 * A backup of a cluster of real processes, its nodes under all the runtimes, whose master is killed in the middle: the backup
 * ends with the slave that takes over, and has every write that was acknowledged before.
 */

import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Client, startCluster } from "../../mod.ts";
import { clientRuntime } from "../support/daemon.ts";
import { runProgram, startProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { Operator } from "./scenarios/operator.ts";
import { ProcessDriver } from "./scenarios/process_driver.ts";

const KEYS = 400;
const VALUE = "x".repeat(5000);

describe("a backup of processes", () => {
  it("outlives the master it reads from, with all that was acknowledged before", { timeout: 240_000 }, () =>
    withTemporaryDirectory(async (directory) => {
      const cluster = await ProcessDriver.start(clientRuntime(), directory, 3, ["--replication-type", "sync"]);
      try {
        const [masterA, masterB, slaveA] = [await cluster.addNode(), await cluster.addNode(), await cluster.addNode()];
        const operator = new Operator(cluster);
        await operator.addPartition(masterA, 0);
        await operator.addPartition(masterB, 1);
        await operator.addSlave(slaveA, 0);
        using client = new Client({ ...masterB, runtime: clientRuntime() });
        for (let i = 0; i < KEYS; i++) assertEquals(await client.set(`key${i}`, `${VALUE}${i}`), "STORED");
        for (let i = 0; i < KEYS; i += 10) assert(await client.delete(`key${i}`));
        const path = join(directory, "backup");
        const index = { FLARE_INDEX_SERVER: `${cluster.index.host}:${cluster.index.port}` };
        const taking = startProgram("flare", ["backup", path, "--bwlimit", "100k"], index);
        await taking.waitFor(" items/s");
        await cluster.killNode(masterA);
        const { status, stderr } = await taking.finished;
        assertEquals(status, 0, stderr);
        assertStringIncludes(stderr, "; trying again up to 30 times\n");
        assertStringIncludes(stderr, `deletions from "${slaveA.host}:${slaveA.port}"\n`);
        assertEquals((await runProgram("flare", ["backup", "verify", path])).status, 0);

        await using other = await startCluster({ partitions: 1, logLevel: "error" });
        const otherIndex = `${other.indexAddress.host}:${other.indexAddress.port}`;
        const restored = await runProgram("flare", ["restore", "--backup", path], { FLARE_INDEX_SERVER: otherIndex });
        assertEquals(restored.status, 0, restored.stderr);
        using otherClient = other.client();
        for (let i = 0; i < KEYS; i++) {
          const value = new TextDecoder().decode((await otherClient.get(`key${i}`))?.value);
          assertEquals(value, i % 10 === 0 ? "" : `${VALUE}${i}`, `key${i}`);
        }
      } finally {
        await cluster.clear();
      }
    }),
  );
});
