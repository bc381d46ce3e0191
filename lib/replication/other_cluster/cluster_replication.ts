/**
 * Replication to another cluster, mode duplicate: sends the changes of the partition that this node is the master of to one
 * node of the other cluster, which routes them by its own map. It follows the change log, and notes there up to which record
 * the other cluster has acknowledged everything: a restart continues there, and so does a slave that becomes the master.
 * Whatever is sent twice changes nothing, because versions decide. Where no position is known, or the log does not reach back
 * to it, everything is sent. A flush waits until everything before it is acknowledged, and everything after it waits for the
 * flush. Knows neither sessions nor the node map.
 */

import { MIB } from "../../base/byte_units.ts";
import { FlareError } from "../../base/errors.ts";
import { formatHostPort } from "../../base/host_port.ts";
import { sleep } from "../../base/sleep.ts";
import { hashMurmur } from "../../cluster/key_hash.ts";
import { Peer } from "../../net/peer/peer.ts";
import type { PeerOptions } from "../../net/peer/peer_link.ts";
import { type Worker, type WorkerRegistry, WorkerType } from "../../net/worker.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import { FLUSHED, LogKind, LogReader } from "../../storage/log/log_record.ts";
import { type Cursor, FlushCause, type LogBlock, type Position, type Storage } from "../../storage/storage.ts";
import { BandwidthLimit } from "../bandwidth_limit.ts";
import { ChangeFeed, type OwnReplicas } from "./change_feed.ts";
import { type Change, canBeSaid, changeOf, copyOf } from "./change_lines.ts";
import { ClusterLane } from "./cluster_lane.ts";
import { flushFar, removeFar } from "./far_flush.ts";

export interface ClusterReplicationOptions {
  /** A node of the other cluster. */
  readonly host: string;
  readonly port: number;
  /** Number of connections to it. */
  readonly concurrency: number;
  /** The options of its connections, except their queue limit. */
  readonly peerOptions: PeerOptions;
  /** Limit of the bytes of changes that wait in memory; where there is a log on disk, few do. */
  readonly queueBytesMax: number;
  /** Whether this node is responsible for a key. */
  readonly owns: (key: Uint8Array) => boolean;
  /** Whether it is responsible for all keys. */
  readonly ownsAll: () => boolean;
  readonly replicas: OwnReplicas;
}

/** The speed of sending everything: `reconstruction-interval` and `reconstruction-bwlimit`; 0 = no pause, no limit. */
export interface SendingSpeed {
  readonly intervalUs: number;
  readonly bytesPerSecond: number;
}

/** What it does: `idle` on a node that is not a master. */
export type ClusterReplicationState = "idle" | "copying" | "sending" | "flushing";

/** A run that sends everything. */
interface Copy {
  readonly cursor: Cursor;
  readonly limit: BandwidthLimit;
  items: number;
}

/** Nothing more is read while more than this is unanswered. */
const UNANSWERED_BYTES_MAX = MIB;
/** Blocks of the log are read in pieces of about this size. */
const READ_BYTES = 262144;
const SLICE_ITEMS_MAX = 500;
const SLICE_BYTES_MAX = 262144;
/** The position is noted at most once in this time. */
const NOTE_MS = 1000;
/** The pauses between attempts of a flush, or after an error of the log. */
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 30000;

export class ClusterReplication implements Worker {
  readonly id: number;
  readonly type = WorkerType.dumpReplication;
  readonly startedMs: number;
  readonly behindSeconds = 0;
  /** Reloadable; applies from the next full send. */
  speed: SendingSpeed;
  /** Changes since the start that the other cluster refused, or that its protocol cannot represent. */
  refused = 0;
  /** Why nothing is acknowledged; undefined = something was, since the last reason. */
  standstill: string | undefined;
  readonly #runtime: Runtime;
  readonly #storage: Storage;
  readonly #workers: WorkerRegistry;
  readonly #options: ClusterReplicationOptions;
  readonly #lanes: ClusterLane[];
  #queuedBytes = 0;
  #dropped = 0;
  /** Incremented whenever it starts or stops. */
  #run = 0;
  #feed: ChangeFeed | undefined;
  /** Everything is being sent. */
  #copy: Copy | undefined;
  /** Everything was sent, or was there; without it no position is noted. */
  #isWhole = false;
  #isFlushing = false;
  /** The newest record that was queued, or needs not be. */
  #passed = 0;
  /** Changes up to this record may have been sent before. */
  #repeatedUntil = 0;
  /** Something was acknowledged since the last note. */
  #isNoteDue = false;
  #noteTimer: Timer | undefined;
  /** Called at the next news of any kind … */
  readonly #waiters: (() => void)[] = [];
  /** … of which there were some while nobody waited. */
  #isNews = false;

  constructor(
    runtime: Runtime,
    storage: Storage,
    workers: WorkerRegistry,
    options: ClusterReplicationOptions,
    speed: SendingSpeed,
  ) {
    this.speed = speed;
    this.#runtime = runtime;
    this.#storage = storage;
    this.#workers = workers;
    this.#options = options;
    this.id = workers.nextId();
    this.startedMs = runtime.clock.monotonicMs();
    const lane = (): ClusterLane =>
      new ClusterLane(runtime, this.#connect(options.host, options.port), {
        onAnswered: (line, bytes) => this.#onAnswered(line, bytes),
        onTrouble: (reason) => this.#onTrouble(reason),
      });
    this.#lanes = Array.from({ length: options.concurrency }, lane);
  }

  get peer(): string {
    return formatHostPort(this.#options.host, this.#options.port);
  }

  get operation(): string {
    return "dump";
  }

  get state(): string {
    return "execute";
  }

  /** What it does now. */
  get phase(): ClusterReplicationState {
    if (this.#feed === undefined) return "idle";
    if (this.#isFlushing) return "flushing";
    return this.#copy === undefined ? "sending" : "copying";
  }

  /** Changes that were sent or wait for it, and that the other cluster has not answered. */
  get queue(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.length, 0);
  }

  /** The bytes of those changes. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Changes dropped since the start because too many waited in memory; sending everything makes up for them. */
  get dropped(): number {
    return this.#dropped + (this.#feed?.dropped ?? 0);
  }

  /** Up to where the other cluster has everything; undefined: that is not known. */
  get position(): Position | undefined {
    if (this.#feed === undefined) return this.#storage.deliveredTo(this.peer);
    return this.#isWhole && this.#storage.manifest.durable ? this.#storage.positionAt(this.#acknowledged) : undefined;
  }

  /** How far the other cluster is behind: records of the log, their bytes, and for how long the oldest has waited. */
  get lag(): { readonly entries: number; readonly bytes: number; readonly seconds: number } {
    const feed = this.#feed;
    if (feed === undefined) return { entries: 0, bytes: 0, seconds: 0 };
    const sequence = this.#acknowledged;
    const entries = Math.max(0, this.#storage.lastSequence - sequence);
    const seconds = entries === 0 ? 0 : Math.floor(feed.ageMs(sequence + 1) / 1000);
    return { entries, bytes: entries === 0 ? 0 : feed.bytesLeft + this.#queuedBytes, seconds };
  }

  /** This node is the master of a partition: continues where the other cluster is, or sends everything. */
  start(): void {
    if (this.#feed !== undefined) return;
    const run = ++this.#run;
    this.#begin();
    this.#send(run).catch((error: Error) => {
      this.#runtime.log.write("error", `cluster replication to "${this.peer}" has ended: ${error.stack}`);
    });
  }

  /** This node is no master any more: what is not acknowledged is the new master's. */
  stop(): void {
    this.#run++;
    this.#endCopy();
    this.#dropped = this.dropped;
    this.#feed?.close();
    this.#feed = undefined;
    for (const lane of this.#lanes) lane.clear();
    this.#queuedBytes = 0;
    if (this.#noteTimer !== undefined) this.#runtime.clock.clearTimer(this.#noteTimer);
    this.#noteTimer = undefined;
    this.#wake();
  }

  /** Ends sending everything. */
  kill(): void {
    this.#endCopy();
    this.#wake();
  }

  /** Notes where the other cluster is, and closes. */
  close(): void {
    this.#note();
    if (this.queue > 0 && !this.#storage.manifest.durable) {
      this.#runtime.log.write("notice", `${this.queue} queued changes were not sent to "${this.peer}"`);
    }
    this.stop();
    for (const lane of this.#lanes) lane.close();
  }

  /** Begins where the other cluster is, if the log reaches back there; else everything has to be sent. */
  #begin(): void {
    const storage = this.#storage;
    const position = storage.manifest.durable ? storage.deliveredTo(this.peer) : undefined;
    const common = position === undefined ? undefined : storage.commonState([position]);
    this.#repeatedUntil = storage.lastSequence;
    if (common !== undefined && storage.readLog(common.at + 1).isThere) {
      this.#isWhole = true;
      this.#runtime.log.write("notice", `"${this.peer}" has everything up to record ${common.at}: it continues there`);
      this.#follow(common.at + 1);
      // In our own log no mark is needed to find it again.
      this.#isNoteDue = position?.history !== storage.history;
      return this.#note();
    }
    const why =
      position === undefined
        ? "it is not known what it has"
        : "the change log does not reach back to what it has (log-retention)";
    this.#beginCopy(why);
  }

  #follow(first: number): void {
    const { queueBytesMax, replicas } = this.#options;
    const bytesMax = this.#storage.manifest.durable ? UNANSWERED_BYTES_MAX : queueBytesMax / 2;
    this.#dropped = this.dropped;
    this.#feed?.close();
    this.#feed = undefined;
    this.#passed = first - 1;
    this.#feed = new ChangeFeed(this.#runtime.clock, this.#storage, replicas, first, bytesMax, {
      onNews: () => this.#wake(),
      onDropped: () => this.#onDropped(),
    });
  }

  #beginCopy(why: string): void {
    this.#endCopy();
    this.#isWhole = false;
    this.#follow(this.#storage.lastSequence + 1);
    const { bytesPerSecond, intervalUs } = this.speed;
    this.#copy = {
      cursor: this.#storage.openCursor({ includeTombstones: true }),
      limit: new BandwidthLimit(this.#runtime.clock, bytesPerSecond, intervalUs),
      items: 0,
    };
    this.#workers.add(this);
    this.#runtime.log.write("notice", `sending everything to "${this.peer}": ${why}`);
  }

  #endCopy(): void {
    const copy = this.#copy;
    this.#copy = undefined;
    copy?.limit.end();
    void copy?.cursor.close();
    this.#workers.remove(this);
  }

  async #send(run: number): Promise<void> {
    for (let pauseMs = RETRY_MS_MIN; run === this.#run; ) {
      try {
        const isNews = await this.#step(run);
        pauseMs = RETRY_MS_MIN;
        if (!isNews && run === this.#run) await this.#news();
      } catch (error) {
        if (run !== this.#run) return;
        const { code, message } = error as FlareError;
        if (code === "REFUSED") {
          this.#beginCopy(message);
          continue;
        }
        this.#onTrouble(message);
        await sleep(this.#runtime.clock, pauseMs);
        pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX);
      }
    }
  }

  /**
   * Queues the next changes, or items; false: there is nothing to do before the next news.
   * @throws FlareError REFUSED: the log does not go on from here | CORRUPT | IO_ERROR
   */
  async #step(run: number): Promise<boolean> {
    const feed = this.#feed;
    if (feed === undefined || this.#queuedBytes > this.#unansweredMax) return false;
    const block = await feed.read(READ_BYTES);
    if (run !== this.#run || feed !== this.#feed) return true;
    if (block !== undefined) {
      await this.#queueBlock(block, run);
      return true;
    }
    const copy = this.#copy;
    if (copy === undefined) return false;
    await this.#queueSlice(copy);
    return true;
  }

  get #unansweredMax(): number {
    return Math.min(UNANSWERED_BYTES_MAX, this.#options.queueBytesMax / 2);
  }

  /** @throws FlareError REFUSED */
  async #queueBlock(block: LogBlock, run: number): Promise<void> {
    const reader = new LogReader(block.bytes, block, 0);
    while (reader.next()) {
      const { sequence, kind, bytes, keyStart, keyEnd, flags, version } = reader;
      if (sequence <= this.#passed) continue;
      if (kind === LogKind.state) {
        if (flags === FLUSHED) await this.#flush(sequence, Number(version) as FlushCause, run);
        if (run !== this.#run) return;
      } else if (this.#options.owns(bytes.subarray(keyStart, keyEnd))) {
        if (canBeSaid(bytes, keyStart, keyEnd)) {
          this.#queue(changeOf(reader, sequence <= this.#repeatedUntil), bytes, keyStart, keyEnd);
        } else this.refused++;
      }
      this.#passed = sequence;
    }
  }

  /** Queues a part of everything. */
  async #queueSlice(copy: Copy): Promise<void> {
    const items = await copy.cursor.next(SLICE_ITEMS_MAX, SLICE_BYTES_MAX);
    if (copy !== this.#copy) return;
    // Nothing may be sent that is taken back later; and what the log says of these keys up to here is older.
    this.#repeatedUntil = this.#storage.lastSequence;
    const fault = await this.#settled();
    if (copy !== this.#copy) return;
    if (fault !== undefined) return this.#beginCopy(fault.message);
    let bytes = 0;
    for (const item of items) {
      const { key } = item;
      if (!this.#options.owns(key)) continue;
      if (!canBeSaid(key, 0, key.length)) {
        this.refused++;
        continue;
      }
      const change = copyOf(item);
      bytes += change.line.length;
      copy.items++;
      this.#queue(change, key, 0, key.length);
    }
    if (items.length > 0) return copy.limit.spend(bytes, items.length);
    this.#endCopy();
    this.#isWhole = true;
    this.#onProgress();
    this.#runtime.log.write("notice", `all ${copy.items} items were sent to "${this.peer}"`);
  }

  #queue(change: Change, bytes: Uint8Array, start: number, end: number): void {
    this.#queuedBytes += change.line.length;
    this.#lanes[Math.abs(hashMurmur(bytes, start, end)) % this.#lanes.length]?.push(change);
  }

  /**
   * Carries out a flush at the other cluster, between what was written before it and what is written after it.
   * @throws FlareError REFUSED: it was no flush, but the beginning of a copy to this node
   */
  async #flush(sequence: number, cause: FlushCause, run: number): Promise<void> {
    if (cause === FlushCause.copy) throw new FlareError("REFUSED", "this node has copied its partition since then");
    if (cause === FlushCause.master) return;
    this.#isFlushing = true;
    try {
      while (run === this.#run && this.queue > 0) await this.#news();
      for (let pauseMs = RETRY_MS_MIN; run === this.#run; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
        try {
          await this.#flushFar();
          break;
        } catch (error) {
          if (run === this.#run) this.#onTrouble(`it is not flushed: ${(error as Error).message}`);
          await sleep(this.#runtime.clock, pauseMs);
        }
      }
      if (run !== this.#run) return;
      this.#runtime.log.write("notice", `"${this.peer}" has flushed what this partition has flushed with record ${sequence}`);
      this.#passed = sequence;
      this.#onProgress();
      // Whoever continues from here must not flush what is written now.
      this.#note();
      await this.#settled();
    } finally {
      this.#isFlushing = false;
    }
  }

  async #flushFar(): Promise<void> {
    const { host, port, owns, ownsAll } = this.#options;
    const first = this.#connect(host, port);
    try {
      if (ownsAll()) return await flushFar({ first, connect: (...address) => this.#connect(...address) });
      if (await removeFar(first, owns)) return;
      this.refused++;
      const how = "flush each of its nodes, then name another of them in cluster-replication-server-name: it gets everything";
      this.#runtime.log.write(
        "error",
        `"${this.peer}" runs the C++ Flare, which cannot flush the keys of one partition: ${how}`,
      );
    } finally {
      first.close();
    }
  }

  #connect(host: string, port: number): Peer {
    const { peerOptions, queueBytesMax } = this.#options;
    const options = { ...peerOptions, queueBytesMax: Math.max(queueBytesMax, peerOptions.queueBytesMax) };
    return new Peer(this.#runtime, { host, port }, WorkerType.clusterReplication, this.#workers, options);
  }

  #onAnswered(line: string, bytes: number): void {
    this.#queuedBytes -= bytes;
    if (line === "ERROR" || line.startsWith("CLIENT_ERROR")) {
      this.refused++;
      this.#runtime.log.write("warning", `"${this.peer}" refused a change: "${line}"`);
    }
    this.#onProgress();
    this.#wake();
  }

  #onDropped(): void {
    this.#endCopy();
    const what = "more changes wait than memory may hold (cluster-replication-queue)";
    this.#runtime.log.write("warning", `${what}: everything will be sent when "${this.peer}" answers`);
  }

  #onProgress(): void {
    if (this.standstill !== undefined) this.#runtime.log.write("notice", `"${this.peer}" accepts changes again`);
    this.standstill = undefined;
    this.#isNoteDue = true;
    this.#noteSoon();
  }

  #onTrouble(reason: string): void {
    if (this.standstill === undefined) this.#runtime.log.write("warning", `changes wait for "${this.peer}": ${reason}`);
    this.standstill = reason;
  }

  /** The newest record up to which everything is acknowledged. */
  get #acknowledged(): number {
    let first = this.#passed + 1;
    for (const { oldest } of this.#lanes) if (oldest !== undefined) first = Math.min(first, oldest.sequence);
    return Math.max(first - 1, 0);
  }

  #noteSoon(): void {
    this.#noteTimer ??= this.#runtime.clock.setTimer(() => {
      this.#noteTimer = undefined;
      this.#note();
    }, NOTE_MS);
  }

  /** Notes in the log where the other cluster is. */
  #note(): void {
    const { position } = this;
    if (!this.#isNoteDue || this.#feed === undefined || position === undefined || this.#storage.failure !== undefined) return;
    this.#isNoteDue = false;
    this.#storage.noteDelivery({ target: this.peer, ...position });
  }

  /** Resolves once all changes so far are committed, here and at the replicas. */
  #settled(): Promise<FlareError | undefined> {
    return new Promise((resolve) =>
      this.#storage.onCommit({
        onCommitted: (error) => {
          if (error !== undefined) return resolve(error);
          this.#options.replicas.whenReplicated(this.#storage.lastSequence, { onCommitted: resolve });
        },
      }),
    );
  }

  /** Resolves at the next news, or at once if there were some since the last call. */
  #news(): Promise<void> {
    if (!this.#isNews) return new Promise((resolve) => this.#waiters.push(resolve));
    this.#isNews = false;
    return Promise.resolve();
  }

  #wake(): void {
    if (this.#waiters.length === 0) this.#isNews = true;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
