/** Clusters as the page sees them, made up: all figures of a node are unknown, except those that a test gives. */

import type { Cluster, Node } from "../../lib/web/browser/model/cluster.ts";

/** A node of a played cluster; all figures unknown unless given. */
export function playedNode(key: string, given: Partial<Node>): Node {
  return {
    key,
    role: "proxy",
    state: "active",
    partition: null,
    balance: null,
    inSync: null,
    whyNot: null,
    epoch: null,
    version: null,
    uptimeS: null,
    items: null,
    bytes: null,
    diskBytes: null,
    connections: null,
    lagEntries: null,
    lagBytes: null,
    lagS: null,
    copy: null,
    rates: null,
    latencyMs: null,
    error: null,
    ...given,
  };
}

/** A played cluster of these nodes. */
export function playedCluster(nodes: readonly Node[], given: Partial<Cluster> = {}): Cluster {
  return {
    self: { kind: "index", address: "10.0.0.1:12120", version: "2.0.0" },
    atMs: Date.now(),
    mapVersion: 7,
    leader: "10.0.0.1:12120",
    changesAllowed: true,
    partitions: new Set(nodes.flatMap(({ partition }) => partition ?? [])).size,
    unreachable: [],
    nodes,
    ...given,
  };
}
