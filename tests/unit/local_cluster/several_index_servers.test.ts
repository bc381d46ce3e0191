/**
 * A cluster with several index servers, as a program and an operator use it: any of them will do, and one that stops is missed
 * by nobody.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { balanceChange } from "../../../lib/admin/change_verbs.ts";
import { inspectCluster } from "../../../lib/admin/cluster_look.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { ClusterAdmin, detectRuntime, NodeRole } from "../../../mod.ts";
import { freePorts } from "../../support/free_ports.ts";
import { startOpenCluster } from "../../support/open_servers.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../../support/temporary_directory.ts";

const runtime = detectRuntime({ logLevel: "error" });
const WAIT_MS = 20_000;

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (!(await condition())) {
    assert(performance.now() < endMs, `not in ${WAIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("a cluster with several index servers", () => {
  it("goes on without the one that led: tools and nodes ask another one", async () => {
    await using cluster = await startOpenCluster({ runtime, indexCount: 3, slaves: 1, nodes: 3, monitorIntervalMs: 100 });
    const [first, second] = cluster.indexServers;
    assertEquals(
      cluster.indexServers.map(({ leadership }) => leadership.isLeading),
      [true, false, false],
    );
    using admin = new ClusterAdmin({ runtime, indexServers: cluster.indexAddresses, connectTimeoutMs: 1000 });
    assertEquals(await inspectCluster(admin), []);
    const [leader = ""] = admin.indexKeys;
    assertEquals(
      (await admin.indexReports()).map(({ server, leads, leader, term }) => [server, leads, leader, term]),
      admin.indexKeys.map((key, i) => [key, i === 0, leader, 1]),
    );

    await first.stop();
    // A change waits until another one leads.
    const slave = cluster.nodes[1]?.key as string;
    for await (const _ of admin.carryOut(balanceChange([{ node: slave, balance: 3 }]), { pollMs: 10 }));
    assertEquals((await admin.nodeMap()).nodes.find(({ key }) => key === slave)?.balance, 3);
    assert(admin.index.server !== leader);
    const [finding, ...others] = await inspectCluster(admin);
    assertEquals([finding?.about, finding?.severity, others], [leader, "degraded", []]);

    // A node joins, and a failover happens, though their first index server is away.
    const added = await cluster.addNode();
    await cluster.nodes[0].stop({ announce: false });
    await cluster.waitFor(cluster.nodes[1] as typeof added, ({ role }) => role === NodeRole.master, WAIT_MS);
    await until("the follower shows it", () => second?.nodeMap.nodes.some(({ key }) => key === added.key) === true);
    using client = cluster.client();
    assertEquals(await client.set("greeting", "hello"), "STORED");
  });

  it("keeps its map on disk, whatever their number was the last time", async () => {
    const directory = makeTemporaryDirectory();
    try {
      for (const indexCount of [3, 1, 2]) {
        await using cluster = await startOpenCluster({ runtime, dataDir: directory, indexCount });
        assertEquals([cluster.indexServers.length, cluster.index.nodeMap.nodes.length], [indexCount, 1]);
      }
    } finally {
      removeTemporaryDirectory(directory);
    }
  });

  it("has its index servers at one port and below it", async () => {
    const port = await freePorts(3);
    await using cluster = await startOpenCluster({ runtime, indexCount: 2, indexPort: port + 1 });
    assertEquals(
      cluster.indexAddresses.map((address) => address.port),
      [port + 1, port],
    );
    const error = (await assertRejects(
      () => startOpenCluster({ runtime, indexCount: 3, indexPort: 2 }),
      FlareError,
    )) as FlareError;
    assertEquals(error.message, 'option "index-port": "2" leaves no room below it for 3 index servers');
  });
});

describe("an operator of a cluster", () => {
  it("gives one index server or a list of them", () => {
    const address = { host: "h", port: 1 };
    for (const options of [{ indexServer: address, indexServers: [address] }, { indexServers: [] }]) {
      let message = "";
      try {
        new ClusterAdmin({ runtime, ...options });
      } catch (error) {
        message = (error as FlareError).message;
      }
      assert(message.includes('"indexServer'), message);
    }
  });

  it("learns that no index server of the list answers", async () => {
    const port = await freePorts(2);
    const indexServers = [port, port + 1].map((each) => ({ host: "127.0.0.1", port: each }));
    using admin = new ClusterAdmin({ runtime, indexServers });
    const findings = await inspectCluster(admin);
    assertEquals(
      findings.map(({ severity, about }) => [severity, about]),
      admin.indexKeys.map((key) => ["broken", key]),
    );
    const error = (await assertRejects(() => admin.changeMap("node state a 1 down"), FlareError)) as FlareError;
    assertEquals(error.code, "CONNECTION_FAILED");
  });
});
