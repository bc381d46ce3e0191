/**
 * Lists of clients: addresses and networks, the UNIX socket, users, certificates. An error names the invalid entry. Knows
 * neither what a list is for nor where connections come from.
 */

import { utf8AsLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { IP_ADDRESS_BITS, IPV4_PREFIX_BITS, isIpv4, parseIpAddress, sharesPrefix } from "../../base/ip_address.ts";

/** Who is at the other end of a connection. */
export interface ClientIdentity {
  /** `host:port`, or `:0` for a UNIX socket. */
  readonly peer: string;
  /** The name it logged in under. */
  readonly user: string | undefined;
  /** The common name of its verified certificate. */
  readonly certificateName: string | undefined;
}

/** What a list can contain besides addresses. */
export const EntryKind = { unix: "unix", user: "user:", certificate: "cert:", any: "any", none: "none" } as const;

interface Network {
  readonly address: Uint8Array;
  readonly bits: number;
}

const UNIX_PEER = ":0";

export class AccessList {
  readonly #networks: readonly Network[];
  readonly #users: ReadonlySet<string>;
  readonly #certificates: ReadonlySet<string>;
  readonly #unix: boolean;
  readonly #any: boolean;

  /**
   * @param identities whether entries may also be `user:…`, `cert:…`, `any` and `none`
   * @throws FlareError INVALID_OPTION naming the option and the entry
   */
  constructor(option: string, text: string, identities: boolean) {
    const networks: Network[] = [];
    const users = new Set<string>();
    const certificates = new Set<string>();
    const words = new Set<string>();
    const entries = text.split(",").map((entry) => entry.trim());
    for (const entry of text.trim() === "" ? [] : entries) {
      const network = parseNetwork(entry);
      if (network !== undefined) networks.push(network);
      else if (entry === EntryKind.unix) words.add(entry);
      else if (!identities) throw wrongEntry(option, entry, "an address, a network such as 10.0.0.0/8 or fd00::/8, or unix");
      else if (isNamed(entry, EntryKind.user)) users.add(utf8AsLatin1(entry.slice(EntryKind.user.length)));
      else if (isNamed(entry, EntryKind.certificate)) certificates.add(entry.slice(EntryKind.certificate.length));
      else if (entry === EntryKind.any || entry === EntryKind.none) words.add(entry);
      else throw wrongEntry(option, entry, "an address, a network such as 10.0.0.0/8, unix, user:NAME, cert:NAME, any or none");
    }
    if (words.has(EntryKind.none) && entries.length > 1) {
      throw new FlareError("INVALID_OPTION", `option "${option}": "${EntryKind.none}" must be the only entry, not "${text}"`);
    }
    this.#networks = networks;
    this.#users = users;
    this.#certificates = certificates;
    this.#unix = words.has(EntryKind.unix);
    this.#any = words.has(EntryKind.any);
  }

  /** Whether the list means everybody. */
  get isAny(): boolean {
    return this.#any;
  }

  has(client: ClientIdentity): boolean {
    if (this.#any) return true;
    if (client.user !== undefined && this.#users.has(client.user)) return true;
    if (client.certificateName !== undefined && this.#certificates.has(client.certificateName)) return true;
    if (client.peer === UNIX_PEER) return this.#unix;
    const address = this.#networks.length === 0 ? undefined : parseIpAddress(hostOf(client.peer));
    return address !== undefined && this.#networks.some((network) => sharesPrefix(network.address, address, network.bits));
  }
}

/** The host of `host:port`, without the brackets and the zone of an IPv6 address. */
export function hostOf(peer: string): string {
  const host = peer.slice(0, peer.lastIndexOf(":"));
  return host.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
}

function isNamed(entry: string, prefix: string): boolean {
  return entry.startsWith(prefix) && entry.length > prefix.length;
}

/** An address, or `address/bits`. */
function parseNetwork(entry: string): Network | undefined {
  const [, host = "", width] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
  const address = parseIpAddress(host.replace(/^\[(.*)\]$/, "$1"));
  if (address === undefined) return undefined;
  // The width of a network in IPv4 notation counts from the start of its IPv4 part.
  const from = isIpv4(address) && !host.includes(":") ? IPV4_PREFIX_BITS : 0;
  const bits = width === undefined ? IP_ADDRESS_BITS : from + Number(width);
  return bits > IP_ADDRESS_BITS ? undefined : { address, bits };
}

function wrongEntry(option: string, entry: string, allowed: string): FlareError {
  return new FlareError("INVALID_OPTION", `option "${option}": "${entry}" is not ${allowed}`);
}
