/** The metrics of an index server: who leads, whether it reaches the stored node map, and the nodes as it sees them. */

import { NodeRole, NodeState, roleName, stateName } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { type Metric, metric } from "../stats/metrics/metric.ts";
import { fromStat, type ServerSource, serverMetrics } from "../stats/metrics/server_metrics.ts";

/** What the metrics of an index server read. */
export interface IndexSource extends ServerSource {
  readonly nodeMap: NodeMap;
  /** Failed pings of each monitored node since its last answer, by its key. */
  readonly failures: ReadonlyMap<string, number>;
}

/** All metrics of an index server, in the order in which they are shown. */
export const indexMetrics: readonly Metric<IndexSource>[] = [
  ...serverMetrics,
  fromStat("flare_index_leads", "gauge", "Whether this index server leads", "index_leads"),
  fromStat("flare_index_term", "gauge", "The term of the index server that leads, as far as this one knows", "index_term"),
  fromStat(
    "flare_index_db_failing_seconds",
    "gauge",
    "For how long the stored node map has been out of reach",
    "index_db_failing_seconds",
  ),
  {
    name: "flare_index_nodes",
    kind: "gauge",
    help: "Nodes in the map by role and state",
    labels: ["role", "state"],
    read: ({ nodeMap }, put) => {
      const states = Object.values(NodeState);
      for (const role of Object.values(NodeRole)) {
        const counts = new Map(states.map((state) => [state, 0]));
        for (const node of nodeMap.nodes) {
          if (node.role === role) counts.set(node.state, (counts.get(node.state) ?? 0) + 1);
        }
        for (const state of states) put(counts.get(state), roleName(role), stateName(state));
      }
    },
  },
  {
    name: "flare_index_node",
    kind: "gauge",
    help: "1 for each node in the map, with its place",
    labels: ["node", "role", "state", "partition"],
    read: ({ nodeMap }, put) => {
      for (const { key, role, state, partition } of nodeMap.nodes)
        put(1, key, roleName(role), stateName(state), String(partition));
    },
  },
  metric("flare_index_partitions", "gauge", "Partitions that have a master", ({ nodeMap }) => {
    return new Set(nodeMap.nodes.filter(({ role }) => role === NodeRole.master).map(({ partition }) => partition)).size;
  }),
  {
    name: "flare_index_monitor_failures",
    kind: "gauge",
    help: "Failed pings of a node since its last answer",
    labels: ["node"],
    read: ({ failures }, put) => {
      for (const [key, count] of failures) put(count, key);
    },
  },
];
