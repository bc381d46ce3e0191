/**
 * Walks that are slowed down, and whose pause ends with whoever wants them.
 *
 * Covers lib/node_server/forward/other_cluster.ts, lib/node_server/node_server.ts
 * and lib/replication/moved_keys.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { PlayedNode } from "../../support/played_node.ts";

const ALONE = ["2001 0 0 0 1 16"];
const TWO = ["2001 0 0 0 1 16", "2002 0 0 1 1 17"];
/** Longer than anything else that is waited for. */
const LONG_MS = 2_000_000;
const LONG_US = 1000 * LONG_MS;
/** Of a listing's first page. */
const LISTING_MS = 500;

/** A node with the given number of items. */
async function nodeWith(items: number, options: Parameters<PlayedNode["start"]>[1] = {}): Promise<PlayedNode> {
  const node = new PlayedNode();
  await node.start(ALONE, options);
  const sets = Array.from({ length: items }, (_, i) => `set key${i} 0 0 1\r\nx\r\n`);
  assertEquals(await node.ask(sets.join("")), "STORED\r\n".repeat(items));
  return node;
}

function pauses(node: PlayedNode): boolean {
  return node.network.clock.delaysMs.some((delayMs) => delayMs >= LONG_MS);
}

describe("the pause of a walk", () => {
  it("ends when the client of a dump leaves", async () => {
    const node = await nodeWith(3);
    const client = await node.send(`dump ${LONG_US}\r\n`);
    assert(await node.network.passUntil(() => client.received.startsWith("VALUE key0 "), 5000));
    assert(pauses(node));
    client.close();
    await node.network.settle();
    assert(!pauses(node));
    await node.stop();
  });

  it("ends when the client of a listing leaves", async () => {
    const node = await nodeWith(600);
    assertEquals(await node.ask("lru_crawler sleep 1000000\r\n"), "OK\r\n");
    const { clock } = node.network;
    const client = await node.send("lru_crawler metadump all\r\n");
    assert(await node.network.passUntil(() => clock.delaysMs.includes(LISTING_MS), 5000));
    client.close();
    await node.network.settle();
    assert(!clock.delaysMs.includes(LISTING_MS));
    await node.stop();
  });

  it("ends when the keys that moved away need not be removed any more", async () => {
    const node = await nodeWith(3, { movedKeysDelayMs: 1000, reconstructionIntervalUs: LONG_US });
    await node.push(2, TWO);
    assert(await node.network.passUntil(() => pauses(node), 10000));
    await node.push(3, ["2001 2 0 -1 0 16", "2002 0 0 0 1 17"]);
    assert(!pauses(node));
    await node.stop();
  });

  it("ends when not everything is to be sent to the other cluster any more", async () => {
    const other = { clusterReplication: true, clusterReplicationServerName: "127.0.0.1", clusterReplicationServerPort: 3000 };
    const node = await nodeWith(3, { ...other, reconstructionIntervalUs: LONG_US });
    await node.server.reload({ ...node.server.options, clusterReplication: false });
    await node.server.reload({ ...node.server.options, ...other });
    assert(await node.network.passUntil(() => pauses(node), 10000));
    await node.server.reload({ ...node.server.options, clusterReplication: false });
    await node.network.settle();
    assert(!pauses(node));
    await node.stop();
  });
});
