/**
 * The only place where the cluster's node map changes: one change at a time, each read, computed, stored and broadcast before
 * the next begins. Commands and monitors come here; `cluster/node_map.ts` has the rules. Of several index servers with one
 * coordinator only the leader changes the map and monitors the nodes: the others show it.
 */

import { FlareError } from "../base/errors.ts";
import { formatHostPort, type HostPort } from "../base/host_port.ts";
import { NO_LEADER } from "../cluster/index_leader.ts";
import { eventText, type MapEvent, mapEvents, mapEventText } from "../cluster/map_events.ts";
import type { MapRecord } from "../cluster/map_record.ts";
import { NodeState } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { findNode, nodeDown, nodeUp, unchanged } from "../cluster/node_map.ts";
import { encodeStoredMap, type MoveMark, markText, NOTHING_STORED, type StoredMap } from "../cluster/stored_map.ts";
import { type Worker, type WorkerRegistry, WorkerType } from "../net/worker.ts";
import { serverErrorLine } from "../protocol/text/server_error.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Broadcaster, type BroadcasterOptions } from "./broadcaster.ts";
import { Candidacy } from "./candidacy.ts";
import type { Coordinator, Leader, RestoredMap } from "./coordinator.ts";
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
  /** The current map, and the highest term that was seen with it. */
  #current: StoredMap = NOTHING_STORED;
  /** The last term in which this server led. */
  #ownTerm = 0;
  /** It leads in that term, as far as it knows. */
  #isLeading = false;
  /** Since when it leads, or when it ceased to, by the wall clock. */
  #sinceMs = 0;
  /** Without an election: the term of the server that leads instead. */
  #replacedBy = 0;
  #candidacy: Candidacy | undefined;
  /** Settles when the lead is taken, or cannot be. */
  #taking: Promise<void> | undefined;
  #self: HostPort | undefined;
  readonly #leaseMs: number;
  /** The stored map with its mark, while it has one. */
  #moved: StoredMap | undefined;
  /** Why it could not take the lead, last. */
  #leadProblem: string | undefined;
  /** Since when the coordinator has failed; undefined while it works. */
  #failingSinceMs: number | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** When each queued or running change arrived, oldest first. */
  readonly #queuedMs: number[] = [];
  #isStarted = false;
  #stopped = false;
  /** Called when there is another map. */
  onMap: () => void = () => undefined;

  /** @param leaseMs how long the lead lasts that is not renewed, with an election */
  constructor(
    runtime: Runtime,
    workers: WorkerRegistry,
    coordinator: Coordinator,
    options: BroadcasterOptions,
    leaseMs: number,
  ) {
    this.#leaseMs = leaseMs;
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

  /** Failed pings of each monitored node since its last answer. */
  get monitorFailures(): ReadonlyMap<string, number> {
    return this.#broadcaster.failures;
  }

  /** The current map. */
  get map(): NodeMap {
    return this.#current.map;
  }

  /** The term of the index server that leads, as far as this one knows: higher than that of every one before it. */
  get term(): number {
    return this.#isLeading ? this.#ownTerm : Math.max(this.#ownTerm, this.#current.term);
  }

  /** Without an election: the term of the index server that leads instead of this one; 0 while this one leads. */
  get replacedBy(): number {
    return this.#replacedBy;
  }

  /** Whether this server may change the map and monitor nodes now. */
  get isLeading(): boolean {
    return this.#isLeading && (this.#candidacy === undefined || this.#candidacy.isElected);
  }

  /** Where the stored map has gone, or is to arrive from. */
  get mark(): MoveMark | undefined {
    return this.#moved?.mark;
  }

  /** Who leads; undefined if that is not known. */
  get leader(): Leader | undefined {
    if (this.isLeading) return this.#self === undefined ? undefined : { address: this.#self, sinceMs: this.#sinceMs };
    const leader = this.#candidacy?.leader;
    return leader === undefined || this.#isSelf(leader) ? undefined : leader;
  }

  /** Another server that may be the leader, to which a change can be passed on; undefined if none is known. */
  get otherLeader(): HostPort | undefined {
    const leader = this.#candidacy?.lastLeader;
    return leader === undefined || this.#isSelf(leader) ? undefined : leader.address;
  }

  /** For how long the stored map has been out of reach: no change and no failover is possible then. */
  get failingSeconds(): number {
    const sinceMs = this.#failingSinceMs;
    return sinceMs === undefined ? 0 : Math.ceil((this.#runtime.clock.monotonicMs() - sinceMs) / 1000);
  }

  /**
   * Loads the map; without an election it takes the lead, too.
   * @param self this server's address, for the history @throws FlareError as the coordinator
   */
  async open(self: HostPort): Promise<void> {
    this.#self = self;
    await this.#coordinator.open();
    if (this.#coordinator.election === undefined) await this.#lead();
    else {
      const restored = await this.#coordinator.restore();
      assertUsable(restored);
      this.#current = { map: restored.map, term: restored.term };
    }
    this.#coordinator.onChange(() => void this.refresh());
  }

  /**
   * Takes part in the election, if there is one: resolves when this server leads or follows. Pushes nothing at once.
   * @param self where the others reach this server
   * @throws FlareError as the coordinator
   */
  async start(self: HostPort): Promise<void> {
    this.#self = self;
    const { election } = this.#coordinator;
    if (election !== undefined) {
      this.#candidacy = new Candidacy(this.#runtime, election, this.#leaseMs, self, {
        onElected: () => this.#onElected(),
        onDeposed: (reason) => this.#follow(reason),
      });
      await this.#candidacy.start();
      await this.#taking;
    }
    this.#isStarted = true;
  }

  /** Executes a change; resolves to the complete answer, `SERVER_ERROR …` if it was refused or could not be stored. */
  change(change: MapChange): Promise<string> {
    if (this.#stopped || this.queue >= QUEUE_MAX) return Promise.resolve(serverError(change.failure));
    return this.#inTurn(() => this.#carryOut(change));
  }

  /** Reads the stored map: for one that shows it, and another server has changed it. */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#refresh());
  }

  /** The map as it is stored now. @throws FlareError as the coordinator; CORRUPT if it is lost */
  async storedMap(): Promise<StoredMap> {
    const { lost, ...stored } = await this.#coordinator.restore();
    if (lost !== undefined) throw new FlareError("CORRUPT", lost);
    return stored;
  }

  /** The records of the last stored maps, the oldest first. @throws FlareError as the coordinator */
  history(): Promise<readonly MapRecord[]> {
    return this.#coordinator.history();
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
    await this.#candidacy?.stop();
    this.#workers.remove(this);
    await this.#coordinator.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#queuedMs.push(this.#runtime.clock.monotonicMs());
    const outcome = this.#tail.then(work).finally(() => this.#queuedMs.shift());
    this.#tail = outcome.catch(() => undefined);
    return outcome;
  }

  #isSelf({ address }: Leader): boolean {
    return address.host === this.#self?.host && address.port === this.#self.port;
  }

  /** The coordinator has made this server the leader, or has confirmed it. */
  #onElected(): void {
    if (this.#isLeading || this.#taking !== undefined) return;
    this.#taking = this.#inTurn(() => this.#lead()).finally(() => {
      this.#taking = undefined;
    });
    this.#taking.catch((error: Error) => {
      // At the start it is a reason not to start.
      if (!this.#isStarted) return;
      // The next campaign tries again.
      if (error.message === this.#leadProblem) return;
      this.#leadProblem = error.message;
      this.#runtime.log.write("error", `this index server is elected, but cannot take the lead: ${error.message}`);
    });
  }

  /**
   * Takes the lead: stores the map with a term that is higher than the stored one, so whoever led until now finds out when it
   * wants to store. Nodes are monitored from now on: what their failures were before does not count.
   */
  async #lead(): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const restored = await this.#coordinator.restore();
      assertUsable(restored);
      const { map, term, token } = restored;
      const own = { map, term: Math.max(term, this.#ownTerm) + 1 };
      if (!(await this.#store(own, token, "it has taken the lead", []))) continue;
      this.#current = own;
      this.#ownTerm = own.term;
      this.onMap();
      // The lead may have ended meanwhile.
      if (this.#candidacy?.isElected === false) return;
      this.#isLeading = true;
      this.#leadProblem = undefined;
      this.#sinceMs = this.#runtime.clock.nowMs();
      const text = `node map ${map.version} with ${map.nodes.length} nodes in use, term ${own.term}`;
      this.#runtime.log.write("notice", this.#candidacy === undefined ? text : `this index server leads: ${text}`);
      this.#broadcaster.start(map);
      return;
    }
    throw new FlareError("IO_ERROR", `others changed the node map ${ATTEMPTS_MAX} times while this index server took the lead`);
  }

  /** It leads no more: it answers reads, and neither changes the map nor monitors nodes. */
  #follow(reason: string): void {
    if (!this.#isLeading) return;
    this.#isLeading = false;
    this.#broadcaster.stop();
    this.#runtime.log.write("warning", `this index server leads no more, its term was ${this.#ownTerm}: ${reason}`);
  }

  async #carryOut(change: MapChange): Promise<string> {
    try {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        if (this.#candidacy !== undefined && !this.isLeading) return this.#refuseToLead(change);
        const { map, token } = await this.#restore();
        if (this.#replacedBy > 0) {
          this.#runtime.log.write("error", `${change.failure}: ${this.#replacement}; ${change.cause}`);
          return serverError(change.failure);
        }
        if (!this.isLeading) return this.#refuseToLead(change);
        const outcome = change.apply(map, await this.#isSilent(map, change.asksAfter));
        if (!outcome.ok) {
          this.#runtime.log.write("warning", `${outcome.error}: ${outcome.reason}; ${change.cause}`);
          return serverError(outcome.error);
        }
        if (change.asksAfter !== undefined) this.#broadcaster.joined(change.asksAfter);
        if (!outcome.changes.stored) return change.reply(map);
        // Asking a node takes time: the lead may have ended.
        if (!this.isLeading) continue;
        const { goesTo } = change;
        const mark: MoveMark | undefined = goesTo === undefined ? undefined : { kind: "gone to", place: goesTo };
        const next = { map: outcome.map, term: this.#ownTerm, ...(mark === undefined ? {} : { mark }) };
        const events = eventsOf(map, outcome.map, change);
        if (!(await this.#store(next, token, change.cause, events))) continue;
        this.#current = next;
        if (mark !== undefined) {
          this.#leave(next);
          return change.reply(map);
        }
        for (const event of events) {
          this.#runtime.log.write("notice", `${mapEventText(outcome.map.version, event)}; ${change.cause}`);
        }
        this.onMap();
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

  #refuseToLead({ failure, cause }: MapChange): string {
    const reason = this.#moved === undefined ? "this index server does not lead" : markText(this.#moved);
    this.#runtime.log.write("warning", `${failure}: ${reason}; ${cause}`);
    return serverError(`${failure}: ${this.#moved === undefined ? NO_LEADER : reason}`);
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
    if (restored.mark !== undefined) this.#leave(restored);
    else this.#moved = undefined;
    if (restored.term > this.#ownTerm) this.#stepDown(restored.term);
    if (restored.map.version < this.map.version) {
      const text = `stored node map has version ${restored.map.version}, keeping the current version ${this.map.version}`;
      this.#runtime.log.write("warning", text);
      return { ...restored, map: this.map };
    }
    if (restored.map.version > this.map.version && this.isLeading) this.#broadcaster.watch(restored.map);
    this.#current = { map: restored.map, term: restored.term };
    this.onMap();
    return restored;
  }

  /** The map has a mark: nobody leads in this place. */
  #leave(stored: StoredMap): void {
    if (this.#moved === undefined) this.#runtime.log.write("error", markText(stored) as string);
    this.#moved = stored;
    if (!this.#isLeading) return;
    this.#isLeading = false;
    this.#broadcaster.stop();
  }

  /**
   * Another index server has a higher term. With an election it may be over already, so this one may lead again, in a higher
   * one; without, it answers reads until its restart.
   */
  #stepDown(term: number): void {
    if (this.#candidacy !== undefined) return this.#follow(`an index server has led since then, with term ${term}`);
    if (!this.#isLeading) return;
    this.#replacedBy = term;
    this.#isLeading = false;
    this.#runtime.log.write("error", `${this.#replacement}: this one changes nothing and monitors no node until its restart`);
    this.#broadcaster.stop();
  }

  get #replacement(): string {
    return `an index server with term ${this.#replacedBy} has taken over the node map from this one with term ${this.#ownTerm}`;
  }

  /**
   * Whether the map was stored; false if the stored one is not that of `token` any more. An error leaves that open, so the
   * stored map is read again: it was stored if it is there. It is never stored a second time.
   */
  async #store(stored: StoredMap, token: string, cause: string, events: readonly MapEvent[]): Promise<boolean> {
    const record = {
      version: stored.map.version,
      term: stored.term,
      atMs: this.#runtime.clock.nowMs(),
      server: this.#self === undefined ? "" : formatHostPort(this.#self.host, this.#self.port),
      cause,
      events: events.map(eventText),
    };
    try {
      return (await this.#coordinator.store(stored, token, record)) !== undefined;
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

/** @throws FlareError CORRUPT | REFUSED if nobody can lead with what is stored */
function assertUsable(restored: RestoredMap): void {
  if (restored.lost !== undefined) throw new FlareError("CORRUPT", restored.lost);
  const text = markText(restored);
  if (text !== undefined) throw new FlareError("REFUSED", text);
}

/** What a change did to each node; a node that joins is one of them in any case. */
function eventsOf(before: NodeMap, after: NodeMap, { asksAfter }: MapChange): MapEvent[] {
  const events = mapEvents(before, after);
  const joined = asksAfter === undefined ? undefined : findNode(after, asksAfter);
  if (joined !== undefined && !events.some((event) => event.after === joined)) events.push({ kind: "joined", after: joined });
  return events;
}

function serverError(text: string): string {
  return `${serverErrorLine(text)}\r\n`;
}
