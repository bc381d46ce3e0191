/** The warning for a server that everybody who can reach it may read, write and stop. Pure. */

import { formatHostPort } from "../../base/host_port.ts";
import { parseIpAddress, sharesPrefix } from "../../base/ip_address.ts";
import type { Address } from "../../runtime/runtime.ts";
import type { TlsOptions } from "../tls/tls_options.ts";
import type { AccessOptions } from "./access_options.ts";

/** The lowest `ssl-verify-mode` that requires a certificate. */
const CERTIFICATE_REQUIRED = 2;
const LOOPBACK_IPV4 = parseIpAddress("127.0.0.0") as Uint8Array;
const LOOPBACK_IPV6 = parseIpAddress("::1") as Uint8Array;

/** The warning for a server that other machines can reach without authentication; undefined = there is no need. */
export function exposureWarning(
  addresses: readonly Address[],
  options: Pick<AccessOptions, "authFile" | "adminAccess"> & Pick<TlsOptions, "enableSsl" | "sslVerifyMode">,
): string | undefined {
  const { authFile, adminAccess, enableSsl, sslVerifyMode } = options;
  if (authFile !== "" || (enableSsl && sslVerifyMode >= CERTIFICATE_REQUIRED)) return undefined;
  const open = addresses.flatMap((address) => ("path" in address || isLoopback(address.host) ? [] : [address]));
  if (open.length === 0) return undefined;
  const names = open.map(({ host, port }) => formatHostPort(host, port)).join(", ");
  const admin = adminAccess === "any" ? ", take nodes out of the cluster and stop them" : "";
  return (
    `ANYBODY WHO CAN REACH ${names} CAN USE THIS SERVER: read and write all data${admin}. ` +
    'Unless a firewall keeps strangers away, set "auth-file" (and "cluster-user" for the servers among themselves) or ' +
    '"ssl-verify-mode", limit "admin-access", or "bind" to a private address'
  );
}

function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  const address = parseIpAddress(host);
  if (address === undefined) return false;
  return sharesPrefix(address, LOOPBACK_IPV4, 104) || sharesPrefix(address, LOOPBACK_IPV6, 128);
}
