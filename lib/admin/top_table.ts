/** The table of `flare top`, its order, and the same as data for JSON. Pure: from what a poll has seen to lines. */

import { shortBytes, shortCount } from "../base/short_number.ts";
import { roleName } from "../cluster/node.ts";
import type { ClusterSight, NodeSight } from "./cluster_poll.ts";
import { nodeRecord, stateCell, uptimeText } from "./report_tables.ts";
import { type Cell, type Column, formatTable, type TableStyle } from "./text_table.ts";

/** The columns by which the rows can be sorted; `node` is the order of partitions, the others are descending. */
export const TOP_ORDERS = [
  "node",
  "requests",
  "reads",
  "writes",
  "hits",
  "latency",
  "lag",
  "items",
  "memory",
  "disk",
  "connections",
] as const;
export type TopOrder = (typeof TOP_ORDERS)[number];

const UNKNOWN = "-";

const COLUMNS: readonly Column[] = [
  { title: "node", align: "left", width: 21 },
  { title: "part", align: "right" },
  { title: "role", align: "left", width: 6 },
  { title: "state", align: "left", width: 7 },
  { title: "bal", align: "right" },
  { title: "get/s", align: "right", width: 6 },
  { title: "set/s", align: "right", width: 6 },
  { title: "hit%", align: "right", width: 5 },
  { title: "p99 ms", align: "right", width: 6 },
  { title: "lag", align: "right", width: 5 },
  { title: "lag s", align: "right", width: 5 },
  { title: "items", align: "right", width: 6 },
  { title: "memory", align: "right", width: 7 },
  { title: "disk", align: "right", width: 7 },
  { title: "conn", align: "right", width: 5 },
  { title: "up", align: "right", width: 3 },
  { title: "problem", align: "left" },
];

/** The number a row is sorted by; undefined = unknown, which comes last. */
const NUMBERS: Readonly<Record<Exclude<TopOrder, "node">, (sight: NodeSight) => number | undefined>> = {
  requests: ({ rates }) => rates && rates.reads + rates.writes,
  reads: ({ rates }) => rates?.reads,
  writes: ({ rates }) => rates?.writes,
  hits: ({ rates }) => rates?.hitRate,
  latency: ({ latencies }) => latencies?.p99,
  lag: ({ replication }) => replication.lagEntries,
  items: ({ figures }) => figures?.items,
  memory: ({ figures }) => figures?.memoryBytes,
  disk: ({ figures }) => figures?.bytes,
  connections: ({ figures }) => figures?.connections,
};

/** The nodes in an order; equal ones stay as they are. */
export function sortSights(nodes: readonly NodeSight[], order: TopOrder): NodeSight[] {
  if (order === "node") return [...nodes];
  const numberOf = NUMBERS[order];
  const rank = (sight: NodeSight): number => numberOf(sight) ?? -1;
  return [...nodes].sort((left, right) => rank(right) - rank(left));
}

/** The whole cluster in one line, and a second one if no index server answers. @param timeText the moment, as text */
export function topHeader(
  { index, indexProblem, map, nodes }: ClusterSight,
  timeText: string,
  style: TableStyle = {},
): string[] {
  const { paint = (text) => text } = style;
  const known = nodes.filter(({ rates }) => rates !== undefined);
  const sum = (count: (sight: NodeSight) => number): string => shortCount(known.reduce((all, each) => all + count(each), 0));
  const total =
    known.length === 0
      ? "requests/s not known yet"
      : `${sum(({ rates }) => rates?.reads ?? 0)} get/s, ${sum(({ rates }) => rates?.writes ?? 0)} set/s` +
        (known.length === nodes.length ? "" : ` of ${known.length} nodes`);
  const ill = nodes.filter(({ problem }) => problem !== undefined).length;
  const health = ill === 0 ? "" : `, ${paint(`${ill} with a problem`, "bad")}`;
  const line = `${timeText}  ${index}  map ${map.version}  ${nodes.length} nodes${health}  ${total}`;
  return indexProblem === undefined ? [line] : [line, paint(`the index server does not answer: ${indexProblem}`, "bad")];
}

/** The table. */
export function topTable(nodes: readonly NodeSight[], style?: TableStyle): string[] {
  return formatTable(COLUMNS, nodes.map(topRow), style);
}

/** A look as data; null = not known. @param at the moment, as text */
export function topRecord({ index, indexProblem, map, nodes }: ClusterSight, at: string): Record<string, unknown> {
  return {
    at,
    indexServer: index,
    indexProblem: indexProblem ?? null,
    mapVersion: String(map.version),
    nodes: nodes.map(({ node, figures, rates, replication, latencies, problem }) => ({
      ...nodeRecord(node),
      problem: problem ?? null,
      readsPerSecond: rates?.reads ?? null,
      writesPerSecond: rates?.writes ?? null,
      hitRate: rates?.hitRate ?? null,
      latencyMs: latencies ?? null,
      inSync: replication.inSync ?? null,
      lagEntries: replication.lagEntries ?? null,
      lagBytes: replication.lagBytes ?? null,
      lagSeconds: replication.lagSeconds ?? null,
      items: figures?.items ?? null,
      memoryBytes: figures?.memoryBytes ?? null,
      bytes: figures?.bytes ?? null,
      connections: figures?.connections ?? null,
      uptimeSeconds: figures?.uptimeSeconds ?? null,
      version: figures?.version ?? null,
    })),
  };
}

function topRow({ node, figures, rates, replication, latencies, problem }: NodeSight): Cell[] {
  const { lagEntries, lagSeconds, inSync } = replication;
  const lag = known(lagEntries, shortCount);
  return [
    node.key,
    node.partition < 0 ? UNKNOWN : String(node.partition),
    roleName(node.role),
    stateCell(node.state),
    String(node.balance),
    known(rates?.reads, shortCount),
    known(rates?.writes, shortCount),
    known(rates?.hitRate, (share) => (share * 100).toFixed(1)),
    known(latencies?.p99, (ms) => (ms < 99.95 ? ms.toFixed(2) : ms.toFixed(0))),
    inSync === false ? { text: lag, tone: "warning" } : lag,
    known(lagSeconds, (seconds) => seconds.toFixed(1)),
    known(figures?.items, shortCount),
    known(figures?.memoryBytes, shortBytes),
    known(figures?.bytes, shortBytes),
    known(figures?.connections, shortCount),
    known(figures?.uptimeSeconds, uptimeText),
    problem === undefined ? "" : { text: problem, tone: "bad" },
  ];
}

function known(figure: number | undefined, textOf: (figure: number) => string): string {
  return figure === undefined ? UNKNOWN : textOf(figure);
}
