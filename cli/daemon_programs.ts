/** The two daemons as programs: their names, descriptions, options and how to start them. */

import { type IndexSettings, indexOptionTable, indexServerOptions } from "../lib/index_server/index_options.ts";
import { startIndexServer } from "../lib/index_server/index_server.ts";
import { type NodeSettings, nodeOptionTable, nodeServerOptions } from "../lib/node_server/node_options.ts";
import { RunningNode } from "../lib/node_server/node_server.ts";
import type { Runtime } from "../lib/runtime/runtime.ts";

/** `flared`, a node server. */
export const flared = {
  name: "flared",
  description: "A node of a Flare cluster: speaks the memcached protocol and stores its share of the data on disk.",
  table: nodeOptionTable,
  complete: nodeServerOptions,
  start: (runtime: Runtime, options: NodeSettings) => RunningNode.start(runtime, options),
};

/** `flarei`, an index server. */
export const flarei = {
  name: "flarei",
  description: "The index server of a Flare cluster: keeps the node map, monitors the nodes and promotes slaves.",
  table: indexOptionTable,
  complete: indexServerOptions,
  start: (runtime: Runtime, options: IndexSettings) => startIndexServer(runtime, options),
};
