/** How a client speaks TLS: what a program gives for it, with the names of `node:tls`, and what that is to a connection. */

import { FlareError } from "../base/errors.ts";
import { booleanField, choiceField, type FieldsOf, field, isBytes, stringField } from "../base/given_fields.ts";
import type { TlsClient, TlsVersion } from "../runtime/runtime.ts";

/** The content of a PEM file, as bytes or as text. */
export type Pem = Uint8Array | string;

/** How a client speaks TLS; `{}` trusts the runtime's CAs and shows no certificate. */
export interface ClientTls {
  /** The CAs that sign the server's certificate; default: the runtime's CAs. */
  readonly ca?: Pem;
  /** The certificate to show, followed by its intermediate certificates; with `key`. */
  readonly cert?: Pem;
  /** The private key of `cert`. */
  readonly key?: Pem;
  /** The name the server's certificate has to be for; default: the host of the server. */
  readonly serverName?: string;
  /** Whether the server's certificate is verified, default true. */
  readonly verify?: boolean;
  /** The oldest TLS version accepted, default `TLSv1.2`. */
  readonly minVersion?: TlsVersion;
}

const BEGIN = "-----BEGIN ";

const pemField = field(
  "the content of a PEM file, as a Uint8Array or a string",
  (value) => isBytes(value) || (typeof value === "string" && value.includes(BEGIN)),
);

/** What a program may give. */
export const clientTlsFields: FieldsOf<ClientTls> = {
  ca: pemField,
  cert: pemField,
  key: pemField,
  serverName: stringField,
  verify: booleanField,
  minVersion: choiceField(["TLSv1.2", "TLSv1.3"]),
};

/** The same to a connection. @throws FlareError INVALID_OPTION for a certificate without its key, or the other way round */
export function tlsClientOf(tls: ClientTls): TlsClient {
  const { ca, cert, key, serverName, verify = true, minVersion = "TLSv1.2" } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? "cert" : "key";
    throw new FlareError("INVALID_OPTION", `option "tls.${missing}" is missing: give "cert" and "key" together, or neither`);
  }
  return {
    verify,
    minVersion,
    ...(ca === undefined ? {} : { authorities: bytesOf(ca) }),
    ...(cert === undefined || key === undefined ? {} : { certificateChain: bytesOf(cert), key: bytesOf(key) }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

/** What a program would give for a connection that speaks so. */
export function clientTlsOf(tls: TlsClient): ClientTls {
  const { authorities, certificateChain, key, serverName, verify, minVersion } = tls;
  return {
    verify,
    minVersion,
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(certificateChain === undefined || key === undefined ? {} : { cert: certificateChain, key }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

function bytesOf(pem: Pem): Uint8Array {
  return typeof pem === "string" ? new TextEncoder().encode(pem) : pem;
}
