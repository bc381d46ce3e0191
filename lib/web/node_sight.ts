/**
 * What a node says of itself, as far as it says it: from its `stats` and three of their forms. What it does not say is
 * undefined, never 0: older nodes and those of the C++ Flare say less. Pure.
 */

import { WorkerType } from "../net/worker.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import { latencyCounts } from "../stats/latency_stats.ts";

/** Counters since the start of a node; `seconds` is their age. */
export interface NodeCounters {
  readonly seconds: number | undefined;
  readonly get: number | undefined;
  readonly set: number | undefined;
  readonly hits: number | undefined;
  readonly misses: number | undefined;
}

/** A copy that a node is making. */
export interface CopySight {
  /** What it does now: `dump`. */
  readonly phase: string;
  /** Items received, and about how many there will be. */
  readonly done: number | undefined;
  readonly total: number | undefined;
  readonly secondsLeft: number | undefined;
}

/** One look at a node. */
export interface NodeSight {
  /** When, by the monotonic clock. */
  readonly atMs: number;
  /** Without `flare-`. */
  readonly version: string | undefined;
  readonly items: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly diskBytes: number | undefined;
  readonly connections: number | undefined;
  readonly counters: NodeCounters;
  readonly copy: CopySight | undefined;
  /** How many requests took how long, as `latencyCounts` has it. */
  readonly latency: Float64Array | undefined;
  /** `stats replication`, empty if the node does not have it. */
  readonly replication: Figures;
}

/** The answers of one look; undefined = the node does not have that report. */
export interface NodeAnswers {
  readonly general: Figures;
  readonly replication: Figures | undefined;
  readonly threads: Figures | undefined;
  readonly latency: Figures | undefined;
}

const NOTHING: Figures = new Map();

export function nodeSight(atMs: number, { general, replication, threads, latency }: NodeAnswers): NodeSight {
  return {
    atMs,
    version: general.get("version")?.replace(/^flare-/, ""),
    items: numberIn(general, "curr_items"),
    memoryBytes: numberIn(general, "total_malloced"),
    diskBytes: numberIn(general, "bytes"),
    connections: numberIn(general, "curr_connections"),
    counters: {
      seconds: numberIn(general, "uptime"),
      get: numberIn(general, "cmd_get"),
      set: numberIn(general, "cmd_set"),
      hits: numberIn(general, "get_hits"),
      misses: numberIn(general, "get_misses"),
    },
    copy: threads === undefined ? undefined : copySight(threads),
    latency: latencyCounts(latency ?? NOTHING),
    replication: replication ?? NOTHING,
  };
}

/** Requests per second between two looks at a node. */
export interface NodeRates {
  readonly get: number | undefined;
  readonly set: number | undefined;
  readonly hits: number | undefined;
  readonly misses: number | undefined;
}

/** Undefined: there was no look before, or a restart or `stats reset` in between. */
export function nodeRates(before: NodeSight | undefined, after: NodeSight): NodeRates {
  const elapsedMs = before === undefined ? 0 : after.atMs - before.atMs;
  const rate = (name: "get" | "set" | "hits" | "misses"): number | undefined => {
    const [from, to] = [before?.counters[name], after.counters[name]];
    if (from === undefined || to === undefined || to < from || elapsedMs <= 0) return undefined;
    return ((to - from) * 1000) / elapsedMs;
  };
  return { get: rate("get"), set: rate("set"), hits: rate("hits"), misses: rate("misses") };
}

/** Whether a node was restarted between two looks. */
export function isRestarted(before: NodeSight, after: NodeSight): boolean {
  const [from, to] = [before.counters.seconds, after.counters.seconds];
  return from !== undefined && to !== undefined && to < from;
}

/** The number of a figure; undefined if it is not there, or none. */
function numberIn(figures: Figures, name: string): number | undefined {
  return numberOf(figures.get(name));
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** The copy among the threads: the first one, a node makes one at a time. */
function copySight(threads: Figures): CopySight | undefined {
  for (const [name, type] of threads) {
    if (!name.endsWith(":type") || Number(type) !== WorkerType.reconstruction) continue;
    const field = (what: string): string => threads.get(name.replace(/type$/, what)) ?? "";
    // As `CopyTask` writes it; nodes of the C++ Flare leave it empty.
    const [, done, total, seconds] = /^items=(\d+)\/(\d+|\?),.*\beta=(\d+|\?)s$/.exec(field("info")) ?? [];
    return { phase: field("op"), done: numberOf(done), total: numberOf(total), secondsLeft: numberOf(seconds) };
  }
  return undefined;
}
