/**
 * A simulated machine: a name, a disk that outlives processes, and the process that runs on it, if any. It is switched
 * on and off, and its process killed, from outside.
 */

import { SimHostClock } from "./sim_clock.ts";
import { SimDisk } from "./sim_disk.ts";
import { SimProcess } from "./sim_process.ts";
import type { SimWorld } from "./sim_world.ts";

const EPHEMERAL_PORT_FIRST = 40000;

export class SimHost {
  readonly name: string;
  readonly world: SimWorld;
  readonly disk: SimDisk;
  readonly clock: SimHostClock;
  #process: SimProcess | undefined;
  #up = true;
  readonly #ownsDisk: boolean;
  #lastPort = EPHEMERAL_PORT_FIRST;

  /** @param disk another machine's, over the network; absent: one of its own */
  constructor(world: SimWorld, name: string, disk?: SimDisk) {
    this.world = world;
    this.name = name;
    this.disk = disk ?? new SimDisk(world.random.split(`disk ${name}`));
    this.#ownsDisk = disk === undefined;
    this.clock = new SimHostClock(world.clock);
  }

  get up(): boolean {
    return this.#up;
  }

  /** The process that runs here, undefined while none does. */
  get process(): SimProcess | undefined {
    return this.#process?.alive === true ? this.#process : undefined;
  }

  nextPort(): number {
    return this.#lastPort++;
  }

  /** A new process; the one before is killed. */
  start(): SimProcess {
    this.kill();
    if (!this.#up) {
      this.#up = true;
      this.world.network.retryHeldUp();
    }
    this.#process = new SimProcess(this, this.world.nextPid());
    return this.#process;
  }

  /** `kill -9`: the system closes its sockets, what was written to files is there. */
  kill(): void {
    this.#end(false);
  }

  /** The power is gone: nobody is notified, and what was not synced may be lost. */
  cutPower(): void {
    this.#end(true);
    this.#up = false;
    if (this.#ownsDisk) this.disk.losePower();
  }

  #end(silently: boolean): void {
    const process = this.process;
    if (process === undefined) return;
    process.kill();
    for (const connection of [...this.world.network.connections]) {
      if (connection.process === process) connection.abandon(silently);
    }
  }
}
