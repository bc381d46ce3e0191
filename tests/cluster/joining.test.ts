/** Nodes that join an index server which connects to them before they have its answer, over real sockets. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { detectRuntime, startNodeServer } from "../../mod.ts";
import { PlayedIndexServer } from "../support/played_index_server.ts";
import { TextClient } from "../support/text_client.ts";

const JOINS = 100;
/** Before the node itself asks for the map. */
const PUSH_MS_MAX = 1400;

describe("a node that joins an index server which connects back at once", () => {
  it(`hears the push of its own joining, ${JOINS} times of ${JOINS}`, async () => {
    const runtime = detectRuntime({ logLevel: "error" });
    const versions: unknown[] = [];
    let lostConnections = 0;
    for (let join = 0; join < JOINS; join++) {
      const index = await PlayedIndexServer.start(runtime);
      // Sometimes the node has the push first, sometimes the answer.
      index.answerDelayMs = join % 4;
      const node = await startNodeServer({
        runtime,
        storageType: "memory",
        bind: "127.0.0.1",
        serverName: "127.0.0.1",
        serverPort: 0,
        indexServers: [index.address],
      });
      const startedMs = performance.now();
      while (node.nodeMap.version === 0 && performance.now() - startedMs < PUSH_MS_MAX) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      versions.push(node.nodeMap.version);
      lostConnections += index.lostConnections;
      await node.stop({ announce: false });
      await index.stop();
    }
    assertEquals(
      versions,
      Array.from({ length: JOINS }, () => 1),
    );
    assertEquals(lostConnections, 0);
  });

  it("serves the clients that connected while it was joining", async () => {
    const runtime = detectRuntime({ logLevel: "error" });
    const index = await PlayedIndexServer.start(runtime);
    index.answerDelayMs = 1500;
    const reserved = await PlayedIndexServer.start(runtime);
    const { port } = reserved.address;
    await reserved.stop();
    const starting = startNodeServer({
      runtime,
      storageType: "memory",
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: port,
      indexServers: [index.address],
    });
    while (index.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const client = await TextClient.connect(runtime, { host: "127.0.0.1", port });
    await client.send("ping\r\n");
    assertEquals(
      await client.until((received) => received.endsWith("\r\n")),
      "SERVER_ERROR this node has not joined its cluster yet\r\n",
    );
    client.received = "";
    const startedMs = performance.now();
    assertEquals(await client.ask("set k 0 0 1\r\nv\r\n"), "SERVER_ERROR no partition available\r\n");
    const waitedMs = performance.now() - startedMs;
    assertEquals(waitedMs > 500 && waitedMs < 4000, true, `${waitedMs} ms`);
    assertEquals(await client.ask("ping\r\n"), "OK\r\n");
    client.close();
    const node = await starting;
    await node.stop({ announce: false });
    await index.stop();
  });
});
