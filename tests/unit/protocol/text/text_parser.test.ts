/**
 * What the text parser makes of a corpus, at every split point, and of random bytes.
 *
 * Covers lib/protocol/command.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concatBytes, fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { Command, CommandShape, CommandTable, commandName, shapeOf } from "../../../../lib/protocol/command.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { ParseStatus, TextParser } from "../../../../lib/protocol/text/text_parser.ts";
import { ALL_COMMANDS, PARSER_LIMITS, parseAll } from "../../../support/parsed_requests.ts";

function describeRequest(request: Request): string {
  const { mutation } = request;
  const name = commandName(request.command);
  const options = `${request.noreply ? " noreply" : ""}${request.syncMode === 0 ? "" : ` sync=${request.syncMode}`}`;
  const prefix = request.prefix === undefined ? "" : `<${request.prefix}>`;
  if (request.command <= Command.gats) {
    const keys = latin1(request.bytes, request.keysStart, request.keysEnd).trim();
    return `${prefix}${name} [${keys}]${request.command >= Command.gat ? ` exptime=${request.exptime}` : ""}`;
  }
  if (shapeOf(request.command) === CommandShape.words)
    return `${prefix}${name} ${request.words.join("|")}${request.lines.map((line) => `/${line}`).join("")}`;
  const key = latin1(mutation.key.bytes, mutation.key.start, mutation.key.end);
  if (request.command <= Command.cas) {
    const value = latin1(mutation.value, mutation.valueStart, mutation.valueEnd);
    return `${prefix}${name} ${key} f=${mutation.flags} e=${request.exptime} v=${mutation.version} "${value}"${options}`;
  }
  if (request.command === Command.ttl) return `${prefix}${name} ${key}`;
  if (request.command <= Command.decr) return `${prefix}${name} ${key} by ${mutation.delta}${options}`;
  return `${prefix}${name} ${key} e=${request.exptime} v=${mutation.version}${options}`;
}

const CORPUS: readonly (readonly [string, string])[] = [
  ["get a\r\n", "get [a]"],
  ["gets  a  bb \r\n", "gets [a  bb]"],
  ["get a\n", "get [a]"],
  ["get a\0b c\r\n", "get [a]"],
  ["set k 7 10 3\r\nabc\r\n", 'set k f=7 e=10 v=0 "abc"'],
  ["set k 0 0 0\r\n\r\n", 'set k f=0 e=0 v=0 ""'],
  ["set k 0 0 4\r\na\r\nb\r\n", 'set k f=0 e=0 v=0 "a\r\nb"'],
  ["set k +1 -1 1 9 noreply sync\r\nx\r\n", 'set k f=1 e=-1 v=9 "x" noreply sync=1'],
  ["set k 4294967296 0 1 foo async\r\nx\r\n", 'set k f=0 e=0 v=0 "x" sync=2'],
  ["add k 0 0 1\r\nx\r\n", 'add k f=0 e=0 v=0 "x"'],
  ["cas k 1 2 1 18446744073709551615\r\nx\r\n", 'cas k f=1 e=2 v=18446744073709551615 "x"'],
  ["<a:1,b:2> set k 0 0 1\r\nx\r\n", '<a:1,b:2>set k f=0 e=0 v=0 "x"'],
  ["<>touch k 5\r\n", "<>touch k e=5 v=0"],
  ["<a:1>touch k 5 7 noreply\r\n", "<a:1>touch k e=5 v=7 noreply"],
  ["touch k 5 7\r\n", "touch k e=5 v=0"],
  ["incr k 5 noreply\r\n", "incr k by 5 noreply"],
  ["decr k 18446744073709551615\r\n", "decr k by 18446744073709551615"],
  ["delete k 100 7 noreply\r\n", "delete k e=100 v=7 noreply"],
  ["gat 10 a b\r\n", "gat [a b] exptime=10"],
  ["gat a 10\r\n", "gat [a] exptime=10"],
  ["gats 0 a\r\n", "gats [a] exptime=0"],
  ["gat 10 20\r\n", "gat [20] exptime=10"],
  ["<a:1>gat 10 20\r\n", "<a:1>gat [10] exptime=20"],
  ["stats threads queue\r\n", "stats threads|queue"],
  ["flush_all 0 noreply\r\n", "flush_all 0|noreply"],
  [
    "node sync 5\r\nNODE h 1 0 0 0 1 16\r\nNODE h 2 1 0 0 1 17 extra\r\nEND\r\n",
    "node sync|5/NODE h 1 0 0 0 1 16/NODE h 2 1 0 0 1 17 extra",
  ],
  ["node sync 6\r\nBOGUS\r\n", "reject CLIENT_ERROR format error"],
  ["node sync x\r\n", "reject ERROR"],
  ["\r\n", "reject CLIENT_ERROR bad command line format"],
  ["   \r\n", "reject ERROR"],
  ["x\r\n", "reject CLIENT_ERROR bad command line format"],
  ["xy\r\n", "reject ERROR"],
  ["GET a\r\n", "reject ERROR"],
  ["<h:1 get a\r\n", "reject ERROR"],
  ["get \r\n", "reject CLIENT_ERROR bad command line format"],
  ["set k 0 0\r\n", "reject CLIENT_ERROR bad command line format"],
  ["set k a 0 1\r\nx\r\n", "reject CLIENT_ERROR bad command line format"],
  ["set k 0 0 -1 noreply\r\n", "reject "],
  ["set k 0 9223372036854775808 1\r\nx\r\n", "reject CLIENT_ERROR bad command line format"],
  [`set ${"k".repeat(251)} 0 0 1\r\nx\r\n`, "reject CLIENT_ERROR bad command line format"],
  [`set k 0 0 1001\r\n${"v".repeat(1001)}\r\n`, "reject SERVER_ERROR object too large for cache"],
  ["set k 0 0 3\r\nabcde", "reject CLIENT_ERROR bad data chunk"],
  ["cas k 0 0 1\r\nx\r\n", "reject CLIENT_ERROR bad command line format"],
  ["incr k abc\r\n", "reject CLIENT_ERROR invalid numeric delta argument"],
  ["incr k\r\n", "reject CLIENT_ERROR bad command line format"],
  ["delete k foo\r\n", "reject CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]"],
  ["delete k 1 2 3\r\n", "reject CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]"],
  ["touch k\r\n", "reject CLIENT_ERROR bad command line format"],
  ["ttl  k \r\n", "ttl k"],
  ["ttl\r\n", "reject CLIENT_ERROR bad command line format"],
  ["ttl k l\r\n", "reject CLIENT_ERROR bad command line format"],
  [`ttl ${"k".repeat(250)}\r\n`, `ttl ${"k".repeat(250)}`],
  [`ttl ${"k".repeat(251)}\r\n`, "reject CLIENT_ERROR bad command line format"],
  ["touch k x\r\n", "reject CLIENT_ERROR invalid exptime argument"],
  ["gat a b\r\n", "reject CLIENT_ERROR invalid exptime argument"],
  ["gat 10\r\n", "reject CLIENT_ERROR bad command line format"],
];

describe("text parser", () => {
  for (const [bytes, expected] of CORPUS) {
    it(`reads ${JSON.stringify(bytes.slice(0, 60))}`, () => {
      assertEquals(parseAll(fromLatin1(bytes), describeRequest), { said: [expected], rest: 0 });
    });
  }

  it("says the same wherever the stream is cut", () => {
    const stream = fromLatin1(CORPUS.map(([bytes]) => bytes).join(""));
    const whole = parseAll(stream, describeRequest);
    assertEquals(whole.rest, 0);
    const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
    const request = new Request();
    // Every prefix must end in "more" at a request's beginning, never in another reading of it.
    let at = 0;
    let said = 0;
    for (let end = 1; end <= stream.length; end++) {
      const status = parser.parse(request, stream, at, end, 0);
      if (status === ParseStatus.more) {
        assert(parser.needed === 0 || parser.needed > end - at, "asks for bytes it has");
        continue;
      }
      const text = status === ParseStatus.request ? describeRequest(request) : `reject ${parser.reject}`;
      assertEquals(text, whole.said[said++]);
      at = parser.position + parser.swallow;
      end = at;
    }
    assertEquals(said, whole.said.length);
  });

  it("needs no byte twice: a line known to have no end is not searched again", () => {
    const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
    const request = new Request();
    const bytes = fromLatin1("get aaaa\r\n");
    assertEquals(parser.parse(request, bytes, 0, 5, 0), ParseStatus.more);
    assertEquals(parser.scanned, 5);
    assertEquals(parser.parse(request, bytes, 0, bytes.length, parser.scanned), ParseStatus.request);
  });

  it("takes the data block of every refused storage line along, so that no value is read as commands", () => {
    const value = "delete k\r\nset k 0 0 1\r\nx\r\nflush_all\r\n";
    const { length } = value;
    const key = "k".repeat(251);
    const heads = [
      ...["set", "add", "replace", "append", "prepend"].flatMap((word) => [
        ...[
          `${word} k x 0 ${length}`,
          `${word} k -1 0 ${length} noreply`,
          `${word} k 0 x ${length} 7`,
          `${word} ${key} 0 0 ${length}`,
        ],
        ...[`<a:1>${word} k x 0 ${length}`, `${word}  k  0  0x10  ${length} sync`],
      ]),
      ...[
        `cas k 0 0 ${length}`,
        `cas k 0 0 ${length} x`,
        `cas k 0 0 ${length} noreply`,
        `cas k x 0 ${length} 1`,
        `cas ${key} 0 0 ${length} 1`,
      ],
      ...[
        `ms k ${length} Y`,
        `ms k ${length} F q`,
        `ms k ${length} k k`,
        `ms ! ${length} b`,
        `ms ${key} ${length}`,
        `ms k ${length} MEE`,
      ],
      ...[`ms k ${length} Tx`, `ms k ${length} O${"o".repeat(40)}`],
    ];
    for (const head of heads) {
      const { said, rest } = parseAll(fromLatin1(`${head}\r\n${value}\r\nget k\r\n`), describeRequest);
      assertEquals([said.length, said[1], rest], [2, "get [k]", 0], head);
      assert(said[0]?.startsWith("reject "), head);
      if (head.includes("noreply")) assertEquals(said[0], "reject ", head);
    }
    // Also where the word means nothing, as at an index server.
    const parser = new TextParser(PARSER_LIMITS, new CommandTable(["ping"]));
    for (const head of [`set k 0 0 ${length}`, `cas k 0 0 ${length} 1`, `ms k ${length} q`, `append k x x ${length} noreply`]) {
      const bytes = fromLatin1(`${head}\r\n${value}\r\nping\r\n`);
      assertEquals(parser.parse(new Request(), bytes, 0, bytes.length, 0), ParseStatus.reject);
      assertEquals([parser.reject, latin1(bytes, parser.position + parser.swallow)], ["ERROR", "ping\r\n"], head);
    }
  });

  it("ends a connection that announces a longer data block than anybody takes", () => {
    const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
    for (const length of ["2147483646", "4294967297", "99999999999999999999"]) {
      for (const head of [
        `set k 0 0 ${length}`,
        `set k x 0 ${length} noreply`,
        `cas k 0 0 ${length} 1`,
        `ms k ${length}`,
        `ms k ${length} Y q`,
      ]) {
        const bytes = fromLatin1(`${head}\r\nflush_all\r\n`);
        assertEquals(parser.parse(new Request(), bytes, 0, bytes.length, 0), ParseStatus.fatal, head);
        assertEquals(parser.reject, "CLIENT_ERROR bad command line format", head);
      }
    }
  });

  it("ends a connection whose line has no end", () => {
    const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
    const request = new Request();
    const bytes = new Uint8Array(PARSER_LIMITS.lineBytesMax + 1).fill(0x78);
    assertEquals(parser.parse(request, bytes, 0, PARSER_LIMITS.lineBytesMax, 0), ParseStatus.more);
    assertEquals(parser.parse(request, bytes, 0, bytes.length, 0), ParseStatus.fatal);
    assertEquals(parser.reject, "CLIENT_ERROR line too long");
  });

  it("takes a node map that is longer than a line may be, whole or in parts, but not an endless one", () => {
    const node = `NODE ${"h".repeat(60)} 1 0 0 0 1 16\r\n`;
    const count = Math.ceil(PARSER_LIMITS.lineBytesMax / node.length) + 1;
    const bytes = fromLatin1(`node sync 7\r\n${node.repeat(count)}END\r\n`);
    const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
    const request = new Request();
    assertEquals(parser.parse(request, bytes, 0, bytes.length - 1, 0), ParseStatus.more);
    assertEquals(parser.parse(request, bytes, 0, bytes.length, 0), ParseStatus.request);
    assertEquals(request.lines.length, count);
    const endless = fromLatin1(`node sync 7\r\n${node.repeat(Math.ceil(1048576 / node.length))}`);
    assertEquals(parser.parse(request, endless, 0, endless.length, 0), ParseStatus.fatal);
    assertEquals(parser.reject, "CLIENT_ERROR line too long");
  });

  it("parses any bytes and always makes progress", () => {
    const word = fc.constantFrom(
      ...Object.keys(Command),
      "set k 0 0 3",
      "<a:1>",
      " ",
      "\r\n",
      "\n",
      "\0",
      "END",
      "noreply",
      "k",
      "1",
      "-1",
    );
    const bytes = fc
      .array(fc.oneof(word.map(fromLatin1), fc.uint8Array({ maxLength: 20 })), { maxLength: 40 })
      .map((parts) => concatBytes(parts));
    fc.assert(
      fc.property(bytes, (input) => {
        const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
        const request = new Request();
        let at = 0;
        while (at < input.length) {
          const status = parser.parse(request, input, at, input.length, 0);
          if (status === ParseStatus.more || status === ParseStatus.fatal) break;
          assert(parser.position > at, "makes no progress");
          assert(parser.position <= input.length, "reads beyond the bytes");
          at = parser.position;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
