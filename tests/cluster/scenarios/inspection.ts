/**
 * Looks into a cluster at rest: every node has the newest map, the replicas of a partition are equal key by key, each
 * key lies only where it belongs, nothing is lost, and every node gives the same answer for every key.
 */

import { KEY_HASHES } from "../../../lib/cluster/key_hash.ts";
import { KeyResolver } from "../../../lib/cluster/key_resolver.ts";
import type { ClusterDriver, HostPort } from "./cluster_driver.ts";
import type { Held } from "./key_model.ts";
import { keyOf, type NodeEntry, type Operator } from "./operator.ts";

/** What a dump tells of an item besides its key. */
export interface DumpedItem {
  readonly value: string;
  readonly flags: number;
  readonly version: string;
  readonly expire: string;
}

const POLL_MS = 100;
const WAIT_MS_MAX = 6000;
const KEYS_PER_GET = 300;
/** How the index server of the scenarios spreads keys: its defaults. */
const RESOLVER = new KeyResolver({ partitionSize: 1024, hint: 1, virtual: 4096 });

/**
 * Waits until everything is as it should be; asynchronous replication and the removal of moved keys take a moment.
 * @throws Error telling the differences that stay
 */
export async function inspectCluster(
  cluster: ClusterDriver,
  operator: Operator,
  running: readonly HostPort[],
  expected: ReadonlyMap<string, Held>,
): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const entries = await operator.nodes();
    const differences = [
      ...(await versionDifferences(cluster, operator, running)),
      ...(await dumpDifferences(operator, running, entries, expected)),
    ];
    if (differences.length === 0) break;
    if (performance.now() > deadlineMs) throw new Error(`not as it should be:\n${differences.slice(0, 20).join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const differences = await answerDifferences(operator, running, expected);
  if (differences.length > 0) throw new Error(`wrong answers:\n${differences.slice(0, 20).join("\n")}`);
}

/** Which nodes do not have the newest map. */
export async function versionDifferences(
  cluster: ClusterDriver,
  operator: Operator,
  running: readonly HostPort[],
): Promise<string[]> {
  const newest = (await operator.stats(cluster.index)).get("node_map_version");
  const versions = await Promise.all(running.map(async (node) => (await operator.stats(node)).get("node_map_version")));
  return running.flatMap((node, number) => {
    return versions[number] === newest ? [] : [`${keyOf(node)} has node map ${versions[number]}, not ${newest}`];
  });
}

/** Compares the dumps of all members of partitions with what the keys should hold, and the slaves' with the master's. */
async function dumpDifferences(
  operator: Operator,
  running: readonly HostPort[],
  entries: readonly NodeEntry[],
  expected: ReadonlyMap<string, Held>,
): Promise<string[]> {
  const members = entries.filter(({ partition, state }) => partition >= 0 && state !== "down");
  const dumps = new Map(
    await Promise.all(members.map(async ({ key }) => [key, await dumpOf(operator, running, key)] as const)),
  );
  const masters = members.filter(({ role, state }) => role === "master" && state === "active");
  const differences: string[] = [];
  for (const { key: master, partition } of masters) {
    const items = dumps.get(master) as ReadonlyMap<string, DumpedItem>;
    for (const key of new Set([...expected.keys(), ...items.keys()])) {
      const held = partitionOf(key, masters.length) === partition ? expected.get(key) : undefined;
      const item = items.get(key);
      if (held?.value === item?.value && held?.flags === item?.flags) continue;
      differences.push(`${master} of partition ${partition} has "${key}" ${show(item)}, not ${show(held)}`);
    }
    for (const { key: slave } of members.filter((entry) => entry.partition === partition && entry.key !== master)) {
      const copies = dumps.get(slave) as ReadonlyMap<string, DumpedItem>;
      for (const key of new Set([...items.keys(), ...copies.keys()])) {
        const [item, copy] = [JSON.stringify(items.get(key)), JSON.stringify(copies.get(key))];
        if (item !== copy) differences.push(`"${key}" is ${item} on ${master}, ${copy} on ${slave}`);
      }
    }
  }
  return differences;
}

async function answerDifferences(
  operator: Operator,
  running: readonly HostPort[],
  expected: ReadonlyMap<string, Held>,
): Promise<string[]> {
  const keys = [...expected.keys()];
  const differences: string[] = [];
  for (let from = 0; from < keys.length; from += KEYS_PER_GET) {
    const part = keys.slice(from, from + KEYS_PER_GET);
    const blocks = part.map((key) => {
      const held = expected.get(key);
      return held === undefined ? "" : `VALUE ${key} ${held.flags} ${held.value.length}\r\n${held.value}\r\n`;
    });
    const request = `get ${part.join(" ")}\r\n`;
    const answers = await Promise.all(running.map((node) => operator.ask(node, request, /(^|\r\n)END\r\n$/)));
    for (const [number, answer] of answers.entries()) {
      if (answer === `${blocks.join("")}END\r\n`) continue;
      differences.push(`${keyOf(running[number] as HostPort)} gives other values for "${part[0]}" and the keys behind it`);
    }
  }
  return differences;
}

async function dumpOf(operator: Operator, running: readonly HostPort[], key: string): Promise<Map<string, DumpedItem>> {
  const node = running.find((other) => keyOf(other) === key);
  if (node === undefined) throw new Error(`"${key}" should run`);
  return dumpedItems(await operator.ask(node, "dump\r\n", /(^|\r\n)END\r\n$/));
}

/** The items in the answer to `dump`. */
export function dumpedItems(dump: string): Map<string, DumpedItem> {
  const items = new Map<string, DumpedItem>();
  let at = 0;
  for (;;) {
    const lineEnd = dump.indexOf("\r\n", at);
    const [word, name = "", flags, bytes, version = "", expire = ""] = dump.slice(at, lineEnd).split(" ");
    if (word !== "VALUE") return items;
    const start = lineEnd + 2;
    at = start + Number(bytes) + 2;
    items.set(name, { value: dump.slice(start, at - 2), flags: Number(flags), version, expire });
  }
}

function partitionOf(key: string, count: number): number {
  const bytes = new TextEncoder().encode(key);
  const hash = KEY_HASHES.simple;
  if (hash === undefined) throw new Error('there is no key hash "simple"');
  return count <= 1 ? 0 : RESOLVER.resolve(hash(bytes, 0, bytes.length), count);
}

function show(item: { readonly value: string; readonly flags: number } | undefined): string {
  return item === undefined ? "not at all" : `with flags ${item.flags} and "${item.value.slice(0, 40)}"`;
}
