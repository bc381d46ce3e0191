/**
 * A whole simulated world: hosts, a network and virtual time, all decided by one seed. It executes one event after the other
 * and lets promises settle in between, so every repetition of a run is the same. The scenarios define what runs in it and what
 * is checked.
 */

import { setImmediate } from "node:timers";
import { SimClock } from "./sim_clock.ts";
import type { SimDisk } from "./sim_disk.ts";
import { SimHost } from "./sim_host.ts";
import { SimNetwork } from "./sim_network.ts";
import { SimRandom } from "./sim_random.ts";
import { SimTrace } from "./sim_trace.ts";

export class SimWorld {
  readonly random: SimRandom;
  readonly clock = new SimClock();
  readonly trace = new SimTrace();
  readonly network: SimNetwork;
  readonly hosts = new Map<string, SimHost>();
  /** Called after every event. */
  onEvent: () => void = () => undefined;
  #failure: Error | undefined;
  #lastPid = 100;

  constructor(seed: string) {
    this.random = new SimRandom(seed);
    this.network = new SimNetwork(this);
  }

  /** Milliseconds since the beginning. */
  get nowMs(): number {
    return this.clock.nowUs / 1000;
  }

  /** What ended the run, if anything did. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** @param disk of a new host: another one's, over the network; absent: one of its own */
  host(name: string, disk?: SimDisk): SimHost {
    const host = this.hosts.get(name) ?? new SimHost(this, name, disk);
    this.hosts.set(name, host);
    return host;
  }

  nextPid(): number {
    return this.#lastPid++;
  }

  /** A line of the trace, with the time. */
  note(line: string): void {
    this.trace.add(`${this.clock.nowUs} ${line}`);
  }

  /** Something is wrong: the run ends with the first such message. */
  fail(message: string): void {
    this.note(`FAILED ${message}`);
    this.#failure ??= new Error(`${message} (at ${this.nowMs} ms)`);
  }

  /** Waits in virtual time, for what is not a process: the operator, the clients' plans, the faults. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.schedule(resolve, delayMs * 1000));
  }

  /** Lets the world go on by itself at the speed of real time, for tests that wait in real time. The result ends it. */
  pump(): () => void {
    let stopped = false;
    const startUs = performance.now() * 1000 - this.clock.nowUs;
    const work = async (): Promise<void> => {
      while (!stopped) {
        this.clock.next(performance.now() * 1000 - startUs)?.();
        await settle();
      }
    };
    void work();
    return () => {
      stopped = true;
    };
  }

  /**
   * Lets the world go on until `work` has settled, at most up to `untilMs`.
   * @throws Error what `work` throws, the first failure, or that nothing happens any more
   */
  drive<T>(work: Promise<T>, untilMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      let settled = false;
      const done = () => {
        settled = true;
      };
      work.then(done, done);
      this.goOn(
        untilMs,
        () => settled,
        (error) => (error === undefined ? resolve(work) : reject(error)),
      );
    });
  }

  /** Lets the world go on until `isDone`; `end` gets the first failure, or that nothing happens any more up to `untilMs`. */
  goOn(untilMs: number, isDone: () => boolean, end: (error?: unknown) => void): void {
    // Callbacks instead of promises: some test runners follow every promise, and there is one event after the other.
    const step = () => {
      if (this.#failure !== undefined) return end(this.#failure);
      if (isDone()) return end();
      const event = this.clock.next(untilMs * 1000);
      if (event === undefined) return end(new Error(`not finished after ${untilMs} ms of virtual time`));
      try {
        event();
        this.onEvent();
      } catch (error) {
        return end(error);
      }
      setImmediate(step);
    };
    setImmediate(step);
  }
}

/** Lets all promises that can settle now do so: the next turn of the loop comes behind them. */
function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
