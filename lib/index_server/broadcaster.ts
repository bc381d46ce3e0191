/**
 * Keeps one connection to every node: sends pings and new maps over it, and reports when a node goes down or comes back.
 * `monitor.ts` decides what to do when; this executes it. It never changes the node map itself.
 */

import { MIB } from "../base/byte_units.ts";
import { fromLatin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import type { ClusterNode } from "../cluster/node.ts";
import { NodeState } from "../cluster/node.ts";
import type { NodeMap, NodeMapChanges } from "../cluster/node_map.ts";
import { encodeNodeSync } from "../cluster/node_map_codec.ts";
import { Peer } from "../net/peer/peer.ts";
import { PING } from "../net/peer/presence.ts";
import type { TlsLink } from "../net/tls/tls_link.ts";
import type { WorkerRegistry } from "../net/worker.ts";
import { ReplyShape } from "../protocol/text/text_client.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import {
  type MonitorEffect,
  type MonitorEvent,
  type MonitorOptions,
  type MonitorState,
  startMonitor,
  stepMonitor,
} from "./monitor.ts";

export interface BroadcasterOptions extends MonitorOptions {
  /** Timeout for a node to accept a connection, and then to answer, in milliseconds. */
  readonly readTimeoutMs: number;
  /** Absent: plain connections to the nodes. */
  readonly tls?: TlsLink | undefined;
}

/** The broadcaster's reports; the promise resolves when the map was changed, or the change failed. */
export interface HealthListener {
  onDown(key: string): Promise<void>;
  onUp(key: string): Promise<void>;
}

/** Limit of unsent bytes per node: a map and a ping fit, whatever the size of the cluster. */
const QUEUE_BYTES_MAX = 16 * MIB;
const REPLY_BYTES_MAX = 8192;

export class Broadcaster {
  readonly #runtime: Runtime;
  readonly #workers: WorkerRegistry;
  readonly #health: HealthListener;
  readonly #watches = new Map<string, NodeWatch>();
  #options: BroadcasterOptions;
  #isOn = false;

  constructor(runtime: Runtime, workers: WorkerRegistry, options: BroadcasterOptions, health: HealthListener) {
    this.#runtime = runtime;
    this.#workers = workers;
    this.#options = options;
    this.#health = health;
  }

  /** Begins to monitor the nodes of `map`: nothing is known of any. */
  start(map: NodeMap): void {
    this.#isOn = true;
    this.watch(map);
  }

  /** Monitors exactly the nodes of `map`. Pushes nothing at once: each node gets the map after its next answer. */
  watch(map: NodeMap): void {
    this.#dropMissing(map);
    for (const node of map.nodes) {
      if (!this.#addMissing(node, map)) this.#watches.get(node.key)?.learn(map, node.state === NodeState.down);
    }
  }

  /**
   * Sends a new map to the nodes. Resolves when the nodes that must know first have answered, or each group of them has had
   * `readTimeoutMs` to do so; the others get the map after that and are not waited for, unless `awaitsAll`. After `stop`
   * nobody gets it: whoever leads now sends it.
   */
  async publish(map: NodeMap, changes: NodeMapChanges, awaitsAll = false): Promise<void> {
    if (!this.#isOn) return;
    this.#dropMissing(map);
    const told = new Set<string>();
    for (const node of map.nodes) {
      // A node that has just joined got the map in its answer.
      if (this.#addMissing(node, map)) told.add(node.key);
    }
    for (const group of changes.first) {
      const first = map.nodes.filter((node) => group.includes(node.key) && !told.has(node.key));
      if (first.length === 0) continue;
      for (const node of first) told.add(node.key);
      await this.#within(
        this.#options.readTimeoutMs,
        first.map((node) => this.#push(node, map)),
      );
    }
    const answers: Promise<boolean>[] = [];
    for (const node of map.nodes) {
      if (told.has(node.key)) continue;
      if (node.key === changes.skip) this.#watches.get(node.key)?.learn(map, node.state === NodeState.down);
      else answers.push(this.#push(node, map));
    }
    if (awaitsAll) await this.#within(this.#options.readTimeoutMs, answers);
  }

  /** A node has joined: earlier failures do not count. */
  joined(key: string): void {
    this.#watches.get(key)?.joined();
  }

  /** Failed pings of each node since its last answer. */
  get failures(): ReadonlyMap<string, number> {
    return new Map([...this.#watches].map(([key, { failures }]) => [key, failures]));
  }

  /** Whether a node still counts as failed. */
  isFailing(key: string): boolean {
    return this.#watches.get(key)?.isFailing === true;
  }

  /** Whether a node answers a ping on a separate connection within `readTimeoutMs`. */
  async probe(node: ClusterNode): Promise<boolean> {
    const peer = createPeer(this.#runtime, this.#workers, node, this.#options);
    try {
      return (await peer.request(PING, ReplyShape.line)).line === "OK";
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      return false;
    } finally {
      peer.close();
    }
  }

  /** Applies new intervals and limits. */
  reload(options: BroadcasterOptions): void {
    this.#options = options;
    for (const watch of this.#watches.values()) watch.options = options;
  }

  /** Closes all connections; there are no more reports until it starts again. */
  stop(): void {
    this.#isOn = false;
    for (const watch of this.#watches.values()) watch.stop();
    this.#watches.clear();
  }

  #push(node: ClusterNode, map: NodeMap): Promise<boolean> {
    const watch = this.#watches.get(node.key);
    return watch === undefined ? Promise.resolve(false) : watch.push(map, node.state === NodeState.down);
  }

  #addMissing(node: ClusterNode, map: NodeMap): boolean {
    if (this.#watches.has(node.key)) return false;
    this.#watches.set(node.key, new NodeWatch(this.#runtime, this.#workers, node, map, this.#options, this.#health));
    return true;
  }

  #dropMissing(map: NodeMap): void {
    const keys = new Set(map.nodes.map((node) => node.key));
    for (const [key, watch] of this.#watches) {
      if (keys.has(key)) continue;
      watch.stop();
      this.#watches.delete(key);
    }
  }

  async #within(timeoutMs: number, answers: Promise<boolean>[]): Promise<void> {
    const { clock } = this.#runtime;
    let timer: Timer | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = clock.setTimer(resolve, timeoutMs);
    });
    await Promise.race([Promise.all(answers), timeout]);
    if (timer !== undefined) clock.clearTimer(timer);
  }
}

/** One node: its monitor's state, its connection and its timer. */
class NodeWatch {
  options: BroadcasterOptions;
  readonly #runtime: Runtime;
  readonly #workers: WorkerRegistry;
  readonly #node: ClusterNode;
  readonly #health: HealthListener;
  /** The callers waiting for the outcome of a push. */
  readonly #waiters = new Map<NodeMap, ((ok: boolean) => void)[]>();
  #state: MonitorState;
  #peer: Peer;
  #peerTimeoutMs: number;
  #timer: Timer | undefined;
  #reporting = false;
  #stopped = false;
  /** Why the last exchange failed. */
  #problem: string | undefined;

  constructor(
    runtime: Runtime,
    workers: WorkerRegistry,
    node: ClusterNode,
    map: NodeMap,
    options: BroadcasterOptions,
    health: HealthListener,
  ) {
    this.#runtime = runtime;
    this.#workers = workers;
    this.#node = node;
    this.#health = health;
    this.options = options;
    this.#state = startMonitor(map, node.state === NodeState.down, runtime.clock.monotonicMs(), options);
    this.#peerTimeoutMs = options.readTimeoutMs;
    this.#peer = createPeer(this.#runtime, this.#workers, this.#node, this.options);
    this.#schedule();
  }

  /** There is a new map, which the node need not get at once. */
  learn(map: NodeMap, down: boolean): void {
    this.#step({ kind: "map", map, down, push: false });
  }

  /** Sends a map; resolves to whether the node acknowledged it. */
  push(map: NodeMap, down: boolean): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiters.set(map, [...(this.#waiters.get(map) ?? []), resolve]);
      this.#step({ kind: "map", map, down, push: true });
    });
  }

  /** Failed pings since its last answer. */
  get failures(): number {
    return this.#state.failures;
  }

  get isFailing(): boolean {
    return this.#state.failures >= this.options.threshold;
  }

  joined(): void {
    this.#step({ kind: "joined" });
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#peer.close();
    for (const map of [...this.#waiters.keys()]) this.#answerWaiters(map, false);
  }

  #step(event: MonitorEvent): void {
    if (this.#stopped) return;
    const { state, effects } = stepMonitor(this.#state, event, this.#runtime.clock.monotonicMs(), this.options);
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
    this.#schedule();
  }

  #carryOut(effect: MonitorEffect): void {
    switch (effect.kind) {
      case "ping":
        void this.#exchange(PING, "ping");
        return;
      case "push":
        void this.#exchange(fromLatin1(encodeNodeSync(effect.map)), `node sync ${effect.map.version}`);
        return;
      case "pushed":
        this.#answerWaiters(effect.map, effect.ok);
        return;
      case "down":
      case "up":
        void this.#report(effect.kind);
    }
  }

  async #exchange(bytes: Uint8Array, command: string): Promise<void> {
    if (this.#peerTimeoutMs !== this.options.readTimeoutMs) {
      this.#peerTimeoutMs = this.options.readTimeoutMs;
      this.#peer.close();
      this.#peer = createPeer(this.#runtime, this.#workers, this.#node, this.options);
    }
    this.#problem = undefined;
    try {
      const { line } = await this.#peer.request(bytes, ReplyShape.line);
      if (line !== "OK") {
        this.#problem = `it answered "${line}" to "${command}"`;
        this.#runtime.log.write("warning", `"${this.#node.key}" answered "${line}" to "${command}"`);
      }
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#problem = error.message;
      if (!this.#stopped) this.#runtime.log.write("info", `"${command}" to "${this.#node.key}" failed: ${error.message}`);
    }
    this.#step({ kind: "answered", ok: this.#problem === undefined });
  }

  /** One report at a time: the next answer, or failure, repeats what is still true. */
  async #report(kind: "down" | "up"): Promise<void> {
    if (this.#reporting) return;
    this.#reporting = true;
    const why = this.#problem === undefined ? "" : `: ${this.#problem}`;
    this.#runtime.log.write("notice", `node "${this.#node.key}" is ${kind}${why}`);
    await (kind === "down" ? this.#health.onDown(this.#node.key) : this.#health.onUp(this.#node.key));
    this.#reporting = false;
  }

  #answerWaiters(map: NodeMap, ok: boolean): void {
    const waiters = this.#waiters.get(map) ?? [];
    this.#waiters.delete(map);
    for (const waiter of waiters) waiter(ok);
  }

  #schedule(): void {
    const { clock } = this.#runtime;
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    this.#timer = undefined;
    if (this.#stopped || this.#state.phase !== "idle") return;
    const delayMs = Math.max(0, this.#state.dueMs - clock.monotonicMs());
    this.#timer = clock.setTimer(() => this.#step({ kind: "tick" }), delayMs);
  }
}

function createPeer(runtime: Runtime, workers: WorkerRegistry, node: ClusterNode, options: BroadcasterOptions): Peer {
  return new Peer(runtime, { host: node.host, port: node.port }, node.threadType, workers, {
    // Another node may have got its address.
    meets: true,
    connectTimeoutMs: options.readTimeoutMs,
    replyTimeoutMs: options.readTimeoutMs,
    tls: options.tls,
    queueBytesMax: QUEUE_BYTES_MAX,
    replyBytesMax: REPLY_BYTES_MAX,
  });
}
