/**
 * `verify`: every slave is compared with its master, all keys (`replica_check.ts`), and some keys are read through every node
 * and compared with the answers of their owners, which also tells whether the nodes agree where keys are; for nodes that cannot
 * be compared that is all. Counts keys of other partitions on masters. Concurrent writes and replication get time to settle.
 */

import { equalBytes, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { sleep } from "../base/sleep.ts";
import type { Client } from "../client/client.ts";
import { dumpKeys } from "../client/dump.ts";
import type { Item } from "../client/item.ts";
import { KEY_HASHES, type KeyHashAlgorithm } from "../cluster/key_hash.ts";
import { KeyResolver } from "../cluster/key_resolver.ts";
import { type ClusterNode, NodeState } from "../cluster/node.ts";
import { buildPartitionMap, type Partition } from "../cluster/partition_map.ts";
import type { Difference } from "../protocol/comparison.ts";
import type { ClusterAdmin } from "./cluster_admin.ts";
import { keyWord } from "./dump_format.ts";
import { activeNode } from "./node_report.ts";
import { addressOf } from "./node_targets.ts";
import { checkReplica, type ReplicaReport } from "./replica_check.ts";

/** What to verify. */
export interface VerifyOptions {
  /** Overrides the index server's `meta`. */
  readonly keyHashAlgorithm?: KeyHashAlgorithm;
  /** Write test keys, and delete them afterwards, instead of reading existing ones; default false. */
  readonly useTestData?: boolean;
  /** Repair the keys that differ between slaves and their masters; default false. */
  readonly repair?: boolean;
  /** Keys read through every node in each partition, default 1000. */
  readonly keysPerPartitionMax?: number;
  /** Called for each completed partition, and each slave compared. */
  readonly onProgress?: (line: string) => void;
}

/** A node whose answer differs from the owner's. */
export interface VerifyFinding {
  readonly node: string;
  readonly key: Uint8Array;
  readonly problem: string;
}

/** A key that a slave and its master have in different states. */
export interface SlaveDifference extends Difference {
  readonly slave: string;
  readonly master: string;
}

/** The result. */
export interface VerifyReport {
  readonly partitions: number;
  readonly nodes: number;
  /** Keys compared on every node. */
  readonly keys: number;
  /** The slaves, compared with their masters; empty with test data. */
  readonly replicas: readonly ReplicaReport[];
  /** Keys of other partitions on masters, left behind when a partition was added. */
  readonly strayKeys: number;
  /** Keys that differ between slaves and masters; at most 1000 are kept. */
  readonly differences: readonly SlaveDifference[];
  /** Wrong answers: empty = none; at most 1000 are kept. */
  readonly findings: readonly VerifyFinding[];
}

const BATCH_KEYS = 100;
const FINDINGS_MAX = 1000;
/** An answer that differs is requested again this often, with this pause. */
const SETTLE_ATTEMPTS = 10;
const SETTLE_MS = 200;
/** If they are not deleted, they expire. */
const TEST_DATA_SECONDS = 600;
const KEYS_DEFAULT = 1000;

/** Verifies a cluster. @throws FlareError */
export async function verifyCluster(admin: ClusterAdmin, options: VerifyOptions = {}): Promise<VerifyReport> {
  const [map, meta] = await Promise.all([admin.nodeMap(), admin.meta()]);
  const resolver = new KeyResolver(meta);
  const { active } = buildPartitionMap(map, resolver.partitionCountMax);
  if (active.length === 0) throw new FlareError("REFUSED", "the cluster has no partition yet");
  const hash = KEY_HASHES[options.keyHashAlgorithm ?? meta.keyHashAlgorithm];
  const partitionOf = (key: Uint8Array): number => resolver.resolve(hash(key, 0, key.length), active.length);
  const nodes = map.nodes.filter((node) => node.state !== NodeState.down).map((node) => node.key);
  const verifier = new Verifier(admin, nodes, partitionOf, options);
  return verifier.run(active);
}

class Verifier {
  readonly #admin: ClusterAdmin;
  readonly #nodes: readonly string[];
  readonly #partitionOf: (key: Uint8Array) => number;
  readonly #options: VerifyOptions;
  readonly #findings: VerifyFinding[] = [];
  readonly #replicas: ReplicaReport[] = [];
  readonly #differences: SlaveDifference[] = [];
  #keys = 0;
  #strayKeys = 0;

  constructor(admin: ClusterAdmin, nodes: readonly string[], partitionOf: (key: Uint8Array) => number, options: VerifyOptions) {
    this.#admin = admin;
    this.#nodes = nodes;
    this.#partitionOf = partitionOf;
    this.#options = options;
  }

  async run(partitions: readonly Partition[]): Promise<VerifyReport> {
    const testKeys = this.#options.useTestData === true ? await this.#writeTestData(partitions.length) : undefined;
    try {
      for (const partition of partitions) {
        const { index, master } = partition;
        if (master === undefined) throw new FlareError("REFUSED", `partition ${index} has no master that is up`);
        if (testKeys === undefined) await this.#compareReplicas(master, partition.slaves);
        const keys = testKeys?.filter((key) => this.#partitionOf(key) === index) ?? (await this.#keysOf(master.key, index));
        await this.#compare(master.key, keys);
        this.#options.onProgress?.(`partition ${index}: ${keys.length} keys on ${this.#nodes.length} nodes`);
      }
    } finally {
      if (testKeys !== undefined) await this.#deleteAll(testKeys);
    }
    return {
      partitions: partitions.length,
      nodes: this.#nodes.length,
      keys: this.#keys,
      replicas: this.#replicas,
      differences: this.#differences,
      strayKeys: this.#strayKeys,
      findings: this.#findings,
    };
  }

  /** Before keys are read: what is repaired there is right here. */
  async #compareReplicas(master: ClusterNode, slaves: readonly ClusterNode[]): Promise<void> {
    for (const slave of slaves) {
      const report = await checkReplica(this.#admin, master, slave, {
        repair: this.#options.repair === true,
        onDifference: (difference) => {
          if (this.#differences.length >= FINDINGS_MAX) return;
          this.#differences.push({ ...difference, slave: slave.key, master: master.key });
        },
      });
      this.#replicas.push(report);
      this.#options.onProgress?.(replicaText(report));
    }
  }

  /** Keys on the master of a partition that it owns. */
  async #keysOf(master: string, partition: number): Promise<Uint8Array[]> {
    const { keysPerPartitionMax = KEYS_DEFAULT } = this.#options;
    const own: Uint8Array[] = [];
    for await (const batch of dumpKeys(this.#admin.runtime, addressOf(master), {}, this.#admin.connection)) {
      for (const key of batch) {
        if (this.#partitionOf(key) === partition) own.push(key);
        else this.#strayKeys++;
      }
      if (own.length >= keysPerPartitionMax) break;
    }
    return own.slice(0, keysPerPartitionMax);
  }

  async #compare(owner: string, keys: readonly Uint8Array[]): Promise<void> {
    const suspects: { node: string; key: Uint8Array }[] = [];
    for (let from = 0; from < keys.length; from += BATCH_KEYS) {
      const batch = keys.slice(from, from + BATCH_KEYS);
      const expected = byKey(await this.#admin.client(owner).getMany(batch));
      this.#keys += batch.length;
      for (const node of this.#nodes) {
        if (node === owner) continue;
        for (const key of await this.#differing(node, batch, expected)) suspects.push({ node, key });
      }
    }
    const ownerClient = this.#admin.client(owner);
    const problems = await Promise.all(
      suspects.map(({ node, key }) => this.#settle(ownerClient, this.#admin.client(node), key)),
    );
    suspects.forEach((suspect, i) => {
      const problem = problems[i];
      if (problem !== undefined) this.#report({ ...suspect, problem });
    });
  }

  /** The keys that a node answers differently from their owner; reports a node that does not answer. */
  async #differing(
    node: string,
    keys: readonly Uint8Array[],
    expected: ReadonlyMap<string, Item>,
  ): Promise<readonly Uint8Array[]> {
    try {
      const found = byKey(await this.#admin.client(node).getMany(keys));
      return keys.filter((key) => !sameItem(expected.get(latin1(key)), found.get(latin1(key))));
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      for (const key of keys) this.#report({ node, key, problem: error.message });
      return [];
    }
  }

  /** Compares again until both agree; undefined = they do, otherwise the difference. */
  async #settle(owner: Client, node: Client, key: Uint8Array): Promise<string | undefined> {
    for (let attempt = 1; ; attempt++) {
      const [expected, found] = await Promise.all([owner.gets(key), node.gets(key)]);
      if (sameItem(expected, found)) return undefined;
      if (attempt === SETTLE_ATTEMPTS) return `answers ${itemText(found)}, its owner "${owner.server}" ${itemText(expected)}`;
      await sleep(this.#admin.runtime.clock, SETTLE_MS, true);
    }
  }

  async #writeTestData(partitions: number): Promise<Uint8Array[]> {
    const { runtime } = this.#admin;
    const run = runtime.random.uint32().toString(16).padStart(8, "0");
    const count = Math.min((this.#options.keysPerPartitionMax ?? KEYS_DEFAULT) * partitions, KEYS_DEFAULT);
    const keys = Array.from({ length: count }, (_, i) => new TextEncoder().encode(`flare-verify-${run}-${i}`));
    const results = await Promise.all(
      keys.map((key, i) => {
        const node = this.#nodes[i % this.#nodes.length] as string;
        return this.#admin.client(node).set(key, `${run} ${i}`, { exptime: TEST_DATA_SECONDS, flags: i });
      }),
    );
    const refused = results.find((result) => result !== "STORED");
    if (refused !== undefined) throw new FlareError("REFUSED", `a node answered "${refused}" to test data`);
    return keys;
  }

  async #deleteAll(keys: readonly Uint8Array[]): Promise<void> {
    const client = this.#admin.client(activeNode(await this.#admin.nodeMap()));
    await Promise.all(keys.map((key) => client.delete(key)));
  }

  #report(finding: VerifyFinding): void {
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push(finding);
  }
}

/** Whether something is wrong that has not been repaired, or could not be found out. */
export function isSuspicious({ findings, replicas }: VerifyReport): boolean {
  const isBad = ({ outcome, differences, repaired }: ReplicaReport): boolean => outcome === "failed" || differences > repaired;
  return findings.length > 0 || replicas.some(isBad);
}

/** The comparison of a slave as one line. */
export function replicaText({ slave, master, items, differences, repaired, busy, outcome, reason }: ReplicaReport): string {
  const names = `slave "${slave}" and its master "${master}"`;
  if (outcome === "unknown") return `${names}: not compared, ${reason}`;
  const repairs = repaired === 0 ? "" : `, ${repaired} of them repaired`;
  const changing = busy === 0 ? "" : `, ${busy} too busy to tell`;
  const counts = `${items} items compared, ${differences} keys differ${repairs}${changing}`;
  return outcome === "complete" ? `${names}: ${counts}` : `${names}: ${counts}; not completed: ${reason}`;
}

/** A difference as one line. */
export function differenceText({ slave, key, masterVersion, replicaVersion, isRepaired }: SlaveDifference): string {
  const [right, wrong] = [masterVersion, replicaVersion].map((version) =>
    version === undefined ? "nothing" : `version ${version}`,
  );
  const other = right === wrong ? " with other content" : "";
  return `slave "${slave}" and key ${keyWord(key)}: ${wrong}, its master has ${right}${other}${isRepaired ? "; repaired" : ""}`;
}

/** A finding as one line. */
export function findingText({ node, key, problem }: VerifyFinding): string {
  return `"${node}" and key ${keyWord(key)}: ${problem}`;
}

function byKey(items: readonly Item[]): Map<string, Item> {
  return new Map(items.map((item) => [latin1(item.key), item]));
}

function sameItem(left: Item | undefined, right: Item | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return (
    left.version === right.version &&
    left.flags === right.flags &&
    equalBytes(left.value, 0, left.value.length, right.value, 0, right.value.length)
  );
}

function itemText(item: Item | undefined): string {
  return item === undefined ? "nothing" : `version ${item.version} of ${item.value.length} bytes`;
}
