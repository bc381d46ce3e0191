/**
 * A planned switch-over under load: no request fails and no acknowledged write is lost or executed twice, whichever node it
 * came through; and a master that is asked to hand over, but is never replaced.
 *
 * Covers lib/node_server/life/switch_over.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ClusterHost, itemsOf } from "../../lib/admin/cluster_host.ts";
import { type Cluster, ClusterAdmin, FlareError, NodeRole, promoteChange, startCluster } from "../../mod.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { TextClient } from "../support/text_client.ts";

const LINE = /\r\n$/;
const COUNTERS = 3;
const SWITCHES = 4;

/** Counts up a key through one node, as others do through other nodes, until it is stopped. */
class Writer {
  readonly key: string;
  /** Acknowledged increments. */
  count = 0;
  /** Answers that should not be. */
  readonly failures: string[] = [];
  stopped = false;
  readonly #client: TextClient;

  constructor(client: TextClient, key: string) {
    this.#client = client;
    this.key = key;
  }

  async run(): Promise<void> {
    await this.#client.ask(`add ${this.key} 0 0 1\r\n0\r\n`, LINE);
    while (!this.stopped) {
      const answer = await this.#client.ask(`incr ${this.key} 1\r\n`, LINE);
      if (/^\d+\r\n$/.test(answer)) this.count++;
      else this.failures.push(answer);
      const read = await this.#client.ask(`get ${this.key}\r\n`, /END\r\n$|ERROR/);
      if (!read.startsWith("VALUE")) this.failures.push(read);
    }
    this.#client.close();
  }
}

async function withCluster(slaves: number, test: (cluster: Cluster, admin: ClusterAdmin) => Promise<void>): Promise<void> {
  const runtime = clientRuntime();
  const nodes = slaves + 2;
  const cluster = await startCluster({ nodes, partitions: 1, slaves, monitorIntervalMs: 200, logLevel: "error" });
  const admin = new ClusterAdmin({ runtime, indexServer: cluster.indexAddress });
  try {
    await test(cluster, admin);
  } finally {
    admin.close();
    await cluster.stop();
  }
}

function masterOf(cluster: Cluster) {
  const master = cluster.nodes.find(({ role }) => role === NodeRole.master);
  assert(master !== undefined);
  return master;
}

describe("a planned switch-over", () => {
  it("loses no write and fails no request, through any node", async () => {
    await withCluster(2, async (cluster, admin) => {
      const runtime = clientRuntime();
      const writers = await Promise.all(
        cluster.nodes.flatMap((node) =>
          Array.from({ length: COUNTERS }, async (_, i) => {
            return new Writer(await TextClient.connect(runtime, { host: HOST, port: node.address.port }), `counter-${i}`);
          }),
        ),
      );
      const running = Promise.all(writers.map((writer) => writer.run()));
      try {
        for (let round = 0; round < SWITCHES; round++) {
          const next = cluster.nodes.find(({ role }) => role === NodeRole.slave)?.key as string;
          for await (const event of admin.carryOut(promoteChange([next]), { pollMs: 20 })) assert(event.kind !== "retry");
          assertEquals(masterOf(cluster).key, next);
        }
      } finally {
        for (const writer of writers) writer.stopped = true;
      }
      await running;

      assertEquals(
        writers.flatMap(({ failures }) => failures),
        [],
      );
      const counters = Array.from({ length: COUNTERS }, (_, i) => `counter-${i}`);
      const items = await admin.client(masterOf(cluster).key).getMany(counters);
      assertEquals(
        items.map(({ value }) => Number(new TextDecoder().decode(value))),
        counters.map((key) => writers.filter((writer) => writer.key === key).reduce((sum, { count }) => sum + count, 0)),
      );
      const places = (await admin.nodeMap()).nodes.map(({ role, state }) => `${role} ${state}`).sort();
      assertEquals(places, ["0 0", "1 0", "1 0", "2 0"]);
      // The other slave continues with the new master.
      const removals = await Promise.all(
        cluster.nodes.map(async ({ key }) => (await admin.client(key).stats("replication")).get("replication_removals")),
      );
      assertEquals(removals, ["0", "0", "0", "0"]);
      // Replication is asynchronous here.
      await waitUntil(async () => {
        const [first, ...others] = await Promise.all(cluster.nodes.map(({ key }) => itemsOf(admin, [key])));
        return [first, ...others].filter((count) => count === COUNTERS).length === 3;
      }, "all copies have all items");
    });
  });
});

describe("a master that is asked to make way", () => {
  it("lets requests wait, and goes on when nobody takes over in time", async () => {
    await withCluster(1, async (cluster, admin) => {
      const master = masterOf(cluster);
      const runtime = clientRuntime();
      const client = await TextClient.connect(runtime, { host: HOST, port: master.address.port });
      await new ClusterHost(admin).hold(master.key, 300);
      const startMs = performance.now();
      assertEquals(await client.ask("set key 0 0 1\r\n1\r\n", LINE), "STORED\r\n");
      const waitedMs = performance.now() - startMs;
      assert(waitedMs > 250 && waitedMs < 5000, `it waited ${waitedMs} ms`);
      assertEquals(masterOf(cluster).key, master.key);

      await new ClusterHost(admin).hold(master.key, 60000);
      const waiting = client.ask("incr key 1\r\n", LINE);
      const again = await assertRejects(() => new ClusterHost(admin).hold(master.key, 1000), FlareError);
      assertEquals(again.message.endsWith("SERVER_ERROR a handover is already in progress"), true);
      await new ClusterHost(admin).hold(master.key, 0);
      assertEquals(await waiting, "2\r\n");
      client.close();
    });
  });

  it("refuses where nobody could take over, and what it does not understand", async () => {
    await withCluster(1, async (cluster, admin) => {
      const slave = cluster.nodes.find(({ role }) => role === NodeRole.slave)?.key as string;
      for (const key of [slave, cluster.nodes.find(({ role }) => role === NodeRole.proxy)?.key as string]) {
        await assertRejects(
          () => new ClusterHost(admin).hold(key, 1000),
          FlareError,
          "there is no active slave that could take over",
        );
      }
      for (const words of ["", " -1", " x", " 60001", " 1 2"]) {
        const line = await admin.client(masterOf(cluster).key).line(`node handover${words}`);
        assertEquals(line, "CLIENT_ERROR usage: node handover <0 to 60000 milliseconds>");
      }
    });
  });

  it("leaves in order although it is held", async () => {
    await withCluster(1, async (cluster, admin) => {
      const master = masterOf(cluster);
      await new ClusterHost(admin).hold(master.key, 200);
      const runtime = clientRuntime();
      const proxy = cluster.nodes.find(({ role }) => role === NodeRole.proxy);
      const client = await TextClient.connect(runtime, { host: HOST, port: proxy?.address.port as number });
      const waiting = client.ask("set key 0 0 1\r\n1\r\n", LINE);
      await master.stop();
      assertEquals(await waiting, "STORED\r\n");
      assertEquals(await client.ask("get key\r\n", /END\r\n$/), "VALUE key 0 1\r\n1\r\nEND\r\n");
      client.close();
    });
  });
});
