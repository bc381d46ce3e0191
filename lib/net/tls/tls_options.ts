/** Both daemons' TLS options, with memcached's names, and the checks between them. `daemon_tls.ts` reads the files. */

import { FlareError } from "../../base/errors.ts";
import type { OptionValues } from "../../base/option_schema.ts";
import { booleanOption, choiceOption, integerOption, textOption } from "../../base/option_schema.ts";
import type { TlsVersion } from "../../runtime/runtime.ts";

/** As in memcached: 3, which it calls "once", differs from 2 only in renegotiations. */
const VERIFY_MODE_MAX = 3;

const VERSIONS = {
  "tlsv1.2": "TLSv1.2",
  "tlsv1.3": "TLSv1.3",
  "2": "TLSv1.2",
  "3": "TLSv1.3",
} as const satisfies Readonly<Record<string, TlsVersion>>;

/** The TLS options. */
export const tlsOptions = {
  enableSsl: booleanOption({
    name: "enable-ssl",
    short: "Z",
    default: false,
    since: "2.0.0",
    help: "speak TLS at server-port and to other servers",
  }),
  sslChainCert: textOption({
    name: "ssl-chain-cert",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    reloadable: true,
    help: "PEM file of the certificate and its intermediate certificates",
  }),
  sslKey: textOption({
    name: "ssl-key",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    reloadable: true,
    help: "PEM file of the private key; default: ssl-chain-cert contains it",
  }),
  sslCaCert: textOption({
    name: "ssl-ca-cert",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    reloadable: true,
    help: "PEM file of the CAs that sign certificates; default for servers' certificates: the runtime's CAs",
  }),
  sslVerifyMode: integerOption({
    name: "ssl-verify-mode",
    default: 0,
    min: 0,
    max: VERIFY_MODE_MAX,
    since: "2.0.0",
    reloadable: true,
    help: "client certificates: 0 not requested, 1 verified if sent, 2 and 3 required",
  }),
  sslMinVersion: choiceOption({
    name: "ssl-min-version",
    default: "tlsv1.2",
    choices: ["tlsv1.2", "tlsv1.3", "2", "3"] satisfies readonly (keyof typeof VERSIONS)[],
    since: "2.0.0",
    reloadable: true,
    help: "the oldest TLS version accepted; 2 is tlsv1.2, 3 is tlsv1.3",
  }),
};

/** Complete TLS settings. */
export type TlsOptions = OptionValues<typeof tlsOptions>;

/** The oldest TLS version, by the runtimes' names. */
export function tlsVersionOf(options: TlsOptions): TlsVersion {
  return VERSIONS[options.sslMinVersion];
}

/**
 * Checks that the options are consistent.
 * @param sslPort flared's `ssl-port`, 0 = none
 * @throws FlareError INVALID_OPTION
 */
export function checkTlsOptions(options: TlsOptions, sslPort = 0): void {
  const { enableSsl, sslChainCert, sslKey, sslCaCert, sslVerifyMode } = options;
  if (!enableSsl && sslPort === 0) {
    const given = Object.entries({ "ssl-chain-cert": sslChainCert, "ssl-key": sslKey, "ssl-ca-cert": sslCaCert });
    const [idle] = given.find(([, path]) => path !== "") ?? [sslVerifyMode > 0 ? "ssl-verify-mode" : undefined];
    // Nobody should learn from a wiretap that the certificates are not used.
    if (idle !== undefined)
      throw new FlareError("INVALID_OPTION", `option "${idle}" has no effect without TLS: set "enable-ssl"`);
    return;
  }
  if (sslChainCert === "") {
    const wanting = enableSsl ? "enable-ssl" : "ssl-port";
    throw new FlareError("INVALID_OPTION", `option "ssl-chain-cert" is missing: "${wanting}" needs a certificate`);
  }
  if (sslVerifyMode > 0 && sslCaCert === "") {
    const text = `option "ssl-ca-cert" is missing: "ssl-verify-mode" "${sslVerifyMode}" needs the CAs of certificates`;
    throw new FlareError("INVALID_OPTION", text);
  }
}
