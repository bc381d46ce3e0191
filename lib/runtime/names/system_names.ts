/**
 * Resolves names on this machine, for all three runtimes: the hosts file, then DNS, which needs no threads so that any number
 * of queries can wait in parallel, then the system's other sources. The last step blocks a thread of a small pool for an
 * unlimited time, so only one name uses it at a time. No cache; see `name_cache.ts`.
 */

import { promises as dns } from "node:dns";
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers";
import { parseIpAddress } from "../../base/ip_address.ts";
import type { NameLookup } from "./name_cache.ts";

const HOSTS_FILE = "/etc/hosts";
const RESOLVER_FILE = "/etc/resolv.conf";
const DNS_TIMEOUT_MS = 5_000;
/** How long to wait for the IPv6 addresses of a name that has an IPv4 address. */
const OTHERS_MS = 100;

/** The lookup function of a process. */
export function createNameLookup(): NameLookup {
  /** Settles when the system has answered all queued queries. */
  let queue: Promise<unknown> = Promise.resolve();
  return async (name) => {
    const listed = addressesInHostsFile(await textOf(HOSTS_FILE), name);
    if (listed.length > 0) return listed;
    for (const candidate of searchedNames(await textOf(RESOLVER_FILE), name)) {
      const found = await askDns(candidate);
      if (found.length > 0) return found;
    }
    const turn = queue.then(() => dns.lookup(name, { all: true }));
    queue = turn.catch(() => undefined);
    return (await turn).map(({ address }) => address);
  };
}

/** The addresses of a name in the text of a hosts file, IPv4 first. */
export function addressesInHostsFile(text: string, name: string): string[] {
  const wanted = name.toLowerCase();
  const found: string[] = [];
  for (const line of text.split("\n")) {
    const [address = "", ...names] = (line.split("#", 1)[0] as string).trim().split(/\s+/);
    const isAddress = parseIpAddress(address.split("%", 1)[0] as string) !== undefined;
    if (isAddress && names.some((other) => other.toLowerCase() === wanted) && !found.includes(address)) found.push(address);
  }
  return found.sort((left, right) => Number(left.includes(":")) - Number(right.includes(":")));
}

/** The full names to query DNS for `name`, by the text of a resolver configuration. */
export function searchedNames(text: string, name: string): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  let domains: string[] = [];
  let dots = 1;
  for (const line of text.split("\n")) {
    const [word, ...values] = line.trim().split(/\s+/);
    if (word === "search" || word === "domain") domains = values;
    if (word !== "options") continue;
    for (const value of values) if (/^ndots:\d{1,2}$/.test(value)) dots = Number(value.slice("ndots:".length));
  }
  const longer = domains.map((domain) => `${name}.${domain.replace(/\.$/, "")}`);
  return name.split(".").length - 1 >= dots ? [name, ...longer] : [...longer, name];
}

async function askDns(name: string): Promise<string[]> {
  // A new one each time: the servers may have changed.
  const resolver = new dns.Resolver({ timeout: DNS_TIMEOUT_MS, tries: 1 });
  const nothing = (): string[] => [];
  const others = resolver.resolve6(name).catch(nothing);
  const found = await resolver.resolve4(name).catch(nothing);
  if (found.length === 0) return others;
  const all = [...found, ...(await Promise.race([others, after(OTHERS_MS).then(nothing)]))];
  resolver.cancel();
  return all;
}

function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, delayMs).unref());
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return ""; // The file does not exist, or may not be read.
  }
}
