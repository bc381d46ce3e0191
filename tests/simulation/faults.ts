/**
 * Faults in a simulated world, one after another, each with its end: daemons killed, stopped, paused and cut from power, links
 * cut and clogged, connections reset, names and disks slow, disks full, clocks that jump. Every fault is recorded when it is
 * chosen, so that a failed run can list its faults.
 */

import type { RunningIndex } from "../../lib/index_server/index_server.ts";
import { RunningNode } from "../../lib/node_server/node_server.ts";
import type { SimCluster, SimDaemon } from "./sim_cluster.ts";
import type { SimRandom } from "./sim_random.ts";

export const FaultKind = {
  kill: "kill",
  stop: "stop",
  power: "power",
  pause: "pause",
  cut: "cut",
  isolate: "isolate",
  clog: "clog",
  reset: "reset",
  slowDisk: "slowDisk",
  fullDisk: "fullDisk",
  brokenDisk: "brokenDisk",
  clock: "clock",
  slowName: "slowName",
} as const;
export type FaultKind = (typeof FaultKind)[keyof typeof FaultKind];

type Daemon = SimDaemon<RunningIndex | RunningNode>;

const DURATION_MS_MAX = 8000;
/** One fault in ten takes longer than anything waits for an answer. */
const LONG_MS_MAX = 30_000;
const BROKEN_PROBABILITY = 0.2;
const CLOG_US_MAX = 400_000;
const DISK_DELAY_US_MAX = 500_000;
const CLOCK_JUMP_MS_MAX = 600_000;
const LOOKUP_MS_MAX = 40_000;

export class Faults {
  /** What happened, when. */
  readonly list: string[] = [];
  readonly #cluster: SimCluster;
  readonly #random: SimRandom;
  readonly #kinds: readonly FaultKind[];
  /** Ends of faults that are still to come. */
  readonly #underway = new Set<Promise<void>>();

  constructor(cluster: SimCluster, random: SimRandom, kinds: readonly FaultKind[]) {
    this.#cluster = cluster;
    this.#random = random;
    this.#kinds = kinds;
  }

  /** Lets things go wrong for a while; resolves when all is well again and every daemon was started. */
  async rage(durationMs: number, pauseMsMax: number): Promise<void> {
    const { world } = this.#cluster;
    const endMs = world.nowMs + durationMs;
    while (world.nowMs < endMs) {
      await world.sleep(this.#random.between(50, pauseMsMax));
      const kind = this.#random.pick(this.#kinds);
      const ending = this.inflict(kind, this.#random.pick(this.#cluster.daemons));
      this.#underway.add(ending);
      void ending.then(() => this.#underway.delete(ending));
    }
    await Promise.all(this.#underway);
    this.#note("all faults are over");
    world.network.heal();
  }

  /** One fault at one daemon; resolves when it is over. */
  async inflict(kind: FaultKind, daemon: Daemon): Promise<void> {
    const { world } = this.#cluster;
    const { host } = daemon;
    const random = this.#random;
    const durationMs = random.between(100, random.chance(0.1) ? LONG_MS_MAX : DURATION_MS_MAX);
    const other = random.pick(this.#cluster.daemons.filter((each) => each !== daemon)).host;
    switch (kind) {
      case FaultKind.kill:
      case FaultKind.power:
      case FaultKind.stop:
        if (daemon.server === undefined) return;
        this.#note(`${kind} ${host.name}, start after ${durationMs} ms`);
        if (kind === FaultKind.kill) daemon.kill();
        else if (kind === FaultKind.power) daemon.cutPower();
        else await daemon.stop();
        await world.sleep(durationMs);
        this.#note(`start ${host.name}`);
        daemon.start();
        return;
      case FaultKind.pause: {
        const { process } = host;
        this.#note(`pause ${host.name} for ${durationMs} ms`);
        process?.pause();
        await world.sleep(durationMs);
        process?.resume();
        return;
      }
      case FaultKind.cut: {
        const both = random.chance(0.6);
        this.#note(`cut ${host.name} ${both ? "<>" : ">"} ${other.name} for ${durationMs} ms`);
        world.network.cut(host, other);
        if (both) world.network.cut(other, host);
        await world.sleep(durationMs);
        world.network.mend(host, other);
        world.network.mend(other, host);
        return;
      }
      case FaultKind.isolate: {
        this.#note(`isolate ${host.name} for ${durationMs} ms`);
        const others = [...world.hosts.values()].filter((each) => each !== host);
        for (const each of others) {
          world.network.cut(host, each);
          world.network.cut(each, host);
        }
        await world.sleep(durationMs);
        for (const each of others) {
          world.network.mend(host, each);
          world.network.mend(each, host);
        }
        return;
      }
      case FaultKind.clog: {
        const delayUs = random.between(1000, CLOG_US_MAX);
        this.#note(`clog ${host.name} > ${other.name} by ${delayUs} us for ${durationMs} ms`);
        world.network.clog(host, other, delayUs);
        await world.sleep(durationMs);
        world.network.clog(host, other, 0);
        return;
      }
      case FaultKind.reset: {
        const connections = [...world.network.connections].filter(({ process }) => process.host === host);
        if (connections.length === 0) return;
        const connection = random.pick(connections);
        this.#note(`reset ${host.name} to ${connection.peer}`);
        connection.reset();
        return;
      }
      case FaultKind.slowDisk:
        host.disk.extraDelayUs = random.between(1000, DISK_DELAY_US_MAX);
        this.#note(`disk of ${host.name} slower by ${host.disk.extraDelayUs} us for ${durationMs} ms`);
        await world.sleep(durationMs);
        host.disk.extraDelayUs = 0;
        return;
      case FaultKind.fullDisk:
        this.#note(`disk of ${host.name} full for ${durationMs} ms`);
        host.disk.full = true;
        await world.sleep(durationMs);
        host.disk.full = false;
        return;
      case FaultKind.brokenDisk:
        this.#note(`disk of ${host.name} fails at times for ${durationMs} ms`);
        host.disk.faultProbability = BROKEN_PROBABILITY;
        await world.sleep(durationMs);
        host.disk.faultProbability = 0;
        // A node whose storage has failed says so to the index server and waits for somebody to start it again.
        if (daemon.server instanceof RunningNode && daemon.server.storage.failure !== undefined) {
          this.#note(`restart ${host.name} because of its disk`);
          daemon.kill();
          daemon.start();
        }
        return;
      case FaultKind.slowName: {
        const delayMs = random.between(100, LOOKUP_MS_MAX);
        this.#note(`the name of ${host.name} takes ${delayMs} ms, for ${durationMs} ms`);
        world.network.slowNames.set(host.name, delayMs);
        await world.sleep(durationMs);
        world.network.slowNames.delete(host.name);
        return;
      }
      case FaultKind.clock: {
        const jumpMs = random.between(-CLOCK_JUMP_MS_MAX, CLOCK_JUMP_MS_MAX);
        this.#note(`wall clock of ${host.name} off by ${jumpMs} ms for ${durationMs} ms`);
        const clock = host.process?.clock;
        if (clock === undefined) return;
        clock.wallOffsetMs = jumpMs;
        await world.sleep(durationMs);
        clock.wallOffsetMs = 0;
        return;
      }
    }
  }

  #note(what: string): void {
    this.list.push(`${Math.round(this.#cluster.world.nowMs)} ms: ${what}`);
    this.#cluster.world.note(`fault: ${what}`);
  }
}
