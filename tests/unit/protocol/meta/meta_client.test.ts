/**
 * What nodes say to each other about items: lines other nodes of this kind understand, and text for those that do not.
 *
 * Covers lib/protocol/meta/meta_mutation.ts and lib/protocol/text/text_fallback.ts.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { concatBytes, fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { EntryMark } from "../../../../lib/item/entry.ts";
import { BinaryParser } from "../../../../lib/protocol/binary/binary_parser.ts";
import { Opcode } from "../../../../lib/protocol/binary/binary_protocol.ts";
import { Command, CommandTable } from "../../../../lib/protocol/command.ts";
import {
  encodeForwardedMeta,
  encodeReplicatedMetaDelete,
  encodeReplicatedMetaSet,
  encodeReplicatedMetaTouch,
  parseMetaAnswer,
} from "../../../../lib/protocol/meta/meta_client.ts";
import { fillMutation } from "../../../../lib/protocol/meta/meta_mutation.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { ReplyParser, ReplyShape } from "../../../../lib/protocol/text/text_client.ts";
import { encodeTextFallback, parseTextAnswer } from "../../../../lib/protocol/text/text_fallback.ts";
import { ParseStatus, TextParser } from "../../../../lib/protocol/text/text_parser.ts";
import { emptyEntry } from "../../../../lib/storage/arena/cached_entry.ts";
import { packet, words } from "../../../support/binary_packets.ts";

const ALL = new CommandTable(Object.keys(Command) as (keyof typeof Command)[]);
const LIMITS = { lineBytesMax: 4096, keyBytesMax: 250, valueBytesMax: 1000 };
const NOW = 1_700_000_000;

function parsed(text: string): Request {
  const bytes = fromLatin1(text);
  const request = new Request();
  const isBinary = bytes[0] === 0x80;
  const status = isBinary
    ? new BinaryParser(LIMITS).parse(request, bytes, 0, bytes.length)
    : new TextParser(LIMITS, ALL).parse(request, bytes, 0, bytes.length, 0);
  assertEquals(status, ParseStatus.request, text);
  return request;
}

function forwarded(text: string): string {
  return latin1(encodeForwardedMeta(parsed(text), "<a:1>", NOW));
}

function fallback(text: string): string | undefined {
  const request = parsed(text);
  fillMutation(request, NOW);
  const said = encodeTextFallback(request, "<a:1>", NOW);
  return said === undefined ? undefined : latin1(said.bytes);
}

function outcome(text: string, answer: string, shape: ReplyShape = ReplyShape.line): string {
  const request = parsed(text);
  const parser = new ReplyParser(1000);
  parser.push(fromLatin1(answer));
  const reply = parser.next(shape);
  if (reply === undefined || typeof reply === "string") return "no reply";
  const { status, version, flags, value, error } =
    shape === ReplyShape.meta ? parseMetaAnswer(reply) : parseTextAnswer(request, reply);
  return `${status} ${version} ${flags} "${latin1(value)}" ${error}`.trimEnd();
}

describe("meta lines between nodes", () => {
  it("a client's line keeps its flags and their order; times become absolute, quiet ones are answered", () => {
    assertEquals(forwarded("mg k q v T30 O7 k\r\n"), `<a:1>mg k v T${NOW + 30} O7 k\r\n`);
    assertEquals(forwarded("mg k N0 R60 T-1\r\n"), `<a:1>mg k N0 R${NOW + 60} T2592001\r\n`);
    assertEquals(forwarded("mg k T0 E5\r\n"), "<a:1>mg k T0\r\n", "it would be what another node has touched");
    assertEquals(forwarded("mg k N0 E5\r\n"), "<a:1>mg k N0 E5\r\n");
    assertEquals(forwarded("ms aw== 2 b T0 MA\r\nab\r\n"), "<a:1>ms aw== 2 b T0 MA\r\nab\r\n");
  });

  it("binary requests become meta lines of the same meaning", () => {
    assertEquals(forwarded(packet({ opcode: Opcode.getKeyQuiet, key: "k" })), "<a:1>mg k v c f\r\n");
    assertEquals(
      forwarded(packet({ opcode: Opcode.touch, extras: words(30), key: "a b" })),
      `<a:1>mg YSBi b c f T${NOW + 30}\r\n`,
    );
    assertEquals(
      forwarded(packet({ opcode: Opcode.replace, extras: words(5, 0), key: "k", value: "v", cas: 9 })),
      "<a:1>ms k 1 c C9 F5 T0 MS\r\nv\r\n",
    );
    const increment = packet({ opcode: Opcode.increment, extras: words(0, 2, 0, 7, 60), key: "k" });
    assertEquals(forwarded(increment), `<a:1>ma k v c D2 J7 N${NOW + 60} MI\r\n`);
    assertEquals(forwarded(packet({ opcode: Opcode.delete, key: "k\r\nget x", cas: 3 })), "<a:1>md aw0KZ2V0IHg= b C3\r\n");
  });

  it("what is forwarded is understood as it was meant", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (key, value) => {
        const request = parsed(packet({ opcode: Opcode.set, extras: words(7, 0), key: latin1(key), value: latin1(value) }));
        const arrived = parsed(latin1(encodeForwardedMeta(request, "<a:1>", NOW)));
        const { mutation } = arrived;
        assertEquals(mutation.key.bytes.slice(mutation.key.start, mutation.key.end), Uint8Array.from(key));
        assertEquals(mutation.value.slice(mutation.valueStart, mutation.valueEnd), Uint8Array.from(value));
        assertEquals(arrived.meta.clientFlags, 7);
      }),
    );
  });

  it("replicas get the item, its version and its marks", () => {
    const bytes = fromLatin1("value");
    const entry = {
      ...emptyEntry(),
      bytes,
      valueStart: 0,
      valueEnd: 5,
      flags: 3,
      expire: NOW,
      version: 9,
      marks: EntryMark.stale | EntryMark.won,
    };
    const key = { bytes: fromLatin1("a b"), start: 0, end: 3 };
    assertEquals(latin1(encodeReplicatedMetaSet("<a:1>", key, entry)), `<a:1>ms YSBi 5 b F3 T${NOW} E9 X W\r\nvalue\r\n`);
    assertEquals(
      latin1(encodeReplicatedMetaTouch("<a:1>", key, { ...entry, marks: EntryMark.stale })),
      `<a:1>mg YSBi b T${NOW} E9 X\r\n`,
    );
    assertEquals(latin1(encodeReplicatedMetaDelete("<a:1>", key, 0, 9)), "<a:1>md YSBi b T0 E9\r\n");
  });

  it("answers are cut wherever the value has line ends", () => {
    const parser = new ReplyParser(1000);
    parser.push(concatBytes([fromLatin1("VA 4 c5\r\na\r\nb\r\nHD O1\r\nEN\r\n")]));
    const lines = [1, 2, 3].map(() => parser.next(ReplyShape.meta));
    assertEquals(
      lines.map((one) => (typeof one === "object" ? `${one.line}/${latin1(one.body)}` : one)),
      ["VA 4 c5/a\r\nb", "HD O1/", "EN/"],
    );
  });

  it("answers mean what they say", () => {
    const get = "mg k v\r\n";
    assertEquals(outcome(get, "VA 2 c7 f5 Z\r\nab\r\n", ReplyShape.meta), 'VA 7 5 "ab"');
    assertEquals(outcome(get, "HD c18446744073709551615\r\n", ReplyShape.meta), 'HD 18446744073709551615 0 ""');
    assertEquals(outcome(get, "SERVER_ERROR full\r\n", ReplyShape.meta), '0 0 "" SERVER_ERROR full'.replace(/^/, " "));
    assertEquals(outcome(get, "ERROR\r\n", ReplyShape.meta), ' 0 0 "" SERVER_ERROR proxy error');
  });
});

describe("text for nodes that know no meta commands", () => {
  it("says what can be said", () => {
    assertEquals(fallback("mg k v f c s k O1 q\r\n"), "gets k\r\n");
    assertEquals(fallback("mg k v C9\r\n"), "gets k\r\n");
    assertEquals(fallback("mg k v T30\r\n"), `<a:1>gat k ${NOW + 30}\r\n`);
    assertEquals(fallback("ms k 2 F5 T30\r\nab\r\n"), `<a:1>set k 5 ${NOW + 30} 2\r\nab\r\n`);
    assertEquals(fallback("ms k 2 MS C7\r\nab\r\n"), "<a:1>cas k 0 0 2 7\r\nab\r\n");
    for (const [mode, word] of [
      ["E", "add"],
      ["A", "append"],
      ["P", "prepend"],
      ["R", "replace"],
    ]) {
      assertEquals(fallback(`ms k 2 M${mode} q\r\nab\r\n`), `<a:1>${word} k 0 0 2\r\nab\r\n`);
    }
    assertEquals(fallback("md k q\r\n"), "<a:1>delete k 0\r\n");
    assertEquals(fallback("ma k D5 v\r\n"), "<a:1>incr k 5\r\n");
    assertEquals(fallback("ma k MD\r\n"), "<a:1>decr k 1\r\n");
    assertEquals(fallback(packet({ opcode: Opcode.get, key: "k" })), "gets k\r\n");
    assertEquals(
      fallback(packet({ opcode: Opcode.set, extras: words(1, 0), key: "k", value: "v" })),
      "<a:1>set k 1 0 1\r\nv\r\n",
    );
  });

  it("refuses what cannot be said", () => {
    const unsayable = [
      "mg k t\r\n",
      "mg k h\r\n",
      "mg k l\r\n",
      "mg k N30\r\n",
      "mg k R30\r\n",
      "mg k T30 c\r\n",
      "mg k v T30 C9\r\n",
      "mg YSBi b v\r\n",
      "ms k 1 c\r\nx\r\n",
      "ms k 1 I C1\r\nx\r\n",
      "ms k 1 E9\r\nx\r\n",
      "ms k 1 MA C1\r\nx\r\n",
      "ms k 1 MA N9\r\nx\r\n",
      "md k C1\r\n",
      "md k I\r\n",
      "md k x\r\n",
      "ma k N0\r\n",
      "ma k C1\r\n",
      "ma k T9\r\n",
      "ma k t\r\n",
      packet({ opcode: Opcode.get, key: "a b" }),
      packet({ opcode: Opcode.delete, key: "k", cas: 1 }),
      packet({ opcode: Opcode.increment, extras: words(0, 1, 0, 0, 0), key: "k" }),
    ];
    for (const text of unsayable) assertEquals(fallback(text), undefined, text);
  });

  it("answers mean what they say", () => {
    assertEquals(outcome("mg k v\r\n", "VALUE k 5 2 9\r\nab\r\nEND\r\n", ReplyShape.values), 'VA 9 5 "ab"');
    assertEquals(outcome("mg k s\r\n", "VALUE k 5 2 9\r\nab\r\nEND\r\n", ReplyShape.values), 'HD 9 5 "ab"');
    assertEquals(outcome("mg k v C9\r\n", "VALUE k 5 2 9\r\nab\r\nEND\r\n", ReplyShape.values), 'HD 9 5 "ab"');
    assertEquals(outcome("mg k v C8\r\n", "VALUE k 5 2 9\r\nab\r\nEND\r\n", ReplyShape.values), 'VA 9 5 "ab"');
    assertEquals(outcome("mg k v\r\n", "END\r\n", ReplyShape.values), 'EN 0 0 ""');
    assertEquals(outcome("mg k v T1\r\n", "NOT_FOUND\r\n", ReplyShape.value), 'EN 0 0 ""');
    assertEquals(outcome("ms k 1\r\nx\r\n", "STORED\r\n"), 'HD 0 0 ""');
    assertEquals(outcome("ms k 1\r\nx\r\n", "NOT_STORED\r\n"), 'NS 0 0 ""');
    assertEquals(outcome("ms k 1 C1\r\nx\r\n", "EXISTS\r\n"), 'EX 0 0 ""');
    assertEquals(outcome("md k\r\n", "NOT_FOUND\r\n"), 'NF 0 0 ""');
    assertEquals(outcome("ma k v\r\n", "15\r\n"), 'VA 0 0 "15"');
    assertEquals(outcome("ma k\r\n", "15\r\n"), 'HD 0 0 ""');
    assertEquals(outcome("md k\r\n", "SERVER_ERROR proxy failure\r\n"), ' 0 0 "" SERVER_ERROR proxy failure');
  });
});
