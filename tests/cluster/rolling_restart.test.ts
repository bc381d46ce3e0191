/**
 * Nodes of clusters of real processes are away for a while under load, restarted in turn or standing still: no answer is wrong,
 * nothing is lost, and no node copies what it has.
 *
 * Runs alone: a node that is slow to say goodbye leaves its partition without answers until its lease has ended.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { LineClient } from "../support/line_client.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import type { HostPort } from "./scenarios/cluster_driver.ts";
import { Operator } from "./scenarios/operator.ts";
import { ProcessDriver } from "./scenarios/process_driver.ts";
import { withStage } from "./scenarios/scenarios.ts";

/** About 5,000 writes a second, on a quiet machine. */
const BURST = 100;
const BURST_MS = 20;
const AWAY_MS = 10_000;

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

describe("a rolling restart", () => {
  it("of two partitions with a slave each copies nothing", { timeout: 240_000 }, () =>
    withStage(
      (runtime, directory, nodesMax) => ProcessDriver.start(runtime, directory, nodesMax, ["--replication-type", "sync"]),
      5,
      async (stage) => {
        const [masterA, masterB, slaveA, slaveB, proxy] = await stage.twoPartitions();
        const before = count(stage.cluster.output, "copying partition");
        const replicas: [name: string, node: HostPort, partition: number][] = [
          ["the slave of partition 0", slaveA, 0],
          ["the slave of partition 1", slaveB, 1],
          ["the master of partition 0", masterA, 0],
          ["the master of partition 1", masterB, 1],
        ];
        await stage.step("the proxy", () => stage.restart(proxy));
        for (const [name, node, partition] of replicas) {
          await stage.step(name, async () => {
            await stage.restart(node);
            await stage.operator.addSlave(node, partition);
          });
        }
        const { output } = stage.cluster;
        assertEquals([count(output, "copying partition") - before, count(output, ", without a copy")], [0, 4]);
      },
    ),
  );
});

describe("a slave that stands still for 10 s", () => {
  it("gets thousands of writes a second that it missed, without a copy", { timeout: 120_000 }, () =>
    withTemporaryDirectory(async (directory) => {
      const runtime = clientRuntime();
      const cluster = await ProcessDriver.start(runtime, directory, 2, ["--replication-type", "sync"]);
      try {
        const operator = new Operator(cluster);
        const [master, slave] = [await cluster.addNode(), await cluster.addNode()];
        await operator.addPartition(master, 0);
        await operator.addSlave(slave, 0);
        const client = await LineClient.connect(runtime, master);
        const before = count(cluster.output, "copying partition");
        const answers = new Map<string, number>();
        cluster.signalNode(slave, "SIGSTOP");
        const startMs = performance.now();
        for (let key = 0; performance.now() - startMs < AWAY_MS; key += BURST) {
          for (let i = 0; i < BURST; i++) {
            void client
              .ask(`set key${key + i} 0 0 100\r\n${String(key + i).padEnd(100)}\r\n`)
              .then((line) => answers.set(line, (answers.get(line) ?? 0) + 1));
          }
          await new Promise((resolve) => setTimeout(resolve, BURST_MS));
        }
        await waitUntil(async () => client.outstanding === 0, "every write is answered");
        cluster.signalNode(slave, "SIGCONT");
        await operator.waitFor(slave, { state: "active" });
        const entry = (await operator.nodes()).find(({ key }) => key === `${slave.host}:${slave.port}`);
        if (entry?.role === "proxy") await operator.addSlave(slave, 0);
        else await operator.waitFor(slave, { role: "slave", state: "active" });

        const stored = answers.get("STORED") ?? 0;
        console.info(`${stored} writes in ${AWAY_MS} ms`);
        assertEquals([...answers.keys()], ["STORED"]);
        const items = async (node: HostPort) => (await operator.stats(node)).get("curr_items");
        assertEquals([await items(master), await items(slave)], [String(stored), String(stored)]);
        assertEquals([count(cluster.output, "copying partition") - before, count(cluster.output, ", without a copy")], [0, 1]);
        client.close();
      } finally {
        await cluster.clear();
      }
    }),
  );
});
