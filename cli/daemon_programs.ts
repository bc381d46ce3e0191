/** The two daemons as programs: their names, what they are, their options and how they are started. */

import { indexOptionTable, indexServerOptions } from "../lib/index_server/index_options.ts";
import { nodeOptionTable, nodeServerOptions } from "../lib/node_server/node_options.ts";
import { startIndexServer, startNodeServer } from "../mod.ts";

/** `flared`, a node server. */
export const flared = {
  name: "flared",
  description: "A node of a Flare cluster: speaks the memcached protocol, keeps its share of the data on disk.",
  table: nodeOptionTable,
  complete: nodeServerOptions,
  start: startNodeServer,
};

/** `flarei`, an index server. */
export const flarei = {
  name: "flarei",
  description: "The index server of a Flare cluster: keeps the node map, watches the nodes, decides who is master.",
  table: indexOptionTable,
  complete: indexServerOptions,
  start: startIndexServer,
};
