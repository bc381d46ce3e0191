/** How long an item has left, asked where it lies, at a proxy, and of nodes that do not know the command. */

import { after, before, describe, it } from "node:test";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { TtlCommand, type TtlParts } from "../../../../lib/node_server/commands/ttl_command.ts";
import type { ReadForward } from "../../../../lib/node_server/forward/read_forward.ts";
import { BufferPool } from "../../../../lib/protocol/buffer_pool.ts";
import { ReplySegment } from "../../../../lib/protocol/reply_segment.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { TextReply } from "../../../../lib/protocol/text/text_reply.ts";
import { DirectNode } from "../../../support/direct_node.ts";
import { PlayedNode } from "../../../support/played_node.ts";

const MASTER = "127.0.0.1:2002";
const SLAVE = "127.0.0.1:2003";
/** We are a proxy; the second node reads, too. */
const PROXY = ["2001 2 0 -1 0 16", "2002 0 0 0 1 17", "2003 1 0 0 1 18"];

describe("ttl of an item that lies here", () => {
  let node: DirectNode;

  before(async () => {
    node = await DirectNode.start();
  });

  after(async () => {
    await node.stop();
  });

  const ask = (text: string): string => node.ask(fromLatin1(text));

  it("is the seconds left, -1 for ever, and NOT_FOUND where there is nothing", () => {
    ask("set ever 0 0 1\r\na\r\nset short 0 100 1\r\na\r\nset past 0 -1 1\r\na\r\n");
    assertEquals(ask("ttl ever\r\n"), "TTL -1\r\n");
    assertMatch(ask("ttl short\r\n"), /^TTL (100|9\d)\r\n$/);
    assertEquals(ask("ttl past\r\nttl none\r\n"), "NOT_FOUND\r\nNOT_FOUND\r\n");
    ask("touch short 0\r\n");
    assertEquals(ask("ttl short\r\n"), "TTL -1\r\n");
  });

  it("does not count as a read, and leaves the token of a stale item to whoever reads it", () => {
    ask("ms fresh 1\r\na\r\nms stale 1\r\na\r\nmd stale I T100\r\n");
    assertMatch(ask("ttl fresh\r\nttl stale\r\n"), /^TTL -1\r\nTTL (100|9\d)\r\n$/);
    assertEquals(ask("mg fresh h\r\nmg stale\r\n"), "HD h0\r\nHD X W\r\n");
  });

  it("is answered in order among other requests", () => {
    const text = "set k 0 0 1\r\na\r\nttl k\r\nget k\r\nttl\r\nttl k noreply\r\nttl k\r\n";
    const refused = "CLIENT_ERROR bad command line format\r\n";
    assertEquals(ask(text), `STORED\r\nTTL -1\r\nVALUE k 0 1\r\na\r\nEND\r\n${refused}${refused}TTL -1\r\n`);
  });
});

describe("ttl of an item of another node", () => {
  it("is asked of a replica, and of the next one when that is gone or answers an error", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    node.host(MASTER).answer = () => "TTL 7\r\n";
    node.host(SLAVE).answer = () => "TTL 8\r\n";
    node.network.draws.push(1);
    assertEquals(await node.ask("ttl k\r\n"), "TTL 8\r\n");
    assertEquals(node.host(SLAVE).requests.at(-1), "ttl k\r\n");
    node.host(SLAVE).answer = () => "SERVER_ERROR corrupt record\r\n";
    node.network.draws.push(1);
    assertEquals(await node.ask("ttl k\r\n"), "TTL 7\r\n");
    node.host(MASTER).answer = () => "NOT_FOUND\r\n";
    node.network.draws.push(0);
    assertEquals(await node.ask("ttl k\r\n"), "NOT_FOUND\r\n");
    await node.stop();
  });

  it("is refused with the node's name where only nodes have it that do not know the command", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    for (const host of [MASTER, SLAVE]) node.host(host).answer = () => "ERROR\r\n";
    node.network.draws.push(1);
    const answer = `SERVER_ERROR node "${MASTER}" cannot execute this request\r\n`;
    assertEquals(await node.ask("ttl k\r\n"), answer);
    await node.stop();
  });
});

describe("ttl of an item that cannot be read", () => {
  /** The answer of a node whose storage throws, or rejects with, `fault`. */
  async function answer(fault: Error, isLate: boolean): Promise<string> {
    const get = (): Promise<never> => {
      if (isLate) return Promise.reject(fault);
      throw fault;
    };
    const parts: TtlParts = {
      runtime: { clock: { nowMs: () => 0 } },
      storage: { get },
    };
    const forward = { isHere: () => true, readItem: get } as unknown as ReadForward;
    const segment = new ReplySegment(new BufferPool());
    await new TtlCommand(parts, forward).ttl(new Request(), new TextReply(segment));
    return latin1(segment.bytes, 0, segment.length);
  }

  it("is the fault in one line; a bug is thrown", async () => {
    for (const isLate of [false, true]) {
      assertEquals(await answer(new FlareError("IO_ERROR", "disk\non fire"), isLate), "SERVER_ERROR disk on fire\r\n");
      await assertRejects(() => answer(new TypeError("x is not a function"), isLate), TypeError);
    }
  });
});
