/**
 * What a master writes once more for a slave that returns.
 *
 * Covers lib/node_server/comparison/key_repair.ts.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { PlayedNode } from "../../../support/played_node.ts";

const ALONE = ["2001 0 0 0 1 16"];
const TWO = ["2001 0 0 0 1 16", "2002 0 0 1 1 17"];
const KEYS = Array.from({ length: 8 }, (_, i) => `key${i}`);
/** Longer than the test. */
const LONG_MS = 86_400_000;

describe("what a master writes once more for a slave", () => {
  it("are the keys of its partition, not those that have moved to another one and are still here", async () => {
    const node = new PlayedNode();
    await node.start(ALONE, { movedKeysDelayMs: LONG_MS });
    const sets = KEYS.map((key) => `set ${key} 0 0 1\r\nx\r\n`);
    assertEquals(await node.ask(sets.join("")), "STORED\r\n".repeat(KEYS.length));
    await node.push(2, TWO);
    node.host("127.0.0.1:2002").answer = (request) => (request.includes("node yield") ? "OK\r\n" : "END\r\n");
    await node.network.settle();
    const before = await versions(node);
    // The slave has none of them.
    const words = KEYS.map((key) => `${btoa(key)}:-`);
    assertEquals(await node.ask(`node rewrite 0/2 ${words.join(" ")}\r\n`), "OK\r\n");
    const own = [...before.keys()];
    assertEquals(own.length > 0 && own.length < KEYS.length, true, `${own.length} of ${KEYS.length} keys have stayed`);
    assertEquals(await versions(node), before);
    await node.stop();
  });
});

/** The versions of the keys that the node has itself. */
async function versions(node: PlayedNode): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const key of KEYS) {
    const [, version] = /^VALUE \S+ 0 1 (\d+)\r\n/.exec(await node.ask(`gets ${key}\r\n`)) ?? [];
    if (version !== undefined) found.set(key, version);
  }
  return found;
}
