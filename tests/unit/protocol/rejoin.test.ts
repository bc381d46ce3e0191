/** What a slave that returns and its master say to each other: as written, and refused when malformed. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import {
  encodeRejoin,
  encodeRewrite,
  parseRejoin,
  parseRejoinLine,
  parseRewrite,
  rejoinLine,
} from "../../../lib/protocol/rejoin.ts";
import { followsLine, parseFollows, STREAM_OK } from "../../../lib/protocol/stream_request.ts";

const A = "0123456789abcdef";
const B = "fedcba9876543210";

/** The words of a request after its first two. */
function wordsOf(request: Uint8Array): string[] {
  return latin1(request).trimEnd().split(" ").slice(2);
}

describe("node rejoin", () => {
  it("is read as it is written, and so is its answer", () => {
    const asked = {
      host: "h",
      port: "1",
      positions: [
        { history: A, sequence: 0 },
        { history: B, sequence: 2 ** 50 },
      ],
    };
    assertEquals(parseRejoin(wordsOf(encodeRejoin(asked))), asked);
    const answer = { id: B, history: A, sequence: 7, next: 2 ** 45 };
    assertEquals(parseRejoinLine(rejoinLine(answer)), answer);
  });

  it("is refused when it is malformed, and so is its answer", () => {
    for (const words of ["", "h", "h 1", `h 1 ${A}`, `h 1 ${A}:`, `h 1 ${A}:x`, `h 1 ${A}:-1`, `h 1 ${A}:1:2`, "h 1 abc:1"]) {
      assertEquals(parseRejoin(words.split(" ")), undefined, words);
    }
    const line = rejoinLine({ id: B, history: A, sequence: 7, next: 8 });
    for (const wrong of ["COPY", "ERROR", "", line.slice(0, -2), `${line} 9`, line.replace(A, "a"), line.replace(" 7", " x")]) {
      assertEquals(parseRejoinLine(wrong), undefined, wrong);
    }
  });
});

describe("node rewrite", () => {
  it("is read as it is written, whatever is in the keys", () => {
    const keys = ["k", "a key", "\r\n\0\xff:"].map((text, at) => ({
      key: fromLatin1(text),
      digest: at === 1 ? undefined : A,
    }));
    const asked = { partition: 2, count: 5, keys };
    assertEquals(parseRewrite(wordsOf(encodeRewrite(asked))), asked);
  });

  it("is refused when it is malformed", () => {
    const key = "aw==";
    for (const words of [
      "",
      "0/1",
      `1/1 ${key}:-`,
      `0/1 ${key}`,
      `0/1 ${key}:`,
      `0/1 ${key}:abc`,
      "0/1 :-",
      `0/1 ${key}:-:-`,
      `0/1 k:${A}`,
    ]) {
      assertEquals(parseRewrite(words.split(" ")), undefined, words);
    }
  });
});

describe("the answer of a slave that follows", () => {
  it("may say what it has", () => {
    assertEquals([followsLine(), parseFollows(followsLine())], [STREAM_OK, undefined]);
    const position = { history: A, sequence: 12 };
    assertEquals(parseFollows(followsLine(position)), position);
    for (const line of ["LOST", "AGAIN x", `OK ${A}`, `OK ${A} x`, `OK ${A} 1 2`]) assertEquals(parseFollows(line), undefined);
  });
});
