/** A node with several index servers joins at the one that answers, and sends its shutdown there, too. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { findFreePorts } from "../../lib/local_cluster/node_addresses.ts";
import { detectRuntime, NodeRole, NodeState, startIndexServer, startNodeServer } from "../../mod.ts";

describe("several index servers", () => {
  it("are asked in turn: one that is away does not keep a node from joining or from leaving in order", async () => {
    const runtime = detectRuntime({ logLevel: "error" });
    const [nowhere] = await findFreePorts(runtime, "127.0.0.1", 1);
    const index = await startIndexServer({
      runtime,
      indexDb: "memory://",
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
    });
    const [address] = index.addresses;
    assert(address !== undefined && "port" in address && nowhere !== undefined);
    const node = await startNodeServer({
      runtime,
      storageType: "memory",
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
      indexServers: [{ host: "127.0.0.1", port: nowhere }, address],
    });
    assertEquals(
      index.nodeMap.nodes.map(({ key, role, state }) => [key, role, state]),
      [[node.key, NodeRole.proxy, NodeState.active]],
    );
    await node.stop();
    assertEquals(
      index.nodeMap.nodes.map(({ role, state }) => [role, state]),
      [[NodeRole.proxy, NodeState.down]],
    );
    await index.stop();
  });
});
