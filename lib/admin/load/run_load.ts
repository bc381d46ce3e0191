/**
 * Puts load on servers and measures it: stores every key, lets the load run, measures it, and removes every key, also when it
 * is interrupted or fails.
 */

import { FlareError } from "../../base/errors.ts";
import { pause } from "../../base/sleep.ts";
import { type ConnectionOptions, completeConnectionOptions, connectionRuntime } from "../../client/client_options.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { type Connect, LoadConnection } from "./load_connection.ts";
import { LoadItems } from "./load_items.ts";
import { checkLoadOptions, type LoadOptions } from "./load_options.ts";
import { LoadWork } from "./load_work.ts";
import { processCpuSeconds } from "./process_cpu.ts";

/** Times from handing a request to the connection until its reply was complete, in microseconds. */
export interface LoadLatencies {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What was measured. */
export interface LoadResult {
  /** How long was measured. */
  readonly seconds: number;
  /** Whether the user ended it early. */
  readonly isInterrupted: boolean;
  readonly requests: number;
  readonly gets: number;
  readonly sets: number;
  /** Keys of all gets, and how many of them were not found although every key had been stored. */
  readonly keysRead: number;
  readonly misses: number;
  /** Of the whole run: replies that are not what they must be; errors of the servers, and requests without a reply. */
  readonly wrong: number;
  readonly errors: number;
  /** Connections that broke. */
  readonly broken: number;
  /** The first of these, as text. */
  readonly samples: readonly string[];
  /** Undefined without requests. */
  readonly latencyUs: LoadLatencies | undefined;
  /** The share of one core that this program used, 1 = all of it. */
  readonly ownCpu: number;
  /** CPU time of the given processes. */
  readonly servers: readonly { readonly pid: number; readonly cpuSeconds: number }[];
  /** Keys that were removed at the end. */
  readonly removed: number;
}

/** How a load is run. */
export interface LoadRun {
  /** Ends the measurement early. */
  readonly signal?: AbortSignal;
  /** What happens now. */
  readonly onProgress?: (text: string) => void;
}

/** Items live this much longer than the measurement, in case nobody removes them. */
const SPARE_SECONDS = 3600;
const BULK_SLOTS = 16;
const WATCH_MS = 500;
const MICROSECONDS = 1e6;

/**
 * Runs a load.
 * @throws FlareError INVALID_OPTION; CONNECTION_FAILED if a connection cannot be opened; TIMED_OUT if no server answers;
 * REFUSED if nothing is stored, as without a login
 */
export async function runLoad(
  runtime: Runtime,
  options: LoadOptions,
  connection: ConnectionOptions = {},
  { signal = new AbortController().signal, onProgress = () => undefined }: LoadRun = {},
): Promise<LoadResult> {
  checkLoadOptions(options);
  // Before anything is stored.
  await serverSeconds(runtime, options);
  const expireSeconds = SPARE_SECONDS + Math.ceil((options.durationMs + options.warmUpMs) / 1000);
  const items = new LoadItems(options.prefix, options.keys, options.valueBytes, expireSeconds);
  const work = new LoadWork(items, options, runtime.random.uint32());
  const load = new Load(runtime, options, connection, work);
  try {
    await load.open();
    onProgress(`storing ${options.keys} keys of ${options.valueBytes} bytes`);
    await load.run("store", signal);
    checkInterrupted(signal);
    checkStored(work, options);
    const measured = await load.measure(signal, onProgress);
    onProgress(`removing ${work.stored} keys`);
    const removed = await load.remove();
    return { ...measured, ...problemsOf(work), removed };
  } catch (error) {
    if (work.stored > 0) {
      onProgress(`removing ${work.stored} keys`);
      await load.remove().catch(() => onProgress(`not all removed; they expire, or: flare delete --prefix ${options.prefix}`));
    }
    throw error;
  } finally {
    load.close();
  }
}

function problemsOf({ wrong, errors, broken, samples }: LoadWork): Pick<LoadResult, "wrong" | "errors" | "broken" | "samples"> {
  return { wrong, errors, broken, samples };
}

class Load {
  readonly #runtime: Runtime;
  readonly #options: LoadOptions;
  readonly #work: LoadWork;
  readonly #replyTimeoutMs: number;
  readonly #open: () => readonly LoadConnection[];
  #connections: readonly LoadConnection[] = [];

  constructor(runtime: Runtime, options: LoadOptions, connection: ConnectionOptions, work: LoadWork) {
    this.#runtime = runtime;
    this.#options = options;
    this.#work = work;
    const { connectTimeoutMs, replyTimeoutMs, tls } = completeConnectionOptions(connection);
    const { transport, clock } = connectionRuntime(runtime, connection);
    this.#replyTimeoutMs = replyTimeoutMs;
    const slots = Math.max(options.depth, BULK_SLOTS);
    this.#open = () =>
      Array.from({ length: options.connections }, (_, i) => {
        const server = options.servers[i % options.servers.length] as LoadOptions["servers"][number];
        const connect: Connect = (handler) => transport.connect(server, connectTimeoutMs, handler, { tls: tls?.client });
        return new LoadConnection(work, clock, options.keysPerGet, slots, connect);
      });
  }

  /** @throws FlareError CONNECTION_FAILED */
  async open(): Promise<void> {
    this.#connections = this.#open();
    const results = await Promise.allSettled(this.#connections.map(({ opened }) => opened));
    const failed = results.find((result) => result.status === "rejected");
    if (failed === undefined) return;
    if (failed.reason instanceof FlareError) throw failed.reason;
    throw new FlareError("CONNECTION_FAILED", `a connection cannot be opened: ${(failed.reason as Error).message}`);
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  /** Runs a phase to its end, or until it is interrupted. @throws FlareError TIMED_OUT */
  async run(phase: "store" | "remove" | "idle", signal?: AbortSignal): Promise<void> {
    let isDone = false;
    const done = this.#work.begin(phase).then(() => {
      isDone = true;
    });
    this.#kick();
    while (!isDone && signal?.aborted !== true) {
      await Promise.race([done, pause(this.#runtime.clock, WATCH_MS, signal)]);
      if (!isDone) this.#checkProgress();
    }
  }

  async measure(
    signal: AbortSignal,
    onProgress: (text: string) => void,
  ): Promise<Omit<LoadResult, "wrong" | "errors" | "broken" | "samples" | "removed">> {
    const { clock } = this.#runtime;
    const { warmUpMs, durationMs } = this.#options;
    void this.#work.begin("load");
    this.#kick();
    await this.#endure(warmUpMs, signal);
    checkInterrupted(signal);
    onProgress(`measuring for ${durationMs / 1000} s`);
    const before = await this.#cpu();
    this.#work.clear();
    const startMs = clock.monotonicMs();
    await this.#endure(durationMs, signal);
    const seconds = Math.max(1, clock.monotonicMs() - startMs) / 1000;
    const { requests, gets, sets, keysRead, misses, latencies } = this.#work;
    const latencyUs = summaryOf(latencies);
    const after = await this.#cpu();
    await this.run("idle");
    return {
      ...{ seconds, isInterrupted: signal.aborted, requests, gets, sets, keysRead, misses, latencyUs },
      ownCpu: (after.ownSeconds - before.ownSeconds) / seconds,
      servers: this.#options.pids.map((pid, i) => ({
        pid,
        cpuSeconds: (after.serverSeconds[i] as number) - (before.serverSeconds[i] as number),
      })),
    };
  }

  /** Removes the keys; how many there were. @throws FlareError TIMED_OUT */
  async remove(): Promise<number> {
    // What is under way may store a key.
    await this.run("idle");
    await this.run("remove");
    return this.#work.stored;
  }

  async #endure(ms: number, signal: AbortSignal): Promise<void> {
    const endMs = this.#runtime.clock.monotonicMs() + ms;
    for (let leftMs = ms; leftMs > 0 && !signal.aborted; leftMs = endMs - this.#runtime.clock.monotonicMs()) {
      await pause(this.#runtime.clock, Math.min(leftMs, WATCH_MS), signal);
      this.#checkProgress();
    }
  }

  #kick(): void {
    this.#work.lastReplyMs = this.#runtime.clock.monotonicMs();
    for (const connection of this.#connections) connection.kick();
  }

  #checkProgress(): void {
    const silentMs = Math.round(this.#runtime.clock.monotonicMs() - this.#work.lastReplyMs);
    if (silentMs < this.#replyTimeoutMs) return;
    throw new FlareError("TIMED_OUT", `no server has answered for ${silentMs} ms`, { retriable: true });
  }

  async #cpu(): Promise<{ ownSeconds: number; serverSeconds: number[] }> {
    const ofServers = await serverSeconds(this.#runtime, this.#options);
    const { userUs, systemUs } = this.#runtime.process.cpuUsage();
    return { ownSeconds: (userUs + systemUs) / MICROSECONDS, serverSeconds: ofServers };
  }
}

/** @throws FlareError REFUSED if the servers have stored nothing */
function checkStored({ errors, wrong, samples }: LoadWork, { keys }: LoadOptions): void {
  if (errors + wrong < keys) return;
  const said = samples[0] === undefined ? "" : `: ${JSON.stringify(samples[0])}`;
  throw new FlareError("REFUSED", `the servers have stored none of ${keys} keys${said}`);
}

/** @throws FlareError CLOSED */
function checkInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new FlareError("CLOSED", "interrupted before anything was measured");
}

/** CPU seconds of each server so far. @throws FlareError INVALID_OPTION */
function serverSeconds({ files }: Pick<Runtime, "files">, { pids }: LoadOptions): Promise<number[]> {
  return Promise.all(pids.map((pid) => processCpuSeconds(files, pid)));
}

function summaryOf(latencies: LoadWork["latencies"]): LoadLatencies | undefined {
  const { mean, max } = latencies;
  if (mean === undefined || max === undefined) return undefined;
  const at = (share: number): number => latencies.percentile(share) as number;
  return { mean: Math.round(mean), p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max };
}
