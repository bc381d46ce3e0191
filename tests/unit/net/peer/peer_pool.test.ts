/** Lanes to nodes that go: what was not sent fails at once, what is under way gets a moment to be answered. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { PeerError } from "../../../../lib/net/peer/peer_link.ts";
import { PeerPool } from "../../../../lib/net/peer/peer_pool.ts";
import { WorkerRegistry } from "../../../../lib/net/worker.ts";
import { ReplyShape } from "../../../../lib/protocol/text/text_client.ts";
import { IndexWorld } from "../../../support/index_world.ts";

const NODE = { key: "n:1", host: "n", port: 1, threadType: 16 };
const KEY = fromLatin1("key");

function scene(answer: (command: string) => string | undefined): { world: IndexWorld; pool: PeerPool; ask(): Promise<string> } {
  const world = new IndexWorld();
  world.node(NODE.key).answer = answer;
  const pool = new PeerPool(world, new WorkerRegistry(), 2, {
    connectTimeoutMs: 1000,
    replyTimeoutMs: 600000,
    queueBytesMax: 1000,
    replyBytesMax: 1000,
  });
  const ask = async (): Promise<string> => {
    try {
      return (await pool.lane(NODE, KEY, 0, KEY.length).request(fromLatin1("touch key 0\r\n"), ReplyShape.line)).line;
    } catch (error) {
      assert(error instanceof PeerError);
      return error.mayHaveHappened ? "in doubt" : "not sent";
    }
  };
  return { world, pool, ask };
}

describe("peer pool", () => {
  it("gives up what is under way to a node that is down after a moment, not after the reply timeout", async () => {
    const { world, pool, ask } = scene(() => undefined);
    const answer = ask();
    await world.network.settle();
    await world.advance(10);
    assertEquals(world.node(NODE.key).received.length, 1);
    pool.retain(new Set());
    await world.advance(2000);
    assertEquals(await answer, "in doubt");
  });

  it("closes its lanes to such a node as soon as that has answered", async () => {
    const { world, pool, ask } = scene(() => undefined);
    const answer = ask();
    await world.network.settle();
    await world.advance(10);
    pool.retain(new Set());
    const { connections } = world.node(NODE.key);
    assertEquals(connections.size, 1);
    for (const connection of connections) connection.send("TOUCHED\r\n");
    await world.advance(10);
    assertEquals(await answer, "TOUCHED");
    assertEquals(connections.size, 0);
  });

  it("fails at once what was not sent to it", async () => {
    const { pool, ask } = scene(() => undefined);
    const answer = ask();
    pool.retain(new Set());
    assertEquals(await answer, "not sent");
  });

  it("takes what a node says that has too many connections for no answer: nothing was sent", async () => {
    const { world, ask } = scene(() => "ERROR Too many open connections\r\n");
    const answer = ask();
    await world.advance(10);
    assertEquals(await answer, "not sent");
  });

  it("opens new lanes to a node that is back", async () => {
    const { world, pool, ask } = scene(() => "TOUCHED\r\n");
    pool.retain(new Set());
    const answer = ask();
    await world.advance(10);
    assertEquals(await answer, "TOUCHED");
    pool.close();
  });
});
