/**
 * A cluster for clients that know nothing of Flare: two partitions with a master and a slave each, and a proxy that holds
 * nothing. Whatever a client stores can be looked at here, over connections of the test's own: what every node answers,
 * and on which nodes it lies. Replication is synchronous, because clients expect to read what they wrote.
 */

import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { KEY_HASHES } from "../../lib/cluster/key_hash.ts";
import { KeyResolver } from "../../lib/cluster/key_resolver.ts";
import type { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { Address } from "../../lib/runtime/runtime.ts";
import { loginOf, writeUsers } from "./access_world.ts";
import { clientRuntime } from "./daemon.ts";
import { LineClient } from "./line_client.ts";
import { startOpenCluster } from "./open_servers.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "./temporary_directory.ts";
import { certificatePath, testServerTls, testTlsClient } from "./test_certificates.ts";

/** The longest value the cluster takes; clients try a longer one. */
export const VALUE_BYTES_MAX = 2 << 20;

/** Who a client says it is. */
export interface Login {
  readonly user: string;
  readonly password: string;
}

/** What a client needs to be let in. */
export interface Entry {
  /** Left out: nobody need log in. */
  readonly login?: Login;
  /** Path of the authority that signed the servers' certificates; left out: no TLS. */
  readonly authority?: string;
}

/** A cluster with users is entered so. */
export const BY_LOGIN: Entry = { login: { user: "alice", password: "secret" } };
/** A cluster that speaks TLS. */
export const BY_TLS: Entry = { authority: certificatePath("ca.pem") };

const PARTITIONS = 2;
const NODES = 5;

/** What a client should have stored. */
export interface StoredItem {
  readonly flags: number;
  /** latin-1; or a check, for what the client has packed its own way. */
  readonly value: string | ((value: string) => void);
  /** Seconds it lives, at the time it was stored; left out = for ever. */
  readonly lifetimeSeconds?: number;
}

export class ClientCluster {
  /** All nodes, the proxy last. */
  readonly addresses: readonly Address[];
  readonly #cluster: LocalCluster;
  readonly #nodes: readonly LineClient[];
  readonly #directory: string;

  private constructor(cluster: LocalCluster, nodes: readonly LineClient[], directory: string) {
    this.#cluster = cluster;
    this.#nodes = nodes;
    this.#directory = directory;
    this.addresses = cluster.addresses;
  }

  /** @param entry what every connection needs, those between the nodes too */
  static async start({ login, authority }: Entry = {}): Promise<ClientCluster> {
    const runtime = clientRuntime();
    const directory = makeTemporaryDirectory();
    const cluster = await startOpenCluster({
      ...{ runtime, partitions: PARTITIONS, slaves: 1, nodes: NODES, replicationType: "sync" },
      ...(login === undefined ? {} : { access: { authFile: writeUsers(directory), clusterUser: "node" } }),
      ...(authority === undefined ? {} : { tls: testServerTls("node") }),
      node: { valueBytesMax: VALUE_BYTES_MAX, versionFormat: "memcached" },
    });
    const tls = authority === undefined ? undefined : testTlsClient();
    const nodes = await Promise.all(cluster.addresses.map((address) => LineClient.connect(runtime, address, tls)));
    for (const node of login === undefined ? [] : nodes) {
      assertEquals(await node.ask(loginOf(login?.user ?? "", login?.password ?? "")), "STORED");
    }
    return new ClientCluster(cluster, nodes, directory);
  }

  /** `host:port` of the proxy. */
  get proxy(): string {
    return this.servers[NODES - 1] as string;
  }

  /** `host:port` of all nodes, the proxy last. */
  get servers(): readonly string[] {
    return this.#cluster.addresses.map(({ host, port }) => `${host}:${port}`);
  }

  /** Checks that every node answers with this item, and that it lies on the nodes of its key's partition and nowhere else. */
  async assertStored(key: string, { flags, value, lifetimeSeconds }: StoredItem): Promise<void> {
    for (const [number, node] of this.#nodes.entries()) {
      const item = (await node.gets([key])).get(key);
      assertEquals(item?.flags, flags, `flags of "${key}" by node ${number}`);
      const found = item?.value ?? "";
      if (typeof value === "string") assertSame(found, value, `"${key}" by node ${number}`);
      else value(found);
      const lifetime = Number((await node.ask(`mg ${key} t\r\n`)).replace("HD t", ""));
      const elapsed = (lifetimeSeconds ?? -1) - lifetime;
      assertEquals(elapsed >= 0 && elapsed < 60, true, `"${key}" has ${lifetime} s to live by node ${number}`);
    }
    assertEquals(await this.#holders(key), this.#owners(key), `nodes that hold "${key}"`);
  }

  /** Checks that no node answers with an item or holds one. */
  async assertMissing(key: string): Promise<void> {
    for (const node of this.#nodes) assertEquals((await node.gets([key])).size, 0, `"${key}"`);
    assertEquals(await this.#holders(key), [], `nodes that hold "${key}"`);
  }

  async stop(): Promise<void> {
    for (const node of this.#nodes) node.close();
    await this.#cluster.stop();
    removeTemporaryDirectory(this.#directory);
  }

  /** The numbers of the nodes that have the item themselves. */
  async #holders(key: string): Promise<number[]> {
    const answers = await Promise.all(this.#nodes.map((node) => node.ask(`me ${key}\r\n`)));
    return answers.flatMap((answer, number) => (answer === "EN" ? [] : number));
  }

  /** The numbers of the nodes of the key's partition. */
  #owners(key: string): number[] {
    const { meta, nodeMap } = this.#cluster.index;
    const bytes = fromLatin1(key);
    const hash = KEY_HASHES[meta.keyHashAlgorithm](bytes, 0, bytes.length);
    const partition = new KeyResolver(meta).resolve(hash, PARTITIONS);
    const keys = nodeMap.nodes.filter((node) => node.partition === partition).map((node) => node.key);
    return this.servers.flatMap((server, number) => (keys.includes(server) ? number : []));
  }
}

/** Compares without printing megabytes. */
function assertSame(found: string, wanted: string, what: string): void {
  if (found === wanted) return;
  throw new Error(
    `${what}: ${found.length} bytes "${found.slice(0, 60)}", not ${wanted.length} bytes "${wanted.slice(0, 60)}"`,
  );
}
