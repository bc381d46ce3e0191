/**
 * How long requests take, by command: a sample of them, because every request would cost another look at the clock. The clock
 * has been read when the bytes of a request arrived; a sampled one reads it again when its replies have been handed to the
 * socket. Of a chunk with several requests the last one counts, for all of them.
 */

import { Histogram } from "../../base/histogram.ts";
import type { Command } from "../../protocol/command.ts";

/** One of this many chunks of a server is measured. */
export const SAMPLE_INTERVAL = 64;

export class RequestTimes {
  readonly #byCommand = new Map<Command, Histogram>();
  #left = SAMPLE_INTERVAL;

  /** Whether the chunk that has just arrived is to be measured. */
  isDue(): boolean {
    if (--this.#left > 0) return false;
    this.#left = SAMPLE_INTERVAL;
    return true;
  }

  observe(command: Command, ms: number): void {
    let histogram = this.#byCommand.get(command);
    if (histogram === undefined) {
      histogram = new Histogram();
      this.#byCommand.set(command, histogram);
    }
    histogram.observeMs(ms);
  }

  /** The commands that have been measured, with their times. */
  get histograms(): ReadonlyMap<Command, Histogram> {
    return this.#byCommand;
  }
}
