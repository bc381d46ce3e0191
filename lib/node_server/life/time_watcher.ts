/**
 * Watches how long the storage takes (`time-watcher-enabled`): at every polling interval it reads a key and waits for pending
 * commits. A probe that takes longer than the first threshold is logged; one that takes longer than the second makes `ping`
 * fail until the next start, so that the index server takes the node down.
 *
 * Flare differs: the original times every access; with a second threshold of 0 its first warning is fatal, here 0 is off.
 */

import { fromLatin1 } from "../../base/bytes.ts";
import type { Clock, Log, Timer } from "../../runtime/runtime.ts";
import type { Storage } from "../../storage/storage.ts";

export interface TimeWatcherOptions {
  readonly timeWatcherEnabled: boolean;
  /** The polling interval; 0 = never. */
  readonly timeWatcherPollingIntervalMs: number;
  /** 0 = no warning. */
  readonly storageAccessWatchThresholdWarnMs: number;
  /** 0 = off. */
  readonly storageAccessWatchThresholdPingNgMs: number;
}

/** A key like any other; whether it exists does not matter. */
const PROBE = fromLatin1("time-watcher");

export class TimeWatcher {
  /** True once the storage was too slow; stays so. */
  tooSlow = false;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #storage: Pick<Storage, "get" | "onCommit">;
  #options: TimeWatcherOptions;
  #timer: Timer | undefined;
  /** When the current probe began. */
  #beganMs: number | undefined;
  #warned = false;

  constructor(clock: Clock, log: Log, storage: Pick<Storage, "get" | "onCommit">, options: TimeWatcherOptions) {
    this.#clock = clock;
    this.#log = log;
    this.#storage = storage;
    this.#options = options;
    this.#schedule();
  }

  /** Applies new thresholds and a new interval. */
  reload(options: TimeWatcherOptions): void {
    this.#options = options;
    this.stop();
    this.#schedule();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    const { timeWatcherEnabled, timeWatcherPollingIntervalMs } = this.#options;
    if (!timeWatcherEnabled || timeWatcherPollingIntervalMs === 0) return;
    this.#timer = this.#clock.setTimer(() => {
      if (this.#beganMs === undefined) this.#look();
      else this.#judge(this.#clock.monotonicMs() - this.#beganMs);
      this.#schedule();
    }, timeWatcherPollingIntervalMs);
  }

  #look(): void {
    const beganMs = this.#clock.monotonicMs();
    this.#beganMs = beganMs;
    this.#warned = false;
    this.#access().then(
      () => this.#ended(beganMs),
      (error: Error) => {
        // A failing storage reports that itself; here only the time counts.
        this.#log.write("info", `time watcher could not read: ${error.message}`);
        this.#ended(beganMs);
      },
    );
  }

  async #access(): Promise<void> {
    await this.#storage.get({ bytes: PROBE, start: 0, end: PROBE.length }, Math.floor(this.#clock.nowMs() / 1000));
    await new Promise<void>((resolve) => this.#storage.onCommit({ onCommitted: () => resolve() }));
  }

  #ended(beganMs: number): void {
    this.#beganMs = undefined;
    this.#judge(this.#clock.monotonicMs() - beganMs);
  }

  #judge(tookMs: number): void {
    const { storageAccessWatchThresholdWarnMs: warnMs, storageAccessWatchThresholdPingNgMs: pingNgMs } = this.#options;
    if (warnMs > 0 && tookMs > warnMs && !this.#warned) {
      this.#warned = true;
      this.#log.write("warning", `storage access took ${Math.round(tookMs)} ms, more than ${warnMs}`);
    }
    if (pingNgMs > 0 && tookMs > pingNgMs && !this.tooSlow) {
      this.tooSlow = true;
      this.#log.write("error", `storage access took ${Math.round(tookMs)} ms, more than ${pingNgMs}: ping fails from now on`);
    }
  }
}
