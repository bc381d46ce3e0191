/**
 * Binary replies: the packet each outcome stands for, and what becomes of those whose write cannot be committed.
 *
 * Covers lib/protocol/binary/binary_protocol.ts.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { type Applied, MutationResult } from "../../../../lib/item/mutation.ts";
import { BinaryParser } from "../../../../lib/protocol/binary/binary_parser.ts";
import { BinaryStatus, Opcode } from "../../../../lib/protocol/binary/binary_protocol.ts";
import { BinaryReply, encodeBinaryError } from "../../../../lib/protocol/binary/binary_reply.ts";
import { BufferPool } from "../../../../lib/protocol/buffer_pool.ts";
import { ReplySegment } from "../../../../lib/protocol/reply_segment.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { emptyEntry } from "../../../../lib/storage/arena/cached_entry.ts";
import { describeReplies, packet, words } from "../../../support/binary_packets.ts";

const LIMITS = { lineBytesMax: 4096, keyBytesMax: 250, valueBytesMax: 1000 };
const SET = packet({ opcode: Opcode.set, extras: words(0, 0), key: "k" });
const SET_QUIET = packet({ opcode: Opcode.setQuiet, extras: words(0, 0), key: "k" });

function replyTo(text: string, segment = new ReplySegment(new BufferPool())): BinaryReply {
  const bytes = fromLatin1(text);
  const request = new Request();
  new BinaryParser(LIMITS).parse(request, bytes, 0, bytes.length);
  return new BinaryReply(segment, request);
}

function said(reply: BinaryReply): string[] {
  return describeReplies(latin1(reply.segment.bytes, 0, reply.segment.length));
}

function applied(result: MutationResult, more: Partial<Applied> = {}): Applied {
  return { result, entry: { ...emptyEntry(), version: 5 }, number: 0, error: "", ...more };
}

function outcome(text: string, result: MutationResult, more: Partial<Applied> = {}): string[] {
  const reply = replyTo(text);
  reply.applied(applied(result, more));
  assertEquals(replyTo(text).appliedText(applied(result, more)), latin1(reply.segment.bytes, 0, reply.segment.length));
  return said(reply);
}

describe("BinaryReply", () => {
  it("has a status for what another node has refused in words", () => {
    const told = (error: string): string[] => {
      const reply = replyTo(SET);
      reply.remote({ status: "", version: 0, flags: 0, value: new Uint8Array(0), error });
      return said(reply);
    };
    assertEquals(told("SERVER_ERROR object too large for cache"), ['01 03 - "Too large."']);
    assertEquals(told("SERVER_ERROR out of memory storing object"), ['01 82 - "Out of memory"']);
    assertEquals(told("CLIENT_ERROR bad data chunk"), ['01 04 - "bad data chunk"']);
    assertEquals(told("SERVER_ERROR disk is full"), ['01 84 - "disk is full"']);
  });

  it("has a status for each outcome", () => {
    const key = "k";
    assertEquals(outcome(SET, MutationResult.stored), ["01 00 cas"]);
    assertEquals(outcome(SET_QUIET, MutationResult.stored), []);
    assertEquals(outcome(SET_QUIET, MutationResult.exists), ['11 02 - "Data exists for key."']);
    assertEquals(outcome(SET, MutationResult.failed, { error: "disk is full" }), ['01 84 - "disk is full"']);
    const add = packet({ opcode: Opcode.addQuiet, extras: words(0, 0), key });
    assertEquals(outcome(add, MutationResult.notStored), ['12 02 - "Data exists for key."']);
    const replace = packet({ opcode: Opcode.replace, extras: words(0, 0), key });
    assertEquals(outcome(replace, MutationResult.notStored), ['03 01 - "Not found"']);
    const append = packet({ opcode: Opcode.append, key, value: "x" });
    assertEquals(outcome(append, MutationResult.notStored), ['0e 05 - "Not stored."']);
    assertEquals(outcome(append, MutationResult.tooLarge), ['0e 03 - "Too large."']);
    assertEquals(outcome(packet({ opcode: Opcode.delete, key }), MutationResult.deleted), ["04 00 -"]);
    const increment = packet({ opcode: Opcode.increment, extras: words(0, 1, 0, 0, 0), key });
    const number = String.raw`05 00 cas "\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0002"`;
    assertEquals(outcome(increment, MutationResult.number, { number: 4294967298 }), [number]);
    const text = "Non-numeric server-side value for incr or decr";
    assertEquals(outcome(increment, MutationResult.nonNumeric), [`05 06 - "${text}"`]);
  });

  it("makes packets of lines", () => {
    const lines = {
      OK: "08 00 -",
      ERROR: '08 01 - "Not found"',
      "SERVER_ERROR out": '08 84 - "out"',
      "CLIENT_ERROR bad": '08 04 - "bad"',
    };
    for (const [line, expected] of Object.entries(lines)) {
      const reply = replyTo(packet({ opcode: Opcode.flush }));
      reply.line(line);
      assertEquals(said(reply), [expected], line);
    }
  });

  it("tells what another node has said", () => {
    const get = packet({ opcode: Opcode.getKey, key: "k" });
    const outcomes: [string, string, string[]][] = [
      [get, "VA 2 c7 f5", ['0c 00 cas extras 00000005 key "k" "ab"']],
      [get, "EN", ['0c 01 - key "k"']],
      [SET, "HD c7", ["01 00 cas"]],
      [SET, "NS", ['01 05 - "Not stored."']],
      [SET, "EX", ['01 02 - "Data exists for key."']],
      [SET, "NF", ['01 01 - "Not found"']],
      [SET, "SERVER_ERROR proxy failure", ['01 84 - "proxy failure"']],
      [SET_QUIET, "HD", []],
      [packet({ opcode: Opcode.deleteQuiet, key: "k" }), "NF", ['14 01 - "Not found"']],
    ];
    for (const [request, line, expected] of outcomes) {
      const reply = replyTo(request);
      reply.passOn({ line, body: fromLatin1(line.startsWith("VA") ? "ab" : "") });
      assertEquals(said(reply), expected, line);
    }
  });

  it("a write that cannot be committed is answered to each in its own form, quiet ones included", () => {
    const segment = new ReplySegment(new BufferPool());
    for (const text of [SET, SET_QUIET]) {
      const reply = replyTo(text, segment);
      const start = segment.length;
      reply.applied(applied(MutationResult.stored));
      reply.markUncommitted(start);
    }
    const textStart = segment.length;
    segment.putText("STORED\r\n");
    segment.markUncommitted(textStart);
    segment.markUncommitted(segment.length);
    segment.putText("VERSION 1\r\n");
    segment.requestCommit();
    segment.failUncommitted((opcode, opaque) =>
      opcode > 0 ? encodeBinaryError(opcode, opaque, BinaryStatus.internalError, "full") : fromLatin1("SERVER_ERROR full\r\n"),
    );
    const lines = describeReplies(latin1(segment.bytes, 0, segment.length));
    assertEquals(lines, ['01 84 - "full"', '11 84 - "full"', JSON.stringify("SERVER_ERROR full\r\nVERSION 1\r\n")]);
  });
});
