/** The answer to a dump that cannot be read to its end. */

import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { KeyResolver } from "../../../../lib/cluster/key_resolver.ts";
import type { ClientSession } from "../../../../lib/net/connection/client_session.ts";
import { DumpCommands } from "../../../../lib/node_server/commands/dump_commands.ts";
import { BufferPool } from "../../../../lib/protocol/buffer_pool.ts";
import { Command } from "../../../../lib/protocol/command.ts";
import { ReplySegment } from "../../../../lib/protocol/reply_segment.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { TextReply } from "../../../../lib/protocol/text/text_reply.ts";

type Parts = ConstructorParameters<typeof DumpCommands>[0];
type Meta = ConstructorParameters<typeof KeyResolver>[0];

/** The answer to `dump` of a node whose walk over its items fails, and whether the walk was closed. */
async function answer(fault: Error): Promise<string> {
  let closed = "open";
  const cursor = {
    next: () => Promise.reject(fault),
    close: () => {
      closed = "closed";
      return Promise.resolve();
    },
  };
  const parts = {
    storage: { openCursor: () => cursor },
    runtime: {
      clock: { monotonicMs: () => 0, setTimer: () => ({}), clearTimer: () => undefined },
      log: { write: () => undefined },
    },
  } as unknown as Parts;
  const session = { gone: false, whenGone: () => () => undefined } as unknown as ClientSession;
  const meta: Meta = { partitionSize: 16, keyHashAlgorithm: "simple", hint: 1, virtual: 16 } as unknown as Meta;
  const segment = new ReplySegment(new BufferPool());
  const request = Object.assign(new Request(), { command: Command.dump });
  try {
    await new DumpCommands(parts, new KeyResolver(meta)).dump(request, new TextReply(segment), session);
  } finally {
    assertEquals(closed, "closed");
  }
  return latin1(segment.bytes, 0, segment.length);
}

describe("a dump that fails", () => {
  it("ends with the fault in one line", async () => {
    assertEquals(await answer(new FlareError("IO_ERROR", "disk\r\nEND")), "SERVER_ERROR disk END\r\n");
  });

  it("hides no bug: the session answers and logs it", async () => {
    await assertRejects(() => answer(new TypeError("x is not a function")), TypeError);
  });
});
