/**
 * Meta commands from bytes to meaning: every flag, every refusal, every cut, any bytes.
 *
 * Covers lib/protocol/meta/meta_flags.ts and lib/protocol/request.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concatBytes, fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { Command, commandName } from "../../../../lib/protocol/command.ts";
import { MetaArgument, MetaFlag } from "../../../../lib/protocol/meta/meta_flags.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { ParseStatus, TextParser } from "../../../../lib/protocol/text/text_parser.ts";
import { ALL_COMMANDS, PARSER_LIMITS, parseAll } from "../../../support/parsed_requests.ts";

function letters(bits: number, names: Readonly<Record<string, number>>): string {
  return Object.entries(names)
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([letter]) => letter)
    .join("");
}

function describeRequest(request: Request): string {
  const { command, meta, mutation, bytes, keysStart, keysEnd } = request;
  if (command === Command.mn) return "mn";
  const { key, value, valueStart, valueEnd } = mutation;
  const parts = [
    commandName(command),
    latin1(key.bytes, key.start, key.end),
    letters(meta.flags, MetaFlag),
    letters(meta.arguments, MetaArgument),
  ];
  parts.push(`[${latin1(bytes, keysStart, keysEnd).trim()}]`);
  const numbers = {
    T: request.exptime,
    N: meta.vivifyExptime,
    R: meta.recacheExptime,
    first: meta.recacheFirst,
    C: meta.compare,
    E: meta.newVersion,
    D: meta.delta,
    J: meta.initial,
    F: meta.clientFlags,
    M: String.fromCharCode(meta.mode),
  };
  for (const [name, number] of Object.entries(numbers)) {
    const unset = name === "D" ? 1 : name === "M" ? "\0" : name === "first" ? false : 0;
    if (number !== unset) parts.push(`${name}=${number}`);
  }
  if (command === Command.ms) parts.push(JSON.stringify(latin1(value, valueStart, valueEnd)));
  return parts.join(" ");
}

const CORPUS: readonly (readonly [string, string])[] = [
  ["mg k\r\n", "mg k   []"],
  ["mg  k  v\n", "mg k v  [v]"],
  ["mg k s v t f c k h l u q\r\n", "mg k cfhklqstuv  [s v t f c k h l u q]"],
  ["mg k O123 v\r\n", "mg k v O [O123 v]"],
  ["mg k T30 R10\r\n", "mg k  RT [T30 R10] T=30 R=10"],
  ["mg k R10 T-1\r\n", "mg k  RT [R10 T-1] T=-1 R=10 first=true"],
  ["mg k N0 E18446744073709551615\r\n", "mg k  EN [N0 E18446744073709551615] E=18446744073709551615"],
  ["mg k\0 v\r\n", "mg k   []"],
  ["mg aw== b v\r\n", "mg k bv  [b v]"],
  ["mg YSBi b\r\n", "mg a b b  [b]"],
  ["ms k 0\r\n\r\n", 'ms k   [] ""'],
  [
    "ms k 4 F5 T60 C7 I MA c\r\na\r\nb\r\n",
    'ms k c CFIMT [F5 T60 C7 I MA c] T=60 C=7 F=5 M=A "a\r\nb"'.replace("\r\n", "\\r\\n"),
  ],
  ["ms aw== 1 b q\r\nx\r\n", 'ms k bq  [b q] "x"'],
  ["md k q I T5 x C9\r\n", "md k qx CIT [q I T5 x C9] T=5 C=9"],
  ["ma k N60 J13 D2 MD v t c\r\n", "ma k ctv DJMN [N60 J13 D2 MD v t c] N=60 D=2 J=13 M=D"],
  ["mn\r\n", "mn"],
  ["mn with words\r\n", "mn"],
  ["me k\r\n", "me k   []"],
  ["<a:1>mg k X W\r\n", "mg k  WX [X W]"],
  ["mg k X\r\n", "reject CLIENT_ERROR invalid flag"],
  ["mg k W\r\n", "reject CLIENT_ERROR invalid flag"],
  ["mg\r\n", "reject CLIENT_ERROR bad command line format"],
  ["me\r\n", "reject CLIENT_ERROR bad command line format"],
  ["mg k v v\r\n", "reject CLIENT_ERROR duplicate flag"],
  ["mg k O1 O2\r\n", "reject CLIENT_ERROR duplicate flag"],
  ["mg k \xff\r\n", "reject CLIENT_ERROR duplicate flag"],
  ["mg k z\r\n", "reject CLIENT_ERROR invalid flag"],
  ["mg k Z\r\n", "reject CLIENT_ERROR invalid flag"],
  ["mg k [\r\n", "reject CLIENT_ERROR invalid flag"],
  ["mg k T\r\n", "reject CLIENT_ERROR bad token in command line format"],
  ["mg k T1x\r\n", "reject CLIENT_ERROR bad token in command line format"],
  ["mg k E-1\r\n", "reject CLIENT_ERROR bad token in command line format"],
  ["mg k C18446744073709551616\r\n", "reject CLIENT_ERROR bad token in command line format"],
  ["mg a b\r\n", "reject CLIENT_ERROR error decoding key"],
  ["md a b\r\n", "reject CLIENT_ERROR invalid or duplicate flag"],
  ["md k k k\r\n", "reject CLIENT_ERROR invalid or duplicate flag"],
  ["ma k Dx\r\n", "reject CLIENT_ERROR invalid or duplicate flag"],
  ["ma k Mxx\r\n", "reject CLIENT_ERROR invalid or duplicate flag"],
  [`mg k O${"x".repeat(31)}\r\n`, `mg k  O [O${"x".repeat(31)}]`],
  [`mg k O${"x".repeat(32)}\r\n`, "reject CLIENT_ERROR opaque token too long"],
  [`mg ${"k".repeat(251)} v\r\n`, "reject CLIENT_ERROR bad command line format"],
  ["ms k\r\n", "reject CLIENT_ERROR bad command line format"],
  ["ms k x\r\n", "reject CLIENT_ERROR bad command line format"],
  ["ms k -1\r\n", "reject CLIENT_ERROR bad command line format"],
  ["ms k 2 Y\r\nab\r\n", "reject CLIENT_ERROR invalid flag"],
  ["ms k 2 F\r\nab\r\n", "reject CLIENT_ERROR bad command line format"],
  ["ms k 2 MAA\r\nab\r\n", "reject CLIENT_ERROR incorrect length for M token"],
  [`ms ${"k".repeat(251)} 2\r\nab\r\n`, "reject CLIENT_ERROR bad command line format"],
  [`ms k 1001\r\n${"v".repeat(1001)}\r\n`, "reject SERVER_ERROR object too large for cache"],
];

describe("the text parser and meta commands", () => {
  for (const [line, said] of CORPUS) {
    it(JSON.stringify(line.slice(0, 60)), () => {
      assertEquals(parseAll(fromLatin1(line), describeRequest), { said: [said], rest: 0 });
    });
  }

  it("a data block without its end is an error, and what follows is a line again", () => {
    assertEquals(parseAll(fromLatin1("ms k 2\r\nabcd\r\nmn\r\n"), describeRequest).said, [
      "reject CLIENT_ERROR bad data chunk",
      "reject CLIENT_ERROR bad command line format",
      "mn",
    ]);
  });

  it("says the same wherever the bytes are cut", () => {
    // A refused value is swallowed by the connection, which is not here.
    const rows = CORPUS.filter(([line, said]) => !line.startsWith("ms") || said.startsWith("ms"));
    const whole = fromLatin1(rows.map(([line]) => line).join(""));
    const said = rows.map(([, one]) => one);
    for (let cut = 0; cut <= whole.length; cut++) {
      const first = parseAll(whole.subarray(0, cut), describeRequest);
      const behind = parseAll(whole.subarray(cut - first.rest), describeRequest);
      assertEquals([...first.said, ...behind.said], said, `cut at ${cut}`);
    }
  });

  it("takes any bytes without throwing and always gets on", () => {
    const word = fc.oneof(
      fc.constantFrom("mg", "ms", "md", "ma", "mn", "me", " ", "\r\n", "\n", "k", "1", "b", "v", "T", "O", "\0", "<a>", "X"),
      fc.uint8Array({ maxLength: 6 }).map((bytes) => latin1(bytes)),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (list) => {
        const bytes = fromLatin1(list.join(" "));
        const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
        const request = new Request();
        for (let at = 0; at < bytes.length; ) {
          const status = parser.parse(request, bytes, at, bytes.length, 0);
          if (status === ParseStatus.more || status === ParseStatus.fatal) break;
          assert(parser.position > at);
          at = parser.position + parser.swallow;
        }
      }),
    );
  });

  it("a copy of a request lives on when the bytes change", () => {
    const bytes = fromLatin1("ms aw== 2 b C5 T9 O7\r\nab\r\n");
    const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
    const request = new Request();
    assertEquals(parser.parse(request, bytes, 0, bytes.length, 0), ParseStatus.request);
    const before = describeRequest(request);
    const copy = request.clone();
    bytes.fill(0);
    parser.parse(request, concatBytes([fromLatin1("mg other v\r\n")]), 0, 12, 0);
    assertEquals(describeRequest(copy), before);
  });
});
