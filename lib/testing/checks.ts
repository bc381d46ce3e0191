/**
 * What must hold in a simulated cluster: always (`MapWatch`: versions and terms never go back, one version is one map, no
 * partition has two active masters), and once the faults are over (`compareReplicas`: replicas equal key by key, every key
 * readable at its owner).
 */

import { latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { hashSimple } from "../cluster/key_hash.ts";
import { KeyResolver } from "../cluster/key_resolver.ts";
import { NodeRole, NodeState } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { encodeNodeList } from "../cluster/node_map_codec.ts";
import { NOTHING_STORED, type StoredMap } from "../cluster/stored_map.ts";
import type { RunningNode } from "../node_server/node_server.ts";
import type { SimCluster } from "./sim_cluster.ts";

/** Looks at every map that comes into use. */
export class MapWatch {
  readonly #cluster: SimCluster;
  readonly #report: (message: string) => void;
  readonly #lastSeen = new Map<object, NodeMap>();
  /** The nodes of each version of the index server's map. */
  readonly #contents = new Map<string, string>();
  #stored: StoredMap = NOTHING_STORED;

  constructor(cluster: SimCluster, report: (message: string) => void) {
    this.#cluster = cluster;
    this.#report = report;
  }

  /** To be called after every event. */
  look(): void {
    const { indexServers, nodes, service } = this.#cluster;
    if (service !== undefined) this.#seeStored(service.shared.restore());
    for (const { server, host } of indexServers) if (server !== undefined) this.#see(server, server.nodeMap, host.name);
    for (const { server } of nodes) if (server !== undefined) this.#see(server, server.nodeMap, server.key);
  }

  /** What several index servers share: a former leader must not replace it. */
  #seeStored(stored: StoredMap): void {
    const { map, term } = this.#stored;
    this.#stored = stored;
    if (stored.map.version >= map.version && stored.term >= term) return;
    const now = `version ${stored.map.version} of term ${stored.term}`;
    this.#report(`the stored map went from version ${map.version} of term ${term} back to ${now}`);
  }

  #see(server: object, map: NodeMap, name: string): void {
    const before = this.#lastSeen.get(server);
    if (before === map) return;
    this.#lastSeen.set(server, map);
    const { world } = this.#cluster;
    world.note(`${name} uses map ${map.version}`);
    if (before !== undefined && map.version < before.version) {
      this.#report(`"${name}" went from map ${before.version} back to ${map.version}`);
    }
    // What a node gets when it joins has no version yet.
    if (map.version === 0) return;
    const content = encodeNodeList(map);
    const known = this.#contents.get(String(map.version));
    if (known === undefined) this.#judge(map, content);
    else if (known !== content) this.#report(`"${name}" has another map ${map.version} than others`);
  }

  #judge(map: NodeMap, content: string): void {
    this.#contents.set(String(map.version), content);
    const partitions = new Set<number>();
    for (const { role, state, partition } of map.nodes) {
      if (role !== NodeRole.master || state !== NodeState.active) continue;
      if (partitions.has(partition)) this.#report(`map ${map.version} has two masters of partition ${partition}`);
      partitions.add(partition);
    }
  }
}

/** What of an item must be the same everywhere, as one text. */
type Content = ReadonlyMap<string, string>;

/** The differences between the replicas of each partition. */
export async function compareReplicas(cluster: SimCluster): Promise<string[]> {
  const { map } = cluster;
  if (map === undefined) return ["no index server leads"];
  const masters = map.nodes.filter(({ role }) => role === NodeRole.master);
  const differences: string[] = [];
  /** A storage that cannot be read differs from every other. */
  const read = async (nodeKey: string, partition: number): Promise<Content> => {
    try {
      return await contentOf(cluster, nodeKey, partition, masters.length);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      differences.push(`"${nodeKey}": ${error.message}`);
      return new Map();
    }
  };
  for (const master of masters) {
    const own = await read(master.key, master.partition);
    const slaves = map.nodes.filter(({ role, partition }) => role === NodeRole.slave && partition === master.partition);
    for (const slave of slaves) {
      const copy = await read(slave.key, master.partition);
      for (const key of new Set([...own.keys(), ...copy.keys()])) {
        if (own.get(key) === copy.get(key)) continue;
        differences.push(
          `"${key}": master "${master.key}" ${own.get(key) ?? "none"}, slave "${slave.key}" ${copy.get(key) ?? "none"}`,
        );
      }
    }
  }
  return differences.sort();
}

/** The live items of one partition at a node. */
export async function contentOf(cluster: SimCluster, nodeKey: string, partition: number, partitions: number): Promise<Content> {
  const server = cluster.nodeOf(nodeKey)?.server;
  const content = new Map<string, string>();
  if (server === undefined) return content;
  const resolver = new KeyResolver({ partitionSize: 1024, hint: 1, virtual: 4096 });
  for (const { key, flags, expire, version, value } of await itemsOf(server)) {
    if (resolver.resolve(hashSimple(key, 0, key.length), partitions) !== partition) continue;
    const text = latin1(value);
    content.set(latin1(key), `v${version} flags ${flags} expire ${expire} ${text.length} bytes "${text.slice(0, 60)}"`);
  }
  return content;
}

async function itemsOf(server: RunningNode) {
  const cursor = server.storage.openCursor();
  const items = [];
  for (;;) {
    const slice = await cursor.next(500, 1 << 20);
    if (slice.length === 0) return items;
    items.push(...slice);
  }
}
