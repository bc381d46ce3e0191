/**
 * One reconstruction: a node that became a slave, or master of a new partition, copies the keys it will be responsible for
 * from the nodes that have them; unless its own data and its master's log are enough. It drops its old data first, as soon as
 * a source is reachable: keys deleted elsewhere must not come back, and the source's state wins even where ours has a higher
 * version. `stats threads` shows it with its progress; the node server handles its end.
 */

import { KIB } from "../base/byte_units.ts";
import { fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { type ClusterNode, NodeRole } from "../cluster/node.ts";
import type { Reconstruction } from "../cluster/role_change.ts";
import { onOwnConnection } from "../net/peer/own_connection.ts";
import type { Peer } from "../net/peer/peer.ts";
import type { PeerOptions } from "../net/peer/peer_link.ts";
import type { TlsLink } from "../net/tls/tls_link.ts";
import { type Worker, type WorkerRegistry, WorkerType } from "../net/worker.ts";
import { FLUSH_QUERY, parseFlushPlan } from "../protocol/flush_request.ts";
import { type ClientReply, ReplyShape } from "../protocol/text/text_client.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import { FlushCause, type Storage } from "../storage/storage.ts";
import { DumpClient } from "./dump_client.ts";
import { checkSource } from "./source_check.ts";

export interface CopyOptions {
  /** `reconstruction-interval`: pause per item in microseconds. */
  readonly intervalUs: number;
  /** `reconstruction-bwlimit`, shared by all sources; 0 = no limit. */
  readonly bytesPerSecond: number;
  readonly connectTimeoutMs: number;
  /** Absent: plain connections. */
  readonly tls?: TlsLink | undefined;
  /** As in `DumpRequest`. */
  readonly silenceMs: number;
  readonly silenceTimeoutMs: number;
  readonly valueBytesMax: number;
  /** Our own `host:port`. */
  readonly selfKey: string;
  /** Whether a key belongs to the copied partition. */
  belongs(key: Uint8Array): boolean;
  /** Whether this slave follows its master without a copy; `peer` is a connection to it. */
  continues(master: ClusterNode, peer: Peer, checkSource: () => Promise<void>): Promise<boolean>;
}

/** The progress of a copy. */
export interface CopyProgress {
  readonly items: number;
  /** Bytes received, including protocol overhead. */
  readonly bytes: number;
  readonly expected: number | undefined;
  readonly seconds: number;
  readonly itemsPerSecond: number;
  readonly secondsLeft: number | undefined;
}

const REPORT_MS = 1000;
const STATS_BYTES_MAX = 65536;
/** How long the master may take to look up a key. */
const CHECK_TIMEOUT_MS = 10_000;

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
  readonly #storage: Storage;
  readonly #plan: Reconstruction;
  readonly #clients: DumpClient[];
  #timer: Timer | undefined;
  readonly #options: CopyOptions;
  #expected: number | undefined;
  /** Set once the old data is dropped; resolves when the sources' scheduled flush is known. */
  #cleaned: Promise<void> | undefined;
  #done = false;
  #killed = false;

  constructor(runtime: Runtime, workers: WorkerRegistry, storage: Storage, plan: Reconstruction, options: CopyOptions) {
    this.#runtime = runtime;
    this.#workers = workers;
    this.#storage = storage;
    this.#plan = plan;
    this.#options = options;
    this.id = workers.nextId();
    this.startedMs = runtime.clock.monotonicMs();
    this.peer = plan.sources[0]?.key ?? ":0";
    const kibPerSecond =
      options.bytesPerSecond === 0
        ? 0
        : Math.max(1, Math.floor(options.bytesPerSecond / KIB / Math.max(1, plan.sources.length)));
    this.#clients = plan.sources.map(
      ({ host, port }) =>
        new DumpClient(runtime, storage, {
          host,
          port,
          kibPerSecond,
          intervalUs: options.intervalUs,
          partition: plan.partition,
          partitionSize: plan.partitionSize,
          connectTimeoutMs: options.connectTimeoutMs,
          tls: options.tls,
          silenceMs: options.silenceMs,
          silenceTimeoutMs: options.silenceTimeoutMs,
          valueBytesMax: options.valueBytesMax,
          selfKey: options.selfKey,
          onReachable: () => {
            // Once, before the first source is asked: live writes after that are in every answer, or newer.
            if (this.#cleaned !== undefined) return;
            storage.flushAll(FlushCause.copy);
            this.#cleaned = this.#inheritFlushPlan(storage);
            this.#cleaned.catch(() => undefined); // `run` gets the error.
          },
        }),
    );
  }

  get state(): string {
    return this.#done ? "killed" : "execute";
  }

  /** Progress for `stats threads`, without spaces. */
  get info(): string {
    const { items, bytes, expected, itemsPerSecond, secondsLeft } = this.progress;
    return `items=${items}/${expected ?? "?"},bytes=${bytes},items/s=${itemsPerSecond},eta=${secondsLeft ?? "?"}s`;
  }

  /** The progress; `expected` is an estimated number of items, undefined while unknown. */
  get progress(): CopyProgress {
    let items = 0;
    let bytes = 0;
    for (const { progress } of this.#clients) {
      items += progress.items;
      bytes += progress.bytes;
    }
    const seconds = Math.max(0.001, (this.#runtime.clock.monotonicMs() - this.startedMs) / 1000);
    const itemsPerSecond = Math.round(items / seconds);
    const left = this.#expected === undefined ? undefined : Math.max(0, this.#expected - items);
    const secondsLeft = left === undefined || itemsPerSecond === 0 ? undefined : Math.ceil(left / itemsPerSecond);
    return { items, bytes, expected: this.#expected, seconds, itemsPerSecond, secondsLeft };
  }

  /**
   * Resolves when all sources are copied. @throws FlareError REFUSED if one is missing, or has less data than this node; see
   * `DumpClient.run`
   */
  async run(): Promise<void> {
    if (this.#plan.missing.length > 0) {
      throw new FlareError("REFUSED", `partition ${this.#plan.missing.join(", ")} has no master to copy from`);
    }
    this.#workers.add(this);
    try {
      if (await this.#continues()) return;
      if (this.#killed) throw stopped();
      await this.#copy();
    } finally {
      this.#done = true;
      if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
      this.#workers.remove(this);
    }
  }

  async #copy(): Promise<void> {
    this.#runtime.log.write(
      "notice",
      `copying partition ${this.#plan.partition} of ${this.#plan.partitionSize} from ${this.#names}`,
    );
    this.#report();
    void this.#estimate();
    try {
      await this.#checkSource();
      if (this.#killed) throw stopped();
      await Promise.all(this.#clients.map((client) => client.run()));
      await this.#cleaned;
      this.#runtime.log.write("notice", `copy complete: ${this.#text}`);
    } catch (error) {
      for (const client of this.#clients) client.abort();
      throw error;
    }
  }

  async #continues(): Promise<boolean> {
    const [master] = this.#plan.sources;
    if (master === undefined || this.#plan.role !== NodeRole.slave) return false;
    const options = this.#peerOptions(CHECK_TIMEOUT_MS, STATS_BYTES_MAX);
    return onOwnConnection(this.#runtime, master, options, async (peer) => {
      if (!(await this.#options.continues(master, peer, () => this.#checkSource()))) return false;
      await this.#inheritFlushPlan(this.#storage);
      return true;
    });
  }

  kill(): void {
    this.#killed = true;
    for (const client of this.#clients) client.abort();
  }

  get #names(): string {
    return this.#plan.sources.map((node) => `"${node.key}"`).join(", ") || "nobody";
  }

  get #text(): string {
    const { items, bytes, expected, seconds, itemsPerSecond, secondsLeft } = this.progress;
    const of = expected === undefined ? "" : ` of about ${expected}`;
    const eta = secondsLeft === undefined ? "" : `, about ${secondsLeft} s left`;
    return `${items}${of} items, ${bytes} bytes in ${seconds.toFixed(1)} s (${itemsPerSecond} items/s${eta})`;
  }

  /** A slave's old data may be the last good copy. A new master's old data does not belong to its new partition. */
  async #checkSource(): Promise<void> {
    const [source] = this.#plan.sources;
    if (source === undefined || this.#plan.role !== NodeRole.slave) return;
    const options = this.#peerOptions(CHECK_TIMEOUT_MS, this.#options.valueBytesMax + STATS_BYTES_MAX);
    const parts = { storage: this.#storage, belongs: this.#options.belongs, sourceItems: () => this.#countItems(source) };
    await onOwnConnection(this.#runtime, source, options, (peer) => checkSource({ ...parts, peer }));
  }

  /** Asks the sources how much data they have; for a new partition takes a share of it. Only for the progress. */
  async #estimate(): Promise<void> {
    const counts = await Promise.all(this.#plan.sources.map((node) => this.#countItems(node)));
    if (counts.includes(undefined)) return;
    const total = (counts as number[]).reduce((sum, count) => sum + count, 0);
    this.#expected = this.#plan.role === NodeRole.slave ? total : Math.round(total / this.#plan.partitionSize);
  }

  async #countItems(node: ClusterNode): Promise<number | undefined> {
    try {
      const { body } = await this.#ask(node, "stats\r\n", ReplyShape.lines);
      const count = /STAT curr_items (\d+)/.exec(latin1(body))?.[1];
      return count === undefined ? undefined : Number(count);
    } catch (error) {
      this.#runtime.log.write("info", `"${node.key}" did not say how many items it has: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Takes over the sources' scheduled flush. @throws FlareError if one of them does not answer */
  async #inheritFlushPlan(storage: Storage): Promise<void> {
    const answers = await Promise.all(this.#plan.sources.map((node) => this.#ask(node, FLUSH_QUERY, ReplyShape.line)));
    // A C++ node has no schedule.
    const plannedFor = Math.max(0, ...answers.map(({ line }) => parseFlushPlan(line) ?? 0));
    // A source may have sent us a newer one in the meantime, or have flushed everything: then this copy has ended.
    if (plannedFor > 0 && storage.flushPlannedFor === 0 && !this.#done) storage.planFlush(plannedFor);
  }

  #peerOptions(replyTimeoutMs: number, replyBytesMax: number): PeerOptions {
    const { connectTimeoutMs, tls } = this.#options;
    return { connectTimeoutMs, tls, replyTimeoutMs, queueBytesMax: STATS_BYTES_MAX, replyBytesMax };
  }

  async #ask(source: ClusterNode, request: string, shape: ReplyShape): Promise<ClientReply> {
    const options = this.#peerOptions(this.#options.connectTimeoutMs, STATS_BYTES_MAX);
    return onOwnConnection(this.#runtime, source, options, (peer) => peer.request(fromLatin1(request), shape));
  }

  #report(): void {
    this.#timer = this.#runtime.clock.setTimer(() => {
      this.#runtime.log.write("info", `copying: ${this.#text}`);
      this.#report();
    }, REPORT_MS);
  }
}

function stopped(): FlareError {
  return new FlareError("CLOSED", "copy was stopped");
}
