/**
 * Nodes of clusters of real processes are away for a while under load, restarted in turn or standing still: no answer is wrong,
 * nothing is lost, and no node copies what it has.
 *
 * Runs alone: a node that is slow to say goodbye leaves its partition without answers until its lease has ended.
 */

import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { executedCommands } from "../support/deployment_files.ts";
import { LineClient } from "../support/line_client.ts";
import { repositoryRoot } from "../support/repository.ts";
import { commandFor, SpawnedProgram } from "../support/spawn.ts";
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

/** Where docs/deployment.md has the servers: the index server, then the nodes in the order of `Stage.twoPartitions`. */
const DOCUMENTED = ["10.0.0.1:12120", "10.0.0.5:12121", "10.0.0.6:12121", "10.0.0.7:12121", "10.0.0.8:12121", "10.0.0.9:12121"];

/**
 * Executes commands of docs/deployment.md in a shell, where the servers are others, `flare` is that of this repository, and
 * `ssh HOST sudo systemctl restart flared@PORT` restarts a node of the cluster.
 */
async function execute(
  commands: string,
  directory: string,
  servers: readonly HostPort[],
  cluster: ProcessDriver,
): Promise<void> {
  const flare = commandFor("cli/flare.ts").map((word) => `'${word}'`);
  const programs = {
    flare: `cd '${repositoryRoot}' && exec ${flare.join(" ")} "$@"`,
    // The test restarts what it finds here, and removes the file when it has.
    ssh: `[ "$2 $3 $4" = "sudo systemctl restart" ] || exit 64
      : > "${directory}/restart-\${5#flared@}"; while [ -e "${directory}/restart-\${5#flared@}" ]; do sleep 0.05; done`,
  };
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  const script = servers.reduce(
    (text, { host, port }, i) => text.replaceAll(DOCUMENTED[i] as string, `${host}:${port}`),
    commands,
  );
  const shell = new SpawnedProgram("sh", ["-c", script], { PATH: `${directory}:${process.env.PATH}` });
  let isOver = false;
  const finished = shell.finished.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const [wanted] = readdirSync(directory).filter((name) => name.startsWith("restart-"));
    const node = servers.find(({ port }) => wanted === `restart-${port}`);
    if (wanted === undefined || node === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
    else {
      await cluster.stopNode(node);
      await cluster.startNode(node);
      rmSync(join(directory, wanted));
    }
  }
  const { status, stdout, stderr } = await finished;
  assertEquals(status, 0, `${stdout}${stderr}`);
}

describe("a rolling restart", () => {
  it("of two partitions with a slave each, by the commands of the documents, copies nothing", { timeout: 400_000 }, () =>
    withStage(
      (runtime, directory, nodesMax) => ProcessDriver.start(runtime, directory, nodesMax, ["--replication-type", "sync"]),
      5,
      async (stage) => {
        const nodes = await stage.twoPartitions();
        const { cluster } = stage;
        const before = count(cluster.output, "copying partition");
        await withTemporaryDirectory((directory) =>
          stage.step("the commands", () => execute(executedCommands(), directory, [cluster.index, ...nodes], cluster)),
        );
        assertEquals([count(cluster.output, "copying partition") - before, count(cluster.output, ", without a copy")], [0, 4]);
        const roles = (await stage.operator.nodes()).map(({ key, role }) => `${key} ${role}`).sort();
        const now = ["slave", "slave", "master", "master", "proxy"];
        assertEquals(roles, nodes.map(({ host, port }, i) => `${host}:${port} ${now[i]}`).sort());
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
