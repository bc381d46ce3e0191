/**
 * Two clusters in this process, over real sockets: all items and writes of the first one arrive at the second one, which has
 * different partitions, even if a node of the second one was down for a while.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { detectRuntime } from "../../mod.ts";
import { startOpenCluster, startOpenNode } from "../support/open_servers.ts";
import { TextClient } from "../support/text_client.ts";

const KEYS = 200;
const WAIT_MS = 10000;

describe("cluster replication", () => {
  it("copies what is there and what is written, and catches up after an outage", async () => {
    const runtime = detectRuntime({ logLevel: "error" });
    const source = await startOpenCluster({ runtime, logLevel: "error" });
    const target = await startOpenCluster({ runtime, partitions: 2, nodes: 3, logLevel: "error" });
    const proxy = target.nodes[2];
    const { port = 0, key = "", options } = proxy ?? {};
    try {
      await write(runtime, source, "before");
      const node = source.nodes[0];
      node?.reload({
        ...node.options,
        clusterReplication: true,
        clusterReplicationServerName: "127.0.0.1",
        clusterReplicationServerPort: port,
      });
      await arrived(runtime, target, "before");
      await write(runtime, source, "after");
      await arrived(runtime, target, "after");
      await proxy?.stop({ announce: false });
      await write(runtime, source, "meanwhile");
      const { indexServers = [], storageType = "memory", serverName = "" } = options ?? {};
      const again = await startOpenNode({ runtime, indexServers, storageType, serverName, serverPort: port });
      assertEquals(again.key, key);
      await arrived(runtime, target, "meanwhile");
      await again.stop({ announce: false });
    } finally {
      await source.stop();
      await target.stop();
    }
  });
});

async function write(runtime: Runtime, cluster: LocalCluster, value: string): Promise<void> {
  const client = await connect(runtime, cluster);
  const answer = `${"STORED\r\n".repeat(KEYS)}`;
  await client.send(
    Array.from({ length: KEYS }, (_, number) => `set key${number} 0 0 ${value.length}\r\n${value}\r\n`).join(""),
  );
  assertEquals(await client.until((received) => received.length >= answer.length, WAIT_MS), answer);
  client.close();
}

/** Waits until every key has this value in a cluster. */
async function arrived(runtime: Runtime, cluster: LocalCluster, value: string): Promise<void> {
  const client = await connect(runtime, cluster);
  const expected = Array.from({ length: KEYS }, (_, number) => `VALUE key${number} 0 ${value.length}\r\n${value}\r\n`).join("");
  const deadlineMs = performance.now() + WAIT_MS;
  let seen = "";
  do {
    seen = await client.ask(`get ${Array.from({ length: KEYS }, (_, number) => `key${number}`).join(" ")}\r\n`, /END\r\n$/);
    if (seen !== `${expected}END\r\n`) await new Promise((resolve) => setTimeout(resolve, 20));
  } while (seen !== `${expected}END\r\n` && performance.now() < deadlineMs);
  assertEquals(seen, `${expected}END\r\n`);
  client.close();
}

function connect(runtime: Runtime, cluster: LocalCluster): Promise<TextClient> {
  const [address] = cluster.addresses;
  return TextClient.connect(runtime, address ?? { host: "", port: 0 });
}
