/** Formats and parses addresses: `host:port`, with brackets around an IPv6 host. Pure; resolves nothing. */

import { parseIpAddress } from "./ip_address.ts";
import { UINT16_MAX } from "./number_bounds.ts";

/** A host and a port, as in `host:port`; an IPv6 host has no brackets here. */
export interface HostPort {
  /** A name or an IP address. */
  readonly host: string;
  /** 0 … 65535. */
  readonly port: number;
}

/** The largest port. */
export const PORT_MAX = UINT16_MAX;

/** `host:port`, with brackets around an IPv6 host and IPv4-mapped addresses in their IPv4 form. */
export function formatHostPort(host: string, port: number): string {
  const plain = host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host;
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/**
 * A name or an address without the brackets an IPv6 address may have (`[::1]` is `::1`, `[fe80::1%eth0]` is `fe80::1%eth0`);
 * undefined if it cannot be a host.
 */
export function parseHost(text: string): string | undefined {
  const [, inside] = /^\[(.*)\]$/.exec(text) ?? [];
  const host = inside ?? text;
  if (!/^[^\s,[\]]+$/.test(host)) return undefined;
  const isIpv6 = host.includes(":") && parseIpAddress(host.replace(/%.*$/, "")) !== undefined;
  return isIpv6 || (inside === undefined && !host.includes(":")) ? host : undefined;
}

/** `host:port`, `[::1]:port` or `::1:port`, the port 0 … 65535; undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const [, name = "", digits = ""] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const host = parseHost(name);
  const port = Number(digits);
  return host === undefined || digits === "" || port > PORT_MAX ? undefined : { host, port };
}
