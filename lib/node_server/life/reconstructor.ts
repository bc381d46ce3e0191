/**
 * Runs a copy when a node map gives this node a role that needs one, retries it when it breaks off, and reports the outcome to
 * the index server. One copy at a time: a newer map ends the previous one.
 */

import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import type { KeyResolver } from "../../cluster/key_resolver.ts";
import { NodeRole, NodeState } from "../../cluster/node.ts";
import type { Reconstruction } from "../../cluster/role_change.ts";
import { CopyTask } from "../../replication/copy_task.ts";
import type { NodeComponents } from "../node_components.ts";
import type { IndexLink } from "./index_link.ts";

/** How often a copy that breaks off is attempted, with a pause, before the node becomes a proxy again. */
const ATTEMPTS_MAX = 3;
const PAUSE_MS = 1000;

/** What it takes of a node server. */
type Parts = Pick<
  NodeComponents,
  "keyHash" | "options" | "routing" | "runtime" | "selfKey" | "storage" | "tls" | "watchers" | "workers"
>;

export class Reconstructor {
  readonly #parts: Parts;
  readonly #resolver: KeyResolver;
  readonly #link: IndexLink;
  readonly #connectTimeoutMs: number;
  #copy: CopyTask | undefined;
  /** The plan of the current or last copy. */
  #plan: Reconstruction | undefined;

  constructor(parts: Parts, resolver: KeyResolver, link: IndexLink, connectTimeoutMs: number) {
    this.#parts = parts;
    this.#resolver = resolver;
    this.#link = link;
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** Executes the plan, in the background. */
  begin(plan: Reconstruction): void {
    this.#plan = plan;
    void this.#reconstruct(plan, 1);
  }

  /** Restarts a copy that is not in use yet: its sources have flushed. */
  restart(): void {
    const state = this.#parts.routing.self?.state;
    if (this.#plan !== undefined && (state === NodeState.prepare || state === NodeState.ready)) this.begin(this.#plan);
  }

  /** Ends the current copy, if there is one, without a report. */
  end(): void {
    this.#plan = undefined;
    this.#copy?.kill();
    this.#copy = undefined;
  }

  async #reconstruct(plan: Reconstruction, attempt: number): Promise<void> {
    this.#copy?.kill();
    const { options, storage, workers, watchers, runtime, tls, selfKey } = this.#parts;
    const copy = new CopyTask(runtime, workers, storage, plan, {
      intervalUs: options.reconstructionIntervalUs,
      bytesPerSecond: options.reconstructionBwlimitBytesPerSecond,
      connectTimeoutMs: this.#connectTimeoutMs,
      tls,
      silenceMs: options.netReadTimeoutMs,
      silenceTimeoutMs: options.peerReadTimeoutMs,
      valueBytesMax: options.valueBytesMax,
      selfKey,
      belongs: (key) => this.#belongs(key, plan),
    });
    this.#copy = copy;
    watchers.happened(`type=copy status=begun attempt=${attempt}`);
    try {
      await copy.run();
      watchers.happened("type=copy status=complete");
    } catch (error) {
      watchers.happened("type=copy status=failed");
      if (this.#copy !== copy) return runtime.log.write("notice", "copy ended: it is no longer needed");
      const isRepeated = attempt < ATTEMPTS_MAX && error instanceof FlareError && error.retriable;
      const next = isRepeated ? "retrying" : "this node becomes a proxy again";
      runtime.log.write("error", `copy failed: ${(error as Error).message}; ${next}`);
      if (isRepeated) {
        await this.#pause();
        if (this.#copy === copy) await this.#reconstruct(plan, attempt + 1);
      } else {
        await this.#link.tellProxy();
      }
      return;
    }
    // Unless a newer map has made this copy pointless, keep reporting: an index server that cannot store its map now may do so
    // later.
    const state = plan.role === NodeRole.master ? "ready" : "active";
    while (this.#copy === copy && !(await this.#link.tellState(state))) {
      if (this.#parts.routing.self?.state !== NodeState.prepare) return;
      await this.#pause();
    }
  }

  #belongs(key: Uint8Array, { partition, partitionSize }: Reconstruction): boolean {
    return partitionSize <= 1 || this.#resolver.resolve(this.#parts.keyHash(key, 0, key.length), partitionSize) === partition;
  }

  #pause(): Promise<void> {
    return sleep(this.#parts.runtime.clock, PAUSE_MS);
  }
}
