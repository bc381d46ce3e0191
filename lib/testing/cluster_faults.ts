/**
 * Faults that a test orders by the names of machines, in a simulated cluster. Each is recorded with its time. Random ones are
 * `faults.ts`.
 */

import { FlareError } from "../base/errors.ts";
import { RunningNode } from "../node_server/node_server.ts";
import type { Daemon } from "./fault_kinds.ts";
import { Faults } from "./faults.ts";
import type { ClusterFaults, DiskFault, MapServiceFault, StormFault, StormOptions } from "./public_failing_cluster.ts";
import type { SimCluster } from "./sim_cluster.ts";
import type { SimService } from "./sim_coordinator.ts";
import type { SimHost } from "./sim_host.ts";

const STORM_MS = 10_000;
const STORM_PAUSE_MS = 2000;

/** The kinds that need several index servers. */
const LEADER_FAULTS: readonly StormFault[] = ["leaderKill", "leaderPause", "leaderCut", "mapService"];
/** Every other kind that `storm` knows. */
export const STORM_FAULTS: readonly StormFault[] = [
  ...(["kill", "stop", "power", "pause", "cut", "isolate", "indexCut", "clog", "loss", "reset", "flaky", "halfOpen"] as const),
  ...(["slowDisk", "fullDisk", "failingAppend", "failingSync", "failingRead", "clock", "drift"] as const),
];

export class NamedFaults implements ClusterFaults {
  readonly list: string[] = [];
  readonly #cluster: SimCluster;
  readonly #run: <T>(work: () => Promise<T>) => Promise<T>;

  /** @param run lets time pass until a promise has settled */
  constructor(cluster: SimCluster, run: <T>(work: () => Promise<T>) => Promise<T>) {
    this.#cluster = cluster;
    this.#run = run;
  }

  kill(machine: string): void {
    const daemon = this.#daemon(machine);
    this.#note(`kill ${machine}`);
    daemon.kill();
  }

  cutPower(machine: string): void {
    const daemon = this.#daemon(machine);
    this.#note(`power of ${machine} cut`);
    daemon.cutPower();
  }

  stop(machine: string): Promise<void> {
    const daemon = this.#daemon(machine);
    this.#note(`stop ${machine}`);
    return this.#run(() => daemon.stop());
  }

  start(machine: string): void {
    const daemon = this.#daemon(machine);
    this.#note(`start ${machine}`);
    daemon.start();
  }

  pause(machine: string): void {
    const host = this.#host(machine);
    this.#note(`pause ${machine}`);
    host.process?.pause();
  }

  resume(machine: string): void {
    const host = this.#host(machine);
    this.#note(`resume ${machine}`);
    host.process?.resume();
  }

  cut(from: string, to: string, oneWay = false): void {
    const [one, other] = [this.#host(from), this.#host(to)];
    this.#note(`cut ${from} ${oneWay ? ">" : "<>"} ${to}`);
    this.#network.cut(one, other);
    if (!oneWay) this.#network.cut(other, one);
  }

  mend(from: string, to: string): void {
    const [one, other] = [this.#host(from), this.#host(to)];
    this.#note(`mend ${from} <> ${to}`);
    this.#network.mend(one, other);
    this.#network.mend(other, one);
  }

  isolate(machine: string): void {
    const host = this.#host(machine);
    this.#note(`isolate ${machine}`);
    for (const other of this.#cluster.world.hosts.values()) {
      if (other === host) continue;
      this.#network.cut(host, other);
      this.#network.cut(other, host);
    }
  }

  slow(from: string, to: string, delayMs: number): void {
    const [one, other] = [this.#host(from), this.#host(to)];
    this.#note(`packets ${from} > ${to} come ${delayMs} ms later`);
    this.#network.clog(one, other, delayMs * 1000);
  }

  lose(from: string, to: string, part: number): void {
    const [one, other] = [this.#host(from), this.#host(to)];
    this.#note(`${part * 100} % of the packets ${from} > ${to} get lost`);
    this.#network.lose(one, other, part);
  }

  reset(one: string, other: string): void {
    const hosts = [this.#host(one), this.#host(other)] as const;
    this.#note(`reset all connections ${one} <> ${other}`);
    this.#network.resetAll(...hosts);
  }

  disk(machine: string, fault: DiskFault): void {
    const { disk } = this.#host(machine);
    this.#note(`disk of ${machine}: ${JSON.stringify(fault)}`);
    const { slowMs = 0, freeBytes = Number.POSITIVE_INFINITY, append = 0, sync = 0, read = 0 } = fault;
    disk.extraDelayUs = slowMs * 1000;
    disk.freeBytes = freeBytes;
    Object.assign(disk.faults, { append, sync, read });
  }

  mapService(fault: MapServiceFault): void {
    const { service } = this.#cluster;
    if (service === undefined) throw new FlareError("INVALID_OPTION", "there is one index server, whose map is in a file");
    this.#note(`map service: ${JSON.stringify(fault)}`);
    this.#failService(service, fault);
  }

  clock(machine: string, offMs: number, rate = 1): void {
    const { clock } = this.#host(machine);
    this.#note(`clocks of ${machine}: off by ${offMs} ms, rate ${rate}`);
    clock.wallOffsetMs = offMs;
    clock.rate = rate;
  }

  async storm({ durationMs = STORM_MS, kinds, pauseMsMax = STORM_PAUSE_MS }: StormOptions = {}): Promise<void> {
    const { world, service } = this.#cluster;
    const possible = service === undefined ? STORM_FAULTS : [...STORM_FAULTS, ...LEADER_FAULTS];
    const wanted = kinds ?? possible;
    const unknown = wanted.find((kind) => !possible.includes(kind));
    if (unknown !== undefined) {
      const reason = LEADER_FAULTS.includes(unknown)
        ? `"${unknown}" needs several index servers`
        : `no kind of fault "${unknown}"`;
      throw new FlareError("INVALID_OPTION", `${reason}; there are ${possible.join(", ")}`);
    }
    const faults = new Faults(this.#cluster, world.random.split(`storm ${world.nowMs}`), wanted);
    try {
      await this.#run(() => faults.rage(durationMs, pauseMsMax));
    } finally {
      this.list.push(...faults.list);
    }
  }

  heal(): void {
    const { world, daemons, service } = this.#cluster;
    this.#note("all is well");
    if (service !== undefined) this.#failService(service, {});
    world.network.heal();
    world.network.slowNames.clear();
    for (const { clock, disk, process } of world.hosts.values()) {
      clock.wallOffsetMs = 0;
      clock.rate = 1;
      disk.extraDelayUs = 0;
      disk.freeBytes = Number.POSITIVE_INFINITY;
      Object.assign(disk.faults, { append: 0, sync: 0, read: 0 });
      process?.resume();
    }
    for (const daemon of daemons) {
      const { host, server } = daemon;
      // A node whose storage has failed, perhaps while it was starting, waits for somebody to start it again.
      if (server === undefined || (server instanceof RunningNode && server.storage.failure !== undefined)) daemon.kill();
      if (host.process === undefined) daemon.start();
    }
  }

  #failService(service: SimService, { away = false, slowMs = 0, lostAnswers = 0 }: MapServiceFault): void {
    service.isAway = away;
    service.lostAnswers = lostAnswers;
    for (const { host } of this.#cluster.indexServers) service.extraDelayUs.set(host, slowMs * 1000);
  }

  get #network() {
    return this.#cluster.world.network;
  }

  #host(machine: string): SimHost {
    const { hosts } = this.#cluster.world;
    const host = hosts.get(machine);
    if (host !== undefined) return host;
    throw new FlareError("INVALID_OPTION", `no machine "${machine}"; there are ${[...hosts.keys()].join(", ")}`);
  }

  #daemon(machine: string): Daemon {
    const { daemons } = this.#cluster;
    const daemon = daemons.find(({ host }) => host.name === machine);
    if (daemon !== undefined) return daemon;
    const names = daemons.map(({ host }) => host.name).join(", ");
    throw new FlareError("INVALID_OPTION", `no server on a machine "${machine}"; there are ${names}`);
  }

  #note(what: string): void {
    this.list.push(`${Math.round(this.#cluster.world.nowMs)} ms: ${what}`);
    this.#cluster.world.note(`fault: ${what}`);
  }
}
