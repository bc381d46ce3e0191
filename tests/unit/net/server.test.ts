/**
 * When a server closes connections by itself, on a clock that is moved by hand.
 *
 * Covers lib/net/connection/output.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { Access } from "../../../lib/net/auth/access.ts";
import type { RequestHandler } from "../../../lib/net/connection/session_host.ts";
import { Server } from "../../../lib/net/server.ts";
import { WorkerRegistry } from "../../../lib/net/worker.ts";
import { CommandTable } from "../../../lib/protocol/command.ts";
import type { Request } from "../../../lib/protocol/request.ts";
import type { TextReply } from "../../../lib/protocol/text/text_reply.ts";
import type { Connection, ConnectionHandler, Runtime } from "../../../lib/runtime/runtime.ts";
import { FakeConnection } from "../../support/fake_connection.ts";
import { PlayedNetwork } from "../../support/played_network.ts";

const IDLE_MS = 600_000;
const LARGE_BYTES = 100 * 65536;

/** Answers with a line, `stats large` with a long one, `stats never` never. */
class Handler implements RequestHandler {
  readonly commands = new CommandTable(["get", "stats", "quit"]);

  handle(request: Request, reply: TextReply): void | Promise<void> {
    if (request.words[0] === "never") return new Promise(() => undefined);
    if (request.words[0] === "large") return reply.line("x".repeat(LARGE_BYTES - 2));
    reply.line("x");
  }
}

class World {
  readonly network = new PlayedNetwork();
  #accept: ((connection: Connection) => ConnectionHandler) | undefined;

  static async start(): Promise<World> {
    const world = new World();
    const { runtime } = world.network;
    const listening: Runtime = {
      ...runtime,
      transport: {
        connect: () => assert(false) as never,
        async listen(address, accept) {
          world.#accept = accept;
          return { address, renew: () => undefined, close: async () => undefined };
        },
      },
    };
    const access = await Access.open(listening, {
      authFile: "",
      authExempt: "",
      authTimeoutMs: 1000,
      clusterUser: "",
      adminAccess: "any",
      adminAddress: "",
      requestTimeoutMs: 0,
    });
    const server = new Server(listening, new WorkerRegistry(), {
      maxConnections: 10,
      idleTimeoutMs: IDLE_MS,
      requestMemoryBytesMax: 1 << 20,
      backlog: 1,
      limits: { lineBytesMax: 2048, keyBytesMax: 250, valueBytesMax: 1024, outputHighWaterBytes: 1 << 20 },
      access,
    });
    server.open(new Handler());
    await server.listen({ host: "127.0.0.1", port: 1 });
    return world;
  }

  /** A connection whose client takes nothing. */
  connect(text: string): { connection: FakeConnection; session: ConnectionHandler } {
    const connection = new FakeConnection();
    connection.room = 0;
    const session = (this.#accept as (connection: Connection) => ConnectionHandler)(connection);
    session.onOpen();
    session.onData(fromLatin1(text));
    return { connection, session };
  }
}

describe("a connection that ends, and whose client takes nothing of its last replies", () => {
  it("is closed after half a minute, however it came to its end", async () => {
    const world = await World.start();
    const quit = world.connect("get a\r\nquit\r\n");
    const halfClosed = world.connect("get a\r\n");
    halfClosed.session.onEnd();
    const tooLong = world.connect(`get a\r\n${"x".repeat(3000)}`);
    const talkative = world.connect("get a\r\nquit\r\n");
    const open = world.connect("get a\r\n");
    await world.network.pass(29_000);
    talkative.session.onData(fromLatin1("get a\r\n"));
    assertEquals(
      [quit, halfClosed, tooLong, talkative, open].map(({ connection }) => connection.destroyed),
      [false, false, false, false, false],
    );
    await world.network.pass(4_000);
    assertEquals(
      [quit, halfClosed, tooLong, talkative, open].map(({ connection }) => connection.destroyed),
      [true, true, true, true, false],
    );
  });

  it("stays while it takes anything, while a request is at work, and longer for much", async () => {
    const world = await World.start();
    const slow = world.connect("get a\r\n");
    slow.session.onData(fromLatin1("get b\r\nquit\r\n"));
    const large = world.connect("stats large\r\nquit\r\n");
    const working = world.connect("stats never\r\nquit\r\n");
    await world.network.pass(25_000);
    slow.session.onDrain();
    await world.network.pass(25_000);
    assertEquals(
      [slow, large, working].map(({ connection }) => connection.destroyed),
      [false, false, false],
    );
    await world.network.pass(100_000);
    assertEquals(
      [slow, large, working].map(({ connection }) => connection.destroyed),
      [true, true, false],
    );
  });
});
