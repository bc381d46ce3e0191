#!/usr/bin/env node
/**
 * `flarei`, an index server: knows which node keeps what, watches the nodes, decides who is master.
 */

import process from "node:process";
import { indexOptionTable, indexServerOptions } from "../lib/index_server/index_options.ts";
import { startIndexServer } from "../mod.ts";
import { runDaemon } from "./daemon.ts";
import { runMain } from "./main.ts";

await runMain("flarei", () =>
  runDaemon(
    {
      name: "flarei",
      description: "The index server of a Flare cluster: keeps the node map, watches the nodes, decides who is master.",
      table: indexOptionTable,
      complete: indexServerOptions,
      start: startIndexServer,
    },
    process.argv.slice(2),
  ),
);
