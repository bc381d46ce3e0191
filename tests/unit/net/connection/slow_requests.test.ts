/** Requests that take long, of a session: which count, since when, what is said of them. Covers lib/stats/slow_stats.ts. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { Session, type SessionHost } from "../../../../lib/net/connection/session.ts";
import { type SlowLimits, type SlowRequest, SlowRequests, slowText } from "../../../../lib/net/connection/slow_requests.ts";
import { BufferPool } from "../../../../lib/protocol/buffer_pool.ts";
import { Command, CommandTable } from "../../../../lib/protocol/command.ts";
import type { Request } from "../../../../lib/protocol/request.ts";
import type { TextReply } from "../../../../lib/protocol/text/text_reply.ts";
import { slowReportOf, statsSlow } from "../../../../lib/stats/slow_stats.ts";
import { FakeConnection } from "../../../support/fake_connection.ts";
import { ManualClock } from "../../../support/manual_clock.ts";

const WALL_MS = 1_700_000_000_000;

/** A session whose requests take as long as a test says: `get` at once, `gets` waits, `set` waits for its commit. */
class World {
  nowMs = 1000;
  /** How long each request keeps the process busy. */
  busyMs = 0;
  readonly slow: SlowRequests;
  readonly logged: string[] = [];
  readonly connection = new FakeConnection();
  readonly commits: { onCommitted(error?: undefined, storedMs?: number): void }[] = [];
  readonly releases: (() => void)[] = [];
  readonly #session: Session;

  constructor(limits: Partial<SlowLimits> = {}) {
    const clock = new ManualClock(() => undefined);
    clock.monotonicMs = () => this.nowMs;
    clock.nowMs = () => WALL_MS + this.nowMs;
    const log = { write: (level: string, line: string) => void this.logged.push(`${level} ${line}`) };
    this.slow = new SlowRequests({ clock, log } as never, { slowLogMs: 100, slowLogSize: 3, ...limits });
    const host: SessionHost = {
      slow: this.slow,
      handler: {
        commands: new CommandTable(["get", "gets", "set", "delete", "stats", "keys", "dump"]),
        handle: (request, reply) => this.#handle(request, reply),
        onCommit: (listener) => this.commits.push(listener),
      },
      limits: { lineBytesMax: 2048, keyBytesMax: 1000, valueBytesMax: 1000, outputHighWaterBytes: 1 << 20 },
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

  /** Answers the requests that wait, oldest first. */
  async release(): Promise<void> {
    for (const release of this.releases.splice(0)) release();
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }

  commit(storedMs?: number): void {
    for (const commit of this.commits.splice(0)) commit.onCommitted(undefined, storedMs);
  }

  /** What is kept: `get k 100`, then how many came together and what it waited for. */
  get kept(): string[] {
    return this.slow.newest.map(({ command, key, ms, requests, waitedFor = "" }) => {
      return `${command} ${key === undefined ? "?" : latin1(key)} ${ms} ${requests} ${waitedFor}`.trim();
    });
  }

  #handle(request: Request, reply: TextReply): void | Promise<void> {
    this.nowMs += this.busyMs;
    const { command } = request;
    if (command === Command.gets || command === Command.keys || command === Command.dump) {
      request.waitsFor = "elsewhere:1";
      return new Promise((resolve) => {
        this.releases.push(() => {
          reply.line("END");
          resolve();
        });
      });
    }
    const start = reply.segment.length;
    reply.line("x");
    if (command === Command.set) reply.markUncommitted(start);
  }
}

describe("slow requests", () => {
  it("are those that keep the process busy for long", () => {
    const world = new World();
    world.busyMs = 99;
    world.send("get fast\r\n");
    world.busyMs = 100;
    world.send("get slow other\r\n");
    assertEquals(world.kept, ["get slow 100 1"]);
    assertEquals([world.slow.count, [...world.slow.byCommand]], [1, [[Command.get, 1]]]);
  });

  it("stand for all that came together, and then there is no key", () => {
    const world = new World();
    world.busyMs = 40;
    world.send("get a\r\nget b\r\nget c\r\n");
    assertEquals(world.kept, ["get ? 120 3"]);
  });

  it("are not what is incomplete, or not for items", () => {
    const world = new World();
    world.busyMs = 200;
    world.send("set k 0 0 5\r\nab");
    world.send("stats\r\n");
    assertEquals(world.kept, []);
    world.busyMs = 0;
    world.send("\r\n\r\n");
    world.commit();
    world.send("dump\r\n");
    world.nowMs += 500;
    assertEquals(world.kept, []);
  });

  it("wait for an answer, each for its own", async () => {
    const world = new World();
    world.send("gets a\r\ngets b\r\nget here\r\n");
    world.nowMs += 60;
    world.send("gets c\r\nkeys k 10\r\n");
    world.nowMs += 60;
    await world.release();
    assertEquals(world.kept, ["gets a 120 1 elsewhere:1", "gets b 120 1 elsewhere:1"]);
    world.nowMs += 500;
    await world.release();
    assertEquals(world.kept.slice(2), ["keys ? 500 1 elsewhere:1"]);
  });

  it("wait for a commit, or for replicas after it", () => {
    const world = new World({ slowLogSize: 10 });
    world.send("set a 0 0 1\r\nx\r\n");
    world.nowMs += 150;
    world.commit();
    world.send("set b 1 0 1\r\nx\r\n");
    world.nowMs += 20;
    const storedMs = world.nowMs;
    world.nowMs += 130;
    world.commit(storedMs);
    world.send("set c 1 0 1\r\nx\r\n");
    world.nowMs += 150;
    world.commit(world.nowMs - 10);
    world.send("set d 0 0 1\r\nx\r\nget a\r\n");
    world.nowMs += 150;
    world.commit();
    assertEquals(world.kept, ["set a 150 1 commit", "set b 150 1 replicas", "set c 150 1 commit", "get ? 150 2 commit"]);
    assertEquals(world.slow.newest[0]?.bytes, 1);
  });

  it("count once, when one waits and another one does not", async () => {
    const world = new World();
    world.busyMs = 60;
    world.send("gets a\r\nget b\r\n");
    await world.release();
    assertEquals(world.kept, ["get ? 120 2", "gets a 120 1 elsewhere:1"]);
    world.send("gets a\r\n");
    world.nowMs += 50;
    await world.release();
    assertEquals(world.kept.slice(2), ["gets a 110 1 elsewhere:1"]);
  });

  it("that had to wait for an earlier one begin when they are executed", async () => {
    const world = new World();
    world.send("gets a\r\nset a 0 0 1\r\nx\r\n");
    world.nowMs += 300;
    await world.release();
    world.nowMs += 10;
    world.commit();
    assertEquals(world.kept, ["gets a 300 1 elsewhere:1"]);
  });

  it("keep the beginning of a long key", () => {
    const world = new World();
    world.busyMs = 100;
    for (const length of [1, 64, 65, 250, 251, 1000, 3]) world.send(`get ${"k".repeat(length)}\r\n`);
    assertEquals(
      world.slow.newest.map(({ key, keyBytes }) => [key?.length, keyBytes]),
      [
        [250, 251],
        [250, 1000],
        [3, 3],
      ],
    );
  });

  it("are kept up to a number, which may change", () => {
    const world = new World();
    world.busyMs = 100;
    for (let i = 1; i <= 5; i++) world.send(`get k${i}\r\n`);
    assertEquals(
      world.slow.newest.map(({ id, key }) => `${id} ${latin1(key as Uint8Array)}`),
      ["3 k3", "4 k4", "5 k5"],
    );
    world.slow.limits = { slowLogMs: 100, slowLogSize: 1 };
    assertEquals(world.slow.newest.length, 1);
    world.slow.limits = { slowLogMs: 100, slowLogSize: 0 };
    world.send("get k6\r\n");
    assertEquals([world.slow.newest.length, world.slow.count], [0, 6]);
    world.slow.clear();
    world.slow.limits = { slowLogMs: 0, slowLogSize: 10 };
    world.send("get k7\r\n");
    world.send("set k7 0 0 1\r\nx\r\n");
    world.nowMs += 500;
    world.commit();
    assertEquals([world.slow.newest.length, world.slow.count], [0, 0]);
    // What Prometheus counts does not go back.
    assertEquals([...world.slow.byCommand], [[Command.get, 6]]);
  });

  it("are in the log, one line per second", () => {
    const world = new World();
    world.busyMs = 400;
    for (let i = 1; i <= 4; i++) world.send(`get k${i}\r\n`);
    assertEquals(world.logged, [
      'warning slow request: "get" of key "k1" from "127.0.0.1:50000" took "400" ms (slow-log-ms)',
      'warning slow request: "get" of key "k4" from "127.0.0.1:50000" took "400" ms (slow-log-ms) ' +
        "(and 2 more since the last such line)",
    ]);
  });

  it("are one line of text each, and no more", () => {
    const slow: SlowRequest = {
      ...{ id: 1, atMs: 0, ms: 1234.56, client: "c:1", isOfNode: false, command: "mg", requests: 1, bytes: undefined },
      ...{ key: fromLatin1("a\x1b\n"), keyBytes: 9, waitedFor: "n:1" },
    };
    assertEquals(
      slowText(slow),
      'slow request: "mg" of key "a\\x1b\\n" (the first 3 of 9 bytes) from "c:1" ' +
        'took "1235" ms, it waited for node "n:1" (slow-log-ms)',
    );
    assertEquals(
      slowText({ ...slow, key: undefined, requests: 7, waitedFor: "commit" }),
      'slow request: "mg", the last of "7" requests that came together, from "c:1" ' +
        'took "1235" ms, it waited for "commit" (slow-log-ms)',
    );
  });
});

describe("stats slow", () => {
  function linesOf(slow: SlowRequests): Map<string, string> {
    const lines = new Map<string, string>();
    statsSlow(slow, { stat: (name, value) => void lines.set(name, String(value)) });
    return lines;
  }

  it("has the newest request first, with what is known of it", () => {
    const world = new World();
    world.send("set a% 0 0 5\r\nhello\r\n");
    world.nowMs += 150.26;
    world.commit();
    world.busyMs = 50;
    world.send("get b\r\nget c\r\n");
    assertEquals(
      [...linesOf(world.slow)],
      [
        ["threshold_ms", "100"],
        ["count", "2"],
        ["2:time_ms", "1700000001250.26"],
        ["2:took_ms", "100"],
        ["2:command", "get"],
        ["2:requests", "2"],
        ["2:client", "127.0.0.1:50000"],
        ["2:of_node", "no"],
        ["1:time_ms", "1700000001150.26"],
        ["1:took_ms", "150.3"],
        ["1:command", "set"],
        ["1:key", "a%25"],
        ["1:key_bytes", "2"],
        ["1:bytes", "5"],
        ["1:requests", "1"],
        ["1:waited_for", "commit"],
        ["1:client", "127.0.0.1:50000"],
        ["1:of_node", "no"],
      ],
    );
    assertEquals(slowReportOf(linesOf(world.slow)), {
      thresholdMs: 100,
      count: 2,
      requests: world.slow.newest.map((slow) => ({ ...slow, ms: Math.round(slow.ms * 10) / 10 })).toReversed(),
    });
  });

  it("is not guessed from the lines of others", () => {
    const world = new World();
    world.busyMs = 100;
    world.send("get a\r\n");
    const good = linesOf(world.slow);
    assert(slowReportOf(good) !== undefined);
    assertEquals(slowReportOf(new Map()), undefined);
    for (const name of ["threshold_ms", "count", "1:time_ms", "1:took_ms", "1:requests", "1:key_bytes"]) {
      assertEquals(slowReportOf(new Map([...good, [name, "x"]])), undefined, name);
    }
    assertEquals(slowReportOf(new Map([...good, ["1:key", "a b"]])), undefined);
  });
});
