/**
 * Follows the event logs of all nodes by memcached's `watch`: connects again when a stream ends, and says from when to when a
 * node's lines are missing.
 */

import { FlareError, type FlareErrorCode } from "../base/errors.ts";
import { pause } from "../base/sleep.ts";
import { watchLines } from "../client/watch_lines.ts";
import type { ClusterAdmin } from "./cluster_admin.ts";
import { addressOf } from "./node_targets.ts";
import type { WatchTarget } from "./watch_event.ts";

/** The pause before the next attempt. */
const RETRY_MS = 1000;

export class LogWatch {
  /** Rejects when something fails that another attempt does not mend: a bug, or nobody to emit to. */
  readonly failed: Promise<never>;
  readonly #admin: ClusterAdmin;
  readonly #kinds: readonly string[];
  readonly #target: WatchTarget;
  readonly #streams = new Map<string, AbortController>();
  #fail: (error: unknown) => void = () => undefined;

  /** @param kinds of `watch`, such as `mutations` */
  constructor(admin: ClusterAdmin, kinds: readonly string[], target: WatchTarget) {
    this.#admin = admin;
    this.#kinds = kinds;
    this.#target = target;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => undefined);
    target.signal.addEventListener("abort", () => this.follow([]));
  }

  /** Follows these nodes, each by its `host:port`, and no others any more. */
  follow(keys: readonly string[]): void {
    for (const [key, stream] of this.#streams) {
      if (keys.includes(key)) continue;
      this.#streams.delete(key);
      stream.abort();
    }
    for (const key of keys) {
      if (this.#streams.has(key) || this.#target.signal.aborted) continue;
      const stream = new AbortController();
      this.#streams.set(key, stream);
      this.#followNode(key, stream.signal).catch(this.#fail);
    }
  }

  async #followNode(key: string, signal: AbortSignal): Promise<void> {
    const { runtime, connection } = this.#admin;
    const { emit } = this.#target;
    let lost: { readonly sinceMs: number; readonly code: FlareErrorCode } | undefined;
    do {
      try {
        for await (const lines of watchLines(runtime, addressOf(key), this.#kinds, connection, signal)) {
          if (lost !== undefined) {
            const seconds = ((runtime.clock.monotonicMs() - lost.sinceMs) / 1000).toFixed(1);
            lost = undefined;
            await emit({ kind: "back", server: key, text: `the log of "${key}" is followed again, after ${seconds} s` });
          }
          for (const text of lines) await emit({ kind: "log", server: key, text });
        }
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        if (signal.aborted) return;
        // Each reason once: the attempts go on.
        if (lost?.code !== error.code) {
          const text = `the log of "${key}" is not followed: ${error.message}; what happens there now is not shown`;
          await emit({ kind: "gap", server: key, text });
        }
        lost = { sinceMs: lost?.sinceMs ?? runtime.clock.monotonicMs(), code: error.code };
      }
    } while (await pause(runtime.clock, RETRY_MS, signal));
  }
}
