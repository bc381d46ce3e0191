/** HTTP responses, in any pieces, and what is none. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import { parseHttpResponse } from "../../../../lib/index_server/etcd/http_response.ts";

const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
const COMPLETE: readonly (readonly [name: string, text: string, body: string])[] = [
  ["a length", `${HEAD}Content-Length: 7\r\n\r\n{"a":1}`, '{"a":1}'],
  ["no body", `${HEAD}content-length:0\r\n\r\n`, ""],
  ["chunks", `${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4;x=y\r\n":1}\r\n0\r\n\r\n`, '{"a":1}'],
  [
    "a chunk of many bytes",
    `${HEAD}transfer-encoding: Chunked\r\n\r\n1F4\r\n${"\r\n".repeat(250)}\r\n0\r\n\r\n`,
    "\r\n".repeat(250),
  ],
];

describe("an HTTP response", () => {
  for (const [name, text, body] of COMPLETE) {
    it(`with ${name} is read once it is complete`, () => {
      const lastByte = text.endsWith("0\r\n\r\n") ? text.length - 2 : text.length;
      for (let length = 0; length < lastByte; length++)
        assertEquals(parseHttpResponse(text.slice(0, length), false), undefined);
      assertEquals(parseHttpResponse(text, false), { status: 200, body });
      assertEquals(parseHttpResponse(text, true), { status: 200, body });
    });
  }

  it("without a length ends with its connection", () => {
    assertEquals(parseHttpResponse(`HTTP/1.0 503 Gone\r\n\r\nno`, false), undefined);
    assertEquals(parseHttpResponse(`HTTP/1.0 503 Gone\r\n\r\nno`, true), { status: 503, body: "no" });
  });

  it("that is none is refused", () => {
    for (const text of [
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/2 200\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      `${HEAD}: x\r\n\r\n`,
      `${HEAD}Content-Length: many\r\n\r\n`,
      `${HEAD}Content-Length: 999999999\r\n\r\n`,
      `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n`,
      "x".repeat(70_000),
    ]) {
      assertEquals(
        (assertThrows(() => parseHttpResponse(text, false), FlareError) as FlareError).code,
        "CORRUPT",
        text.slice(0, 90),
      );
    }
  });
});
