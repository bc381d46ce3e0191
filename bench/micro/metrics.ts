/**
 * What a scrape costs: the metrics of an index server whose map has a thousand nodes, and those of a node, as text. A node's
 * figures come from its reports; here they are given. Before anything is timed, all nodes must be there.
 */

import { assertEquals } from "@std/assert";
import { bench, do_not_optimize, run } from "mitata";
import { Histogram } from "../../lib/base/histogram.ts";
import { createNode, NodeRole, NodeState } from "../../lib/cluster/node.ts";
import { createNodeMap } from "../../lib/cluster/node_map.ts";
import { type IndexSource, indexMetrics } from "../../lib/index_server/index_metrics.ts";
import { RequestTimes } from "../../lib/net/connection/request_times.ts";
import { Command } from "../../lib/protocol/command.ts";
import { renderMetrics } from "../../lib/stats/metrics/exposition.ts";
import { StatFigures } from "../../lib/stats/stat_sink.ts";

const NODES = 1000;
const nodes = Array.from({ length: NODES }, (_, number) =>
  createNode({
    host: `node${number}.cluster.example.com`,
    port: 12121,
    role: number % 3 === 0 ? NodeRole.master : NodeRole.slave,
    state: NodeState.active,
    partition: Math.floor(number / 3),
    balance: 1,
    threadType: 16 + number,
  }),
);
const times = new RequestTimes();
for (const command of Object.values(Command)) times.observe(command, 1);
const traffic = { bytesRead: 1, bytesWritten: 1, tooLarge: 0, noMemory: 0 };
const source: IndexSource = {
  figures: new StatFigures(),
  readiness: { isReady: true, reason: "" },
  server: {
    ...{ access: { failures: 0 } as never, handshakeErrors: 0, httpRequests: 0, rejectedConnections: 0, traffic },
    ...{ times, loopDelays: new Histogram() },
  },
  process: { cpuUsage: () => ({ userUs: 1, systemUs: 1 }), memoryBytes: () => 1 },
  nodeMap: createNodeMap(NODES, nodes, 16 + NODES),
  failures: new Map(nodes.map(({ key }) => [key, 0])),
};

const text = renderMetrics(indexMetrics, source, "prometheus");
assertEquals([...text.matchAll(/^flare_index_node\{/gm)].length, NODES);
assertEquals([...text.matchAll(/^flare_index_monitor_failures\{/gm)].length, NODES);

bench(`the metrics of ${NODES} nodes, ${text.length} bytes`, () =>
  do_not_optimize(renderMetrics(indexMetrics, source, "prometheus")),
);

await run();
