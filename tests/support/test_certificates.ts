/**
 * The certificates of `tests/data/tls` (made by `make.sh` there) in the form transports and options take: an authority, a
 * node, a renewed node, one for another host, one that has expired, an operator, and a stranger of another authority.
 */

import { readFileSync } from "node:fs";
import { type ClientTls, clientTlsOf } from "../../lib/client/client_tls.ts";
import type { ServerTls } from "../../lib/net/tls/server_tls.ts";
import type { TlsClient, TlsServer } from "../../lib/runtime/runtime.ts";

/** Names of certificates; each has a `.pem` and a `.key`. */
export type CertificateName = "node" | "renewed" | "elsewhere" | "expired" | "operator" | "stranger";

/** The path of a file of `tests/data/tls`. */
export function certificatePath(file: string): string {
  return new URL(`../data/tls/${file}`, import.meta.url).pathname;
}

/** The authority that signed all certificates but the stranger's. */
export const AUTHORITY = readFileSync(certificatePath("ca.pem"));

/** A listener that shows the certificate `name`. */
export function testTlsServer(name: CertificateName, clients?: "requested" | "required"): TlsServer {
  return {
    certificateChain: readFileSync(certificatePath(`${name}.pem`)),
    key: readFileSync(certificatePath(`${name}.key`)),
    ...(clients === undefined ? {} : { clientCertificates: { authorities: AUTHORITY, required: clients === "required" } }),
    minVersion: "TLSv1.2",
  };
}

/** The same for a `Client`. */
export function testClientTls(name?: CertificateName): ClientTls {
  return clientTlsOf(testTlsClient(name));
}

/** How the servers of a program speak TLS with the certificate `name`. */
export function testServerTls(name: CertificateName): ServerTls {
  return { cert: certificatePath(`${name}.pem`), key: certificatePath(`${name}.key`), ca: certificatePath("ca.pem") };
}

/** A client that trusts the authority, and shows the certificate `name` if asked. */
export function testTlsClient(name?: CertificateName): TlsClient {
  return {
    authorities: AUTHORITY,
    ...(name === undefined
      ? {}
      : {
          certificateChain: readFileSync(certificatePath(`${name}.pem`)),
          key: readFileSync(certificatePath(`${name}.key`)),
        }),
    verify: true,
    minVersion: "TLSv1.2",
  };
}
