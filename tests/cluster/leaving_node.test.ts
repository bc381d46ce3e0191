/**
 * A node that leaves gracefully answers other nodes until they have the node map without it, because an unanswered request
 * would be in doubt.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { NodeRole, NodeState, startCluster } from "../../mod.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { TextClient } from "../support/text_client.ts";

/** No node of the cluster; what comes from it is known by the list it begins with. */
const OTHER = `<${HOST}:1>`;
const LINE = /\r\n$/;

describe("a node that leaves", () => {
  it("passes on what a node sends it that has not heard of it, and ends when that one has closed its lane", async () => {
    const cluster = await startCluster({ partitions: 1, slaves: 1, logLevel: "error" });
    const master = cluster.nodes.find(({ role }) => role === NodeRole.master);
    const slave = cluster.nodes.find(({ role }) => role === NodeRole.slave);
    assert(master !== undefined && slave !== undefined);
    try {
      const runtime = clientRuntime();
      const lane = await TextClient.connect(runtime, { host: HOST, port: master.address.port });
      const client = await TextClient.connect(runtime, { host: HOST, port: master.address.port });
      assertEquals(await lane.ask(`${OTHER}set key 0 0 1 sync\r\na\r\n`, LINE), "STORED\r\n");
      assertEquals(await client.ask("append key 0 0 1\r\nb\r\n", LINE), "STORED\r\n");

      const startMs = performance.now();
      const stopping = master.stop();
      await waitUntil(() => slave.role === NodeRole.master, "the slave takes over");
      await waitUntil(() => master.nodeMap.nodes.some(({ state }) => state === NodeState.down), "the master knows");
      assertEquals(await lane.ask(`${OTHER}append key 0 0 1 sync\r\nc\r\n`, LINE), "STORED\r\n");
      lane.close();
      await stopping;
      assert(performance.now() - startMs < 1900, "it did not see that the lane was closed");
      client.close();

      const reader = await TextClient.connect(runtime, { host: HOST, port: slave.address.port });
      assertEquals(await reader.ask("get key\r\n", /END\r\n$/), "VALUE key 0 3\r\nabc\r\nEND\r\n");
      reader.close();
    } finally {
      await cluster.stop();
    }
  });
});
