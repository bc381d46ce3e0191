/**
 * One life of a simulated process: a `Runtime` of its own on a host. When it is killed, nothing it asked for happens any
 * more: its timers stay silent, its sockets are gone, its promises never settle, so what is left of its code does nothing.
 * While it is paused, everything waits and then comes at once.
 */

import { NameCache } from "../runtime/names/name_cache.ts";
import { NamedTransport } from "../runtime/names/named_transport.ts";
import type { FileSystem, Log, LogLevel, ProcessInfo, Random, Runtime, Transport } from "../runtime/runtime.ts";
import { type Liveness, SimProcessClock } from "./sim_clock.ts";
import { SimFiles } from "./sim_files.ts";
import type { SimHost } from "./sim_host.ts";
import { SimTransport } from "./sim_transport.ts";

export class SimProcess implements Runtime, Liveness {
  readonly name = "simulated";
  readonly host: SimHost;
  readonly pid: number;
  readonly clock: SimProcessClock;
  readonly transport: Transport;
  readonly files: FileSystem;
  readonly random: Random;
  readonly log: Log;
  readonly process: ProcessInfo;
  readonly #endings: (() => void)[] = [];
  /** It has as many files and sockets open as it may have. */
  lacksDescriptors = false;
  #alive = true;
  /** What came while paused; undefined = not paused. */
  #held: (() => void)[] | undefined;

  constructor(host: SimHost, pid: number) {
    const { world } = host;
    this.host = host;
    this.pid = pid;
    this.clock = new SimProcessClock(world.clock, host.clock, this);
    this.random = world.random.split(`process ${pid}`);
    const names = new NameCache(this.clock, (name) => world.network.lookUp(this, name));
    this.transport = new NamedTransport(new SimTransport(this), names, this.clock);
    this.files = new SimFiles(this);
    this.log = { write: (level, message) => this.#write(level, message) };
    this.process = {
      pid,
      hostName: () => host.name,
      cpuUsage: () => ({ userUs: 0, systemUs: 0 }),
      memoryBytes: () => 1 << 26,
      descriptorsMax: () => undefined,
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#held !== undefined;
  }

  run(work: () => void): void {
    if (!this.#alive) return;
    if (this.#held !== undefined) this.#held.push(work);
    else work();
  }

  /** Resolves after a while; never, if the process is dead by then. */
  waitUs(delayUs: number): Promise<void> {
    return new Promise((resolve) => this.host.world.clock.schedule(() => this.run(resolve), delayUs));
  }

  /** Calls back when the process ends. */
  onEnd(ending: () => void): void {
    this.#endings.push(ending);
  }

  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#held = undefined;
    for (const ending of this.#endings) ending();
  }

  pause(): void {
    if (this.#alive) this.#held ??= [];
  }

  /** Lets the process go on; what it missed comes in order, each in a turn of its own. */
  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const work of held) this.host.world.clock.schedule(() => this.run(work), 0);
  }

  #write(level: LogLevel, message: string): void {
    if (this.#alive) this.host.world.note(`${this.host.name} ${level} ${message}`);
    if (this.#alive && level === "error" && message.includes("unexpectedly")) this.host.world.fail(message);
  }
}
