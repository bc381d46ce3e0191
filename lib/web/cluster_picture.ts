/**
 * The cluster at one moment as the page shows it, in JSON: the node map, and what each node says of itself. What is not known
 * is null. Pure.
 */

import { type ReplicationReport, replicationReports } from "../admin/replication_report.ts";
import { type ClusterNode, NodeState, PARTITION_NONE, roleName, stateName } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import type { Latencies } from "../stats/latency_window.ts";
import type { NodeRates, NodeSight } from "./node_sight.ts";

/** A node of the picture. */
export interface PictureNode {
  /** `host:port`. */
  readonly key: string;
  readonly role: string;
  readonly state: string;
  readonly partition: number | null;
  readonly balance: number;
  /** Of a slave: whether it has every acknowledged write. */
  readonly inSync: boolean | null;
  /** Why not. */
  readonly whyNot: string | null;
  readonly epoch: number | null;
  readonly version: string | null;
  readonly uptimeS: number | null;
  readonly items: number | null;
  /** Memory for items. */
  readonly bytes: number | null;
  readonly diskBytes: number | null;
  readonly connections: number | null;
  readonly lagEntries: number | null;
  readonly lagBytes: number | null;
  readonly lagS: number | null;
  readonly copy: {
    readonly phase: string;
    readonly done: number | null;
    readonly total: number | null;
    readonly etaS: number | null;
  } | null;
  readonly rates: {
    readonly get: number | null;
    readonly set: number | null;
    readonly hits: number | null;
    readonly misses: number | null;
  };
  /** Of a sample of the last half minute to minute. */
  readonly latencyMs: Latencies | null;
  /** Why its figures are missing. */
  readonly error: string | null;
}

/** The picture. */
export interface ClusterPicture {
  /** Who shows it. */
  readonly self: { readonly kind: "index" | "node"; readonly address: string; readonly version: string };
  /** When, by the wall clock. */
  readonly atMs: number;
  readonly mapVersion: number;
  /** The index server that leads. */
  readonly leader: string | null;
  /** Whether anything can be changed here, with the token. */
  readonly changesAllowed: boolean;
  /** How many partitions the node map has. */
  readonly partitions: number;
  /** Servers that do not answer. */
  readonly unreachable: readonly { readonly server: string; readonly error: string }[];
  readonly nodes: readonly PictureNode[];
}

/** What is known of a node. */
export interface SeenNode {
  readonly sight: NodeSight | undefined;
  readonly rates: NodeRates | undefined;
  readonly latencies: Latencies | undefined;
  /** Why there is no newer sight. */
  readonly error: string | undefined;
}

/** The nodes of a map as the picture has them, in the map's order. */
export function pictureNodes(map: NodeMap, seen: ReadonlyMap<string, SeenNode>): PictureNode[] {
  const figures = new Map<string, Figures>();
  for (const [key, { sight }] of seen) if (sight !== undefined) figures.set(key, sight.replication);
  return replicationReports(map.nodes, figures).map((report) => pictureNode(report, seen.get(report.node.key)));
}

/** How many partitions a map has. */
export function partitionsOf(nodes: readonly ClusterNode[]): number {
  return new Set(nodes.map(({ partition }) => partition).filter((partition) => partition !== PARTITION_NONE)).size;
}

function pictureNode(report: ReplicationReport, seen: SeenNode | undefined): PictureNode {
  const { node } = report;
  const { sight, rates, latencies } = seen ?? {};
  const isDown = node.state === NodeState.down;
  return {
    key: node.key,
    role: roleName(node.role),
    state: stateName(node.state),
    partition: node.partition === PARTITION_NONE ? null : node.partition,
    balance: node.balance,
    inSync: report.inSync ?? null,
    whyNot: report.whyNot ?? null,
    epoch: known(report.epoch),
    version: sight?.version ?? null,
    uptimeS: known(sight?.counters.seconds),
    items: known(sight?.items),
    bytes: known(sight?.memoryBytes),
    diskBytes: known(sight?.diskBytes),
    connections: known(sight?.connections),
    lagEntries: known(report.lagEntries),
    lagBytes: known(report.lagBytes),
    lagS: known(report.lagSeconds),
    copy: copyOf(sight),
    rates: { get: known(rates?.get), set: known(rates?.set), hits: known(rates?.hits), misses: known(rates?.misses) },
    latencyMs: latencies ?? null,
    error: seen?.error ?? (sight === undefined ? (isDown ? "it is down" : "it has not been asked yet") : null),
  };
}

function copyOf(sight: NodeSight | undefined): PictureNode["copy"] {
  const copy = sight?.copy;
  if (copy === undefined) return null;
  return { phase: copy.phase, done: known(copy.done), total: known(copy.total), etaS: known(copy.secondsLeft) };
}

/** JSON has no NaN: it would become null anyway. */
function known(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : value;
}
