/** How the servers of a program speak TLS: what a program gives as options of the daemons, and back. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import {
  nodeTlsFields,
  nodeTlsOptionsOf,
  type ServerTls,
  serverTlsFields,
  serverTlsOf,
  tlsOptionsOf,
} from "../../../../lib/net/tls/server_tls.ts";

const ALL: ServerTls = { cert: "c", key: "k", ca: "a", clientCert: "required", minVersion: "TLSv1.3" };

describe("TLS of servers in a program", () => {
  it("is options of the daemons", () => {
    const least = { sslChainCert: "c", sslKey: "", sslCaCert: "", sslVerifyMode: 0, sslMinVersion: "tlsv1.2" } as const;
    const all = { sslChainCert: "c", sslKey: "k", sslCaCert: "a", sslVerifyMode: 2, sslMinVersion: "tlsv1.3" } as const;
    assertEquals(tlsOptionsOf({ cert: "c" }), { enableSsl: true, ...least });
    assertEquals(tlsOptionsOf(ALL), { enableSsl: true, ...all });
    assertEquals(tlsOptionsOf({ ...ALL, clientCert: "optional" }).sslVerifyMode, 1);
  });

  it("stays plain between servers where clients have a port of their own", () => {
    const { enableSsl, sslPort } = nodeTlsOptionsOf({ cert: "c", port: 5 });
    assertEquals([enableSsl, sslPort], [false, 5]);
    const everywhere = nodeTlsOptionsOf({ cert: "c" });
    assertEquals([everywhere.enableSsl, everywhere.sslPort], [true, 0]);
  });

  it("is found again in those options", () => {
    for (const clientCert of ["none", "optional", "required"] as const) {
      assertEquals(serverTlsOf(tlsOptionsOf({ ...ALL, clientCert })), { ...ALL, clientCert });
    }
    assertEquals(serverTlsOf({ ...tlsOptionsOf(ALL), sslVerifyMode: 3 }).clientCert, "required");
    assertEquals(serverTlsOf(tlsOptionsOf({ cert: "c" })), { cert: "c", clientCert: "none", minVersion: "TLSv1.2" });
  });

  it("takes paths, and a port for node servers alone", () => {
    const { accepts } = serverTlsFields.cert;
    assertEquals([accepts("c.pem"), accepts(""), accepts("-----BEGIN CERTIFICATE-----")], [true, false, false]);
    assertEquals(
      [nodeTlsFields.port.accepts(5), nodeTlsFields.port.accepts(0), "port" in serverTlsFields],
      [true, false, false],
    );
  });
});
