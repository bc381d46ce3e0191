/**
 * The options of TLS, with memcached's names, for both daemons, and what must hold between them. What the files say is
 * read and used in `daemon_tls.ts`.
 */

import { FlareError } from "../../base/errors.ts";
import type { OptionValues } from "../../base/option_schema.ts";
import { booleanOption, choiceOption, integerOption, textOption } from "../../base/option_schema.ts";
import type { TlsVersion } from "../../runtime/runtime.ts";

/** As memcached counts: 3, which it calls "once", differs from 2 only where certificates are asked for twice. */
const VERIFY_MODE_MAX = 3;

const VERSIONS = {
  "tlsv1.2": "TLSv1.2",
  "tlsv1.3": "TLSv1.3",
  "2": "TLSv1.2",
  "3": "TLSv1.3",
} as const satisfies Readonly<Record<string, TlsVersion>>;

/** Options of TLS. */
export const tlsOptions = {
  enableSsl: booleanOption({
    name: "enable-ssl",
    short: "Z",
    default: false,
    since: "2.0.0",
    help: "speak TLS at server-port, and to nodes and index servers",
  }),
  sslChainCert: textOption({
    name: "ssl-chain-cert",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    reloadable: true,
    help: "PEM file of the certificate, and of those between it and its authority",
  }),
  sslKey: textOption({
    name: "ssl-key",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    reloadable: true,
    help: "PEM file of its private key; in ssl-chain-cert unless given",
  }),
  sslCaCert: textOption({
    name: "ssl-ca-cert",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    reloadable: true,
    help: "PEM file of the authorities that sign certificates; for those of servers, the runtime's own unless given",
  }),
  sslVerifyMode: integerOption({
    name: "ssl-verify-mode",
    default: 0,
    min: 0,
    max: VERIFY_MODE_MAX,
    since: "2.0.0",
    reloadable: true,
    help: "certificates of those who connect: 0 not asked for, 1 asked for, 2 and 3 required",
  }),
  sslMinVersion: choiceOption({
    name: "ssl-min-version",
    default: "tlsv1.2",
    choices: ["tlsv1.2", "tlsv1.3", "2", "3"] satisfies readonly (keyof typeof VERSIONS)[],
    since: "2.0.0",
    reloadable: true,
    help: "the oldest protocol that is spoken; 2 is tlsv1.2, 3 is tlsv1.3",
  }),
};

/** The settings of TLS. */
export type TlsOptions = OptionValues<typeof tlsOptions>;

/** The oldest protocol, as the runtimes call it. */
export function tlsVersionOf(options: TlsOptions): TlsVersion {
  return VERSIONS[options.sslMinVersion];
}

/**
 * Whether the options fit together.
 * @param sslPort flared's `ssl-port`, 0 = none
 * @throws FlareError INVALID_OPTION
 */
export function checkTlsOptions(options: TlsOptions, sslPort = 0): void {
  const { enableSsl, sslChainCert, sslKey, sslCaCert, sslVerifyMode } = options;
  if (!enableSsl && sslPort === 0) {
    const given = Object.entries({ "ssl-chain-cert": sslChainCert, "ssl-key": sslKey, "ssl-ca-cert": sslCaCert });
    const [idle] = given.find(([, path]) => path !== "") ?? [sslVerifyMode > 0 ? "ssl-verify-mode" : undefined];
    // Somebody who gives certificates must not find out from a wiretap that they are not used.
    if (idle !== undefined)
      throw new FlareError("INVALID_OPTION", `option "${idle}" is given, but nothing speaks TLS: "enable-ssl" is missing`);
    return;
  }
  if (sslChainCert === "") {
    const wanting = enableSsl ? "enable-ssl" : "ssl-port";
    throw new FlareError("INVALID_OPTION", `option "ssl-chain-cert" is missing: "${wanting}" needs a certificate`);
  }
  if (sslVerifyMode > 0 && sslCaCert === "") {
    const text = `option "ssl-ca-cert" is missing: "ssl-verify-mode" "${sslVerifyMode}" asks who signs certificates`;
    throw new FlareError("INVALID_OPTION", text);
  }
}
