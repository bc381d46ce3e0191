/** Compares the replicas of each partition of a chaos run by dumps. */

import { NodeRole } from "../../lib/cluster/node.ts";
import { dumpedItems } from "../cluster/scenarios/inspection.ts";
import { TextClient } from "../support/text_client.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";

const DUMP_MS_MAX = 10_000;

/** What a slave has otherwise than its master, in lines; what cannot be dumped counts as well. */
export async function replicaDifferences(cluster: ChaosCluster): Promise<string[]> {
  const nodes = cluster.map?.nodes;
  if (nodes === undefined) return ["the index server does not answer"];
  const differences: string[] = [];
  try {
    for (const master of nodes.filter(({ role }) => role === NodeRole.master)) {
      const own = await contentOf(cluster, master.key);
      const slaves = nodes.filter(({ role, partition }) => role === NodeRole.slave && partition === master.partition);
      for (const slave of slaves) {
        const copy = await contentOf(cluster, slave.key);
        for (const key of new Set([...own.keys(), ...copy.keys()])) {
          if (own.get(key) === copy.get(key)) continue;
          differences.push(`"${key}": master ${master.key} ${own.get(key)}, slave ${slave.key} ${copy.get(key)}`);
        }
      }
    }
  } catch (error) {
    differences.push((error as Error).message);
  }
  return differences;
}

/** The items of a node, each as one text. */
async function contentOf(cluster: ChaosCluster, key: string): Promise<Map<string, string>> {
  const node = cluster.nodeOf(key);
  if (node === undefined) throw new Error(`there is no node "${key}"`);
  const client = await TextClient.connect(cluster.world.runtime, cluster.addressOf(node));
  try {
    await client.send("dump\r\n");
    const dump = await client.until((received) => /(^|\r\n)(END|.*ERROR.*)\r\n$/.test(received), DUMP_MS_MAX);
    if (!/(^|\r\n)END\r\n$/.test(dump)) throw new Error(`"${key}" did not finish its dump: ${dump.slice(-100)}`);
    return new Map([...dumpedItems(dump)].map(([name, item]) => [name, JSON.stringify(item)]));
  } finally {
    client.close();
  }
}
