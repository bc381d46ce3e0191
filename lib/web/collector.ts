/**
 * Asks the servers of the cluster for what the page shows, one round per interval however many are looking. Each node is asked
 * by itself: a slow one delays nobody, and is not asked again before it has answered. Rounds run at the pace of those who look;
 * where nobody needs a history, only while somebody looks. The nodes of a large cluster are asked a few at a time: what they
 * answer must not keep this server from its own work, and its share of a core does not grow with them.
 */

import { ClusterAdmin, type ClusterAdminOptions } from "../admin/cluster_admin.ts";
import { type IndexReport, NOBODY } from "../admin/index_report.ts";
import { FlareError } from "../base/errors.ts";
import { formatHostPort, type HostPort } from "../base/host_port.ts";
import { sleep } from "../base/sleep.ts";
import { VERSION } from "../base/version.ts";
import { clientTlsOf } from "../client/client_tls.ts";
import { mapEvents, mapEventText } from "../cluster/map_events.ts";
import { type ClusterNode, NodeRole, NodeState } from "../cluster/node.ts";
import { findNode, type NodeMap } from "../cluster/node_map.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import type { Runtime, Timer, TlsClient } from "../runtime/runtime.ts";
import { LatencyWindow } from "../stats/latency_window.ts";
import type { StatSink } from "../stats/stat_sink.ts";
import { type ClusterPicture, partitionsOf, pictureNodes, type SeenNode } from "./cluster_picture.ts";
import { Happenings } from "./happenings.ts";
import { isRestarted, type NodeSight, nodeRates, nodeSight } from "./node_sight.ts";

/** The reports of the server itself, if it is a node. */
export interface OwnRequests {
  readonly slow: (reply: StatSink) => void;
  readonly hot: (reply: StatSink) => void;
}

/** The server that shows the cluster. */
export interface CollectorHost {
  /** Its outgoing connections log in. */
  readonly runtime: Runtime;
  readonly kind: "index" | "node";
  readonly address: HostPort;
  /** The node map as this server has it. */
  readonly nodeMap: NodeMap;
  readonly indexServers: readonly HostPort[];
  /** Whether anything can be changed here, with the token. */
  readonly changesAllowed: boolean;
  /** TLS for connections to other servers; undefined = plain. */
  readonly tlsClient: TlsClient | undefined;
  /** What a node knows of its requests; absent at an index server. */
  readonly own?: OwnRequests;
}

/** The interval of rounds while somebody looks … */
export const WATCHED_MS = 2000;
/** … and otherwise. */
export const UNWATCHED_MS = 5000;
/** How soon after a round the next one may be, when the node map has changed. */
const CHANGED_MS = 500;
/** How long after the last look rounds go on, where they are made for those who look alone. */
export const LOOK_MS = 60_000;
/** How many nodes are asked at once … */
export const ASKED_AT_ONCE = 50;
/** … and how long after them the next ones are. */
export const BETWEEN_MS = 50;
/** How long a round waits for its nodes, once all are asked; who answers later is in the next picture. */
const ROUND_MS = 1500;
const CONNECT_TIMEOUT_MS = 1500;
const REPLY_TIMEOUT_MS = 4000;
/** Larger than any report of a node. */
const REPLY_BYTES_MAX = 4 * 1024 * 1024;

/** What is kept of a node. */
interface Known extends SeenNode {
  isAsked: boolean;
  /** That it does not answer is among what happened. */
  isSilent: boolean;
  sight: NodeSight | undefined;
  rates: SeenNode["rates"];
  latencies: SeenNode["latencies"];
  readonly window: LatencyWindow;
  error: string | undefined;
}

export class Collector {
  readonly happenings: Happenings;
  /** Called after each round, and when the node map has changed. */
  onPicture: (picture: ClusterPicture) => void = () => undefined;
  /** Called after each round alone. */
  onRound: (picture: ClusterPicture) => void = () => undefined;
  /** How many streams are open. */
  watchers: () => number = () => 0;
  readonly #host: CollectorHost;
  readonly #keepsHistory: boolean;
  readonly #known = new Map<string, Known>();
  #admin: ClusterAdmin | undefined;
  #timer: Timer | undefined;
  #round: Promise<void> | undefined;
  #isStopped = false;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** When the last round began, and when the next one is due. */
  #roundMs = Number.NEGATIVE_INFINITY;
  #dueMs = Number.POSITIVE_INFINITY;
  #map: NodeMap;
  #indexServers: readonly IndexReport[] = [];
  #leader: string | undefined;

  /** @param keepsHistory rounds are made from the start to the end, whether anybody looks or not */
  constructor(host: CollectorHost, keepsHistory: boolean) {
    this.#host = host;
    this.#keepsHistory = keepsHistory;
    this.happenings = new Happenings(host.runtime.clock);
    this.#map = host.nodeMap;
  }

  start(): void {
    if (this.#keepsHistory) this.#schedule(0);
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== undefined) this.#host.runtime.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#admin?.close();
    this.#admin = undefined;
  }

  /** Addresses or certificates may have changed. */
  reload(): void {
    this.#admin?.close();
    this.#admin = undefined;
  }

  /** The server has another node map. */
  mapChanged(): void {
    if (this.#isStopped) return;
    const [before, after] = [this.#map, this.#host.nodeMap];
    if (before === after) return;
    this.#map = after;
    for (const event of before.version === 0 ? [] : mapEvents(before, after)) {
      this.happenings.add(event.kind, (event.after ?? event.before)?.key ?? null, mapEventText(after.version, event));
    }
    for (const key of this.#known.keys()) if (findNode(after, key) === undefined) this.#known.delete(key);
    if (this.#isWanted) this.#hasten(CHANGED_MS);
    this.onPicture(this.picture);
  }

  /** Somebody looks: rounds are made for a while. Resolves once there is a picture of them. */
  async look(): Promise<void> {
    const { clock } = this.#host.runtime;
    const nowMs = clock.monotonicMs();
    this.#lookedMs = nowMs;
    // However many look: no more than one round per interval.
    const isDue = nowMs - this.#roundMs >= WATCHED_MS;
    this.#hasten(WATCHED_MS);
    if (isDue || this.#known.size === 0) await this.#round;
  }

  /** What is known now. */
  get picture(): ClusterPicture {
    const { runtime, kind, address, nodeMap } = this.#host;
    const nodes = pictureNodes(nodeMap, this.#known);
    return {
      self: { kind, address: formatHostPort(address.host, address.port), version: VERSION },
      atMs: runtime.clock.nowMs(),
      mapVersion: Number(nodeMap.version),
      leader: this.#leader ?? null,
      changesAllowed: this.#host.changesAllowed,
      partitions: partitionsOf(nodeMap.nodes),
      unreachable: [
        ...this.#indexServers.flatMap(({ server, silence }) => (silence === undefined ? [] : [{ server, error: silence }])),
        ...nodes.flatMap(({ key, error }) =>
          this.#known.get(key)?.error === undefined ? [] : [{ server: key, error: `${error}` }],
        ),
      ],
      nodes,
    };
  }

  get #isWanted(): boolean {
    const isLooked = this.#host.runtime.clock.monotonicMs() - this.#lookedMs < LOOK_MS;
    return this.#keepsHistory || isLooked || this.watchers() > 0;
  }

  /** Makes the next round no later than this long after the last one. */
  #hasten(intervalMs: number): void {
    if (this.#round !== undefined) return;
    this.#schedule(Math.max(0, Math.min(this.#dueMs, this.#roundMs + intervalMs) - this.#host.runtime.clock.monotonicMs()));
  }

  /** The next round, after a while; 0: now. */
  #schedule(delayMs: number): void {
    const { clock } = this.#host.runtime;
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    this.#timer = undefined;
    if (this.#isStopped) return;
    if (delayMs > 0) {
      this.#dueMs = clock.monotonicMs() + delayMs;
      this.#timer = clock.setTimer(() => this.#schedule(0), delayMs);
      return;
    }
    if (this.#round !== undefined) return;
    this.#roundMs = clock.monotonicMs();
    this.#round = this.#makeRound().finally(() => {
      this.#round = undefined;
      this.#dueMs = Number.POSITIVE_INFINITY;
      const intervalMs = this.watchers() > 0 ? WATCHED_MS : UNWATCHED_MS;
      if (this.#isWanted) this.#schedule(Math.max(1, this.#roundMs + intervalMs - clock.monotonicMs()));
    });
  }

  async #makeRound(): Promise<void> {
    const { clock, log } = this.#host.runtime;
    try {
      const { nodes } = this.#host.nodeMap;
      const asked = [this.#askIndex()];
      for (let at = 0; at < nodes.length; at += ASKED_AT_ONCE) {
        if (at > 0) await sleep(clock, BETWEEN_MS);
        if (this.#isStopped) return;
        asked.push(...nodes.slice(at, at + ASKED_AT_ONCE).map((node) => this.#ask(node)));
      }
      let timer: Timer | undefined;
      const late = new Promise<void>((resolve) => {
        timer = clock.setTimer(resolve, ROUND_MS);
      });
      await Promise.race([Promise.all(asked), late]);
      if (timer !== undefined) clock.clearTimer(timer);
      if (this.#isStopped) return;
      const { picture } = this;
      this.onRound(picture);
      this.onPicture(picture);
    } catch (error) {
      log.write(
        "error",
        `the figures of the cluster could not be collected: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  #openAdmin(): ClusterAdmin {
    this.#admin ??= new ClusterAdmin({
      ...adminOptions(this.#host),
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      replyTimeoutMs: REPLY_TIMEOUT_MS,
      replyBytesMax: REPLY_BYTES_MAX,
    });
    return this.#admin;
  }

  async #askIndex(): Promise<void> {
    const reports = await this.#openAdmin().indexReports();
    if (this.#isStopped) return;
    this.#indexServers = reports;
    const named = reports.find(({ leader }) => leader !== undefined && leader !== NOBODY)?.leader;
    if (named === undefined || named === this.#leader) return;
    if (this.#leader !== undefined)
      this.happenings.add("leader", null, `index server "${named}" leads, it was "${this.#leader}"`);
    this.#leader = named;
  }

  async #ask(node: ClusterNode): Promise<void> {
    // It may have left since the round began.
    if (!this.#map.nodes.includes(node) && findNode(this.#map, node.key) === undefined) return;
    const known = this.#knownOf(node.key);
    if (known.isAsked) return;
    known.isAsked = true;
    try {
      const client = this.#openAdmin().client(node.key);
      const isMember = node.role !== NodeRole.proxy;
      const isCopying = isMember && node.state === NodeState.prepare;
      const [general, latency, replication, threads] = await Promise.all([
        client.stats(),
        further(client.stats("latency")),
        isMember ? further(client.stats("replication")) : undefined,
        isCopying ? further(client.stats("threads")) : undefined,
      ]);
      const sight = nodeSight(this.#host.runtime.clock.monotonicMs(), { general, latency, replication, threads });
      this.#saw(node.key, known, sight);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#missed(node.key, known, error.message);
    } finally {
      known.isAsked = false;
    }
  }

  #knownOf(key: string): Known {
    let known = this.#known.get(key);
    if (known === undefined) {
      const nothing = { sight: undefined, rates: undefined, latencies: undefined, error: undefined };
      known = { isAsked: false, isSilent: false, window: new LatencyWindow(), ...nothing };
      this.#known.set(key, known);
    }
    return known;
  }

  #saw(key: string, known: Known, sight: NodeSight): void {
    if (this.#isStopped) return;
    if (known.isSilent) this.happenings.add("answers", key, `"${key}" answers again`);
    known.isSilent = false;
    if (known.sight !== undefined && isRestarted(known.sight, sight)) {
      this.happenings.add("restarted", key, `"${key}" was restarted ${sight.counters.seconds} s ago`);
    }
    known.rates = nodeRates(known.sight, sight);
    known.latencies = sight.latency === undefined ? undefined : known.window.add(sight.atMs, sight.latency);
    known.sight = sight;
    known.error = undefined;
  }

  #missed(key: string, known: Known, error: string): void {
    if (this.#isStopped) return;
    // What a node that is down says is no news.
    const isDown = findNode(this.#host.nodeMap, key)?.state === NodeState.down;
    if (!known.isSilent && !isDown) {
      known.isSilent = true;
      this.happenings.add("silent", key, `the figures of "${key}" are missing: ${error}`);
    }
    known.sight = undefined;
    known.rates = undefined;
    known.latencies = undefined;
    known.error = error;
  }
}

/** An operator of the cluster as its servers are: with their certificates and their login. */
export function adminOptions({ runtime, indexServers, tlsClient }: CollectorHost): ClusterAdminOptions {
  return { runtime, indexServers, ...(tlsClient === undefined ? {} : { tls: clientTlsOf(tlsClient) }) };
}

/** A report that not every node has: undefined if it refuses. */
async function further(asked: Promise<Figures>): Promise<Figures | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof FlareError && error.code === "REFUSED") return undefined;
    throw error;
  }
}
