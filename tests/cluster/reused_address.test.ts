/**
 * A node is gone, and another one of its cluster gets its address, as restarted containers do: nobody takes the one for the
 * other. Real sockets; the address is reused by a node that listens on all addresses of this machine.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { Client, ClusterAdmin, NodeRole, NodeState, partChange, startIndexServer, startNodeServer } from "../../mod.ts";
import { waitUntil } from "../support/daemon.ts";

const [GONE, OTHER, EVERYWHERE] = ["127.0.0.2", "127.0.0.1", "0.0.0.0"];

describe("a node whose address another one has got", () => {
  it("is replaced by its slave, and joins again when it has an address of its own", async () => {
    await using index = await startIndexServer({
      ...{ serverName: OTHER, bind: OTHER, serverPort: 0, indexDb: "memory://", logLevel: "error" },
      ...{ monitorIntervalMs: 300, monitorThreshold: 10 },
    });
    const start = (serverName: string, bind: string, serverPort: number) =>
      startNodeServer({
        serverName,
        bind,
        serverPort,
        indexServers: [index.address],
        storageType: "memory",
        logLevel: "error",
      });
    await using gone = await start(GONE, GONE, 0);
    const { port } = gone.address;
    await using other = await start(OTHER, OTHER, port);
    await using slave = await start(OTHER, OTHER, 0);
    using admin = new ClusterAdmin({ indexServer: index.address });
    const change = partChange([gone.key, slave.key].map((node) => ({ node, balance: 1, partition: 0 })));
    for await (const _event of admin.carryOut(change, { pollMs: 50 }));
    using client = new Client(slave.address);
    assertEquals(await client.set("key", "value"), "STORED");

    await other.stop({ announce: false });
    await gone.stop({ announce: false });
    await using reusing = await start(OTHER, EVERYWHERE, port);
    await waitUntil(() => slave.role === NodeRole.master, "the slave takes over");
    using reader = new Client(reusing.address);
    assertEquals(new TextDecoder().decode((await reader.get("key"))?.value), "value");
    const stateOfGone = () => slave.nodeMap.nodes.find(({ key }) => key === gone.key)?.state;
    assertEquals(stateOfGone(), NodeState.down);

    await reusing.stop({ announce: false });
    await using back = await start(GONE, GONE, port);
    await waitUntil(() => stateOfGone() === NodeState.active, "the node is back");
    using proxied = new Client(back.address);
    assertEquals(await proxied.set("key", "changed"), "STORED");
  });
});
