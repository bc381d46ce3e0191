/**
 * Which hosts of an HTTP request are this server. A web page of a stranger can have its own name resolve to our address (DNS
 * rebinding) and then read our answers; but the browser still sends that name, which is none of ours. Pure; resolves nothing.
 */

import { equalBytes } from "../../base/bytes.ts";
import { parseHost } from "../../base/host_port.ts";
import { parseIpAddress, sharesPrefix } from "../../base/ip_address.ts";
import type { Address } from "../../runtime/runtime.ts";
import { httpHostList } from "./http_options.ts";

const LOOPBACK_IPV4 = parseIpAddress("127.0.0.0") as Uint8Array;
const LOOPBACK_IPV6 = parseIpAddress("::1") as Uint8Array;
const WILDCARDS = ["0.0.0.0", "::"];

export class OwnHosts {
  readonly #names: ReadonlySet<string>;
  readonly #addresses: readonly Uint8Array[];
  /** We listen on every address, and do not know which there are. No name can be behind an address. */
  readonly #anyAddress: boolean;

  /**
   * @param bind where we listen
   * @param names how others reach this server
   * @param further `http-hosts`
   * @throws FlareError INVALID_OPTION
   */
  constructor(bind: string, names: readonly string[], further: string) {
    const all = [bind, ...names, ...httpHostList(further)].map((name) => name.toLowerCase());
    this.#names = new Set(["localhost", ...all]);
    this.#addresses = all.flatMap((name) => parseIpAddress(name) ?? []);
    this.#anyAddress = WILDCARDS.includes(bind);
  }

  /** Whether `host` or `host:port` is this server; of the port nothing is known, because proxies change it. */
  has(text: string): boolean {
    const host = hostIn(text);
    if (host === undefined) return false;
    const address = parseIpAddress(host);
    if (address === undefined) return this.#names.has(host.toLowerCase().replace(/\.$/, ""));
    if (this.#anyAddress || sharesPrefix(address, LOOPBACK_IPV4, 104) || sharesPrefix(address, LOOPBACK_IPV6, 128)) return true;
    return this.#addresses.some((own) => equalBytes(own, 0, own.length, address, 0, address.length));
  }
}

/** The host of a `Host` header, without brackets; undefined if it is none. */
function hostIn(text: string): string | undefined {
  const [, host = ""] = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(text) ?? [];
  return parseHost(host);
}

/** `http://host:port` of a place where we listen. */
export function httpUrl(address: Address, secure: boolean): string {
  if ("path" in address) return address.path;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${secure ? "https" : "http"}://${host}:${address.port}`;
}
