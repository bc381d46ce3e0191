/**
 * The only place where the cluster's node map changes: one change at a time, each read, computed, stored and broadcast before
 * the next begins. Commands and monitors come here; `cluster/node_map.ts` has the rules.
 */

import { FlareError } from "../base/errors.ts";
import { mapEvents, mapEventText } from "../cluster/map_events.ts";
import { NodeState } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { findNode, nodeDown, nodeUp, unchanged } from "../cluster/node_map.ts";
import { encodeStoredMap, NOTHING_STORED, type StoredMap } from "../cluster/stored_map.ts";
import { type Worker, type WorkerRegistry, WorkerType } from "../net/worker.ts";
import { serverErrorLine } from "../protocol/text/server_error.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Broadcaster, type BroadcasterOptions } from "./broadcaster.ts";
import type { Coordinator, RestoredMap } from "./coordinator.ts";
import type { MapChange } from "./index_commands.ts";

/** How often a change is recomputed because somebody else changed the map in the meantime. */
const ATTEMPTS_MAX = 5;
/** Most queued changes. */
const QUEUE_MAX = 4096;

export class NodeMapService implements Worker {
  readonly id: number;
  readonly type = WorkerType.controller;
  readonly peer = ":0";
  readonly startedMs: number;
  readonly #runtime: Runtime;
  readonly #workers: WorkerRegistry;
  readonly #coordinator: Coordinator;
  readonly #broadcaster: Broadcaster;
  /** The current map, and this server's term. */
  #current: StoredMap = NOTHING_STORED;
  #replacedBy = 0;
  /** Since when the coordinator has failed; undefined while it works. */
  #failingSinceMs: number | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** When each queued or running change arrived, oldest first. */
  readonly #queuedMs: number[] = [];
  #stopped = false;

  constructor(runtime: Runtime, workers: WorkerRegistry, coordinator: Coordinator, options: BroadcasterOptions) {
    this.id = workers.nextId();
    this.startedMs = runtime.clock.monotonicMs();
    workers.add(this);
    this.#runtime = runtime;
    this.#workers = workers;
    this.#coordinator = coordinator;
    this.#broadcaster = new Broadcaster(runtime, workers, options, {
      onDown: (key) =>
        this.#healthChange({
          // It may have rejoined while this was queued.
          apply: (map) => (this.#broadcaster.isFailing(key) ? nodeDown(map, key) : unchanged(map)),
          reply: () => "",
          failure: `"${key}" stays as it is`,
          cause: "the monitor: it does not answer",
        }),
      onUp: (key) =>
        this.#healthChange({
          // A node that is up has nothing to gain: a slave that is copying must not become active by answering.
          apply: (map) => (findNode(map, key)?.state === NodeState.down ? nodeUp(map, key) : unchanged(map)),
          reply: () => "",
          failure: `"${key}" stays as it is`,
          cause: "the monitor: it answers",
        }),
    });
  }

  get operation(): string {
    return this.queue > 0 ? "node" : "";
  }

  get state(): string {
    return this.queue > 0 ? "execute" : "wait";
  }

  get queue(): number {
    return this.#queuedMs.length;
  }

  get behindSeconds(): number {
    const oldestMs = this.#queuedMs[0];
    return oldestMs === undefined ? 0 : Math.floor((this.#runtime.clock.monotonicMs() - oldestMs) / 1000);
  }

  /** Does nothing: without it the cluster would have no index server. */
  kill(): void {}

  /** The current map. */
  get map(): NodeMap {
    return this.#current.map;
  }

  /** The term of this server, 0 before it has one: higher than that of every index server that led the cluster before. */
  get term(): number {
    return this.#current.term;
  }

  /** The term of the index server that leads instead of this one; 0 while this one leads. */
  get replacedBy(): number {
    return this.#replacedBy;
  }

  /** For how long the stored map has been out of reach: no change and no failover is possible then. */
  get failingSeconds(): number {
    const sinceMs = this.#failingSinceMs;
    return sinceMs === undefined ? 0 : Math.ceil((this.#runtime.clock.monotonicMs() - sinceMs) / 1000);
  }

  /** Loads the map, takes the lead and starts monitoring the nodes; pushes nothing. @throws FlareError as the coordinator */
  async start(): Promise<void> {
    await this.#coordinator.open();
    this.#current = await this.#lead();
    const { map, term } = this.#current;
    this.#runtime.log.write("notice", `node map ${map.version} with ${map.nodes.length} nodes in use, term ${term}`);
    this.#broadcaster.watch(map);
    this.#coordinator.onChange(() => void this.#inTurn(() => this.#refresh()));
  }

  /** Executes a change; resolves to the complete answer, `SERVER_ERROR …` if it was refused or could not be stored. */
  change(change: MapChange): Promise<string> {
    if (this.#stopped || this.queue >= QUEUE_MAX) return Promise.resolve(serverError(change.failure));
    return this.#inTurn(() => this.#carryOut(change));
  }

  /** Applies new intervals and limits of the monitoring. */
  reload(options: BroadcasterOptions): void {
    this.#broadcaster.reload(options);
  }

  /** Refuses further changes, waits for the running one, and closes all connections to the nodes. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#tail;
    this.#broadcaster.stop();
    this.#workers.remove(this);
    await this.#coordinator.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#queuedMs.push(this.#runtime.clock.monotonicMs());
    const outcome = this.#tail.then(work).finally(() => this.#queuedMs.shift());
    this.#tail = outcome.catch(() => undefined);
    return outcome;
  }

  /** Stores the map with a term that is higher than the stored one: whoever led until now finds out when it wants to store. */
  async #lead(): Promise<StoredMap> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const { map, term, token, lost } = await this.#coordinator.restore();
      if (lost !== undefined) throw new FlareError("CORRUPT", lost);
      const own = { map, term: term + 1 };
      if (await this.#store(own, token)) return own;
    }
    throw new FlareError("IO_ERROR", `others changed the node map ${ATTEMPTS_MAX} times while this index server started`);
  }

  async #carryOut(change: MapChange): Promise<string> {
    try {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const { map, token } = await this.#restore();
        if (this.#replacedBy > 0) {
          this.#runtime.log.write("error", `${change.failure}: ${this.#replacement}; ${change.cause}`);
          return serverError(change.failure);
        }
        const outcome = change.apply(map, await this.#isSilent(map, change.asksAfter));
        if (!outcome.ok) {
          this.#runtime.log.write("warning", `${outcome.error}: ${outcome.reason}; ${change.cause}`);
          return serverError(outcome.error);
        }
        if (change.asksAfter !== undefined) this.#broadcaster.joined(change.asksAfter);
        if (!outcome.changes.stored) return change.reply(map);
        const next = { map: outcome.map, term: this.term };
        if (!(await this.#store(next, token))) continue;
        this.#current = next;
        this.#logEvents(map, outcome.map, change);
        if (outcome.warning !== undefined) this.#runtime.log.write("warning", outcome.warning);
        await this.#broadcaster.publish(outcome.map, outcome.changes, change.awaitsAll);
        return change.reply(outcome.map);
      }
      this.#runtime.log.write("error", `${change.failure}: others changed the node map ${ATTEMPTS_MAX} times in the meantime`);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#runtime.log.write("error", `${change.failure}: ${error.message}`);
    }
    return serverError(change.failure);
  }

  #logEvents(before: NodeMap, after: NodeMap, { cause, asksAfter }: MapChange): void {
    const events = mapEvents(before, after);
    const joined = asksAfter === undefined ? undefined : findNode(after, asksAfter);
    if (joined !== undefined && !events.some((event) => event.after === joined)) events.push({ kind: "joined", after: joined });
    for (const event of events) this.#runtime.log.write("notice", `${mapEventText(after.version, event)}; ${cause}`);
  }

  /** Whether a node that is up in the map does not answer. */
  async #isSilent(map: NodeMap, key: string | undefined): Promise<boolean> {
    const node = key === undefined ? undefined : findNode(map, key);
    if (node === undefined || node.state === NodeState.down) return false;
    return !(await this.#broadcaster.probe(node));
  }

  /** The map a change starts from: the stored one, unless it is older than the current one. */
  async #restore(): Promise<RestoredMap> {
    const restored = await this.#reach(() => this.#coordinator.restore());
    if (restored.term > this.term && this.#replacedBy < restored.term) this.#stepDown(restored.term);
    if (restored.map.version < this.map.version) {
      const text = `stored node map has version ${restored.map.version}, keeping the current version ${this.map.version}`;
      this.#runtime.log.write("warning", text);
      return { ...restored, map: this.map };
    }
    if (restored.map.version > this.map.version && this.#replacedBy === 0) this.#broadcaster.watch(restored.map);
    this.#current = { map: restored.map, term: this.term };
    return restored;
  }

  /** Another index server has a higher term: this one answers reads, and neither changes the map nor monitors nodes. */
  #stepDown(term: number): void {
    this.#replacedBy = term;
    this.#runtime.log.write("error", `${this.#replacement}: this one changes nothing and monitors no node until its restart`);
    this.#broadcaster.stop();
  }

  get #replacement(): string {
    return `an index server with term ${this.#replacedBy} has taken over the node map from this one with term ${this.term}`;
  }

  /**
   * Whether the map was stored; false if the stored one is not that of `token` any more. An error leaves that open, so the
   * stored map is read again: it was stored if it is there. It is never stored a second time.
   */
  async #store(stored: StoredMap, token: string): Promise<boolean> {
    try {
      return (await this.#coordinator.store(stored, token)) !== undefined;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      const found = await this.#coordinator.restore();
      if (found.token === token) throw error;
      const isStored = found.lost === undefined && encodeStoredMap(found) === encodeStoredMap(stored);
      const outcome = isStored ? "the map is stored" : "another map is stored";
      this.#runtime.log.write("warning", `storing node map ${stored.map.version} failed, ${outcome}: ${error.message}`);
      return isStored;
    }
  }

  /** What the coordinator answers; the log has when it begins and ends to fail. */
  async #reach<T>(work: () => Promise<T>): Promise<T> {
    try {
      const answer = await work();
      if (this.#failingSinceMs !== undefined) {
        this.#runtime.log.write("notice", `the stored node map is in reach again, after ${this.failingSeconds} s`);
        this.#failingSinceMs = undefined;
      }
      return answer;
    } catch (error) {
      if (error instanceof FlareError && this.#failingSinceMs === undefined) {
        this.#failingSinceMs = this.#runtime.clock.monotonicMs();
        const text = "the stored node map is out of reach: the cluster serves on, without changes and failovers";
        this.#runtime.log.write("error", `${text}: ${error.message}`);
      }
      throw error;
    }
  }

  async #refresh(): Promise<void> {
    try {
      if (!this.#stopped) await this.#restore();
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
    }
  }

  async #healthChange(change: MapChange): Promise<void> {
    const answer = await this.change(change);
    if (answer !== "") this.#runtime.log.write("notice", answer.trimEnd());
  }
}

function serverError(text: string): string {
  return `${serverErrorLine(text)}\r\n`;
}
