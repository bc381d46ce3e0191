/**
 * The tables of the operator's verbs, with the columns of Flare's tools, and the same as data for JSON. Pure: from reports to
 * lines.
 */

import { GIB } from "../base/byte_units.ts";
import type { MapRecord } from "../cluster/map_record.ts";
import { type ClusterNode, NodeState, roleName, stateName } from "../cluster/node.ts";
import type { NodeDifference } from "./change.ts";
import { nodeText } from "./change.ts";
import type { ClusterSummary } from "./cluster_summary.ts";
import type { IndexReport } from "./index_report.ts";
import type { NodeReport, ThreadReport } from "./node_report.ts";
import type { ReplicationReport } from "./replication_report.ts";
import { type Cell, type Column, formatTable, type TableStyle } from "./text_table.ts";

/** Requests per second of one node. */
export interface NodeRates {
  readonly reads: number;
  readonly writes: number;
  /** Share of the read keys that were found, 0 … 1; undefined without reads. */
  readonly hitRate: number | undefined;
}

const NOTHING = "-";

const NODE_COLUMNS: readonly Column[] = [
  { title: "node", align: "left", width: 32 },
  { title: "partition", align: "right" },
  { title: "role", align: "right", width: 6 },
  { title: "state", align: "right", width: 6 },
  { title: "balance", align: "right" },
];

const STATS_COLUMNS: readonly Column[] = [
  { title: "hostname:port", align: "left" },
  { title: "state", align: "left" },
  { title: "role", align: "left" },
  { title: "partition", align: "right" },
  { title: "balance", align: "right" },
  { title: "items", align: "right" },
  { title: "conn", align: "right" },
  { title: "behind", align: "right" },
  { title: "hit", align: "right" },
  { title: "size", align: "right" },
  { title: "uptime", align: "right" },
  { title: "version", align: "right" },
];

const RATE_COLUMNS: readonly Column[] = [
  { title: "qps", align: "right" },
  { title: "qps-r", align: "right" },
  { title: "qps-w", align: "right" },
];

const INDEX_COLUMNS: readonly Column[] = [
  { title: "index server", align: "left", width: 32 },
  { title: "state", align: "left" },
  { title: "leader", align: "left" },
  { title: "since", align: "left" },
  { title: "term", align: "right" },
  { title: "map", align: "right" },
  { title: "stored in", align: "left" },
];

const HISTORY_COLUMNS: readonly Column[] = [
  { title: "time", align: "left" },
  { title: "map", align: "right" },
  { title: "term", align: "right" },
  { title: "index server", align: "left" },
  { title: "change", align: "left" },
  { title: "cause", align: "left" },
];

const REPLICATION_COLUMNS: readonly Column[] = [
  ...NODE_COLUMNS.slice(0, -1),
  { title: "in-sync", align: "right" },
  { title: "epoch", align: "right" },
  { title: "sequence", align: "right" },
  { title: "lag", align: "right" },
  { title: "bytes", align: "right" },
  { title: "seconds", align: "right" },
  { title: "lease", align: "right" },
  { title: "guarantees", align: "right" },
  { title: "fsync", align: "right" },
  { title: "why not", align: "left" },
];

const SUMMARY_COLUMNS: readonly Column[] = [
  { title: "#cluster", align: "left", width: 31 },
  { title: "part", align: "right" },
  { title: "node", align: "right", width: 5 },
  { title: "master", align: "right" },
  { title: "slave", align: "right" },
  { title: "size", align: "right", width: 15 },
  { title: "items", align: "right", width: 12 },
];

const THREAD_COLUMNS: readonly Column[] = [
  { title: "id", align: "right", width: 5 },
  { title: "peer", align: "left", width: 32 },
  { title: "operation", align: "left", width: 12 },
  { title: "type", align: "right", width: 5 },
  { title: "queue", align: "right", width: 8 },
];

const DIFFERENCE_COLUMNS: readonly Column[] = [
  { title: "node", align: "left" },
  { title: "before", align: "left" },
  { title: "  ", align: "left" },
  { title: "after", align: "left" },
];

/** `list`. */
export function nodeTable(nodes: readonly ClusterNode[], style?: TableStyle): string[] {
  return formatTable(
    NODE_COLUMNS,
    nodes.map((node) => [...placeCells(node), String(node.balance)]),
    style,
  );
}

/** `stats --index`. @param timeOf a time in seconds since 1970, as text */
export function indexTable(reports: readonly IndexReport[], timeOf: (seconds: number) => string, style?: TableStyle): string[] {
  return formatTable(
    INDEX_COLUMNS,
    reports.map(({ server, silence, leads, leader, leaderSince, term, mapVersion, place, moved }) => [
      server,
      silence === undefined ? leading(leads, moved) : { text: "silent", tone: "bad" },
      leader ?? NOTHING,
      leaderSince === undefined ? NOTHING : timeOf(leaderSince),
      term === undefined ? NOTHING : String(term),
      mapVersion ?? NOTHING,
      moved ?? place ?? NOTHING,
    ]),
    style,
  );
}

function leading(leads: boolean | undefined, moved: string | undefined): Cell {
  if (moved !== undefined) return { text: "moved", tone: "bad" };
  return leads === undefined ? NOTHING : leads ? "leads" : "follows";
}

/** `index history`: a line for each node that a map changed. @param timeOf a time in seconds since 1970, as text */
export function historyTable(records: readonly MapRecord[], timeOf: (seconds: number) => string, style?: TableStyle): string[] {
  return formatTable(
    HISTORY_COLUMNS,
    records.flatMap(({ version, term, atMs, server, cause, events }) =>
      (events.length === 0 ? [NOTHING] : events).map((event) => [
        timeOf(Math.floor(atMs / 1000)),
        String(version),
        String(term),
        server,
        event,
        cause,
      ]),
    ),
    style,
  );
}

/** The same as data. @param timeOf as above */
export function historyRecord({ version, term, atMs, server, cause, events }: MapRecord, timeOf: (seconds: number) => string) {
  return { time: timeOf(Math.floor(atMs / 1000)), map: String(version), term, indexServer: server, cause, changes: events };
}

/** `list --replication` and `stats --replication`. */
export function replicationTable(reports: readonly ReplicationReport[], style?: TableStyle): string[] {
  return formatTable(
    REPLICATION_COLUMNS,
    reports.map((report) => {
      const { node, inSync, epoch, sequence, lagEntries, lagBytes, lagSeconds, leaseAgeSeconds } = report;
      const figures = [epoch, sequence, lagEntries, lagBytes, lagSeconds, leaseAgeSeconds];
      return [
        ...placeCells(node),
        inSync === undefined ? NOTHING : inSync ? "yes" : { text: "no", tone: "warning" },
        ...figures.map((figure) => (figure === undefined ? NOTHING : String(figure))),
        report.guarantees ?? NOTHING,
        report.fsync ?? NOTHING,
        report.whyNot ?? "",
      ];
    }),
    style,
  );
}

/** The same as data; null = no value. */
export function replicationRecord({ node, ...known }: ReplicationReport): Record<string, unknown> {
  return { ...nodeRecord(node), ...Object.fromEntries(Object.entries(known).map(([name, value]) => [name, value ?? null])) };
}

/** `stats`; with rates by node key three more columns. */
export function statsTable(
  reports: readonly NodeReport[],
  rates?: ReadonlyMap<string, NodeRates>,
  style?: TableStyle,
): string[] {
  const columns = rates === undefined ? STATS_COLUMNS : [...STATS_COLUMNS, ...RATE_COLUMNS];
  return formatTable(
    columns,
    reports.map((report) => statsRow(report, rates)),
    style,
  );
}

/** `summary`. */
export function summaryTable(summaries: readonly ClusterSummary[], style?: TableStyle): string[] {
  return formatTable(
    SUMMARY_COLUMNS,
    summaries.map((summary) => [
      summary.cluster,
      ...[summary.partitions, summary.nodes, summary.masters, summary.slaves, summary.bytes, summary.items].map(String),
    ]),
    style,
  );
}

/** `threads`. */
export function threadTable(threads: readonly ThreadReport[], style?: TableStyle): string[] {
  return formatTable(
    THREAD_COLUMNS,
    threads.map(({ id, peer, operation, type, queue }) => [
      String(id),
      peer,
      operation === "" ? NOTHING : operation,
      String(type),
      String(queue),
    ]),
    style,
  );
}

/** The nodes that a change affects, before and after. */
export function differenceTable(nodes: readonly NodeDifference[], style?: TableStyle): string[] {
  return formatTable(
    DIFFERENCE_COLUMNS,
    nodes.map(({ key, before, after }) => [key, nodeText(before), "->", nodeText(after)]),
    style,
  );
}

/** A state, toned: down is bad, on its way is a warning. */
export function stateCell(state: NodeState): Cell {
  const text = stateName(state);
  if (state === NodeState.active) return text;
  return { text, tone: state === NodeState.down ? "bad" : "warning" };
}

/** A node, its partition, role and state. */
function placeCells(node: ClusterNode): Cell[] {
  const partition = node.partition < 0 ? NOTHING : String(node.partition);
  return [node.key, partition, roleName(node.role), stateCell(node.state)];
}

/** A node as data. */
export function nodeRecord(node: ClusterNode): Record<string, unknown> {
  return {
    node: node.key,
    partition: node.partition < 0 ? null : node.partition,
    role: roleName(node.role),
    state: stateName(node.state),
    balance: node.balance,
  };
}

/** A node with its statistics as data; null = no value. */
export function reportRecord({ node, figures }: NodeReport, rates?: NodeRates): Record<string, unknown> {
  return {
    ...nodeRecord(node),
    items: figures?.items ?? null,
    connections: figures?.connections ?? null,
    behindSeconds: figures?.behindSeconds ?? null,
    hitRate: figures?.hitRate ?? null,
    bytes: figures?.bytes ?? null,
    uptimeSeconds: figures?.uptimeSeconds ?? null,
    version: figures?.version ?? null,
    ...(rates === undefined ? {} : { readsPerSecond: rates.reads, writesPerSecond: rates.writes }),
  };
}

/** A duration in its largest unit. @example uptimeText(7300) // "2h" */
export function uptimeText(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

function statsRow({ node, figures }: NodeReport, rates: ReadonlyMap<string, NodeRates> | undefined): Cell[] {
  const own =
    figures === undefined
      ? Array<string>(7).fill(NOTHING)
      : [
          String(figures.items),
          String(figures.connections),
          String(figures.behindSeconds),
          figures.hitRate === undefined ? NOTHING : String(Math.floor(figures.hitRate * 100)),
          String(Math.floor(figures.bytes / GIB)),
          uptimeText(figures.uptimeSeconds),
          figures.version,
        ];
  const place = [node.key, stateCell(node.state), roleName(node.role), String(node.partition), String(node.balance)];
  const rate = rates?.get(node.key);
  const qps =
    rate === undefined ? Array<string>(3).fill(NOTHING) : [rate.reads + rate.writes, rate.reads, rate.writes].map(String);
  return [...place, ...own, ...(rates === undefined ? [] : qps)];
}
