/**
 * The hot keys of a cluster, from the samples of its nodes: joined, with the bounds of their shares, as a table and as data.
 * A node's samples are a sample of its requests, so a rate has the error of chance besides that of the counters; bounds are two
 * standard deviations wide. What is not certainly more than nothing is left out. Pure.
 */

import { uriEncoded } from "../base/uri_bytes.ts";
import type { HotReport, SampleCounts } from "../stats/hot_keys.ts";
import { keyWord } from "./dump_format.ts";
import type { Gathered } from "./gather.ts";
import { type Cell, type Column, formatTable, type TableStyle } from "./text_table.ts";

/** Whose requests count: those of clients, each at the node that it was sent to; or all that a node gets. */
export type CountedRequests = "clients" | "all";

/** The hot keys of several nodes. */
export interface ClusterHot extends Pick<Gathered<HotReport>, "unreachable"> {
  /** Keys looked at. */
  readonly sampled: number;
  /** Keys per second, all together. */
  readonly perSecond: number;
  readonly nodes: readonly string[];
  /** The hottest first. */
  readonly keys: readonly ClusterHotKey[];
}

export interface ClusterHotKey {
  /** The key, or its first 250 bytes. */
  readonly key: Uint8Array;
  /** The length of the whole key. */
  readonly keyBytes: number;
  /** Of all keys in requests, 0 … 1. */
  readonly share: number;
  /** It is hardly less … */
  readonly shareMin: number;
  /** … and hardly more. */
  readonly shareMax: number;
  readonly perSecond: number;
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  /** The nodes that were asked for it, most often first. */
  readonly nodes: readonly { readonly node: string; readonly perSecond: number }[];
}

const COLUMNS: readonly Column[] = [
  { title: "key", align: "left" },
  { title: "share", align: "right", width: 6 },
  { title: "between", align: "right" },
  { title: "per s", align: "right" },
  { title: "reads/s", align: "right" },
  { title: "writes/s", align: "right" },
  { title: "nodes", align: "left" },
];
const DEVIATIONS = 2;
const NODES_SHOWN = 3;

/** What is known of a key so far. */
interface Sum {
  readonly key: Uint8Array;
  readonly keyBytes: number;
  reads: number;
  writes: number;
  /** Of the rate, by chance. */
  variance: number;
  /** By how much the rate may be higher at nodes that have it. */
  error: number;
  /** The same for nodes that do not list it. */
  unlisted: number;
  readonly nodes: { readonly node: string; readonly perSecond: number }[];
}

/** All of them together. @param limit how many keys at most */
export function clusterHot({ reports, unreachable }: Gathered<HotReport>, counted: CountedRequests, limit: number): ClusterHot {
  const unlistedAll = reports.reduce((sum, { report }) => sum + report.unlistedMax * rateOf(report), 0);
  const sums = new Map<string, Sum>();
  let total = 0;
  for (const { node, report } of reports) {
    const rate = rateOf(report);
    const all = countsOf(report.total, counted);
    total += (all.reads + all.writes) * rate;
    for (const hot of report.keys) {
      const { reads, writes } = countsOf(hot, counted);
      if (reads + writes === 0) continue;
      const name = `${uriEncoded(hot.key)} ${hot.keyBytes}`;
      const empty = { reads: 0, writes: 0, variance: 0, error: 0, unlisted: unlistedAll, nodes: [] };
      const sum = sums.get(name) ?? { key: hot.key, keyBytes: hot.keyBytes, ...empty };
      sums.set(name, sum);
      sum.reads += reads * rate;
      sum.writes += writes * rate;
      sum.variance += (reads + writes) * rate * rate;
      sum.error += hot.error * rate;
      sum.unlisted -= report.unlistedMax * rate;
      sum.nodes.push({ node, perSecond: (reads + writes) * rate });
    }
  }
  const keys = [...sums.values()].map((sum) => hotKeyOf(sum, total)).filter(({ shareMin }) => shareMin > 0);
  return {
    sampled: reports.reduce((sum, { report }) => sum + report.sampled, 0),
    perSecond: total,
    nodes: reports.map(({ node }) => node),
    keys: keys.sort((left, right) => right.share - left.share).slice(0, limit),
    unreachable,
  };
}

/** The table. */
export function hotTable(keys: readonly ClusterHotKey[], style?: TableStyle): string[] {
  return formatTable(COLUMNS, keys.map(row), style);
}

/** A key as data. @param keyOf how the key is written */
export function hotRecord<Key>({ key, ...figures }: ClusterHotKey, keyOf: (key: Uint8Array) => Key) {
  return { key: keyOf(key), ...figures };
}

function hotKeyOf({ key, keyBytes, reads, writes, variance, error, unlisted, nodes }: Sum, total: number): ClusterHotKey {
  const rate = reads + writes;
  const share = rate / total;
  const chance = (DEVIATIONS * Math.sqrt(variance * Math.max(0, 1 - share))) / total;
  return {
    ...{ key, keyBytes, share },
    shareMin: Math.max(0, share - chance),
    shareMax: Math.min(1, share + chance + (error + Math.max(0, unlisted)) / total),
    ...{ perSecond: rate, readsPerSecond: reads, writesPerSecond: writes },
    nodes: nodes.sort((left, right) => right.perSecond - left.perSecond),
  };
}

/** Requests per second for each sample. */
function rateOf({ interval, seconds }: HotReport): number {
  return seconds === 0 ? 0 : interval / seconds;
}

function countsOf(counts: SampleCounts, counted: CountedRequests): { reads: number; writes: number } {
  const { reads, writes } = counts;
  if (counted === "clients") return { reads, writes };
  return { reads: reads + counts.readsOfNodes, writes: writes + counts.writesOfNodes };
}

function row({ key, keyBytes, share, shareMin, shareMax, nodes, ...rates }: ClusterHotKey): Cell[] {
  const more = nodes.length > NODES_SHOWN ? ` and ${nodes.length - NODES_SHOWN} more` : "";
  return [
    `${keyWord(key)}${keyBytes > key.length ? "…" : ""}`,
    percent(share),
    `${percent(shareMin)} … ${percent(shareMax)}`,
    rateText(rates.perSecond),
    rateText(rates.readsPerSecond),
    rateText(rates.writesPerSecond),
    `${nodes
      .slice(0, NODES_SHOWN)
      .map(({ node }) => node)
      .join(" ")}${more}`,
  ];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

function rateText(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : rate.toFixed(0);
}
