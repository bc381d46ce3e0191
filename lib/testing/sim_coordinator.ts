/**
 * A service that the index servers of a simulated world share, as they share etcd: a machine of its own, which stores the node
 * map by compare-and-set and keeps the lease of the one that leads, by its own clock. What is asked of it takes a while, and
 * may take long; it may be away; its answer may be lost after what was asked has taken effect.
 */

import { FlareError } from "../base/errors.ts";
import type { MapRecord } from "../cluster/map_record.ts";
import type { StoredMap } from "../cluster/stored_map.ts";
import type { Coordinator, Election, RestoredMap } from "../index_server/coordinator.ts";
import { SharedMap } from "../index_server/shared_map.ts";
import type { SimHost } from "./sim_host.ts";
import type { SimProcess } from "./sim_process.ts";
import type { SimRandom } from "./sim_random.ts";
import type { SimWorld } from "./sim_world.ts";

const LATENCY_US_MIN = 200;
const LATENCY_US_MAX = 3000;
/** How long an index server waits for an answer. */
const TIMEOUT_MS = 2000;
/** How often it asks whether the map has changed. */
const POLL_MS = 1000;

export class SimService {
  readonly host: SimHost;
  readonly shared: SharedMap;
  /** How much longer requests of a machine and their answers may take, at most. */
  readonly extraDelayUs = new Map<SimHost, number>();
  /** It answers nobody. */
  isAway = false;
  /** The part of the answers that get lost. */
  lostAnswers = 0;
  readonly #world: SimWorld;
  readonly #random: SimRandom;

  constructor(world: SimWorld) {
    this.#world = world;
    this.#random = world.random.split("map service");
    this.host = world.host("map.sim");
    this.shared = new SharedMap({ monotonicMs: () => world.nowMs });
  }

  /** A coordinator for a process that uses the service. */
  coordinator(process: SimProcess): Coordinator {
    return new SimCoordinator(this, process);
  }

  /** What `work` has done at the service. @throws FlareError CONNECTION_FAILED | IN_DOUBT without an answer in time */
  ask<T>(process: SimProcess, isWrite: boolean, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const { clock } = process;
      const timer = clock.setTimer(() => {
        const text = `the map service does not answer in ${TIMEOUT_MS} ms`;
        reject(new FlareError(isWrite ? "IN_DOUBT" : "CONNECTION_FAILED", text, { retriable: true }));
      }, TIMEOUT_MS);
      const answer = (result: T): void =>
        process.run(() => {
          clock.clearTimer(timer);
          resolve(result);
        });
      this.#later(process.host, () => {
        if (this.isAway || !this.#world.network.reaches(process.host, this.host)) return;
        const result = work();
        if (this.#random.chance(this.lostAnswers)) return;
        this.#later(process.host, () => {
          if (this.#world.network.reaches(this.host, process.host)) answer(result);
        });
      });
    });
  }

  #later(host: SimHost, work: () => void): void {
    const extraUs = this.#random.between(0, this.extraDelayUs.get(host) ?? 0);
    const delayUs = this.#random.between(LATENCY_US_MIN, LATENCY_US_MAX) + extraUs;
    this.#world.clock.schedule(work, delayUs);
  }
}

/** One process's client of the service. */
class SimCoordinator implements Coordinator {
  readonly place: string;
  readonly election: Election;
  readonly #service: SimService;
  readonly #process: SimProcess;
  readonly #listeners: (() => void)[] = [];
  #token: string | undefined;
  #isClosed = false;

  constructor(service: SimService, process: SimProcess) {
    const { lease } = service.shared;
    this.#service = service;
    this.#process = process;
    this.place = `sim://${service.host.name}`;
    this.election = {
      campaign: (candidate, leaseMs, isRestart) =>
        service.ask(process, true, () => lease.campaign(this, candidate, leaseMs, isRestart)),
      resign: () => service.ask(process, true, () => lease.resign(this)),
    };
  }

  async open(): Promise<void> {}

  async restore(): Promise<RestoredMap> {
    const restored = await this.#service.ask(this.#process, false, () => this.#service.shared.restore());
    this.#token = restored.token;
    return restored;
  }

  async store(stored: StoredMap, expectedToken: string, record?: MapRecord): Promise<string | undefined> {
    const { shared } = this.#service;
    const token = await this.#service.ask(this.#process, true, () => shared.store(stored, expectedToken, record));
    if (token !== undefined) this.#token = token;
    return token;
  }

  history(): Promise<readonly MapRecord[]> {
    return this.#service.ask(this.#process, false, () => this.#service.shared.history);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
    if (this.#listeners.length === 1) this.#schedule();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #schedule(): void {
    if (!this.#isClosed) this.#process.clock.setTimer(() => void this.#poll(), POLL_MS);
  }

  async #poll(): Promise<void> {
    const before = this.#token;
    try {
      const { token } = await this.#service.ask(this.#process, false, () => this.#service.shared.restore());
      if (token !== before && this.#token === before) {
        this.#token = token;
        for (const listener of this.#listeners) listener();
      }
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
    }
    this.#schedule();
  }
}
