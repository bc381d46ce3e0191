/**
 * Each kind of fault at one daemon: what goes wrong, for how long, and how it ends. A kind records what it chose before it
 * happens. `faults.ts` decides which and when.
 */

import type { RunningIndex } from "../index_server/index_server.ts";
import { RunningNode } from "../node_server/node_server.ts";
import { DATA_DIR, type SimCluster, type SimDaemon } from "./sim_cluster.ts";
import type { AccessFaults } from "./sim_disk.ts";
import type { SimHost } from "./sim_host.ts";
import type { SimRandom } from "./sim_random.ts";

export type Daemon = SimDaemon<RunningIndex | RunningNode>;

/** Where a fault strikes. */
export interface FaultSite {
  readonly cluster: SimCluster;
  readonly daemon: Daemon;
  /** Another daemon's machine. */
  readonly other: SimHost;
  readonly random: SimRandom;
  readonly durationMs: number;
  /** Records what is about to happen. */
  note(what: string): void;
}

const FAILURE_PROBABILITY = 0.2;
/** How often it is looked whether a node that starts has started. */
const START_POLL_MS = 500;
const CLOG_US_MAX = 400_000;
const DISK_DELAY_US_MAX = 500_000;
const LOOKUP_MS_MAX = 40_000;
/** A request to the map service, or its answer, takes up to this much longer: less than it is waited for, or more. */
const SERVICE_DELAYS_US = [100_000, 500_000, 1_000_000, 4_000_000];
/** What a full disk still takes, at most. */
const ROOM_BYTES_MAX = 20_000;
/** What a connection carries while its link is flaky, at most. */
const FLAKY_BYTES_MAX = 5000;
const LATE_US_MAX = 5_000_000;
const LOSS_PERCENT_MAX = 70;
/** Up to which lengths pauses, and up to which distances jumps of a clock are about equally frequent. */
const PAUSES_MS = [20, 200, 2000, 20_000, 60_000];
const JUMPS_MS = [1000, 60_000, 600_000, 86_400_000, 30 * 86_400_000];
const DRIFT_PERCENT_MAX = 20;

export const FAULTS = {
  kill: (site: FaultSite) => whileDown(site, "kill", () => site.daemon.kill()),
  stop: (site: FaultSite) => whileDown(site, "stop", () => site.daemon.stop()),
  power: (site: FaultSite) => whileDown(site, "power", () => site.daemon.cutPower()),

  /** A node's machine comes back with an empty disk. */
  async lostData(site: FaultSite): Promise<void> {
    const { daemon, cluster } = site;
    if (daemon === cluster.index) return;
    await whileDown(site, "kill and empty", () => {
      daemon.kill();
      daemon.host.disk.lose();
    });
  },

  /** The index server is started again with the files it had some time ago, as from a backup. */
  async oldMap({ cluster: { world, index }, random, durationMs, note }: FaultSite): Promise<void> {
    const files = index.host.disk.backup(DATA_DIR);
    const [ageMs, downMs] = [durationMs, random.between(100, 5000)];
    note(`index server: its files as they are now come back in ${ageMs} ms`);
    await world.sleep(ageMs);
    note(`index server restored to its files of ${ageMs} ms ago, start after ${downMs} ms`);
    index.kill();
    index.host.disk.restore(DATA_DIR, files);
    await world.sleep(downMs);
    index.start();
  },

  /**
   * A second index server works on the same map for a while, and one of the two may not see all of the nodes. Then the first
   * one, which was replaced, takes over again, as its operator lets it.
   */
  async secondIndex({ cluster, random, durationMs, note }: FaultSite): Promise<void> {
    const { world, index, nodes } = cluster;
    const second = cluster.secondIndex();
    if (second.host.process !== undefined) return;
    const hidden = nodes.filter(() => random.chance(0.3)).map(({ host }) => host);
    const from = random.pick([index.host, second.host]);
    const names = hidden.map(({ name }) => name).join(" ");
    note(`a second index server for ${durationMs} ms; ${from.name} is cut from ${names || "no node"}`);
    second.start();
    for (const host of hidden) cutBoth(cluster, from, host);
    await world.sleep(durationMs);
    for (const host of hidden) mendBoth(cluster, from, host);
    second.kill();
    note("the second index server is gone, the first one starts again");
    index.kill();
    index.start();
  },

  // ------------------------------------------------------------------------------------ several index servers

  /** The one that leads is killed. */
  async leaderKill(site: FaultSite): Promise<void> {
    const { leader } = site.cluster;
    if (leader !== undefined) await FAULTS.kill({ ...site, daemon: leader as Daemon });
  },

  /** The one that leads stands still. */
  async leaderPause(site: FaultSite): Promise<void> {
    const { leader } = site.cluster;
    if (leader !== undefined) await FAULTS.pause({ ...site, daemon: leader as Daemon });
  },

  /** The one that leads is cut from what they share, or from the nodes, or from the others. */
  async leaderCut({ cluster, random, durationMs, note }: FaultSite): Promise<void> {
    const { world, leader, service, nodes, indexServers } = cluster;
    if (leader === undefined || service === undefined) return;
    const others = indexServers.filter((each) => each !== leader);
    const groups = [[service.host], nodes.map(({ host }) => host), others.map(({ host }) => host)];
    const hosts = groups.filter(() => random.chance(0.5)).flat();
    const isOneWay = random.chance(0.3);
    note(`cut ${leader.host.name} ${isOneWay ? ">" : "<>"} ${hosts.map(({ name }) => name).join(" ")} for ${durationMs} ms`);
    for (const host of hosts) {
      world.network.cut(leader.host, host);
      if (!isOneWay) world.network.cut(host, leader.host);
    }
    await world.sleep(durationMs);
    for (const host of hosts) mendBoth(cluster, leader.host, host);
  },

  /**
   * What they share is slow, for the one that leads or for all; it is away; it loses answers to what it has done; or it ends
   * the lease of the one that leads.
   */
  async mapService({ cluster, random, durationMs, note }: FaultSite): Promise<void> {
    const { world, service, leader, indexServers } = cluster;
    if (service === undefined || leader === undefined) return;
    const trouble = random.pick(["slow", "away", "lost", "end"] as const);
    if (trouble === "slow") {
      const victims = random.chance(0.7) ? [leader] : indexServers;
      const delayUs = random.pick(SERVICE_DELAYS_US);
      note(
        `the map service is slower by ${delayUs} us for ${victims.map(({ host }) => host.name).join(" ")}, ${durationMs} ms`,
      );
      for (const { host } of victims) service.extraDelayUs.set(host, delayUs);
      await world.sleep(durationMs / 2);
      if (random.chance(0.5)) service.shared.lease.end();
      await world.sleep(durationMs / 2);
      for (const { host } of victims) service.extraDelayUs.delete(host);
    } else if (trouble === "away") {
      note(`the map service is away, ${durationMs} ms`);
      service.isAway = true;
      await world.sleep(durationMs);
      service.isAway = false;
    } else if (trouble === "lost") {
      const percent = random.between(1, 100);
      note(`the map service loses ${percent} % of its answers, ${durationMs} ms`);
      service.lostAnswers = percent / 100;
      await world.sleep(durationMs);
      service.lostAnswers = 0;
    } else {
      note(`the map service ends the lease of ${leader.host.name}`);
      service.shared.lease.end();
    }
  },

  async pause({ cluster: { world }, daemon: { host }, random, note }: FaultSite): Promise<void> {
    const { process } = host;
    const durationMs = random.between(1, random.pick(PAUSES_MS));
    note(`pause ${host.name} for ${durationMs} ms`);
    process?.pause();
    await world.sleep(durationMs);
    process?.resume();
  },

  // ------------------------------------------------------------------------------------------------------ the network

  async cut({ cluster, daemon: { host }, other, random, durationMs, note }: FaultSite): Promise<void> {
    const both = random.chance(0.6);
    note(`cut ${host.name} ${both ? "<>" : ">"} ${other.name} for ${durationMs} ms`);
    cluster.world.network.cut(host, other);
    if (both) cluster.world.network.cut(other, host);
    await cluster.world.sleep(durationMs);
    mendBoth(cluster, host, other);
  },

  /** A node does not reach the index server, or is not reached by it, or both; clients and other nodes notice nothing. */
  async indexCut({ cluster, random, durationMs, note }: FaultSite): Promise<void> {
    const { world, index, nodes } = cluster;
    const { host } = random.pick(nodes);
    const way = random.pick([">", "<", "<>"]);
    note(`cut ${host.name} ${way} ${index.host.name} for ${durationMs} ms`);
    if (way !== "<") world.network.cut(host, index.host);
    if (way !== ">") world.network.cut(index.host, host);
    await world.sleep(durationMs);
    mendBoth(cluster, host, index.host);
  },

  async isolate({ cluster, daemon: { host }, durationMs, note }: FaultSite): Promise<void> {
    note(`isolate ${host.name} for ${durationMs} ms`);
    const others = [...cluster.world.hosts.values()].filter((each) => each !== host);
    for (const each of others) cutBoth(cluster, host, each);
    await cluster.world.sleep(durationMs);
    for (const each of others) mendBoth(cluster, host, each);
  },

  async clog({ cluster: { world }, daemon: { host }, other, random, durationMs, note }: FaultSite): Promise<void> {
    const delayUs = random.between(1000, CLOG_US_MAX);
    note(`clog ${host.name} > ${other.name} by ${delayUs} us for ${durationMs} ms`);
    world.network.clog(host, other, delayUs);
    await world.sleep(durationMs);
    world.network.clog(host, other, 0);
  },

  /** Packets get lost: what they carry stalls for seconds. */
  async loss({ cluster: { world }, daemon: { host }, other, random, durationMs, note }: FaultSite): Promise<void> {
    const percent = random.between(5, LOSS_PERCENT_MAX);
    const both = random.chance(0.5);
    note(`${percent} % of the packets ${host.name} ${both ? "<>" : ">"} ${other.name} get lost for ${durationMs} ms`);
    world.network.lose(host, other, percent / 100);
    if (both) world.network.lose(other, host, percent / 100);
    await world.sleep(durationMs);
    world.network.lose(host, other, 0);
    world.network.lose(other, host, 0);
  },

  async reset({ cluster: { world }, daemon: { host }, random, note }: FaultSite): Promise<void> {
    const connections = [...world.network.connections].filter(({ process }) => process.host === host);
    if (connections.length === 0) return;
    const connection = random.pick(connections);
    note(`reset ${host.name} to ${connection.peer}`);
    connection.reset();
  },

  /** All connections between two machines break. */
  async resetAll({ cluster: { world }, daemon: { host }, other, note }: FaultSite): Promise<void> {
    note(`reset all connections ${host.name} <> ${other.name}`);
    world.network.resetAll(host, other);
  },

  /** Connections between two machines break again and again, each after some bytes. */
  async flaky({ cluster: { world }, daemon: { host }, other, random, durationMs, note }: FaultSite): Promise<void> {
    const bytesMax = random.between(0, FLAKY_BYTES_MAX);
    note(`connections ${host.name} <> ${other.name} break after up to ${bytesMax} bytes, for ${durationMs} ms`);
    world.network.limit(host, other, bytesMax);
    await world.sleep(durationMs);
    world.network.limit(host, other, undefined);
  },

  /** A machine takes a connection for broken and opens another one, while the other side reads the old one's late bytes. */
  async halfOpen({ cluster: { world }, daemon: { host }, other, random, note }: FaultSite): Promise<void> {
    const connections = [...world.network.connections].filter(
      (each) => each.process.host === host && each.remote?.host === other,
    );
    const lateUs = random.between(0, LATE_US_MAX);
    note(
      `${connections.length} connections ${host.name} > ${other.name} half open, what is on its way comes ${lateUs} us late`,
    );
    for (const connection of connections) connection.breakHere(lateUs);
  },

  async slowName({ cluster: { world }, daemon: { host }, random, durationMs, note }: FaultSite): Promise<void> {
    const delayMs = random.between(100, LOOKUP_MS_MAX);
    note(`the name of ${host.name} takes ${delayMs} ms, for ${durationMs} ms`);
    world.network.slowNames.set(host.name, delayMs);
    await world.sleep(durationMs);
    world.network.slowNames.delete(host.name);
  },

  /** The process can open no file and no connection. */
  async descriptors({ cluster: { world }, daemon: { host }, durationMs, note }: FaultSite): Promise<void> {
    const { process } = host;
    if (process === undefined) return;
    note(`${host.name} has no free descriptor for ${durationMs} ms`);
    process.lacksDescriptors = true;
    await world.sleep(durationMs);
    process.lacksDescriptors = false;
  },

  // ------------------------------------------------------------------------------------------------------- the disk

  async slowDisk({ cluster: { world }, daemon: { host }, random, durationMs, note }: FaultSite): Promise<void> {
    host.disk.extraDelayUs = random.between(1000, DISK_DELAY_US_MAX);
    note(`disk of ${host.name} slower by ${host.disk.extraDelayUs} us for ${durationMs} ms`);
    await world.sleep(durationMs);
    host.disk.extraDelayUs = 0;
  },

  /** A write may find room for a part of its bytes. */
  async fullDisk({ cluster: { world }, daemon: { host }, random, durationMs, note }: FaultSite): Promise<void> {
    const bytes = random.chance(0.3) ? 0 : random.between(1, ROOM_BYTES_MAX);
    note(`disk of ${host.name} has room for ${bytes} bytes, for ${durationMs} ms`);
    host.disk.freeBytes = bytes;
    await world.sleep(durationMs);
    host.disk.freeBytes = Number.POSITIVE_INFINITY;
  },

  brokenDisk: (site: FaultSite) => whileFailing(site, ["append", "sync", "read"]),
  failingAppend: (site: FaultSite) => whileFailing(site, ["append"]),
  failingSync: (site: FaultSite) => whileFailing(site, ["sync"]),
  failingRead: (site: FaultSite) => whileFailing(site, ["read"]),

  // ------------------------------------------------------------------------------------------------------ the clocks

  async clock({ cluster: { world }, daemon: { host }, random, durationMs, note }: FaultSite): Promise<void> {
    const distanceMs = random.between(1, random.pick(JUMPS_MS));
    const jumpMs = random.chance(0.5) ? distanceMs : -distanceMs;
    note(`wall clock of ${host.name} off by ${jumpMs} ms for ${durationMs} ms`);
    host.clock.wallOffsetMs = jumpMs;
    await world.sleep(durationMs);
    host.clock.wallOffsetMs = 0;
  },

  /** The clocks of a machine, timers included, run fast or slow; the wall clock keeps what that made of it. */
  async drift({ cluster: { world }, daemon: { host }, random, durationMs, note }: FaultSite): Promise<void> {
    const percent = random.between(-DRIFT_PERCENT_MAX, DRIFT_PERCENT_MAX);
    note(`clock of ${host.name} runs ${percent} % fast for ${durationMs} ms`);
    host.clock.rate = 1 + percent / 100;
    await world.sleep(durationMs);
    host.clock.rate = 1;
  },
} as const satisfies { readonly [kind: string]: (site: FaultSite) => Promise<void> };

/** A daemon ends in one way or another and is started again. */
async function whileDown(site: FaultSite, what: string, end: () => void | Promise<void>): Promise<void> {
  const { daemon, durationMs, note } = site;
  const { name } = daemon.host;
  if (daemon.server === undefined) return;
  note(`${what} ${name}, start after ${durationMs} ms`);
  await end();
  await site.cluster.world.sleep(durationMs);
  note(`start ${name}`);
  daemon.start();
}

/** Accesses to a disk fail at times. */
async function whileFailing(site: FaultSite, accesses: readonly (keyof AccessFaults)[]): Promise<void> {
  const { daemon, durationMs, note } = site;
  const { disk, name } = daemon.host;
  note(`disk of ${name}: ${accesses.join(", ")} may fail, for ${durationMs} ms`);
  for (const access of accesses) disk.faults[access] = FAILURE_PROBABILITY;
  await site.cluster.world.sleep(durationMs);
  for (const access of accesses) disk.faults[access] = 0;
  // A node whose storage has failed, perhaps while it started, says so and waits for somebody to start it again.
  while (daemon.server === undefined) await site.cluster.world.sleep(START_POLL_MS);
  if (!(daemon.server instanceof RunningNode) || daemon.server.storage.failure === undefined) return;
  note(`restart ${name} because of its disk`);
  daemon.kill();
  daemon.start();
}

function cutBoth({ world }: SimCluster, left: SimHost, right: SimHost): void {
  world.network.cut(left, right);
  world.network.cut(right, left);
}

function mendBoth({ world }: SimCluster, left: SimHost, right: SimHost): void {
  world.network.mend(left, right);
  world.network.mend(right, left);
}
