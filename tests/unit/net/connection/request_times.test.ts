/** How long requests take: which are measured, from when, and until when. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { RequestTimes, SAMPLE_INTERVAL } from "../../../../lib/net/connection/request_times.ts";
import { Session, type SessionHost } from "../../../../lib/net/connection/session.ts";
import { BufferPool } from "../../../../lib/protocol/buffer_pool.ts";
import { Command, CommandTable, commandName } from "../../../../lib/protocol/command.ts";
import type { Request } from "../../../../lib/protocol/request.ts";
import type { TextReply } from "../../../../lib/protocol/text/text_reply.ts";
import { FakeConnection } from "../../../support/fake_connection.ts";

/** Measures every chunk. */
class AllTimes extends RequestTimes {
  override isDue(): boolean {
    return true;
  }
}

/** A session whose requests take as long as a test says. */
class World {
  nowMs = 1000;
  readonly times: RequestTimes = new AllTimes();
  readonly connection = new FakeConnection();
  readonly commits: { onCommitted(): void }[] = [];
  release: (() => void) | undefined;
  readonly #session: Session;

  constructor() {
    const host: SessionHost = {
      times: this.times,
      handler: {
        commands: new CommandTable(["get", "set", "stats"]),
        handle: (request, reply) => this.#handle(request, reply),
        onCommit: (listener) => this.commits.push(listener),
      },
      limits: { lineBytesMax: 2048, keyBytesMax: 250, valueBytesMax: 1000, outputHighWaterBytes: 1 << 20 },
      requestMemory: { usedBytes: 0, bytesMax: 1 << 20 },
      buffers: new BufferPool(),
      traffic: { bytesRead: 0, bytesWritten: 0, tooLarge: 0, noMemory: 0 },
      monotonicMs: () => this.nowMs,
      opened: () => undefined,
      closed: () => undefined,
      settleSoon: (session) => session.settle(),
      refusedHttp: () => undefined,
      unexpected: (error) => {
        throw error;
      },
    };
    this.#session = new Session(1, this.connection, host);
    this.#session.onOpen();
  }

  send(text: string): void {
    this.#session.onData(fromLatin1(text));
  }

  /** What has been measured: `get 1 0.003`. */
  get measured(): string[] {
    return [...this.times.histograms].map(([command, { counts, sum }]) => {
      const count = counts.reduce((total, each) => total + each, 0);
      return `${commandName(command)} ${count} ${Math.round(sum * 1000) / 1000}`;
    });
  }

  #handle({ command }: Request, reply: TextReply): void | Promise<void> {
    this.nowMs += 3;
    if (command === Command.stats) {
      return new Promise((resolve) => {
        this.release = () => {
          reply.line("END");
          resolve();
        };
      });
    }
    const start = reply.segment.length;
    reply.line("x");
    if (command === Command.set) reply.markUncommitted(start);
  }
}

describe("the times of requests", () => {
  it("are those of a sample", () => {
    const times = new RequestTimes();
    const due = Array.from({ length: 3 * SAMPLE_INTERVAL }, () => times.isDue());
    assertEquals(due.filter((each) => each).length, 3);
    assertEquals(times.histograms.size, 0);
    times.observe(Command.get, 2);
    times.observe(Command.get, 4);
    assertEquals(times.histograms.get(Command.get)?.sum, 0.006);
  });

  it("begin with the arrival of the bytes and end with the reply", () => {
    const world = new World();
    world.send("get a\r\n");
    world.send("get a\r\nget b\r\n");
    assertEquals(world.measured, ["get 2 0.009"]);
  });

  it("have the wait for a late answer in them", async () => {
    const world = new World();
    world.send("stats\r\n");
    assertEquals(world.measured, []);
    world.nowMs += 10;
    world.release?.();
    for (let i = 0; i < 5; i++) await Promise.resolve();
    assertEquals(world.measured, ["stats 1 0.013"]);
  });

  it("have the wait for a commit in them", () => {
    const world = new World();
    world.send("set k 0 0 1\r\nx\r\n");
    world.nowMs += 20;
    assertEquals([world.measured, world.connection.text], [[], ""]);
    for (const commit of world.commits) commit.onCommitted();
    assertEquals([world.measured, world.connection.text], [["set 1 0.023"], "x\r\n"]);
  });

  it("are not taken of what is no complete request", () => {
    const world = new World();
    world.send("get a\r\n");
    world.send("set k 0 0 5\r\nab");
    assertEquals(world.measured, ["get 1 0.003"]);
  });
});
