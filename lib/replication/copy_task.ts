/**
 * One reconstruction: a node that became a slave, or master of a new partition, copies what it will be responsible
 * for from the nodes that have it. What it held before is dropped first, as soon as a source is there: keys deleted
 * elsewhere meanwhile must not come back, and the source's state counts even where ours has a higher version. It shows
 * up in `stats threads` and reports progress; what follows from its end is the node server's business.
 */

import { FlareError } from "../base/errors.ts";
import type { Reconstruction } from "../cluster/role_change.ts";
import { type Worker, type WorkerRegistry, WorkerType } from "../net/worker.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { DumpClient } from "./dump_client.ts";

export interface CopyOptions {
  /** `reconstruction-interval`: pause per item in microseconds. */
  readonly intervalUs: number;
  /** `reconstruction-bwlimit`, shared by all sources; 0 = no limit. */
  readonly bytesPerSecond: number;
  readonly connectTimeoutMs: number;
  readonly silenceMs: number;
  readonly valueBytesMax: number;
}

const REPORT_MS = 1000;

export class CopyTask implements Worker {
  readonly id: number;
  readonly type = WorkerType.reconstruction;
  readonly peer: string;
  readonly operation = "dump";
  readonly startedMs: number;
  readonly queue = 0;
  readonly behindSeconds = 0;
  readonly #runtime: Runtime;
  readonly #workers: WorkerRegistry;
  readonly #plan: Reconstruction;
  readonly #clients: DumpClient[];
  #timer: Timer | undefined;
  #cleaned = false;
  #done = false;

  constructor(runtime: Runtime, workers: WorkerRegistry, storage: Storage, plan: Reconstruction, options: CopyOptions) {
    this.#runtime = runtime;
    this.#workers = workers;
    this.#plan = plan;
    this.id = workers.nextId();
    this.startedMs = runtime.clock.monotonicMs();
    this.peer = plan.sources[0]?.key ?? ":0";
    const kibPerSecond = options.bytesPerSecond === 0
      ? 0
      : Math.max(1, Math.floor(options.bytesPerSecond / 1024 / Math.max(1, plan.sources.length)));
    this.#clients = plan.sources.map(({ host, port }) => new DumpClient(runtime, storage, {
      host, port, kibPerSecond,
      intervalUs: options.intervalUs, partition: plan.partition, partitionSize: plan.partitionSize,
      connectTimeoutMs: options.connectTimeoutMs, silenceMs: options.silenceMs, valueBytesMax: options.valueBytesMax,
      onReachable: () => {
        // Once, before the first source is asked: live writes that arrive from then on are in every answer, or newer.
        if (!this.#cleaned) storage.flushAll();
        this.#cleaned = true;
      },
    }));
  }

  get state(): string {
    return this.#done ? "killed" : "execute";
  }

  /** Items and bytes copied so far. */
  get progress(): { items: number; bytes: number } {
    const total = { items: 0, bytes: 0 };
    for (const { progress } of this.#clients) {
      total.items += progress.items;
      total.bytes += progress.bytes;
    }
    return total;
  }

  /** Resolves when all sources are copied. @throws FlareError REFUSED if one is missing; see `DumpClient.run` */
  async run(): Promise<void> {
    if (this.#plan.missing.length > 0) {
      throw new FlareError("REFUSED", `partition ${this.#plan.missing.join(", ")} has no master to copy from`);
    }
    this.#workers.add(this);
    this.#runtime.log.write("notice", `copying partition ${this.#plan.partition} of ${this.#plan.partitionSize} from ${this.#names}`);
    this.#report();
    try {
      await Promise.all(this.#clients.map((client) => client.run()));
      this.#runtime.log.write("notice", `copy complete: ${this.#text}`);
    } catch (error) {
      for (const client of this.#clients) client.abort();
      throw error;
    } finally {
      this.#done = true;
      if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
      this.#workers.remove(this);
    }
  }

  kill(): void {
    for (const client of this.#clients) client.abort();
  }

  get #names(): string {
    return this.#plan.sources.map((node) => `"${node.key}"`).join(", ") || "nobody";
  }

  get #text(): string {
    const { items, bytes } = this.progress;
    const seconds = Math.max(0.001, (this.#runtime.clock.monotonicMs() - this.startedMs) / 1000);
    return `${items} items, ${bytes} bytes in ${seconds.toFixed(1)} s (${Math.round(items / seconds)} items/s)`;
  }

  #report(): void {
    this.#timer = this.#runtime.clock.setTimer(() => {
      this.#runtime.log.write("info", `copying: ${this.#text}`);
      this.#report();
    }, REPORT_MS);
  }
}
