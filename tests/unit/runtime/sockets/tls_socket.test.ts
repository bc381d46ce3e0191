/** Which certificates of clients are good enough, whatever else the runtime says about the connection. */

import { describe, it } from "node:test";
import type { TLSSocket } from "node:tls";
import { assertEquals } from "@std/assert";
import { peerRefusal } from "../../../../lib/runtime/sockets/tls_socket.ts";

function refusal(shown: object, authorized: boolean, required: boolean): string | undefined {
  const socket = { getPeerCertificate: () => shown, authorized, authorizationError: "UNKNOWN" };
  return peerRefusal(socket as unknown as TLSSocket, required)?.message;
}

describe("the certificate of a client", () => {
  it("is wanted where one is required, also from who resumes a session and counts as authorized", () => {
    assertEquals(refusal({}, false, true), "it sent no certificate");
    assertEquals(refusal({}, true, true), "it sent no certificate");
    assertEquals([refusal({}, false, false), refusal({}, true, false)], [undefined, undefined]);
  });

  it("is refused if it is wrong, required or not", () => {
    for (const required of [false, true]) {
      assertEquals(refusal({ subject: {} }, false, required), "its certificate is refused (UNKNOWN)");
      assertEquals(refusal({ subject: {} }, true, required), undefined);
    }
  });
});
