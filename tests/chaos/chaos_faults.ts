/**
 * Each kind of fault at one server of a chaos run: what goes wrong, for how long, and how it ends. Which server and when is
 * decided elsewhere; a kind notes what it chose before it happens.
 */

import type { SimRandom } from "../../lib/testing/sim_random.ts";
import type { Undo } from "../support/switched_network.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";
import type { ChaosServer } from "./chaos_server.ts";

/** Where a fault strikes. */
export interface FaultSite {
  readonly cluster: ChaosCluster;
  readonly server: ChaosServer;
  /** The other end of a link. */
  readonly other: ChaosServer;
  readonly random: SimRandom;
  readonly durationMs: number;
}

const LOSS_PERCENT_MAX = 70;

/** What happens to a process or a disk. A server suffers one of these at a time. */
const MACHINE_FAULTS = {
  /** `kill -9`. */
  kill: (site: FaultSite) => whileDown(site, "kill -9", (server) => server.kill()),
  /** SIGTERM. */
  stop: (site: FaultSite) => whileDown(site, "stop", (server) => server.stop()),
  /** What was not synced is gone. */
  power: (site: FaultSite) =>
    whileDown(site, "power cut", async (server) => {
      // It has no time to notice.
      server.pause();
      await server.disk.cutPower();
      await server.kill();
      await server.disk.restore();
    }),
  /** SIGSTOP, SIGCONT. */
  async pause(site: FaultSite): Promise<void> {
    note(site, "pause");
    site.server.pause();
    await wait(site);
    site.server.resume();
  },
  async fullDisk(site: FaultSite): Promise<void> {
    note(site, "full disk");
    await site.server.disk.fill();
    await wait(site);
    await site.server.disk.empty();
  },
  /** Writes and syncs wait. */
  async slowDisk(site: FaultSite): Promise<void> {
    note(site, "stalled disk");
    await site.server.disk.freeze();
    await wait(site);
    await site.server.disk.thaw();
  },
  /** Every access fails with EIO; then the machine is repaired and starts again. */
  async brokenDisk(site: FaultSite): Promise<void> {
    const { server } = site;
    note(site, "broken disk");
    await server.disk.fail();
    await wait(site);
    await server.kill();
    await server.disk.restore();
    await server.start();
  },
};

/** What happens between two hosts. */
const NETWORK_FAULTS = {
  /** No packets between two hosts, in one or both directions. */
  cut: (site: FaultSite) => whileOnLink(site, "cut", (from, to) => site.cluster.network.cut(from, to)),
  /** The same between a node and the index server. */
  indexCut(site: FaultSite): Promise<void> {
    const { cluster, random, server } = site;
    const node = server === cluster.index ? random.pick(cluster.nodes) : server;
    return FAULTS.cut({ ...site, server: node, other: cluster.index });
  },
  /** No packets between a host and any other. */
  async isolate(site: FaultSite): Promise<void> {
    const { cluster, server } = site;
    note(site, "isolate");
    const undos: Undo[] = [];
    for (const other of cluster.servers) {
      if (other === server) continue;
      undos.push(
        await cluster.network.cut(server.number, other.number),
        await cluster.network.cut(other.number, server.number),
      );
    }
    await wait(site);
    for (const undo of undos) await undo();
  },
  /** Packets between two hosts get lost, in one or both directions. */
  loss(site: FaultSite): Promise<void> {
    const percent = site.random.between(5, LOSS_PERCENT_MAX);
    return whileOnLink(site, `${percent} % loss`, (from, to) => site.cluster.network.lose(from, to, percent));
  },
  /** Connections between two hosts break, and new ones are refused. */
  async reset(site: FaultSite): Promise<void> {
    const { network } = site.cluster;
    const [server, other] = [site.server.number, site.other.number];
    note(site, `reset with ${site.other.name}`);
    const undos = [await network.reset(server, other), await network.reset(other, server)];
    await wait(site);
    for (const undo of undos) await undo();
  },
};

export const FAULTS = { ...MACHINE_FAULTS, ...NETWORK_FAULTS };

export type FaultKind = keyof typeof FAULTS;

export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

/** Lets one fault happen; resolves when it is over and the server is ready again, or at once if it is struck already. */
export async function inflict(kind: FaultKind, site: FaultSite): Promise<void> {
  const { server } = site;
  const strikes = kind in MACHINE_FAULTS;
  if (strikes && server.isStruck) return;
  server.troubles++;
  if (strikes) server.isStruck = true;
  try {
    await FAULTS[kind](site);
  } catch (error) {
    site.cluster.world.fail(`${kind} at ${server.name}: ${(error as Error).message}`);
  } finally {
    if (strikes) server.isStruck = false;
    server.troubles--;
  }
}

async function whileDown(site: FaultSite, how: string, end: (server: ChaosServer) => Promise<void>): Promise<void> {
  note(site, how);
  await end(site.server);
  await wait(site);
  await site.server.start();
}

async function whileOnLink(site: FaultSite, what: string, strike: (from: number, to: number) => Promise<Undo>): Promise<void> {
  const { server, other, random } = site;
  const way = random.pick([">", "<", "<>", "<>"]);
  note(site, `${what} ${way} ${other.name}`);
  const undos: Undo[] = [];
  if (way !== "<") undos.push(await strike(server.number, other.number));
  if (way !== ">") undos.push(await strike(other.number, server.number));
  await wait(site);
  for (const undo of undos) await undo();
}

function note({ cluster, server, durationMs }: FaultSite, what: string): void {
  const entry = cluster.map?.nodes.find(({ host }) => host === server.host.name);
  const role = entry === undefined ? "" : ` (${["master", "slave", "proxy"][entry.role]} of ${entry.partition})`;
  cluster.world.note(`${server.name}${role}: ${what}, ${durationMs} ms`);
}

function wait({ cluster, durationMs }: FaultSite): Promise<void> {
  return cluster.world.sleep(durationMs);
}
