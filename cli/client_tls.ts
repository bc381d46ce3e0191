/**
 * TLS for the operator's verbs: converts their options and environment variables to a client's settings, and reads the files.
 */

import { readFileSync } from "node:fs";
import { FlareError } from "../lib/base/errors.ts";
import type { ConnectionOptions } from "../lib/client/client_options.ts";
import type { ClientTls } from "../lib/client/client_tls.ts";

/** The options for TLS. */
export interface TlsTexts {
  readonly ssl?: true;
  readonly sslCaCert?: string;
  readonly sslChainCert?: string;
  readonly sslKey?: string;
}

/**
 * `tls` for a client, absent without `--ssl`; the environment supplies missing options.
 * @throws FlareError INVALID_OPTION for a file that cannot be read, or files without `--ssl`
 */
export function clientTls(
  options: TlsTexts,
  environment: Readonly<Record<string, string | undefined>>,
): Pick<ConnectionOptions, "tls"> {
  const wanted = options.ssl ?? /^(true|on|yes|1)$/i.test(environment.FLARE_SSL ?? "");
  if (!wanted) {
    const idle = (["sslCaCert", "sslChainCert", "sslKey"] as const).find((field) => options[field] !== undefined);
    if (idle === undefined) return {};
    throw new FlareError("INVALID_OPTION", `option "${nameOf(idle)}": "${options[idle]}" needs "ssl"`);
  }
  const pathOf = (field: "sslCaCert" | "sslChainCert" | "sslKey", variable: string): string | undefined =>
    options[field] ?? (environment[variable] || undefined);
  const chainPath = pathOf("sslChainCert", "FLARE_SSL_CHAIN_CERT");
  const keyPath = pathOf("sslKey", "FLARE_SSL_KEY") ?? chainPath;
  if (chainPath === undefined && keyPath !== undefined) {
    throw new FlareError("INVALID_OPTION", `option "ssl-key": "${keyPath}" needs "ssl-chain-cert"`);
  }
  const ca = read("sslCaCert", pathOf("sslCaCert", "FLARE_SSL_CA_CERT"));
  const cert = read("sslChainCert", chainPath);
  const key = read("sslKey", keyPath);
  const tls: ClientTls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
  return { tls };
}

function read(field: string, path: string | undefined): Uint8Array | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("INVALID_OPTION", `option "${nameOf(field)}": "${path}" cannot be read: ${reason}`, { cause });
  }
}

/** `ssl-ca-cert` of `sslCaCert`. */
function nameOf(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
