/**
 * One run in which the leading index server is killed at random moments while clients write, at times together with the
 * master: on a real etcd or ZooKeeper, which says afterwards what was stored, in which order and by whom. Nothing that was
 * acknowledged may be lost, no former leader may have stored anything, and no healthy node may have been taken down.
 */

import { formatHostPort } from "../../lib/base/host_port.ts";
import { encodeMapRecord, type MapRecord } from "../../lib/cluster/map_record.ts";
import { decodeStoredMap } from "../../lib/cluster/stored_map.ts";
import type { Json } from "../../lib/index_server/etcd/etcd_client.ts";
import { exists } from "../../lib/index_server/zookeeper/requests.ts";
import { SimRandom } from "../../lib/testing/sim_random.ts";
import { NodeRole } from "../../mod.ts";
import { HOST } from "../support/daemon.ts";
import { Etcd } from "../support/etcd_server.ts";
import { IndexCluster, Writer } from "../support/index_cluster.ts";
import type { MapService } from "../support/index_scene.ts";
import { ZooKeeper } from "../support/zookeeper_server.ts";
import { describe, nodeFaults, storeFaults } from "./leader_verdict.ts";

export const KILL_SERVICES = ["etcd", "zookeeper"] as const;

export interface KillOptions {
  readonly service: (typeof KILL_SERVICES)[number];
  /** Servers of etcd or ZooKeeper. */
  readonly members: number;
  readonly kills: number;
  /** Decides when a leader is killed, and whether a master is, too. */
  readonly seed: string;
  onNote(line: string): void;
}

export interface KillReport {
  /** What must not be. */
  readonly findings: readonly string[];
  readonly acknowledged: number;
  /** Writes that were answered by an error. */
  readonly failed: number;
  /** Stores of the map, all by index servers. */
  readonly stores: number;
  readonly terms: number;
  /** How often a master was killed, too. */
  readonly masters: number;
  /** From each kill until another index server led. */
  readonly leaderMs: readonly number[];
  /** From each kill with the master until a write was acknowledged. */
  readonly writeMs: readonly number[];
}

const WRITERS = 2;
/** Between the moment when everything is in order and a kill: more than a lease, so that it strikes anywhere in one. */
const DELAY_MS_MAX = 3000;

/** What the service itself knows of the stores. */
interface Proof {
  readonly service: MapService;
  /** How often the map was stored. */
  stores(): Promise<number>;
  /** Term and version of every store, the oldest first; undefined if it does not keep them. */
  all(): Promise<string[] | undefined>;
}

export async function killLeaders(options: KillOptions): Promise<KillReport> {
  const proof = options.service === "etcd" ? etcdProof(await Etcd.start(options.members)) : await zooKeeperProof(options);
  try {
    const cluster = await IndexCluster.start(options.service, proof.service);
    try {
      return await new KillRun(cluster, proof, options).run();
    } finally {
      await cluster.stop();
    }
  } finally {
    await proof.service.stop();
  }
}

class KillRun {
  readonly #cluster: IndexCluster;
  readonly #proof: Proof;
  readonly #options: KillOptions;
  readonly #random: SimRandom;
  readonly #findings: string[] = [];
  readonly #records: MapRecord[] = [];
  /** The `host:port` of every master that was killed. */
  readonly #killed: string[] = [];
  readonly #leaderMs: number[] = [];
  readonly #writeMs: number[] = [];

  constructor(cluster: IndexCluster, proof: Proof, options: KillOptions) {
    this.#cluster = cluster;
    this.#proof = proof;
    this.#options = options;
    this.#random = new SimRandom(options.seed);
  }

  async run(): Promise<KillReport> {
    await this.#learn();
    const names = Array.from({ length: WRITERS }, (_, i) => `w${i}:`);
    const writers = await Promise.all(names.map(async (name) => new Writer(await this.#cluster.client(), name)));
    const writing = Promise.all(writers.map((writer) => writer.run()));
    // A failure ends the run where it is awaited.
    writing.catch(() => undefined);
    for (let kill = 1; kill <= this.#options.kills; kill++) await this.#kill(kill, writers);
    for (const writer of writers) writer.stop();
    await writing;
    await this.#learn();
    await this.#judgeStores();
    this.#findings.push(...nodeFaults(this.#records, this.#killed));
    await this.#judgeWrites(writers);
    return {
      findings: this.#findings,
      acknowledged: writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0),
      failed: writers.reduce((sum, { failures }) => sum + failures.length, 0),
      stores: this.#records.length,
      terms: new Set(this.#records.map(({ term }) => term)).size,
      masters: this.#killed.length,
      leaderMs: this.#leaderMs,
      writeMs: this.#writeMs,
    };
  }

  /** Kills the leader, at times with the master, and has everything in order again. */
  async #kill(number: number, writers: readonly Writer[]): Promise<void> {
    const cluster = this.#cluster;
    const withMaster = this.#random.chance(0.5);
    const leader = await this.#leader();
    const master = await this.#master();
    await new Promise((resolve) => setTimeout(resolve, this.#random.between(0, DELAY_MS_MAX)));
    const failedBefore = writers.map(({ failures }) => failures.length);
    cluster.signal(leader, "SIGKILL");
    if (withMaster) {
      cluster.signal(master, "SIGKILL");
      this.#killed.push(formatHostPort(HOST, master));
    }
    const written = writers[0]?.oneMore();
    const startMs = performance.now();
    const writtenMs = written?.then(() => performance.now() - startMs);
    const leaderMs = await cluster.untilLed(leader);
    this.#leaderMs.push(leaderMs);
    const writeMs = (await writtenMs) ?? 0;
    if (withMaster) this.#writeMs.push(writeMs);
    const text = withMaster ? ` and the master ${master}; a write after ${Math.round(writeMs)} ms` : "";
    this.#options.onNote(`kill ${number}: index server ${leader}, another one leads after ${Math.round(leaderMs)} ms${text}`);
    await Promise.all([leader, ...(withMaster ? [master] : [])].map((port) => cluster.gone(port)));
    await cluster.startIndex(leader);
    if (withMaster) {
      await cluster.startNode(master);
      await cluster.makeSlave(master);
    }
    await Promise.all(writers.map((writer) => writer.oneMore()));
    const failed = writers.flatMap(({ failures }, i) => failures.slice(failedBefore[i]));
    if (!withMaster && failed.length > 0) {
      this.#findings.push(`kill ${number}, of an index server alone: ${failed.length} writes failed: ${failed[0]?.trimEnd()}`);
    }
    await this.#learn();
  }

  async #leader(): Promise<number> {
    for (;;) {
      const port = await this.#cluster.leaderPort();
      if (port !== undefined) return port;
    }
  }

  async #master(): Promise<number> {
    for (;;) {
      const { nodes } = await this.#cluster.admin.nodeMap();
      const master = nodes.find(({ role }) => role === NodeRole.master);
      if (master !== undefined) return master.port;
    }
  }

  /** Adds what was stored since the last look; the service must have counted as many stores. */
  async #learn(): Promise<void> {
    const known = this.#records;
    let history: readonly MapRecord[];
    let stores: number;
    do {
      stores = await this.#proof.stores();
      history = await this.#cluster.admin.mapHistory();
    } while (stores !== (await this.#proof.stores()));
    const last = known.at(-1);
    const at = last === undefined ? -1 : history.findIndex((each) => encodeMapRecord(each) === encodeMapRecord(last));
    if (last !== undefined && at < 0) this.#findings.push(`the history does not have ${describe(last)} any more`);
    known.push(...history.slice(at + 1));
    if (known.length !== stores) this.#findings.push(`the map was stored ${stores} times, the history has ${known.length}`);
  }

  async #judgeStores(): Promise<void> {
    this.#findings.push(...storeFaults(this.#records));
    const all = await this.#proof.all();
    const recorded = this.#records.map(({ term, version }) => `${term} ${version}`);
    if (all === undefined || all.join() === recorded.join()) return;
    this.#findings.push(`the service has the stores ${all.join()}, the history ${recorded.join()}`);
  }

  async #judgeWrites(writers: readonly Writer[]): Promise<void> {
    const client = await this.#cluster.client();
    for (const writer of writers) {
      const lost = await writer.lost(client);
      if (lost.length > 0) this.#findings.push(`${lost.length} acknowledged writes are lost: ${lost.slice(0, 5)}`);
    }
    client.close();
  }
}

const KEY = btoa("/flare/test");

function etcdProof(etcd: Etcd): Proof {
  const at = async (revision: number) => {
    const { kvs } = await etcd.ask("/v3/kv/range", { key: KEY, ...(revision > 0 ? { revision: String(revision) } : {}) });
    return ((kvs ?? []) as Json[])[0];
  };
  return {
    service: etcd,
    stores: async () => Number((await at(0))?.version),
    all: async () => {
      const stores: string[] = [];
      for (let found = await at(0); found !== undefined; ) {
        const { map, term } = decodeStoredMap(atob(String(found.value)));
        stores.push(`${term} ${map.version}`);
        const before = Number(found.mod_revision) - 1;
        found = Number(found.version) > 1 ? await at(before) : undefined;
      }
      return stores.reverse();
    },
  };
}

async function zooKeeperProof({ members }: KillOptions): Promise<Proof> {
  const zooKeeper = await ZooKeeper.start({ count: members });
  return {
    service: zooKeeper,
    stores: async () => {
      const found = await zooKeeper.ask(exists("/flare/test/index/nodemap"));
      return found.ok ? found.value.version : 0;
    },
    // It counts the versions of a znode, and keeps the last one.
    all: async () => undefined,
  };
}
