/**
 * A cluster and servers as a program holds them: where they are, clients of them, and the ways they stop. Covers
 * lib/local_cluster/start_cluster.ts, lib/node_server/start_node.ts and lib/index_server/start_index.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import {
  Client,
  ClusterAdmin,
  detectRuntime,
  NodeRole,
  type NodeServer,
  startCluster,
  startIndexServer,
  startNodeServer,
} from "../../../mod.ts";

const runtime = detectRuntime({ logLevel: "error" });
const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

describe("a cluster in a program", () => {
  it("says where its nodes are, in each of the forms clients take", async () => {
    await using cluster = await startCluster({ runtime, nodes: 2 });
    const [first, second] = cluster.nodes;
    const { host, port } = first.address;
    assertEquals<unknown>(cluster.addresses, [first.address, second?.address]);
    assertEquals([first.key, first.url], [`${host}:${port}`, `memcached://${host}:${port}`]);
    assertEquals(first.addresses, [{ host: "127.0.0.1", port }]);
    assertEquals(cluster.index.address, cluster.indexAddress);
    assertEquals(cluster.index.nodeMap.nodes.length, 2);
  });

  it("gives clients of the first node that runs, each with options of its own", async () => {
    await using cluster = await startCluster({ runtime, slaves: 1, monitorIntervalMs: 100 });
    using client = cluster.client();
    await client.set("greeting", "hello");
    assertEquals([client.server, cluster.nodes[0].items], [cluster.nodes[0].key, 1]);
    await cluster.nodes[0].stop();
    using other = cluster.client({ replyTimeoutMs: 5000 });
    assertEquals([other.server, text((await other.get("greeting"))?.value)], [cluster.nodes[1]?.key, "hello"]);
  });

  it("lets a slave take over from a node that stops, unless the stop is silent", async () => {
    await using cluster = await startCluster({ runtime, partitions: 2, slaves: 1, monitorIntervalMs: 600000 });
    const [first, slave, second] = cluster.nodes as unknown as [NodeServer, NodeServer, NodeServer];
    await first.stop();
    await cluster.waitFor(slave, ({ role }) => role === NodeRole.master, 10000);
    await second.stop({ announce: false });
    const entry = cluster.index.nodeMap.nodes.find(({ key }) => key === second.key);
    assertEquals(entry?.role, NodeRole.master);
  });

  it("stops at the end of a block: the cluster, a server, a client, an admin", async () => {
    let addresses: readonly { readonly host: string; readonly port: number }[] = [];
    let last: Client;
    {
      await using index = await startIndexServer({ runtime, indexDb: "memory://", serverName: "127.0.0.1", serverPort: 0 });
      await using node = await startNodeServer({
        ...{ runtime, serverName: "127.0.0.1", serverPort: 0, storageType: "memory" },
        indexServers: [index.address],
      });
      await using cluster = await startCluster({ runtime });
      using admin = new ClusterAdmin({ runtime, indexServer: index.address });
      using client = new Client({ runtime, ...node.address });
      await Promise.all([client.ping(), admin.ping(node.key)]);
      addresses = [index.address, node.address, ...cluster.addresses, cluster.indexAddress];
      last = client;
    }
    const closed = await assertRejects(() => last.ping(), FlareError);
    assertEquals(closed.code, "CLOSED");
    for (const address of addresses) {
      using client = new Client({ runtime, ...address });
      const error = await assertRejects(() => client.ping(), FlareError);
      assertEquals(error.code, "CONNECTION_FAILED");
    }
  });

  it("takes new values of what may change while it runs", async () => {
    await using cluster = await startCluster({ runtime });
    const [node] = cluster.nodes;
    using client = cluster.client();
    await node.reload({ maxConnection: 17, serverPort: node.address.port });
    const settings = await client.stats("settings");
    assertEquals([settings.get("maxconns"), settings.get("tcpport")], ["17", String(node.address.port)]);
    const error = await assertRejects(() => node.reload({ maxConnection: 0 }), FlareError);
    assert(error.message.startsWith('option "maxConnection": "0" is not'), error.message);
  });

  it("is found by a client that is given nothing but brackets around its address", async () => {
    const [open, bracketed] = [new Client({ runtime, host: "::1" }), new Client({ runtime, host: "[::1]", port: 5 })];
    assertEquals([open.server, bracketed.server, new Client().server], ["[::1]:12121", "[::1]:5", "127.0.0.1:12121"]);
  });
});
