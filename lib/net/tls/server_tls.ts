/**
 * How a program has its servers speak TLS, and what options of the daemons that is. Names are those of `node:tls`; values are
 * paths, so that a reload can read the files again.
 */

import { choiceField, type FieldsOf, field, integerField } from "../../base/given_fields.ts";
import { PORT_MAX } from "../../base/host_port.ts";
import type { TlsVersion } from "../../runtime/runtime.ts";
import { type TlsOptions, tlsVersionOf } from "./tls_options.ts";

/** How servers speak TLS, with each other and with clients. */
export interface ServerTls {
  /** Path of a PEM file: the certificate, followed by its intermediate certificates. Servers show it to each other, too. */
  readonly cert: string;
  /** Path of a PEM file: the private key; default: `cert` contains it. */
  readonly key?: string;
  /** Path of a PEM file: the CAs that sign certificates; default for servers' certificates: the runtime's CAs. */
  readonly ca?: string;
  /**
   * Certificates of those who connect, signed by `ca`: `none` are requested (the default), `optional` verifies those that are
   * sent, `required` refuses whoever has none.
   */
  readonly clientCert?: "none" | "optional" | "required";
  /** The oldest TLS version accepted, default `TLSv1.2`. */
  readonly minVersion?: TlsVersion;
}

/** How a node server speaks TLS. */
export interface NodeTls extends ServerTls {
  /**
   * A further port for clients, which speaks TLS; the server port and the connections between servers stay plain. Default:
   * none, everything speaks TLS.
   */
  readonly port?: number;
}

const CLIENT_CERTS = ["none", "optional", "required"] as const;

const pathField = field(
  "the path of a PEM file",
  (value) => typeof value === "string" && value !== "" && !value.startsWith("-----BEGIN"),
);

/** What a program may give for a cluster or an index server. */
export const serverTlsFields: FieldsOf<ServerTls> = {
  cert: pathField,
  key: pathField,
  ca: pathField,
  clientCert: choiceField(CLIENT_CERTS),
  minVersion: choiceField(["TLSv1.2", "TLSv1.3"]),
};

/** What a program may give for a node server. */
export const nodeTlsFields: FieldsOf<NodeTls> = { ...serverTlsFields, port: integerField(1, PORT_MAX) };

/** The daemons' options that mean the same. */
export function tlsOptionsOf(tls: ServerTls): TlsOptions {
  const { cert, key = "", ca = "", clientCert = "none", minVersion = "TLSv1.2" } = tls;
  return {
    enableSsl: true,
    sslChainCert: cert,
    sslKey: key,
    sslCaCert: ca,
    sslVerifyMode: CLIENT_CERTS.indexOf(clientCert),
    sslMinVersion: minVersion === "TLSv1.3" ? "tlsv1.3" : "tlsv1.2",
  };
}

/** The options of flared that mean the same. */
export function nodeTlsOptionsOf(tls: NodeTls): TlsOptions & { readonly sslPort: number } {
  return { ...tlsOptionsOf(tls), enableSsl: tls.port === undefined, sslPort: tls.port ?? 0 };
}

/** What a program would give for options of the daemons, with `enableSsl`. */
export function serverTlsOf(options: TlsOptions): ServerTls {
  const { sslChainCert, sslKey, sslCaCert, sslVerifyMode } = options;
  return {
    cert: sslChainCert,
    ...(sslKey === "" ? {} : { key: sslKey }),
    ...(sslCaCert === "" ? {} : { ca: sslCaCert }),
    clientCert: CLIENT_CERTS[sslVerifyMode] ?? "required",
    minVersion: tlsVersionOf(options),
  };
}
