/** The slow requests of a cluster, from the reports of its nodes: in one order, as a table, and as data. Pure. */

import { utcText } from "../base/utc_time.ts";
import type { SlowRequest } from "../net/connection/slow_requests.ts";
import type { SlowReport } from "../stats/slow_stats.ts";
import { keyWord } from "./dump_format.ts";
import type { Gathered } from "./gather.ts";
import { type Cell, type Column, formatTable, type TableStyle } from "./text_table.ts";

/** The slow requests of several nodes. */
export interface ClusterSlow extends Pick<Gathered<SlowReport>, "unreachable"> {
  /** Requests that take this long are slow, in milliseconds; 0 = none is. Undefined: nodes differ, or none has answered. */
  readonly thresholdMs: number | undefined;
  /** How many there have been. */
  readonly count: number;
  readonly nodes: readonly string[];
  /** The newest ones that the nodes have kept, the newest first. */
  readonly entries: readonly ClusterSlowRequest[];
}

export interface ClusterSlowRequest extends SlowRequest {
  /** Where it was executed, or passed on to another node. */
  readonly node: string;
}

const COLUMNS: readonly Column[] = [
  { title: "time", align: "left", width: 20 },
  { title: "node", align: "left" },
  { title: "ms", align: "right" },
  { title: "command", align: "left" },
  { title: "key", align: "left" },
  { title: "bytes", align: "right" },
  { title: "waited for", align: "left" },
  { title: "client", align: "left" },
];
const UNKNOWN = "-";

/** All of them together. @param limit how many entries at most */
export function clusterSlow({ reports, unreachable }: Gathered<SlowReport>, limit: number): ClusterSlow {
  const [first, ...others] = reports.map(({ report }) => report.thresholdMs);
  const entries = reports.flatMap(({ node, report }) => report.requests.map((request) => ({ ...request, node })));
  return {
    thresholdMs: others.every((each) => each === first) ? first : undefined,
    count: reports.reduce((sum, { report }) => sum + report.count, 0),
    nodes: reports.map(({ node }) => node),
    entries: entries.sort((left, right) => right.atMs - left.atMs || right.id - left.id).slice(0, limit),
    unreachable,
  };
}

/** The table. */
export function slowTable(entries: readonly ClusterSlowRequest[], style?: TableStyle): string[] {
  return formatTable(COLUMNS, entries.map(row), style);
}

/** A request as data; null = not known. @param keyOf how the key is written */
export function slowRecord<Key>(
  { atMs, node, ms, command, key, keyBytes, bytes, requests, waitedFor, client, isOfNode }: ClusterSlowRequest,
  keyOf: (key: Uint8Array) => Key,
) {
  return {
    ...{ atMs, node, ms, command, key: key === undefined ? null : keyOf(key), keyBytes: key === undefined ? null : keyBytes },
    ...{ bytes: bytes ?? null, requests, waitedFor: waitedFor ?? null, client, ofNode: isOfNode },
  };
}

function row({ atMs, node, ms, command, key, keyBytes, bytes, requests, waitedFor, client }: ClusterSlowRequest): Cell[] {
  return [
    utcText(Math.floor(atMs / 1000)),
    node,
    ms < 100 ? ms.toFixed(1) : ms.toFixed(0),
    requests === 1 ? command : `${command} +${requests - 1}`,
    key === undefined ? UNKNOWN : `${keyWord(key)}${keyBytes > key.length ? "…" : ""}`,
    bytes === undefined ? UNKNOWN : String(bytes),
    waitedFor ?? UNKNOWN,
    client,
  ];
}
