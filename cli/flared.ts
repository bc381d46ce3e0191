#!/usr/bin/env node
/**
 * `flared`, a node server: keeps keys and values, proxies, replicates.
 */

import process from "node:process";
import { nodeOptionTable, nodeServerOptions } from "../lib/node_server/node_options.ts";
import { startNodeServer } from "../mod.ts";
import { runDaemon } from "./daemon.ts";
import { runMain } from "./main.ts";

await runMain("flared", () =>
  runDaemon(
    {
      name: "flared",
      description: "A node of a Flare cluster: speaks the memcached protocol, keeps its share of the data on disk.",
      table: nodeOptionTable,
      complete: nodeServerOptions,
      start: startNodeServer,
    },
    process.argv.slice(2),
  ),
);
