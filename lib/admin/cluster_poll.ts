/**
 * Looks at a cluster again and again, for a live view. All servers are asked at the same time, each once more when it has
 * answered: one that is silent delays nobody, and what it said before is not shown for what it is now.
 */

import { FlareError } from "../base/errors.ts";
import { sleep } from "../base/sleep.ts";
import type { ClusterNode } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import { latencyCounts } from "../stats/latency_stats.ts";
import { type Latencies, LatencyWindow } from "../stats/latency_window.ts";
import type { ClusterAdmin } from "./cluster_admin.ts";
import type { SeenNode } from "./cluster_check.ts";
import { lookAtNode } from "./cluster_look.ts";
import { byPartition, type NodeFigures, parseFigures } from "./node_report.ts";
import { type ReplicationReport, replicationReports } from "./replication_report.ts";
import type { NodeRates } from "./report_tables.ts";
import { requestRates } from "./request_rates.ts";

/** What is known of a node at one moment. */
export interface NodeSight {
  /** The node as the node map has it. */
  readonly node: ClusterNode;
  /** What it said; undefined if it does not answer. */
  readonly figures: NodeFigures | undefined;
  /** Requests per second between its last two answers; undefined before the second one, or after a restart. */
  readonly rates: NodeRates | undefined;
  /** Its replication; of a slave this is what its master says. */
  readonly replication: ReplicationReport;
  /** How long its last requests took; undefined = none was measured, or the node does not say it (a C++ one). */
  readonly latencies: Latencies | undefined;
  /** Why it does not answer, or what is wrong with it; undefined = nothing. */
  readonly problem: string | undefined;
}

/** What is known of a cluster at one moment. */
export interface ClusterSight {
  /** The wall clock, in milliseconds since 1970. */
  readonly atMs: number;
  /** The index server that was asked. */
  readonly index: string;
  /** Why it does not answer; the map is then the last one known. Undefined if it does. */
  readonly indexProblem: string | undefined;
  readonly map: NodeMap;
  /** Proxies first, then by partition. */
  readonly nodes: readonly NodeSight[];
}

interface Answer {
  readonly seen: SeenNode;
  readonly latencies: Latencies | undefined;
  readonly atMs: number;
}

/** The answers of one node. */
interface Asked {
  /** Since when it has not answered the current question; undefined = it has. */
  waitingSinceMs: number | undefined;
  last: Answer | undefined;
  before: Answer | undefined;
  readonly window: LatencyWindow;
}

export class ClusterPoll {
  readonly #admin: ClusterAdmin;
  readonly #nodes = new Map<string, Asked>();
  #map: NodeMap | undefined;
  #mapProblem: unknown;
  #mapWaitingSinceMs: number | undefined;

  constructor(admin: ClusterAdmin) {
    this.#admin = admin;
  }

  /**
   * Asks everybody who has answered the last time, and says what is known after all have answered, or after `patienceMs`.
   * @throws FlareError while no index server has ever answered
   */
  async look(patienceMs: number): Promise<ClusterSight> {
    const { clock } = this.#admin.runtime;
    const untilMs = clock.monotonicMs() + patienceMs;
    await this.#within(this.#askMap(), this.#map === undefined ? undefined : untilMs);
    const map = this.#map;
    if (map === undefined) throw this.#mapProblem;
    for (const key of this.#nodes.keys()) if (!map.nodes.some((node) => node.key === key)) this.#nodes.delete(key);
    await this.#within(Promise.all(map.nodes.map((node) => this.#askNode(node))), untilMs);
    return this.#sight(map);
  }

  async #askMap(): Promise<void> {
    if (this.#mapWaitingSinceMs !== undefined) return;
    this.#mapWaitingSinceMs = this.#nowMs();
    try {
      this.#map = await this.#admin.nodeMap();
      this.#mapProblem = undefined;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#mapProblem = error;
    } finally {
      this.#mapWaitingSinceMs = undefined;
    }
  }

  async #askNode(node: ClusterNode): Promise<void> {
    let asked = this.#nodes.get(node.key);
    if (asked === undefined) {
      asked = { waitingSinceMs: undefined, last: undefined, before: undefined, window: new LatencyWindow() };
      this.#nodes.set(node.key, asked);
    }
    if (asked.waitingSinceMs !== undefined) return;
    asked.waitingSinceMs = this.#nowMs();
    const [seen, counts] = await Promise.all([lookAtNode(this.#admin, node), this.#latencyCounts(node)]);
    const atMs = this.#nowMs();
    asked.before = asked.last;
    asked.last = { seen, atMs, latencies: counts && asked.window.add(atMs, counts) };
    asked.waitingSinceMs = undefined;
  }

  /** Undefined if the node does not answer, or does not have them. */
  async #latencyCounts({ key }: ClusterNode): Promise<Float64Array | undefined> {
    try {
      return latencyCounts(await this.#admin.client(key).stats("latency"));
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      return undefined;
    }
  }

  #sight(map: NodeMap): ClusterSight {
    const answers = new Map<string, Figures>();
    const nodes = [...map.nodes].sort(byPartition);
    for (const { key } of nodes) {
      const replication = this.#heard(key)?.seen.replication;
      if (replication !== undefined && replication.size > 0) answers.set(key, replication);
    }
    const reports = replicationReports(nodes, answers);
    return {
      atMs: this.#admin.runtime.clock.nowMs(),
      index: this.#admin.index.server,
      indexProblem: this.#indexProblem(),
      map,
      nodes: nodes.map((node, i) => ({
        node,
        ...this.#figures(node),
        replication: reports[i] as ReplicationReport,
        latencies: this.#heard(node.key)?.latencies,
        problem: this.#problem(node.key),
      })),
    };
  }

  /** The last answer of a node that answers. */
  #heard(key: string): Answer | undefined {
    const asked = this.#nodes.get(key);
    return asked?.waitingSinceMs === undefined && asked?.last?.seen.silence === undefined ? asked?.last : undefined;
  }

  #figures(node: ClusterNode): Pick<NodeSight, "figures" | "rates"> {
    const last = this.#heard(node.key);
    if (last === undefined) return { figures: undefined, rates: undefined };
    const figures = parseFigures(last.seen.general, last.seen.threads);
    const before = this.#nodes.get(node.key)?.before;
    if (before === undefined || before.seen.silence !== undefined) return { figures, rates: undefined };
    const earlier = parseFigures(before.seen.general, before.seen.threads);
    const rates = requestRates([{ node, figures: earlier }], [{ node, figures }], last.atMs - before.atMs).get(node.key);
    return { figures, rates };
  }

  #problem(key: string): string | undefined {
    const asked = this.#nodes.get(key);
    const silence = asked?.last?.seen.silence;
    if (silence !== undefined) return silence;
    if (asked?.waitingSinceMs !== undefined) return `no answer for ${this.#secondsSince(asked.waitingSinceMs)} s`;
    return asked?.last?.seen.illness;
  }

  #indexProblem(): string | undefined {
    if (this.#mapProblem instanceof FlareError) return this.#mapProblem.message;
    if (this.#mapWaitingSinceMs === undefined) return undefined;
    return `no answer for ${this.#secondsSince(this.#mapWaitingSinceMs)} s`;
  }

  #secondsSince(ms: number): string {
    return ((this.#nowMs() - ms) / 1000).toFixed(1);
  }

  #nowMs(): number {
    return this.#admin.runtime.clock.monotonicMs();
  }

  /** Waits for something until a moment of the monotonic clock at most; undefined = as long as it takes. */
  async #within(done: Promise<unknown>, untilMs: number | undefined): Promise<void> {
    if (untilMs === undefined) await done;
    else await Promise.race([done, sleep(this.#admin.runtime.clock, Math.max(0, untilMs - this.#nowMs()))]);
  }
}
