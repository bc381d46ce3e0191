/** Binary requests from bytes to meaning: every opcode, every refusal, every cut, any bytes. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { BinaryParser } from "../../../../lib/protocol/binary/binary_parser.ts";
import { BINARY_HEADER_BYTES, Opcode } from "../../../../lib/protocol/binary/binary_protocol.ts";
import { commandName } from "../../../../lib/protocol/command.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { ParseStatus } from "../../../../lib/protocol/text/text_parser.ts";
import { packet, words } from "../../../support/binary_packets.ts";

const LIMITS = { lineBytesMax: 4096, keyBytesMax: 250, valueBytesMax: 1000 };

/** What one packet yields: the request in words, or how it is refused. */
function parseOne(text: string): string {
  const bytes = fromLatin1(text);
  const parser = new BinaryParser(LIMITS);
  const request = new Request();
  const status = parser.parse(request, bytes, 0, bytes.length);
  if (status === ParseStatus.more) return `more, ${parser.needed}`;
  if (status === ParseStatus.fatal) return `fatal ${parser.status}`;
  if (status === ParseStatus.reject) return `reject ${parser.status}, swallow ${parser.swallow}`;
  assertEquals(parser.position, bytes.length);
  return describeRequest(request);
}

function describeRequest(request: Request): string {
  const { meta, mutation } = request;
  const { key, value, valueStart, valueEnd } = mutation;
  const parts = [
    commandName(request.command),
    latin1(key.bytes, key.start, key.end),
    JSON.stringify(latin1(value, valueStart, valueEnd)),
  ];
  const numbers = {
    T: request.exptime,
    N: meta.vivifyExptime,
    C: meta.compare,
    D: meta.delta === 1 ? 0 : meta.delta,
    J: meta.initial,
    F: meta.clientFlags,
    opaque: request.opaque === 0xdeadbeef ? 0 : request.opaque,
  };
  for (const [name, number] of Object.entries(numbers)) if (number !== 0) parts.push(`${name}=${number}`);
  if (meta.mode !== 0) parts.push(String.fromCharCode(meta.mode));
  if (request.words.length > 0) parts.push(request.words.join("|"));
  return parts.join(" ");
}

const CORPUS: readonly (readonly [title: string, bytes: string, expected: string])[] = [
  ["get", packet({ opcode: Opcode.get, key: "k", opaque: 7 }), 'mg k "" opaque=7'],
  ["set", packet({ opcode: Opcode.set, extras: words(5, 60), key: "k", value: "v\r\n" }), 'ms k "v\\r\\n" T=60 F=5 S'],
  ["set with a condition", packet({ opcode: Opcode.set, extras: words(0, 0), key: "k", cas: 9 }), 'ms k "" C=9 S'],
  ["add", packet({ opcode: Opcode.add, extras: words(0, 0), key: "k" }), 'ms k "" E'],
  [
    "add with a condition is a set with one",
    packet({ opcode: Opcode.add, extras: words(0, 0), key: "k", cas: 9 }),
    'ms k "" C=9 S',
  ],
  ["get with a condition", packet({ opcode: Opcode.get, key: "k", cas: 9 }), 'mg k ""'],
  ["touch with a condition", packet({ opcode: Opcode.touch, extras: words(60), key: "k", cas: 9 }), 'mg k "" T=60'],
  ["append with a condition", packet({ opcode: Opcode.append, key: "k", value: "x", cas: 9 }), 'ms k "x" C=9 A'],
  ["delete", packet({ opcode: Opcode.deleteQuiet, key: "k" }), 'md k ""'],
  [
    "increment",
    packet({ opcode: Opcode.increment, extras: words(0, 2, 1, 0, 60), key: "k" }),
    'ma k "" N=60 D=2 J=4294967296 I',
  ],
  [
    "decrement",
    packet({ opcode: Opcode.decrement, extras: words(0, 2, 0, 0, 0xffffffff), key: "k" }),
    'ma k "" N=4294967295 D=2 D',
  ],
  ["touch", packet({ opcode: Opcode.touch, extras: words(60), key: "a b" }), 'mg a b "" T=60'],
  ["stat", packet({ opcode: Opcode.stat, key: "threads queue" }), 'stats threads queue "" threads|queue'],
  ["stat of everything", packet({ opcode: Opcode.stat }), 'stats  ""'],
  ["flush with a delay", packet({ opcode: Opcode.flush, extras: words(60) }), 'flush_all  "" T=60'],
  ["get with extras", packet({ opcode: Opcode.get, extras: words(1), key: "k" }), "fatal 4"],
  ["get with a value", packet({ opcode: Opcode.get, key: "k", value: "x" }), "fatal 4"],
  ["get without a key", packet({ opcode: Opcode.get }), "fatal 4"],
  ["set without extras", packet({ opcode: Opcode.set, key: "k", value: "x" }), "fatal 4"],
  ["a key too long", packet({ opcode: Opcode.get, key: "k".repeat(251) }), "fatal 4"],
  ["noop with a body", packet({ opcode: Opcode.noop, key: "k" }), "fatal 4"],
  ["stat with a value", packet({ opcode: Opcode.stat, key: "k", value: "x" }), "fatal 4"],
  ["unknown", packet({ opcode: 0xff, value: "xyz" }), "reject 129, swallow 3"],
  [
    "a value too large",
    packet({ opcode: Opcode.set, extras: words(0, 0), key: "k", value: "v".repeat(1001) }),
    "reject 3, swallow 1010",
  ],
];

describe("BinaryParser", () => {
  for (const [title, bytes, expected] of CORPUS) {
    it(title, () => {
      assertEquals(parseOne(bytes), expected);
    });
  }

  it("asks for more at every cut, and for how much as soon as it is known", () => {
    const whole = packet({ opcode: Opcode.set, extras: words(1, 2), key: "key", value: "value" });
    for (let cut = 1; cut < whole.length; cut++) {
      assertEquals(parseOne(whole.slice(0, cut)), `more, ${cut < BINARY_HEADER_BYTES ? BINARY_HEADER_BYTES : whole.length}`);
    }
  });

  it("a body shorter than its key and extras is refused before it has come", () => {
    const header = fromLatin1(packet({ opcode: Opcode.get, key: "k" }).slice(0, BINARY_HEADER_BYTES));
    header[11] = 0;
    assertEquals(parseOne(latin1(header)), "fatal 129");
  });

  it("four gigabytes are refused, not waited for", () => {
    for (const opcode of Object.values(Opcode)) {
      const header = fromLatin1(packet({ opcode, key: "k" }).slice(0, BINARY_HEADER_BYTES));
      header.fill(0xff, 8, 12);
      const said = parseOne(latin1(header));
      assert(said.startsWith("fatal") || said.startsWith("reject"), `${opcode}: ${said}`);
    }
  });

  it("takes any header without throwing and never waits for more than a request may be long", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 23, maxLength: 80 }), (body) => {
        const bytes = Uint8Array.from([0x80, ...body]);
        const parser = new BinaryParser(LIMITS);
        const status = parser.parse(new Request(), bytes, 0, bytes.length);
        if (status === ParseStatus.more)
          assert(parser.needed <= BINARY_HEADER_BYTES + 20 + LIMITS.keyBytesMax + LIMITS.valueBytesMax);
        else assert(parser.position >= BINARY_HEADER_BYTES);
      }),
    );
  });
});
