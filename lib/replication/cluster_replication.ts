/**
 * Replication to another cluster, mode duplicate: sends the writes of this node, as its partition's master, to one node of the
 * other cluster, which routes them by its own map. Writes are queued in memory, up to a limit, while that cluster is
 * unreachable. If there were too many, or this node becomes master, everything is sent again: by the versions the other side
 * stores only what it does not have. Knows neither sessions nor the node map.
 */

import { MIB } from "../base/byte_units.ts";
import { latin1 } from "../base/bytes.ts";
import { formatHostPort } from "../base/host_port.ts";
import { hashMurmur } from "../cluster/key_hash.ts";
import type { Applied } from "../item/mutation.ts";
import { Peer } from "../net/peer/peer.ts";
import type { PeerOptions } from "../net/peer/peer_link.ts";
import { type Worker, type WorkerRegistry, WorkerType } from "../net/worker.ts";
import type { Request } from "../protocol/request.ts";
import { encodeReplicatedDelete, encodeReplicatedSet } from "../protocol/text/text_client.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { StoredItem } from "../storage/path/cursor.ts";
import type { Storage } from "../storage/storage.ts";
import { BandwidthLimit } from "./bandwidth_limit.ts";
import { ClusterLane } from "./cluster_lane.ts";
import { encodeOutcome } from "./replicator.ts";

export interface ClusterReplicationOptions {
  /** A node of the other cluster. */
  readonly host: string;
  readonly port: number;
  /** Number of connections to it. */
  readonly concurrency: number;
  /** The options of its connections, except their queue limit. */
  readonly peerOptions: PeerOptions;
  /** Limit of the bytes of queued writes. */
  readonly queueBytesMax: number;
  /** Whether this node is responsible for a key. */
  readonly owns: (key: Uint8Array) => boolean;
}

/** The speed of sending everything: `reconstruction-interval` and `reconstruction-bwlimit`; 0 = no pause, no limit. */
export interface SendingSpeed {
  readonly intervalUs: number;
  readonly bytesPerSecond: number;
}

/** Sending everything pauses while more than this is queued. */
const SENDING_BYTES_MAX = MIB;
const SLICE_ITEMS_MAX = 500;
const SLICE_BYTES_MAX = 262144;
const REPLY_BYTES_MAX = 65536;

export class ClusterReplication implements Worker {
  readonly id: number;
  readonly type = WorkerType.dumpReplication;
  readonly startedMs: number;
  readonly behindSeconds = 0;
  /** Reloadable; applies from the next full send. */
  speed: SendingSpeed;
  /** Writes since the start that the other cluster refused, or that its protocol cannot represent. */
  refused = 0;
  /** Writes dropped since the start because the queue was full; a full send makes up for them. */
  dropped = 0;
  readonly #runtime: Runtime;
  readonly #storage: Storage;
  readonly #workers: WorkerRegistry;
  readonly #options: ClusterReplicationOptions;
  readonly #lanes: ClusterLane[];
  #queuedBytes = 0;
  /** Writes were dropped: nothing is queued until the other cluster answers. */
  #gaveUp = false;
  #reachable = true;
  /** Incremented when a full send ends or restarts. */
  #run = 0;
  /** The rate limit of the full send. */
  #limit: BandwidthLimit | undefined;
  /** While a slice is being read: the keys written since, for which the slice may have an old state. */
  #written: Set<string> | undefined;
  #roomWaiter: (() => void) | undefined;
  #closed = false;

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
    const { host, port, concurrency, queueBytesMax } = options;
    const peerOptions: PeerOptions = { ...options.peerOptions, queueBytesMax, replyBytesMax: REPLY_BYTES_MAX };
    const lane = (): ClusterLane =>
      new ClusterLane(runtime, new Peer(runtime, { host, port }, WorkerType.clusterReplication, workers, peerOptions), {
        onAnswered: (line, bytes) => this.#onAnswered(line, bytes),
        onTrouble: (reason) => this.#onTrouble(reason),
      });
    this.#lanes = Array.from({ length: concurrency }, lane);
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

  /** Writes that the other cluster has not answered. */
  get queue(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.length, 0);
  }

  /** The bytes of those writes. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Queues the outcome of a write once it is committed; `expire` as in the request. */
  replicate(request: Request, applied: Applied, expire: number): void {
    const { bytes, start, end } = request.mutation.key;
    if (!canBeSaid(bytes, start, end)) {
      this.refused++;
      return;
    }
    const key = latin1(bytes, start, end);
    this.#written?.add(key);
    // Requests an answer even if the client wants none: only answered writes are known to have arrived.
    const line = encodeOutcome(request, applied, "", key, expire, false);
    const lane = this.#laneOf(bytes, start, end);
    this.#storage.onCommit({
      onCommitted: (error) => {
        if (error === undefined) this.#push(lane, line);
      },
    });
  }

  /** Sends all items and tombstones this node is responsible for, at the speed of a reconstruction; replaces an earlier run. */
  sendEverything(): void {
    const run = ++this.#run;
    this.#wake();
    this.#limit?.end();
    this.#workers.add(this);
    this.#runtime.log.write("notice", `sending everything to "${this.peer}"`);
    this.#send(run)
      .then(
        (items) => {
          if (run === this.#run) this.#runtime.log.write("notice", `all ${items} items were sent to "${this.peer}"`);
        },
        (error: Error) => this.#runtime.log.write("error", `could not send everything to "${this.peer}": ${error.message}`),
      )
      .finally(() => {
        if (run !== this.#run) return;
        this.#written = undefined;
        this.#workers.remove(this);
      });
  }

  /** Ends sending everything. */
  kill(): void {
    this.#run++;
    this.#limit?.end();
    this.#written = undefined;
    this.#workers.remove(this);
    this.#wake();
  }

  /** Drops queued writes and closes. */
  close(): void {
    this.#closed = true;
    this.kill();
    if (this.queue > 0) this.#runtime.log.write("notice", `${this.queue} queued writes were not sent to "${this.peer}"`);
    for (const lane of this.#lanes) lane.close();
  }

  async #send(run: number): Promise<number> {
    const { clock } = this.#runtime;
    const limit = new BandwidthLimit(clock, this.speed.bytesPerSecond, this.speed.intervalUs);
    this.#limit = limit;
    const cursor = this.#storage.openCursor({ includeTombstones: true });
    let sent = 0;
    try {
      while (run === this.#run) {
        const written = new Set<string>();
        this.#written = written;
        const items = await cursor.next(SLICE_ITEMS_MAX, SLICE_BYTES_MAX);
        if (items.length === 0) break;
        if (run !== this.#run) break;
        let bytes = 0;
        for (const item of items) {
          if (written.has(latin1(item.key)) || !this.#options.owns(item.key)) continue;
          bytes += this.#sendItem(item);
          sent++;
        }
        this.#written = undefined;
        await limit.spend(bytes, items.length);
        while (run === this.#run && this.#queuedBytes > SENDING_BYTES_MAX) await this.#room();
      }
    } finally {
      await cursor.close();
    }
    return sent;
  }

  #sendItem({ key, value, flags, expire, version, tombstone }: StoredItem): number {
    if (!canBeSaid(key, 0, key.length)) {
      this.refused++;
      return 0;
    }
    const name = latin1(key);
    const line = tombstone
      ? encodeReplicatedDelete("", name, expire, version, "")
      : encodeReplicatedSet("", name, flags, expire, version, value, "");
    this.#push(this.#laneOf(key, 0, key.length), line);
    return line.length;
  }

  #laneOf(bytes: Uint8Array, start: number, end: number): ClusterLane {
    return this.#lanes[Math.abs(hashMurmur(bytes, start, end)) % this.#lanes.length] as ClusterLane;
  }

  #push(lane: ClusterLane, line: Uint8Array): void {
    if (this.#closed) return;
    if (!this.#gaveUp && this.#queuedBytes + line.length > this.#options.queueBytesMax && this.#queuedBytes > 0) this.#giveUp();
    if (this.#gaveUp) {
      this.dropped++;
      return;
    }
    this.#queuedBytes += line.length;
    lane.push(line);
  }

  /** The queue is full: drops it; everything is sent when the other cluster answers again. */
  #giveUp(): void {
    this.#gaveUp = true;
    this.kill();
    const before = this.queue;
    for (const lane of this.#lanes) this.#queuedBytes -= lane.forget();
    this.dropped += before - this.queue;
    this.#runtime.log.write(
      "warning",
      `too many writes are queued for "${this.peer}": everything will be sent when it answers`,
    );
  }

  #onAnswered(line: string, bytes: number): void {
    this.#queuedBytes -= bytes;
    if (line === "ERROR" || line.startsWith("CLIENT_ERROR")) {
      this.refused++;
      this.#runtime.log.write("warning", `"${this.peer}" refused a write: "${line}"`);
    }
    if (!this.#reachable) this.#runtime.log.write("notice", `"${this.peer}" accepts writes again`);
    this.#reachable = true;
    if (this.#gaveUp) {
      this.#gaveUp = false;
      this.sendEverything();
    }
    this.#wake();
  }

  #onTrouble(reason: string): void {
    if (this.#reachable) this.#runtime.log.write("warning", `writes are queued for "${this.peer}": ${reason}`);
    this.#reachable = false;
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#roomWaiter = resolve;
    });
  }

  #wake(): void {
    const waiter = this.#roomWaiter;
    this.#roomWaiter = undefined;
    waiter?.();
  }
}

/** Whether the text protocol can represent a key: no spaces and no control characters. */
function canBeSaid(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((bytes[i] as number) <= 0x20 || bytes[i] === 0x7f) return false;
  return true;
}
