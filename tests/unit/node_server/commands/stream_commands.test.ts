/** A slave that gets its master's replication stream over a connection. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { latin1 } from "../../../../lib/base/bytes.ts";
import { encodeBlock } from "../../../../lib/protocol/stream_request.ts";
import { type LogBlock, Storage } from "../../../../lib/storage/storage.ts";
import { PlayedNode } from "../../../support/played_node.ts";
import { committed, StorageWorld, set, write } from "../../../support/storage_world.ts";

const MASTER = "127.0.0.1:2002";
const ID = "0123456789abcdef";
const AS_SLAVE = ["2001 1 0 0 1 16", "2002 0 0 0 1 17"];

/** One block for each value of `a`, as the master sends it. */
async function blocksOf(...values: readonly string[]): Promise<string[]> {
  const world = new StorageWorld();
  const storage = await Storage.open(world.runtime, { engine: "memory" });
  const blocks: string[] = [];
  storage.follow({
    onAppended: (block: LogBlock) => ({
      onCommitted: () =>
        void blocks.push(latin1(encodeBlock(MASTER, { ...block, id: ID, mapVersion: "1", replicated: 0 }, block.bytes))),
    }),
  });
  for (const value of values) {
    await write(storage, set("a", value), world.nowSeconds);
    await committed(storage);
  }
  await storage.close();
  return blocks;
}

async function slave(): Promise<PlayedNode> {
  const node = new PlayedNode();
  await node.start(AS_SLAVE);
  return node;
}

describe("a slave", () => {
  it("stores the blocks of its master's stream, pipelined ones, too", async () => {
    const node = await slave();
    const blocks = await blocksOf("1", "2", "3");
    assertEquals(
      await node.ask(`<${MASTER}>stream ${ID}\r\n${blocks.join("")}gets a\r\n`),
      [..."OK OK OK OK".split(" "), ..."VALUE a 0 1 3|3|END".split("|"), ""].join("\r\n"),
    );
    await node.stop();
  });

  it("says why it does not take a block, and takes none after it", async () => {
    const node = await slave();
    const [first = "", second = "", third = ""] = await blocksOf("1", "2", "3");
    assertEquals(await node.ask(first), `AGAIN stream ${ID} is not open here\r\n`);
    await node.ask(`<${MASTER}>stream ${ID}\r\n${first}`);
    assertEquals(
      await node.ask(`<${MASTER}>stream ${ID} 2\r\n${third}${second}${third}`),
      `OK\r\nAGAIN stream ${ID} continues with 2 here, not with 3\r\nOK\r\nOK\r\n`,
    );
    await node.stop();
  });

  it("says that it cannot continue a stream it does not know", async () => {
    const node = await slave();
    assertEquals(await node.ask(`<${MASTER}>stream ${ID} 5\r\n`), "LOST\r\n");
    await node.stop();
  });

  it("follows nobody but its master", async () => {
    const node = await slave();
    const [block = ""] = await blocksOf("1");
    await node.ask(`<${MASTER}>stream ${ID}\r\n`);
    assertMatch(await node.ask(block.replace(MASTER, "127.0.0.1:2009")), /^AGAIN this node is a slave of "127.0.0.1:2002"/);
    assertMatch(await node.ask(`<127.0.0.1:2009>stream ${ID}\r\n`), /^AGAIN this node is a slave of "127.0.0.1:2002"/);
    assertEquals(await node.ask("get a\r\n"), "END\r\n");
    await node.stop();
  });

  it("refuses what is malformed", async () => {
    const node = await slave();
    const bad = "CLIENT_ERROR bad command line format\r\n";
    for (const words of ["stream", "stream x", `stream ${ID} x`, `stream ${ID}`]) {
      const prefix = words === `stream ${ID}` ? "" : `<${MASTER}>`;
      assertEquals(await node.ask(`${prefix}${words}\r\n`), bad);
    }
    assertEquals(await node.ask(`<${MASTER}>block ${ID} 1 x 1 1 1\r\n.\r\n`), bad);
    const far = await node.send(`<${MASTER}>block ${ID} 1 1 1\r\nflush_all\r\n`);
    assertEquals(far.received, bad);
    assert(far.closed);
    await node.stop();
  });
});
