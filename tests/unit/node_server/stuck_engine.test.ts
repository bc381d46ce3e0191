/**
 * What walks over everything do while the engine takes no changes, so that it does not have what they are to show.
 *
 * Covers lib/node_server/scan/own_part.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { PlayedNode } from "../../support/played_node.ts";
import { TestDatabase } from "../../support/test_database.ts";

const ALONE = ["2001 0 0 0 1 16"];
const WALKS = ["scan 10\r\n", "delete_prefix 10 pa\r\n", "keys a 10\r\n", "dump\r\n", "lru_crawler metadump all\r\n"];
const REASON = /^(?:SERVER_ERROR|ERROR) .*cannot create files\r\n$/;

async function withFailingEngine(): Promise<{ node: PlayedNode; database: TestDatabase }> {
  const database = new TestDatabase();
  const node = new PlayedNode();
  await node.start(ALONE, {}, database.asEngine);
  database.failures = Number.POSITIVE_INFINITY;
  database.failureText = "cannot create files";
  assertEquals(await node.ask("set a 0 0 1\r\nx\r\n"), "STORED\r\n");
  return { node, database };
}

describe("a walk while the engine takes no changes", () => {
  for (const walk of WALKS) {
    it(`says so within seconds: ${walk.trim()}`, async () => {
      const { node, database } = await withFailingEngine();
      const client = await node.send(walk);
      assert(await node.network.passUntil(() => client.received !== "", 4000), "no answer");
      assertMatch(client.received, REASON);
      // Reads and writes go on meanwhile.
      assertEquals(await node.ask("set b 0 0 1\r\ny\r\nget a\r\n"), "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
      // The engine is known to be stuck: the next one need not find out again.
      const second = await node.send(walk);
      assert(await node.network.passUntil(() => second.received !== "", 3200), "no answer");
      assertMatch(second.received, REASON);
      database.failures = 0;
      await node.network.pass(6000);
      const healed = await node.send(walk);
      await node.network.passUntil(() => healed.received !== "", 3000);
      assert(!REASON.test(healed.received), healed.received);
      await node.stop();
    });
  }

  it("is answered, and leaves nothing behind, when the node stops", async () => {
    const { node } = await withFailingEngine();
    const clients = [];
    for (const walk of WALKS) clients.push(await node.send(walk));
    await node.network.pass(500);
    await node.stop();
    for (const client of clients) assert(client.closed);
    assertEquals(
      node.network.logged.filter((line) => /unexpected|\n {4}at /.test(line)),
      [],
    );
  });
});
