/**
 * What is said in a scan: cursors, request lines and pages, there and back, and what is refused.
 *
 * Covers lib/protocol/scan/scan_cursor.ts and lib/protocol/scan/scan_request.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { BufferPool } from "../../../../lib/protocol/buffer_pool.ts";
import { ReplySegment } from "../../../../lib/protocol/reply_segment.ts";
import { encodeCursor, parseCursor, scanNumber } from "../../../../lib/protocol/scan/scan_cursor.ts";
import { parseScanPage, putScanPage, type ScannedItem, type ScanPage } from "../../../../lib/protocol/scan/scan_page.ts";
import {
  encodeDeletePrefix,
  encodeScan,
  parseDeletePrefix,
  parseScan,
  SCAN_LIMIT_MAX,
  type ScanRequest,
} from "../../../../lib/protocol/scan/scan_request.ts";
import { MALFORMED, ReplyParser, ReplyShape } from "../../../../lib/protocol/text/text_client.ts";

const SCAN = "0123456789abcdef";
const ANY_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);

function item(key: string | Uint8Array, fields: Partial<ScannedItem> = {}): ScannedItem {
  const bytes = typeof key === "string" ? fromLatin1(key) : key;
  const value = fields.value ?? new Uint8Array(0);
  const plain = { valueBytes: value.length, flags: 0, expire: 0, version: 1, fetched: false, accessSeconds: 0 };
  return { ...plain, ...fields, key: bytes, value };
}

/** A request for everything that begins so, from the start. */
function firstPage(limit: number, prefix: Uint8Array): Omit<ScanRequest, "base64"> {
  return { limit, prefix, cursor: undefined, values: false, part: undefined };
}

function words(line: Uint8Array): string[] {
  return latin1(line).trimEnd().split(" ").slice(1);
}

describe("a cursor", () => {
  it("comes back from its token whatever the key, in letters any line can hold", () => {
    const keys = [new Uint8Array(0), ANY_BYTES, ...[1, 2, 3, 4].map((length) => ANY_BYTES.slice(250, 250 + length))];
    for (const after of keys) {
      const token = encodeCursor({ scan: SCAN, after });
      assert(/^[0-9a-f]{16}-[A-Za-z0-9_-]*$/.test(token), token);
      assertEquals(parseCursor(token), { scan: SCAN, after });
    }
  });

  it("is distinguished from any other text", () => {
    for (const token of [
      "",
      "-",
      "abc",
      SCAN,
      `${SCAN}-a`,
      `${SCAN}-====`,
      `${SCAN}-a b`,
      `${SCAN}x-`,
      `${SCAN.slice(1)}-YQ`,
    ]) {
      assertEquals(parseCursor(token), undefined, token);
    }
  });

  it("carries the number of its scan in sixteen digits", () => {
    assertEquals(scanNumber(0, 1), "0000000000000001");
    assertEquals(scanNumber(0xffffffff, 0xabc), "ffffffff00000abc");
  });
});

describe("a request", () => {
  it("is read with its flags in any order", () => {
    assertEquals(parseScan(["10"], false), {
      limit: 10,
      prefix: new Uint8Array(0),
      cursor: undefined,
      base64: false,
      values: false,
      part: undefined,
    });
    const token = encodeCursor({ scan: SCAN, after: fromLatin1("a:1") });
    assertEquals(parseScan(["1000", "v", `c${token}`, "pYTo=", "b"], false), {
      limit: 1000,
      prefix: fromLatin1("a:"),
      cursor: { scan: SCAN, after: fromLatin1("a:1") },
      base64: true,
      values: true,
      part: undefined,
    });
  });

  it("comes back from its line", () => {
    const request = {
      ...firstPage(7, ANY_BYTES),
      cursor: { scan: SCAN, after: Uint8Array.from([...ANY_BYTES, 1]) },
      values: true,
      part: { partition: 2, count: 3 },
    };
    assertEquals(parseScan(words(encodeScan(request, "<a:1>")), true), { ...request, base64: true });
    const { limit, prefix, cursor } = request;
    assertEquals(parseDeletePrefix(words(encodeDeletePrefix(request))), {
      ...firstPage(limit, prefix),
      cursor,
      base64: true,
    });
  });

  it("is refused with a reason", () => {
    const limit = `CLIENT_ERROR limit must be 1 to ${SCAN_LIMIT_MAX}`;
    const flag = "CLIENT_ERROR invalid or duplicate flag";
    const cases: readonly (readonly [string, string])[] = [
      ["", "ERROR"],
      ["x", "CLIENT_ERROR bad command line format"],
      ["-1", "CLIENT_ERROR bad command line format"],
      ["0", limit],
      [String(SCAN_LIMIT_MAX + 1), limit],
      ["99999999999", "CLIENT_ERROR bad command line format"],
      ["1 x", flag],
      ["1 v v", flag],
      ["1 pa pb", flag],
      ["1 vx", flag],
      ["1 noreply", flag],
      ["1 P0/1", flag],
      ["1 p* b", "CLIENT_ERROR error decoding prefix"],
      ["1 c", "CLIENT_ERROR invalid cursor"],
      ["1 cx", "CLIENT_ERROR invalid cursor"],
      // Of a scan with another prefix.
      [`1 pb c${encodeCursor({ scan: SCAN, after: fromLatin1("a1") })}`, "CLIENT_ERROR invalid cursor"],
    ];
    for (const [text, answer] of cases) assertEquals(parseScan(text === "" ? [] : text.split(" "), false), answer, text);
    assertEquals(typeof parseScan([String(SCAN_LIMIT_MAX)], false), "object");
  });

  it("of a node names the part it asks for", () => {
    for (const text of ["1", "1 P", "1 P1", "1 P1/1", "1 P2/1", "1 P0/0", "1 P-1/2"]) {
      assertEquals(parseScan(text.split(" "), true), "CLIENT_ERROR invalid or duplicate flag", text);
    }
  });

  it("to delete has a prefix and an answer, and no values", () => {
    const needs = "CLIENT_ERROR delete_prefix needs a prefix; flush_all removes everything";
    assertEquals(parseDeletePrefix(["1"]), needs);
    assertEquals(parseDeletePrefix(["1", "p"]), needs);
    assertEquals(parseDeletePrefix(["1", "p", "b"]), needs);
    assertEquals(parseDeletePrefix(["1", "pa", "v"]), "CLIENT_ERROR invalid or duplicate flag");
    assert(/noreply is refused/.test(parseDeletePrefix(["1", "pa", "noreply"]) as string));
  });
});

describe("a page", () => {
  const items = [
    item("a", { flags: 4294967295, version: 18446744073709551615n, expire: 4000000000, accessSeconds: 12, fetched: true }),
    item("a b", { value: fromLatin1("END\r\nKEY x 1 2 3 4\r\n") }),
    item(ANY_BYTES, { value: ANY_BYTES }),
    item("z"),
  ];

  function written(page: ScanPage, values: boolean, complete = true, base64 = true): Uint8Array {
    const parts: Uint8Array[] = [];
    const segment = new ReplySegment(new BufferPool());
    putScanPage(segment, page, SCAN, { base64, values, complete });
    segment.drainTo({ write: (bytes) => parts.push(bytes.slice()) > 0 });
    return Uint8Array.from(parts.flatMap((part) => [...part]));
  }

  it("comes back from its bytes, wherever they are cut", () => {
    for (const lastKey of [undefined, fromLatin1("zz"), ANY_BYTES]) {
      const page = { items, lastKey };
      const bytes = written(page, true);
      for (let cut = 0; cut <= bytes.length; cut += 7) {
        const parser = new ReplyParser(1 << 20);
        parser.push(bytes.slice(0, cut));
        const early = parser.next(ReplyShape.scan);
        if (early === undefined) parser.push(bytes.slice(cut));
        const reply = early ?? parser.next(ReplyShape.scan);
        assert(reply !== undefined && reply !== MALFORMED);
        assertEquals(parseScanPage(reply), page);
      }
    }
  });

  it("without values has the length of each", () => {
    const page = { items: items.map((each) => ({ ...each, value: new Uint8Array(0) })), lastKey: undefined };
    const parser = new ReplyParser(1 << 20);
    parser.push(written(page, false));
    const reply = parser.next(ReplyShape.scan);
    assert(reply !== undefined && reply !== MALFORMED);
    assertEquals(parseScanPage(reply), page);
  });

  it("shows a client plain keys where a line can hold them", () => {
    const page = { items: items.slice(0, 2), lastKey: fromLatin1("a b") };
    assertEquals(
      latin1(written(page, false, false, false)),
      `KEY a 4294967295 0 18446744073709551615 4000000000\r\nKEY YSBi 0 20 1 0 b\r\nNEXT ${SCAN}-YSBi\r\n`,
    );
    assertEquals(latin1(written({ items: [], lastKey: undefined }, true)), "END\r\n");
  });

  it("that is malformed is refused", () => {
    for (const [body, line] of [
      ["", "ERROR"],
      ["", "NEXT"],
      ["", "NEXT x"],
      ["", `NEXT ${SCAN}-`],
      ["KEY a 0 1 1\r\n", "END"],
      ["KEY a 0 x 1 0\r\n", "END"],
      ["KEY a 0 1 -1 0\r\n", "END"],
      ["KEY ? 0 1 1 0 b\r\n", "END"],
      ["KEY  0 1 1 0\r\n", "END"],
      ["VALUE a 0 5 1 0\r\nabc\r\n", "END"],
    ] as const) {
      assertEquals(parseScanPage({ body: fromLatin1(body), line }), undefined, body + line);
    }
    const parser = new ReplyParser(1 << 20);
    parser.push(fromLatin1("STORED\r\n"));
    assertEquals(parser.next(ReplyShape.scan), MALFORMED);
  });
});
