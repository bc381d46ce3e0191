/** From chunks to requests: what is read where it lies, what is kept, when reading stops and goes on. */

import { beforeEach, describe, it } from "node:test";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { Admission } from "../../../../lib/net/connection/admission.ts";
import { RequestReader, type RequestTarget } from "../../../../lib/net/connection/request_reader.ts";
import type { SessionHost } from "../../../../lib/net/connection/session.ts";
import { BufferPool } from "../../../../lib/protocol/buffer_pool.ts";
import { CommandTable } from "../../../../lib/protocol/command.ts";
import { ReplySegment } from "../../../../lib/protocol/reply_segment.ts";
import type { Request } from "../../../../lib/protocol/request.ts";
import { TextReply } from "../../../../lib/protocol/text/text_reply.ts";
import { packet } from "../../../support/binary_packets.ts";
import { FakeConnection } from "../../../support/fake_connection.ts";

/** Notes what it is given; `room` requests are accepted. */
class NotingTarget implements RequestTarget {
  readonly reply: TextReply;
  lastActiveMs = 1;
  gone = false;
  room = Number.POSITIVE_INFINITY;
  readonly noted: string[] = [];
  readonly buffers: Uint8Array[] = [];

  constructor(pool: BufferPool) {
    this.reply = new TextReply(new ReplySegment(pool));
  }

  accepts(): boolean {
    return this.room > 0;
  }

  execute({ mutation }: Request): void {
    this.room--;
    const { key, value, valueStart, valueEnd } = mutation;
    this.buffers.push(key.bytes);
    this.noted.push(`${latin1(key.bytes, key.start, key.end)}=${latin1(value, valueStart, valueEnd)}`);
  }

  onLine(bytes: Uint8Array, start: number, end: number): void {
    this.noted.push(latin1(bytes, start, end));
  }

  onLateAnswer(): void {}
}

const SET = (key: string, value: string): string => `set ${key} 0 0 ${value.length}\r\n${value}\r\n`;
const BINARY_SET = packet({ opcode: 1, key: "b", extras: "\0".repeat(8), value: "5" });

describe("the reader of requests", () => {
  let target: NotingTarget;
  let connection: FakeConnection;
  let host: { -readonly [Name in keyof SessionHost]: SessionHost[Name] };
  let reader: RequestReader;
  let refusals: string[];

  beforeEach(() => {
    const buffers = new BufferPool();
    refusals = [];
    target = new NotingTarget(buffers);
    connection = new FakeConnection();
    host = {
      handler: { commands: new CommandTable(["set"]), speaksBinary: true, handle: () => assert(false) },
      limits: { lineBytesMax: 2048, keyBytesMax: 250, valueBytesMax: 1000, outputHighWaterBytes: 1000 },
      requestMemory: { usedBytes: 0, bytesMax: 1 << 20 },
      buffers,
      traffic: { bytesRead: 0, bytesWritten: 0, tooLarge: 0, noMemory: 0 },
      monotonicMs: () => 1,
      opened: () => undefined,
      closed: () => undefined,
      settleSoon: (session) => session.settle(),
      refusedHttp: (peer) => void refusals.push(peer),
      unexpected: (error) => assert(false, String(error)),
    };
    reader = new RequestReader(target, connection, host, new Admission(connection, host, {}));
  });

  function answers(): string {
    const { bytes, length } = target.reply.segment;
    return latin1(bytes, 0, length);
  }

  it("reads whole requests where they lie, and keeps no more than the one that is cut", () => {
    const chunk = fromLatin1(`${SET("a", "1")}${BINARY_SET}${SET("c", "23")}`);
    reader.read(chunk);
    assertEquals(target.noted, ["a=1", "b=5", "c=23"]);
    for (const buffer of target.buffers) assertStrictEquals(buffer, chunk);
    assertEquals(host.requestMemory.usedBytes, 0);
    reader.read(fromLatin1(`${SET("d", "4")}${SET("e", "56").slice(0, -3)}`));
    assertEquals(target.noted.slice(3), ["d=4"]);
    assertEquals(reader.received.length, SET("e", "56").length - 3);
    reader.read(fromLatin1(SET("e", "56").slice(-3)));
    assertEquals(target.noted.slice(4), ["e=56"]);
    assertEquals([reader.received.length, host.requestMemory.usedBytes], [0, 0]);
  });

  it("stops at a request that is not accepted and goes on with it", () => {
    target.room = 1;
    reader.read(fromLatin1(SET("a", "1") + SET("b", "2")));
    reader.read(fromLatin1(SET("c", "3")));
    assertEquals(target.noted, ["a=1"]);
    assert(reader.isWaiting && connection.paused);
    target.room = 1;
    reader.readOn();
    assertEquals(target.noted, ["a=1", "b=2"]);
    assert(reader.isWaiting && connection.paused);
    target.room = 9;
    reader.readOn();
    assertEquals(target.noted, ["a=1", "b=2", "c=3"]);
    assert(!reader.isWaiting && !connection.paused);
    assertEquals(host.requestMemory.usedBytes, 0);
  });

  it("tells each line of text once, whether it is executed or refused, when somebody listens", () => {
    host.rawListener = () => undefined;
    target.room = 1;
    reader.read(fromLatin1(`nonsense \r\n${BINARY_SET}${SET("a", "1")}`));
    assertEquals(target.noted, ["nonsense ", "b=5"]);
    target.room = 1;
    reader.readOn();
    assertEquals(target.noted, ["nonsense ", "b=5", "set a 0 0 1", "a=1"]);
    assertEquals(answers(), "ERROR\r\n");
  });

  it("counts values that are too large by both protocols and skips them without keeping them", () => {
    const binary = packet({ opcode: 1, key: "b", extras: "\0".repeat(8), value: "v".repeat(2000) });
    const text = `${SET("a", "v".repeat(2000))}${binary}${SET("c", "3")}`;
    for (let at = 0; at < text.length; at += 100) reader.read(fromLatin1(text.slice(at, at + 100)));
    assertEquals(target.noted, ["c=3"]);
    assertEquals(host.traffic.tooLarge, 2);
    assertEquals(host.requestMemory.usedBytes, 0);
  });

  it("reads nothing behind a line of HTTP, wherever it is cut, says nothing to it and keeps nothing", () => {
    host.rawListener = () => undefined;
    const text = `${SET("a", "1")}POST / HTTP/1.1\r\n${SET("b", "2")}`;
    for (let cut = 0; cut <= text.length; cut++) {
      const own = new RequestReader(target, connection, host, new Admission(connection, host, {}));
      target.noted.length = refusals.length = 0;
      own.read(fromLatin1(text.slice(0, cut)));
      if (!own.isStopped) own.read(fromLatin1(text.slice(cut)));
      assert(own.isStopped, `cut at ${cut}`);
      assertEquals(target.noted, ["set a 0 0 1", "a=1", "POST / HTTP/1.1"]);
      assertEquals(refusals, [connection.peer]);
      assertEquals([answers(), host.requestMemory.usedBytes], ["", 0]);
    }
  });

  it("reads nothing behind the beginning of a TLS handshake, whole or cut, and says nothing to it", () => {
    const hellos = ["\x16\x03\x01\x02\0\x01", "\x16\x03\x01\n"];
    for (const hello of hellos) {
      const own = new RequestReader(target, connection, host, new Admission(connection, host, {}));
      own.read(fromLatin1(hello));
      assert(own.isStopped);
      assertEquals(answers(), "");
    }
  });
});
