/** The requests of the replication stream, as they are written and as the parser of a node reads them. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { concatBytes, fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { indexCommandSet } from "../../../lib/index_server/index_command_table.ts";
import { nodeCommandSet } from "../../../lib/node_server/node_command_table.ts";
import type { CommandTable } from "../../../lib/protocol/command.ts";
import { Request } from "../../../lib/protocol/request.ts";
import {
  encodeBeacon,
  encodeBlock,
  encodeStream,
  parseBeacon,
  parseBlock,
  parseStream,
  type StreamRequest,
  senderOf,
} from "../../../lib/protocol/stream_request.ts";
import { ParseStatus, TextParser } from "../../../lib/protocol/text/text_parser.ts";

const SELF = "node:12121";
const LIMITS = { lineBytesMax: 2048, keyBytesMax: 250, valueBytesMax: 1000 };
const ID = "0123456789abcdef";
/** Data that would be a command, were it read as one. */
const DATA = fromLatin1("\r\nset a 0 0 1\r\nx\r\n");
const block = {
  id: ID,
  mapVersion: "18446744073709551615",
  firstSequence: 2 ** 40,
  records: 3,
  salt: 2 ** 32 - 1,
  replicated: 7,
};

describe("stream", () => {
  it("is read as it is written", () => {
    for (const sent of [
      { id: ID, next: undefined },
      { id: ID, next: 0 },
      { id: ID, next: 2 ** 50 },
    ] satisfies StreamRequest[]) {
      const bytes = encodeStream(SELF, sent);
      const request = new Request();
      const parser = new TextParser(LIMITS, nodeCommandSet.words);
      assertEquals(parser.parse(request, bytes, 0, bytes.length, 0), ParseStatus.request);
      assertEquals(parseStream(request.words), sent);
      assertEquals(senderOf(request.prefix), SELF);
    }
  });

  it("is refused when it is malformed", () => {
    for (const words of ["", "0123", `${ID}0`, ID.toUpperCase(), `${ID} x`, `${ID} -1`, `${ID} 1 2`]) {
      assertEquals(parseStream(words.split(" ")), undefined, words);
    }
  });
});

describe("beacon", () => {
  const beacon = { id: ID, number: 1, proved: 2, masterMs: 3, slaveMs: 4, replicated: 5, reached: 6, partitions: 7 };

  it("is read as it is written", () => {
    const bytes = encodeBeacon(SELF, beacon);
    const request = new Request();
    const parser = new TextParser(LIMITS, nodeCommandSet.words);
    assertEquals(parser.parse(request, bytes, 0, bytes.length, 0), ParseStatus.request);
    assertEquals([parseBeacon(request.words), senderOf(request.prefix)], [beacon, SELF]);
  });

  it("of an earlier build does not say how many partitions there are, one of a later build may say more", () => {
    assertEquals(parseBeacon(`${ID} 1 2 3 4 5 6`.split(" ")), { ...beacon, partitions: 0 });
    assertEquals(parseBeacon(`${ID} 1 2 3 4 5 6 7 8 9`.split(" ")), beacon);
  });

  it("is refused when it is malformed", () => {
    for (const words of ["", ID, `${ID} 1 2 3 4 5`, `${ID} 1 2 3 4 5 6 x`, `${ID}0 1 2 3 4 5 6 7`, `${ID} 1 2 3 4 5 -6 7`]) {
      assertEquals(parseBeacon(words.split(" ")), undefined, words);
    }
  });
});

describe("block", () => {
  it("is read as it is written, however it is cut", () => {
    const bytes = concatBytes([encodeBlock(SELF, block, DATA), fromLatin1("version\r\n")]);
    const end = bytes.length - 9;
    for (let length = 1; length <= bytes.length; length++) {
      const request = new Request();
      const parser = new TextParser(LIMITS, nodeCommandSet.words);
      const status = parser.parse(request, bytes, 0, length, 0);
      assertEquals(status, length < end ? ParseStatus.more : ParseStatus.request);
      if (status !== ParseStatus.request) continue;
      assertEquals(parser.position, end);
      assertEquals(parseBlock(request.words), block);
      const { value, valueStart, valueEnd } = request.mutation;
      assertEquals(latin1(value, valueStart, valueEnd), latin1(DATA));
    }
  });

  it("never has its data read as commands, whoever refuses it", () => {
    const whole = latin1(encodeBlock(SELF, block, DATA));
    const fate = (text: string, commands: CommandTable) => {
      const parser = new TextParser(LIMITS, commands);
      const status = parser.parse(new Request(), fromLatin1(text), 0, text.length, 0);
      return { status, swallow: parser.swallow };
    };
    const skipped = { status: ParseStatus.reject, swallow: DATA.length + 2 };
    assertEquals(fate(whole, indexCommandSet.words), skipped);
    const large = whole.replace(` ${DATA.length}\r`, " 99999999\r");
    assertEquals(fate(large, nodeCommandSet.words), { ...skipped, swallow: 99999999 + 2 });
    // Where its data end is not known: the connection is closed.
    const closed = { status: ParseStatus.fatal, swallow: 0 };
    assertEquals(fate(whole.replace(` ${ID}`, ""), nodeCommandSet.words), closed);
    assertEquals(fate(whole.replace(` ${DATA.length}\r`, " x\r"), nodeCommandSet.words), closed);
  });

  it("is refused when it is malformed", () => {
    const words = [ID, "1", "2", "3", "4", "5", "6"];
    assert(parseBlock(words) !== undefined);
    for (const [at, wrong] of [
      [0, "x"],
      [2, "x"],
      [3, "-1"],
      [4, "1e3"],
      [5, "x"],
    ] as const) {
      assertEquals(parseBlock(words.with(at, wrong)), undefined);
    }
  });
});
