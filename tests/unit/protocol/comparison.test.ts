/** The requests and answers of a comparison: everything survives the wire, and nothing malformed is accepted. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import {
  type ComparePage,
  type CompareRequest,
  compareCommand,
  type DigestRequest,
  digestLine,
  encodeDigestRequest,
  encodeItemStates,
  pageLines,
  parseCompareRequest,
  parseDigestLine,
  parseDigestRequest,
  parseItemStates,
  parsePage,
  type RangeDigest,
  type RangeItems,
} from "../../../lib/protocol/comparison.ts";
import { type ClientReply, ReplyParser, ReplyShape } from "../../../lib/protocol/text/text_client.ts";

const EMPTY = new Uint8Array();
const KEY = fromLatin1("a key\r\n\0\xff");
const OTHER = fromLatin1("b");
const DIGEST = "0123456789abcdef";

/** The words after `node <form>` of a request. */
function wordsOf(line: string): string[] {
  return line.trimEnd().split(" ").slice(2);
}

/** As a connection cuts an answer out. */
function answer(text: string): ClientReply {
  const parser = new ReplyParser(100_000);
  parser.push(fromLatin1(text));
  return parser.next(ReplyShape.scan) as ClientReply;
}

describe("a comparison on the wire", () => {
  it("keeps a master's questions", () => {
    const requests: DigestRequest[] = [
      { partition: 0, count: 1, of: "range", after: EMPTY, to: undefined },
      { partition: 2, count: 3, of: "range", after: KEY, to: OTHER },
      { partition: 2, count: 3, of: "items", after: EMPTY, to: KEY },
      { partition: 0, count: 65535, of: "keys", keys: [KEY, OTHER] },
    ];
    for (const request of requests) {
      const line = latin1(encodeDigestRequest(request));
      assertEquals(line.endsWith("\r\n"), true);
      assertEquals(parseDigestRequest(wordsOf(line)), request);
    }
  });

  it("refuses malformed questions", () => {
    const lines = [
      "",
      "0/1",
      "0/1 range",
      "0/1 range -",
      "0/1 range - - -",
      "1/1 range - -",
      "0/0 range - -",
      "x/1 range - -",
      "0/1 other - -",
      "0/1 range - ?",
      "0/1 keys",
      "0/1 keys -",
      "0/1 keys YQ== ?",
    ];
    for (const line of lines) assertEquals(parseDigestRequest(line.split(" ")), undefined, line);
  });

  it("keeps answers", () => {
    for (const digest of [
      { items: 0, digest: DIGEST, reached: undefined },
      { items: 12, digest: DIGEST, reached: KEY },
    ] satisfies RangeDigest[]) {
      assertEquals(parseDigestLine(digestLine(digest)), digest);
    }
    for (const items of [
      { items: [], reached: undefined },
      { items: [], reached: KEY },
      {
        items: [
          { key: KEY, version: 18446744073709551615n, expire: 4294967295, digest: DIGEST },
          { key: OTHER, version: 1, expire: 0, digest: DIGEST },
        ],
        reached: OTHER,
      },
    ] satisfies RangeItems[]) {
      assertEquals(parseItemStates(answer(encodeItemStates(items))), items);
    }
  });

  it("refuses malformed answers", () => {
    const lines = ["ERROR", "DIGEST", `DIGEST 1 ${DIGEST}`, `DIGEST x ${DIGEST} -`, "DIGEST 1 012 -", `DIGEST 1 ${DIGEST} - -`];
    for (const line of lines) assertEquals(parseDigestLine(line), undefined, line);
    const texts = [
      "ERROR\r\n",
      "SERVER_ERROR busy\r\n",
      "NEXT\r\n",
      "NEXT -\r\n",
      "NEXT ?\r\n",
      "END YQ==\r\n",
      `KEY YQ== 1 0 ${DIGEST} b\r\nEND\r\n`,
      `KEY - 1 0 ${DIGEST}\r\nEND\r\n`,
      `KEY YQ== x 0 ${DIGEST}\r\nEND\r\n`,
      "KEY YQ== 1 0\r\nEND\r\n",
    ];
    for (const text of texts) assertEquals(parseItemStates(answer(text)), undefined, text);
  });

  it("keeps an operator's questions and their pages", () => {
    for (const request of [
      { host: "node.example", port: "12121", after: EMPTY, repair: false },
      { host: "::1", port: "1", after: KEY, repair: true },
    ] satisfies CompareRequest[]) {
      assertEquals(parseCompareRequest(wordsOf(compareCommand(request))), request);
    }
    for (const line of ["", "host", "host 1", "host 1 ?", "host 1 - fix", "host 1 - repair now"]) {
      assertEquals(parseCompareRequest(line.split(" ").filter((word) => word !== "")), undefined, line);
    }
    const page: ComparePage = {
      differences: [
        { key: KEY, masterVersion: 3, replicaVersion: undefined, isRepaired: true },
        { key: OTHER, masterVersion: undefined, replicaVersion: 18446744073709551615n, isRepaired: false },
      ],
      items: 500,
      busy: 2,
      reached: KEY,
    };
    assertEquals(parsePage(pageLines(page)), page);
    assertEquals(parsePage(pageLines({ ...page, differences: [], reached: undefined }))?.reached, undefined);
    for (const lines of [
      [],
      ["COMPARED 1 0"],
      ["COMPARED 1 x -"],
      ["DIFFERENT YQ== 1 2 kept"],
      ["DIFFERENT YQ== 1 2 lost", "COMPARED 1 0 -"],
      ["DIFFERENT YQ== 1 x kept", "COMPARED 1 0 -"],
      ["DIFFERENT - 1 2 kept", "COMPARED 1 0 -"],
      ["OTHER YQ== 1 2 kept", "COMPARED 1 0 -"],
    ]) {
      assertEquals(parsePage(lines), undefined, lines.join());
    }
  });
});
