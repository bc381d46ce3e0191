/**
 * How addresses are written in messages and in `Connection.peer`. Pure.
 */

import type { Address } from "./runtime.ts";

/** `host:port`, with brackets around an IPv6 host and IPv4-mapped addresses in their IPv4 form. */
export function hostPort(host: string, port: number): string {
  const plain = host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host;
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** What a message calls an address: `host:port` or the path of a UNIX socket. */
export function addressText(address: Address): string {
  return "path" in address ? address.path : hostPort(address.host, address.port);
}

/** `Connection.peer` of a connection to `address`. */
export function peerText(address: Address): string {
  return "path" in address ? ":0" : hostPort(address.host, address.port);
}
