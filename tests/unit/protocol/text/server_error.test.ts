/** How faults are reported to clients. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import { faultLine, serverErrorLine, serverErrorText } from "../../../../lib/protocol/text/server_error.ts";

describe("a SERVER_ERROR line", () => {
  it("is one line, whatever the text is", () => {
    assertEquals(serverErrorLine("disk full"), "SERVER_ERROR disk full");
    assertEquals(serverErrorLine("disk\r\nSTORED\0\n"), "SERVER_ERROR disk STORED ");
    assertEquals(serverErrorLine("voll: ü"), "SERVER_ERROR voll: \xc3\xbc", "UTF-8, a character for each byte");
    assertEquals(serverErrorText("SERVER_ERROR disk full"), "disk full");
    assertEquals(serverErrorText(serverErrorLine("voll: ü")), "voll: ü");
    assertEquals(serverErrorText("CLIENT_ERROR no"), "CLIENT_ERROR no");
  });

  it("reports a fault, but not a bug", () => {
    assertEquals(faultLine(new FlareError("IO_ERROR", "read\nfailed")), "SERVER_ERROR read failed");
    assertThrows(() => faultLine(new TypeError("x is not a function")), TypeError);
  });
});
