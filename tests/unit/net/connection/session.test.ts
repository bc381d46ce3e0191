/**
 * A session between a scripted handler and a fake connection: order, waiting, committing, limits, ends.
 *
 * Covers lib/net/connection/late_reply.ts, lib/net/connection/outstanding.ts and lib/net/connection/reply_waiters.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { Session, type SessionHost } from "../../../../lib/net/connection/session.ts";
import type { RequestHandler } from "../../../../lib/net/connection/session_host.ts";
import { BufferPool } from "../../../../lib/protocol/buffer_pool.ts";
import { Command, CommandTable } from "../../../../lib/protocol/command.ts";
import type { Request } from "../../../../lib/protocol/request.ts";
import { keysOf } from "../../../../lib/protocol/text/text_key.ts";
import type { TextReply } from "../../../../lib/protocol/text/text_reply.ts";
import { FakeConnection } from "../../../support/fake_connection.ts";

/**
 * Answers `get x` with a line; keys that begin with "later" wait until released, writes until committed; "passed" ones wait
 * without a promise. "long" answers three lines, each when there is room, "longer" once it is released.
 */
class FakeHandler implements RequestHandler {
  readonly commands = new CommandTable(["get", "set", "delete", "quit", "stats", "version"]);
  readonly waiting: { name: string; release: () => void }[] = [];
  readonly executed: string[] = [];
  commits: { onCommitted(error?: FlareError): void }[] = [];
  commitsAtOnce = true;
  readonly finished: string[] = [];
  numbersWrites = false;
  /** The writes so far, numbered from 1 … */
  #written = 0;
  /** … and the last one that is committed. */
  committed = 0;

  onCommit(listener: { onCommitted(error?: FlareError): void }): void {
    const covered = this.#written;
    const commit = (error?: FlareError): void => {
      this.committed = covered;
      listener.onCommitted(error);
    };
    if (this.commitsAtOnce && this.commits.length === 0) commit();
    else this.commits.push({ onCommitted: commit });
  }

  handle(request: Request, reply: TextReply, session: Session): void | Promise<void> {
    if (request.command === Command.quit) return;
    if (request.command === Command.stats) return this.#answer("stats", reply);
    if (request.command === Command.version) throw new Error("a bug");
    if (request.command === Command.get) {
      const name = keysOf(request).join("+");
      if (name.startsWith("passed")) return this.#pass(name, request, reply, session);
      return name === "long" || name === "longer" ? this.#long(name, reply, session) : this.#answer(name, reply);
    }
    const { bytes, start, end } = request.mutation.key;
    const key = String.fromCharCode(...bytes.subarray(start, end));
    this.executed.push(key);
    const { noreply } = request;
    if (!key.startsWith("later")) return this.#store(key, noreply, reply);
    return new Promise((resolve) => {
      this.waiting.push({
        name: key,
        release: () => {
          this.#store(key, noreply, reply);
          resolve();
        },
      });
    });
  }

  #store(key: string, noreply: boolean, reply: TextReply): void {
    const from = reply.segment.length;
    this.#written++;
    if (!noreply) reply.line(`STORED ${key}${this.numbersWrites ? ` #${this.#written}` : ""}`);
    reply.segment.markUncommitted(from);
  }

  #answer(name: string, reply: TextReply): void | Promise<void> {
    this.executed.push(name);
    if (!name.startsWith("later")) return reply.line(name);
    return new Promise((resolve) => {
      this.waiting.push({
        name,
        release: () => {
          reply.line(name);
          resolve();
        },
      });
    });
  }

  #pass(name: string, request: Request, reply: TextReply, session: Session): void {
    this.executed.push(name);
    const late = session.answerLater(request, reply);
    assert(late !== undefined);
    this.waiting.push({
      name,
      release: () => {
        if (name.endsWith("Bug")) return late.follow(Promise.reject(new Error("a bug")));
        late.reply.line(name);
        if (name.endsWith("On")) late.follow(Promise.resolve());
        else late.done();
      },
    });
  }

  async #long(name: string, reply: TextReply, session: Session): Promise<void> {
    if (name === "longer") await new Promise<void>((release) => this.waiting.push({ name, release }));
    for (let i = 0; i < 3; i++) {
      reply.line(`${name} ${i}`);
      await session.roomInOutput(reply.segment);
    }
    this.finished.push(name);
  }

  release(name: string): Promise<void> {
    const index = this.waiting.findIndex((one) => one.name === name);
    assert(index >= 0, `"${name}" is not waiting`);
    return this.releaseAt(index);
  }

  releaseAt(index: number): Promise<void> {
    this.waiting.splice(index, 1)[0]?.release();
    return settled();
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

function open(limits: { highWater?: number; memory?: number } = {}) {
  const handler = new FakeHandler();
  const connection = new FakeConnection();
  const errors: unknown[] = [];
  const host: SessionHost = {
    handler,
    limits: { lineBytesMax: 2048, keyBytesMax: 250, valueBytesMax: 100000, outputHighWaterBytes: limits.highWater ?? 1 << 20 },
    requestMemory: { usedBytes: 0, bytesMax: limits.memory ?? 1 << 20 },
    buffers: new BufferPool(),
    traffic: { bytesRead: 0, bytesWritten: 0, tooLarge: 0, noMemory: 0 },
    monotonicMs: () => 1,
    opened: () => undefined,
    closed: () => undefined,
    settleSoon: (session) => session.settle(),
    refusedHttp: () => undefined,
    unexpected: (error) => errors.push(error),
  };
  const session = new Session(1, connection, host);
  session.onOpen();
  return { handler, connection, host, session, errors, send: (text: string) => session.onData(fromLatin1(text)) };
}

describe("session", () => {
  it("writes once for all requests of a chunk", () => {
    const { connection, send } = open();
    send("get a\r\nget b\r\nget c\r\n");
    assertEquals(connection.writes.length, 1);
    assertEquals(connection.text, "a\r\nb\r\nc\r\n");
  });

  it("answers in order what is answered later without a promise, and with one write for what is complete", async () => {
    const { handler, connection, errors, send } = open();
    send("get a\r\nget passed1\r\nget passed2\r\nget b\r\nget passed3\r\nget passed4On\r\nget passed5Bug\r\nget c\r\n");
    assertEquals([connection.text, handler.executed.length], ["a\r\n", 8]);
    for (const name of ["passed3", "passed5Bug", "passed2", "passed4On"]) await handler.release(name);
    assertEquals(connection.text, "a\r\n");
    await handler.release("passed1");
    assertEquals(
      connection.text,
      "a\r\npassed1\r\npassed2\r\nb\r\npassed3\r\npassed4On\r\nSERVER_ERROR internal error\r\nc\r\n",
    );
    assertEquals([connection.writes.length, errors.length], [2, 1]);
  });

  it("lets requests for the same key wait for one that is answered later", async () => {
    const { handler, connection, send } = open();
    send("get passed\r\nset passed 0 0 1\r\nx\r\nget z\r\n");
    assertEquals(handler.executed, ["passed"]);
    await handler.release("passed");
    assertEquals([handler.executed, connection.text], [["passed", "passed", "z"], "passed\r\nSTORED passed\r\nz\r\n"]);
  });

  it("has no reply to answer later once its handler has returned", () => {
    const { session, handler } = open();
    assertEquals(session.answerLater({} as Request, session.reply), undefined);
    assertEquals(handler.executed, []);
  });

  it("answers the same at every split point", () => {
    const stream =
      "get a\r\nset k 0 0 5\r\nab\r\nc\r\nfoo\r\nset k 0 0 200000\r\nget b\r\nset z 0 0 1 noreply\r\nx\r\nget c\r\n".replace(
        "get b",
        `${"v".repeat(200000)}\r\nget b`,
      );
    const expected = "a\r\nSTORED k\r\nERROR\r\nSERVER_ERROR object too large for cache\r\nb\r\nc\r\n";
    const short = stream.length - 200000;
    for (let cut = 1; cut < short; cut++) {
      const at = cut < 60 ? cut : cut + 200000;
      const { connection, send } = open();
      send(stream.slice(0, at));
      send(stream.slice(at));
      assertEquals(connection.text, expected, `cut at ${at}`);
    }
    const bytewise = open();
    for (const byte of "get a\r\nset k 0 0 3\r\nabc\r\nget b\r\n") bytewise.send(byte);
    assertEquals(bytewise.connection.text, "a\r\nSTORED k\r\nb\r\n");
    assertEquals(bytewise.host.requestMemory.usedBytes, 0);
  });

  it("lets a long reply end when its reader has left", async () => {
    const { handler, connection, session, send } = open({ highWater: 4 });
    connection.room = 0;
    send("get long\r\n");
    await settled();
    assertEquals(handler.finished, []);
    session.onClose();
    await settled();
    assertEquals(handler.finished, ["long"]);
    assert(session.gone);
  });

  it("tells a long reply when what it has written is sent, or its reader has left", async () => {
    const { handler, connection, session, send } = open();
    const told: number[] = [];
    handler.handle = async (_request, reply) => {
      for (let i = 0; i < 3; i++) {
        reply.line(`${i}`);
        await session.sent(reply.segment);
        told.push(i);
      }
    };
    connection.room = 1;
    send("stats\r\n");
    await settled();
    assertEquals([connection.text, told], ["0\r\n1\r\n", [0]]);
    session.onDrain();
    await settled();
    assertEquals([connection.text, told], ["0\r\n1\r\n2\r\n", [0, 1]]);
    session.onClose();
    await settled();
    assertEquals(told, [0, 1, 2]);
  });

  it("keeps replies in the order of the requests when some wait", async () => {
    const { handler, connection, send } = open();
    send("get a\r\nget later1\r\nget b\r\nget later2\r\nget c\r\n");
    assertEquals(connection.text, "a\r\n");
    assertEquals(handler.executed, ["a", "later1", "b", "later2", "c"]);
    await handler.release("later2");
    assertEquals(connection.text, "a\r\n");
    await handler.release("later1");
    assertEquals(connection.text, "a\r\nlater1\r\nb\r\nlater2\r\nc\r\n");
  });

  it("holds back a request for a key that is being written, and everything behind it", async () => {
    const { handler, connection, send } = open();
    send("set later 0 0 1\r\nx\r\nget other\r\nget later\r\nget last\r\n");
    assertEquals(handler.executed, ["later", "other"]);
    assert(connection.paused);
    await handler.release("later");
    assertEquals(handler.executed, ["later", "other", "later", "last"]);
    await handler.release("later");
    assertEquals(connection.text, "STORED later\r\nother\r\nlater\r\nlast\r\n");
    assert(!connection.paused);
  });

  it("lets a request without a key wait for all others", async () => {
    const { handler, connection, send } = open();
    send("get later1\r\nstats\r\n");
    assertEquals(handler.executed, ["later1"]);
    await handler.release("later1");
    assertEquals(connection.text, "later1\r\nstats\r\n");
  });

  it("sends the reply to a write, and what follows it, only when it is committed", () => {
    const { handler, connection, send } = open();
    handler.commitsAtOnce = false;
    send("get a\r\nset k 0 0 1\r\nx\r\nget b\r\n");
    send("set l 0 0 1\r\ny\r\n");
    assertEquals(connection.text, "");
    assertEquals(handler.commits.length, 2);
    handler.commits[0]?.onCommitted();
    assertEquals(connection.text, "a\r\nSTORED k\r\nb\r\n");
    handler.commits[1]?.onCommitted();
    assertEquals(connection.text, "a\r\nSTORED k\r\nb\r\nSTORED l\r\n");
  });

  it("tells exactly the writes that they failed when they cannot be committed", () => {
    const { handler, connection, send } = open();
    handler.commitsAtOnce = false;
    send("get a\r\nset k 0 0 1\r\nx\r\nget b\r\nset n 0 0 1 noreply\r\nx\r\nset l 0 0 1\r\nx\r\nget c\r\n");
    // A line end in the reason would be the answer to the next request.
    handler.commits[0]?.onCommitted(new FlareError("DISK_FULL", "disk\r\nfull"));
    assertEquals(connection.text, "a\r\nSERVER_ERROR disk full\r\nb\r\nSERVER_ERROR disk full\r\nc\r\n");
  });

  it("stops reading while the client does not take its replies", () => {
    const { connection, send, session } = open({ highWater: 1000 });
    connection.room = 0;
    send("get a\r\n");
    for (let i = 0; i < 100; i++) send(`get ${"k".repeat(200)}${i}\r\n`);
    assert(connection.paused);
    assert(connection.text.length < 300, "writes on although the connection is full");
    connection.room = Number.POSITIVE_INFINITY;
    session.onDrain();
    assert(!connection.paused);
    const lines = connection.text.split("\r\n");
    assertEquals(lines.length, 102);
    assertEquals(lines[100], `${"k".repeat(200)}99`);
  });

  it("holds no more of incomplete requests than the server allows", () => {
    const { connection, send, host } = open({ memory: 20000 });
    send(`set big 0 0 90000\r\n${"v".repeat(15000)}`);
    assertEquals(connection.text, "");
    for (let i = 0; i < 5; i++) send("v".repeat(15000));
    assertEquals(connection.text, "SERVER_ERROR out of memory storing object\r\n");
    assertEquals(host.requestMemory.usedBytes, 0);
    send("\r\nget a\r\n");
    assertEquals(connection.text, "SERVER_ERROR out of memory storing object\r\na\r\n");
  });

  it("goes on behind a request whose memory was refused, wherever its end comes", () => {
    const { connection, send, host } = open({ memory: 20000 });
    const start = (): void => send(`set big 0 0 30000\r\n${"v".repeat(15000)}`);
    start();
    send(`${"v".repeat(15000)}\r\nget a\r\nget b`);
    assertEquals(connection.text, "SERVER_ERROR out of memory storing object\r\na\r\n");
    send("\r\n");
    start();
    send(`${"v".repeat(15000)}\r`);
    send("\nget c\r\n");
    send(`set big 0 0 30000 noreply\r\n${"v".repeat(15000)}`);
    send(`${"v".repeat(15000)}\r\nget d\r\n`);
    const answers = connection.text.split("\r\n");
    assertEquals(answers.slice(1), ["a", "b", "SERVER_ERROR out of memory storing object", "c", "d", ""]);
    assertEquals(host.requestMemory.usedBytes, 0);
  });

  it("waits for no more of a request when its end has come, however it was refused", () => {
    const { send, session } = open({ memory: 20000 });
    for (const announced of [200000, 30000]) {
      send(`set big 0 0 ${announced}\r\n`);
      send("v".repeat(15000));
      assertEquals(session.incompleteSinceMs, 1);
      send(`${"v".repeat(announced - 15000)}\r\n`);
      assertEquals(session.incompleteSinceMs, 0, `of ${announced} bytes`);
    }
  });

  it("lets a long reply go on although what stands behind it fills the output", async () => {
    const { handler, connection, send } = open({ highWater: 20 });
    send("get longer\r\nget long\r\n");
    await settled();
    assertEquals(connection.text, "");
    await handler.release("longer");
    await settled();
    assertEquals(connection.text, "longer 0\r\nlonger 1\r\nlonger 2\r\nlong 0\r\nlong 1\r\nlong 2\r\n");
    assert(!connection.paused);
  });

  it("says nothing after quit, and closes when all replies have left", async () => {
    const { handler, connection, send } = open();
    send("get later\r\nquit\r\nget b\r\n");
    assert(!connection.closed);
    await handler.release("later");
    assertEquals(connection.text, "later\r\n");
    assert(connection.closed);
  });

  it("answers what a client sent before it closed its side", async () => {
    const { handler, connection, send, session } = open();
    send("get later\r\nget b\r\nge");
    session.onEnd();
    assert(!connection.closed);
    await handler.release("later");
    assertEquals(connection.text, "later\r\nb\r\n");
    assert(connection.closed);
  });

  it("closes on a line without end and on a protocol it does not speak", () => {
    const endless = open();
    endless.send("x".repeat(3000));
    assertEquals(endless.connection.text, "CLIENT_ERROR line too long\r\n");
    assert(endless.connection.closed);
    const binary = open();
    binary.send("\x80\x0a");
    assertEquals(binary.connection.text, "");
    assert(binary.connection.closed);
  });

  it("survives a handler that throws", () => {
    const { connection, send, errors } = open();
    send("version\r\nget a\r\n");
    assertEquals(connection.text, "SERVER_ERROR internal error\r\na\r\n");
    assertEquals(errors.length, 1);
  });

  it("never mixes up replies, and shows none before its commit, whatever waits and however the stream is cut", async () => {
    const key = fc.integer({ min: 0, max: 9 });
    const request = fc.oneof(
      key.map((n) => ({ text: `get k${n}\r\n`, answer: `k${n}\r\n` })),
      key.map((n) => ({ text: `get later${n}\r\n`, answer: `later${n}\r\n` })),
      key.map((n) => ({ text: `set k${n} 0 0 2\r\n\r\n\r\n`, answer: `STORED k${n}\r\n` })),
      key.map((n) => ({ text: `set later${n} 0 0 1\r\nx\r\n`, answer: `STORED later${n}\r\n` })),
      fc.constant({ text: "nonsense\r\n", answer: "ERROR\r\n" }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { maxLength: 30 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        async (requests, cuts, choice) => {
          const pick = (count: number): number => (choice.next().value as number) % count;
          const { handler, connection, host, send } = open();
          const settling: (() => void)[] = [];
          host.settleSoon = (session) => settling.push(() => session.settle());
          handler.commitsAtOnce = false;
          handler.numbersWrites = true;
          const check = (): void => {
            for (const [, write] of connection.text.matchAll(/#(\d+)/g)) assert(Number(write) <= handler.committed);
          };
          const advance = async (): Promise<void> => {
            const ways = [
              ...(handler.commits.length > 0 ? [() => void handler.commits.shift()?.onCommitted()] : []),
              ...(handler.waiting.length > 0 ? [() => handler.releaseAt(pick(handler.waiting.length))] : []),
              ...(settling.length > 0 ? [() => void settling.shift()?.()] : []),
            ];
            if (ways.length > 0) await ways[pick(ways.length)]?.();
            // A storage that has nothing to wait for commits at once.
            handler.commitsAtOnce = handler.commits.length === 0 && pick(2) === 0;
            check();
          };
          const stream = requests.map(({ text }) => text).join("");
          const points = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((left, right) => left - right);
          let from = 0;
          for (const point of [...points, stream.length]) {
            if (point > from) send(stream.slice(from, point));
            from = point;
            check();
            for (let steps = pick(3); steps > 0; steps--) await advance();
          }
          while (handler.waiting.length + handler.commits.length + settling.length > 0) await advance();
          assertEquals(connection.text.replaceAll(/ #\d+/g, ""), requests.map(({ answer }) => answer).join(""));
        },
      ),
      { numRuns: 1000 },
    );
  });
});
