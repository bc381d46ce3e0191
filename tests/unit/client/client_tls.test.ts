/** How a client speaks TLS: what a program gives, what a connection gets, and back. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { type ClientTls, clientTlsFields, clientTlsOf, tlsClientOf } from "../../../lib/client/client_tls.ts";

const PEM = "-----BEGIN CERTIFICATE-----\n";
const BYTES = new TextEncoder().encode(PEM);

describe("TLS of a client", () => {
  it("verifies the server and speaks TLS 1.2 or later by default", () => {
    assertEquals(tlsClientOf({}), { verify: true, minVersion: "TLSv1.2" });
  });

  it("takes PEM as text or as bytes", () => {
    const tls: ClientTls = { ca: PEM, cert: BYTES, key: PEM, serverName: "n", verify: false, minVersion: "TLSv1.3" };
    const client = tlsClientOf(tls);
    const rest = { serverName: "n", verify: false, minVersion: "TLSv1.3" } as const;
    assertEquals(client, { authorities: BYTES, certificateChain: BYTES, key: BYTES, ...rest });
    assertEquals(clientTlsOf(client), { ca: BYTES, cert: BYTES, key: BYTES, ...rest });
  });

  it("refuses a path where PEM is expected, and a certificate without its key", () => {
    assertEquals([clientTlsFields.ca.accepts("ca.pem"), clientTlsFields.ca.accepts(PEM)], [false, true]);
    assertThrows(() => tlsClientOf({ cert: PEM }), FlareError, 'option "tls.key" is missing');
    assertThrows(() => tlsClientOf({ key: PEM }), FlareError, 'option "tls.cert" is missing');
  });
});
