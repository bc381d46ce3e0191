/** `stats hot`: what a node knows of its hot keys, as lines; and what somebody else makes of the lines. Pure. */

import { uriDecoded, uriEncoded } from "../base/uri_bytes.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import { type HotKey, type HotReport, type SampleCounts, sumOf } from "./hot_keys.ts";
import type { StatSink } from "./stat_sink.ts";

/** Most keys in a report. */
export const LISTED_MAX = 128;
const DECIMALS = 1e3;

/** The lines; the keys have numbers from 1 on, and the largest share first. */
export function statsHot(report: HotReport, reply: StatSink): void {
  const { interval, seconds, sampled, total, unlistedMax, keys } = report;
  const all = sumOf(total);
  reply.stat("sample_interval", interval);
  reply.stat("sampled", sampled);
  reply.stat("seconds", rounded(seconds));
  putCounts("total", total, reply);
  reply.stat("unlisted_max", rounded(unlistedMax));
  keys.forEach((key, index) => {
    const name = String(index + 1);
    const seen = sumOf(key);
    reply.stat(`${name}:key`, uriEncoded(key.key));
    reply.stat(`${name}:key_bytes`, key.keyBytes);
    reply.stat(`${name}:share`, rounded(seen / all));
    reply.stat(`${name}:share_max`, rounded(Math.min(1, (seen + key.error) / all)));
    reply.stat(`${name}:per_second`, rounded(seconds === 0 ? 0 : (seen * interval) / seconds));
    reply.stat(`${name}:error`, rounded(key.error));
    putCounts(name, key, reply);
  });
}

/** What the lines of a node say; undefined if they are those of somebody else. */
export function hotReportOf(figures: Figures): HotReport | undefined {
  const number = (name: string): number => {
    const value = Number(figures.get(name) ?? Number.NaN);
    return value >= 0 ? value : Number.NaN;
  };
  const counts = (name: string): SampleCounts => ({
    reads: number(`${name}:reads`),
    writes: number(`${name}:writes`),
    readsOfNodes: number(`${name}:reads_of_nodes`),
    writesOfNodes: number(`${name}:writes_of_nodes`),
  });
  const [interval, seconds, sampled, unlistedMax] = ["sample_interval", "seconds", "sampled", "unlisted_max"].map(number);
  const total = counts("total");
  const keys: HotKey[] = [];
  for (let index = 1; index <= LISTED_MAX && figures.has(`${index}:key`); index++) {
    const key = uriDecoded(figures.get(`${index}:key`) ?? "");
    const own = { keyBytes: number(`${index}:key_bytes`), error: number(`${index}:error`), ...counts(`${index}`) };
    if (key === undefined || Object.values(own).some(Number.isNaN)) return undefined;
    keys.push({ key, ...own });
  }
  const report = { interval, seconds, sampled, unlistedMax } as Omit<HotReport, "total" | "keys">;
  if ([...Object.values(report), ...Object.values(total)].some(Number.isNaN)) return undefined;
  return { ...report, total, keys };
}

function putCounts(name: string, counts: SampleCounts, reply: StatSink): void {
  reply.stat(`${name}:reads`, rounded(counts.reads));
  reply.stat(`${name}:writes`, rounded(counts.writes));
  reply.stat(`${name}:reads_of_nodes`, rounded(counts.readsOfNodes));
  reply.stat(`${name}:writes_of_nodes`, rounded(counts.writesOfNodes));
}

function rounded(value: number): string {
  return String(Math.round(value * DECIMALS) / DECIMALS);
}
