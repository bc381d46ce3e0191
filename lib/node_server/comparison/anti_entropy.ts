/**
 * The master's comparison of its partition with its slaves in the background, at the pace of `anti-entropy-rate`: slave by
 * slave, from the first key to the last, and again after a pause. Differences are logged and counted, and repaired if the
 * option says so. A slave that cannot be compared now is left out until the next time.
 */

import { EMPTY_BYTES, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { PacedLog } from "../../base/paced_log.ts";
import type { ComparePage, Difference } from "../../protocol/comparison.ts";
import type { Timer } from "../../runtime/runtime.ts";
import type { NodeComponents } from "../node_components.ts";
import type { ReplicaComparison } from "./replica_comparison.ts";

/** How long after the start of a node its first comparison begins: until then there is more urgent work. */
const START_MS = 600_000;
/** The pause between two comparisons of everything. */
const ROUND_PAUSE_MS = 60_000;
/** The shortest pause between two ranges. */
const RANGE_PAUSE_MS_MIN = 10;
const DIFFERENCE_LOG_MS = 10_000;

/** What it takes of a node server; its options can be reloaded. */
type Parts = Pick<NodeComponents, "options" | "runtime">;

/** What it takes of the comparison. */
type Comparison = Pick<ReplicaComparison, "page" | "replicas">;

export class AntiEntropy {
  /** Slaves compared from the first key to the last, since the start, and the items, differences and repairs of all of them. */
  rounds = 0;
  items = 0;
  differences = 0;
  repairs = 0;
  readonly #parts: Parts;
  readonly #comparison: Comparison;
  readonly #differenceLog: PacedLog;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: Parts, comparison: Comparison) {
    this.#parts = parts;
    this.#comparison = comparison;
    this.#differenceLog = new PacedLog(parts.runtime, "warning", DIFFERENCE_LOG_MS);
  }

  /** Begins after a while, and goes on until `stop`. */
  start(): void {
    void this.#run();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== undefined) this.#parts.runtime.clock.clearTimer(this.#timer);
  }

  async #run(): Promise<void> {
    for (let pauseMs = START_MS; !this.#isStopped; pauseMs = ROUND_PAUSE_MS) {
      await this.#pause(pauseMs);
      if (this.#parts.options.antiEntropy === "off") continue;
      for (const { key } of this.#comparison.replicas) await this.#compare(key);
    }
  }

  async #compare(replica: string): Promise<void> {
    try {
      const found = await this.#walk(replica);
      if (found === undefined) return;
      this.rounds++;
      const level = found === 0 ? "info" : "warning";
      this.#parts.runtime.log.write(level, `slave "${replica}" was compared: ${found} key(s) differed from this master`);
    } catch (error) {
      // A bug must not end the process.
      const level = error instanceof FlareError && error.retriable ? "info" : "warning";
      const reason = (error as Error).message;
      this.#parts.runtime.log.write(level, `slave "${replica}" could not be compared with this master: ${reason}`);
    }
  }

  /** Returns how many keys differed; undefined: the comparison was ended. */
  async #walk(replica: string): Promise<number | undefined> {
    let found = 0;
    for (let after: Uint8Array | undefined = EMPTY_BYTES; after !== undefined; ) {
      const { antiEntropy, antiEntropyKeysPerSecond } = this.#parts.options;
      if (this.#isStopped || antiEntropy === "off") return undefined;
      const page: ComparePage = await this.#comparison.page(replica, after, antiEntropy === "repair", 0);
      this.#count(replica, page);
      found += page.differences.length;
      after = page.reached;
      await this.#pause(Math.max(RANGE_PAUSE_MS_MIN, (page.items * 1000) / antiEntropyKeysPerSecond));
    }
    return found;
  }

  #count(replica: string, { items, differences }: ComparePage): void {
    this.items += items;
    this.differences += differences.length;
    for (const difference of differences) {
      if (difference.isRepaired) this.repairs++;
      this.#differenceLog.write(`slave "${replica}" differs from this master: ${differenceText(difference)}`);
    }
  }

  /** Does not end if this is stopped before. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#isStopped) this.#timer = this.#parts.runtime.clock.setTimer(resolve, delayMs);
    });
  }
}

function differenceText({ key, masterVersion, replicaVersion, isRepaired }: Difference): string {
  const [here, there] = [masterVersion, replicaVersion].map((version) =>
    version === undefined ? "nothing" : `version ${version}`,
  );
  return `key "${latin1(key)}" has ${here} here, ${there} there${isRepaired ? "; repaired" : ""}`;
}
