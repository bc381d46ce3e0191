/** Which lines are HTTP's, which are ours, and that a parser and a session stop at the former. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { commandName } from "../../../../lib/protocol/command.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { beginsAsHttp, isHttpLine, mayBeHttp } from "../../../../lib/protocol/text/http_line.ts";
import { ParseStatus, TextParser } from "../../../../lib/protocol/text/text_parser.ts";
import { ALL_COMMANDS, PARSER_LIMITS, parseAll } from "../../../support/parsed_requests.ts";

const HTTP = [
  ...["GET / HTTP/1.1", "POST /a?b=c HTTP/1.0", "OPTIONS * HTTP/1.1", "CONNECT evil.example:80 HTTP/1.1", "PRI * HTTP/2.0"],
  ...["GET http://evil.example/ HTTP/1.1", "M-SEARCH * HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/1.1 ", "X y HTTP/9"],
  // Methods a page has made up.
  ...["gets /victim HTTP/1.1", "flush_all / HTTP/1.1", "get http://evil.example/a HTTP/1.1", "mn * HTTP/1.1"],
  ...["Host: evil.example", "HOST:x", "host:"],
];
const OURS = [
  ...["get a HTTP/1.1", "get HTTP/1.1", "gets a /b HTTP/1.1", "get /a /b HTTP/1.1", "get HTTP/1.1 a", "get HTTP/1.1 /a"],
  ...[
    "set HTTP/1.1 0 0 8",
    "delete HTTP/1.1",
    "mg HTTP/1.1 v",
    "get Host:",
    "get /a xHTTP/1.1",
    "get /a HTTP/1.1x",
    "touch /a 10",
  ],
  ...["get host: HTTP/1.1", "host", "GET", "GET /", "HTTP/1.1", "", " ", "Hosts: a", "get *a HTTP/1.1", "get a:b HTTP/1.1"],
];

describe("lines of HTTP", () => {
  it("are distinguished from ours", () => {
    for (const line of HTTP) assert(isHttpLine(fromLatin1(line), 0, line.length), line);
    for (const line of OURS) assert(!isHttpLine(fromLatin1(line), 0, line.length), line);
  });

  it("pass the quick look where their method may be one of our words", () => {
    for (const line of HTTP.filter((each) => /^[a-z_]+ .*HTTP/.test(each))) {
      assert(mayBeHttp(fromLatin1(line), line.length), line);
    }
  });

  it("are not looked for outside the line", () => {
    const line = fromLatin1("get /a HTTP/1.1 b\r\nGET / HTTP/1.1\r\n");
    assert(!isHttpLine(line, 0, 17));
    assert(isHttpLine(line, 19, 33));
    assert(!isHttpLine(line, 21, 21));
  });

  it("are recognized by their beginning when they are too long", () => {
    for (const text of ["GET /aaa", "POST http://aaa/", "OPTIONS *"])
      assert(beginsAsHttp(fromLatin1(text), 0, text.length), text);
    for (const text of ["get /aaa", "GET aaa", "GET", "GET *a"]) assert(!beginsAsHttp(fromLatin1(text), 0, text.length), text);
    const long = fromLatin1(`GET /${"a".repeat(PARSER_LIMITS.lineBytesMax)}`);
    const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
    assertEquals(parser.parse(new Request(), long, 0, long.length, 0), ParseStatus.http);
  });

  it("stop the parser, at every split point, after the requests in front of them", () => {
    for (const line of HTTP) {
      for (const end of ["\r\n", "\n"]) {
        const bytes = fromLatin1(`get a\r\n${line}${end}get b\r\n`);
        const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
        const request = new Request();
        assertEquals(parser.parse(request, bytes, 0, bytes.length, 0), ParseStatus.request);
        const start = parser.position;
        for (let cut = start; cut < start + line.length + end.length; cut++) {
          assertEquals(parser.parse(request, bytes, start, cut, 0), ParseStatus.more, line);
        }
        assertEquals(parser.parse(request, bytes, start, bytes.length, 0), ParseStatus.http, line);
      }
    }
  });

  it("are data within a data block", () => {
    const value = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const bytes = fromLatin1(`set a 0 0 ${value.length}\r\n${value}\r\nget HTTP/1.1\r\nHost: a\r\nget a\r\n`);
    assertEquals(parseAll(bytes, ({ command }) => commandName(command)).said, ["set", "get", "http"]);
  });
});
